//! Why a manifest is not granted: all of it at once.

use std::fmt;

/// Everything in a manifest that this device cannot or will not give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this device cannot give what the manifest asks for: {}", joined(problems))]
pub struct Refusal {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the manifest, such as `Capabilities.Gpio[1]`.
    pub path: String,
    /// Why not.
    pub reason: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Refusal {
    /// What to do, one sentence per different advice.
    pub fn advice(&self) -> String {
        let mut advice: Vec<&str> = Vec::new();
        for problem in &self.problems {
            if !advice.contains(&problem.advice.as_str()) {
                advice.push(&problem.advice);
            }
        }
        advice.join("; ")
    }
}

fn joined(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}
