//! What the command fails with: whose fault, and the exit code that follows from it.

use std::error::Error;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The command line.
    Usage,
    /// The policy, or what it names.
    BadInput,
    /// This kernel or this user cannot have what the policy wants.
    Unavailable,
    /// The program could not be started.
    NotStarted,
}

/// A class, its exit code outside of `run`, its name in JSON, and what it means.
pub struct Row {
    /// The class.
    pub class: Class,
    /// Exit code.
    pub code: u8,
    /// Name.
    pub name: &'static str,
    /// Meaning.
    pub meaning: &'static str,
}

/// Every class.
pub const TABLE: [Row; 4] = [
    Row { class: Class::Usage, code: 2, name: "usage", meaning: "the command line does not make sense" },
    Row { class: Class::BadInput, code: 3, name: "bad-input", meaning: "the policy is wrong, or a file it names is not there" },
    Row {
        class: Class::Unavailable,
        code: 10,
        name: "unavailable",
        meaning: "this kernel or this user cannot have a protection that the policy does not name optional",
    },
    Row { class: Class::NotStarted, code: 1, name: "not-started", meaning: "a step of the start failed; nothing is left of it" },
];

/// Exit code of `run` when the program did not run, whatever the class: the other codes are the program's own.
pub const RUN_FAILED: u8 = 125;

/// An error on its way to whoever called.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub class: Class,
    /// Cause and effect.
    pub message: String,
    /// The next step, where there is one to tell.
    pub hint: Option<String>,
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure in words.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None }
    }

    /// An error with all its causes.
    pub fn of(class: Class, error: &dyn Error) -> Self {
        Self::new(class, linux::files::chain(error))
    }

    /// With a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Its row.
    pub fn row(&self) -> &'static Row {
        TABLE.iter().find(|row| row.class == self.class).unwrap_or(&TABLE[0])
    }
}
