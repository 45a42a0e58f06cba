//! What a build tells whoever waits for it.

use std::time::Duration;

/// Receives what happens during a build, as it happens. All methods do nothing unless overridden.
pub trait Progress {
    /// A step begins.
    fn step(&mut self, _step: StepProgress<'_>) {}
    /// An outside command is about to run; `line` can be pasted into a shell.
    fn command(&mut self, _line: &str) {}
    /// A long command has come this far.
    fn advance(&mut self, _advance: Advance) {}
    /// Something worth knowing that is neither of these.
    fn note(&mut self, _text: &str) {}
}

/// Which step of how many begins.
#[derive(Debug, Clone, Copy)]
pub struct StepProgress<'a> {
    /// 1-based.
    pub number: usize,
    /// Steps in all.
    pub of: usize,
    /// The step's name.
    pub name: &'a str,
    /// What it does, for people.
    pub text: &'a str,
}

/// How far a long command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Units done (objects compiled).
    pub done: usize,
    /// Units expected; an estimate.
    pub of: usize,
    /// Estimated time that is left; none before enough is done to tell.
    pub left: Option<Duration>,
}

impl Advance {
    /// Judges the time left by the time taken. Nothing is said before a twentieth is done.
    pub fn estimate(done: usize, of: usize, taken: Duration) -> Self {
        let enough = of > 0 && done * 20 >= of;
        let left = enough.then(|| taken.mul_f64(of.saturating_sub(done) as f64 / done.max(1) as f64));
        Self { done, of, left }
    }
}

/// Shows nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_judged_only_when_a_twentieth_is_done() {
        assert_eq!(Advance::estimate(4, 100, Duration::from_secs(4)).left, None);
        assert_eq!(Advance::estimate(25, 100, Duration::from_secs(10)).left, Some(Duration::from_secs(30)));
        assert_eq!(Advance::estimate(120, 100, Duration::from_secs(10)).left, Some(Duration::ZERO));
    }
}
