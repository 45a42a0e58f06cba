//! What every command fails with: whose fault, cause and effect, and the next step.

use manifest::{
    api::{ErrorBody, ErrorClass},
    read::ReadError,
};
use std::{error::Error, io};

/// An error on its way to the person or script that called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Decides the exit code.
    pub class: ErrorClass,
    /// Cause and effect.
    pub message: String,
    /// The next step, where there is one to tell.
    pub hint: Option<String>,
    /// Lines that belong to it, such as the source line of a manifest or the last lines of an app's log.
    pub context: Vec<String>,
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without hint.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, context: Vec::new() }
    }

    /// An error with all its causes, put down to `class`.
    pub fn of(class: ErrorClass, error: &dyn Error) -> Self {
        Self::new(class, chain(error))
    }

    /// With a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With lines that show where.
    #[must_use]
    pub fn context(mut self, lines: Vec<String>) -> Self {
        self.context = lines;
        self
    }

    /// With words in front that say what was being done.
    #[must_use]
    pub fn while_doing(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { class: body.class, message: body.message, hint: body.hint, context: Vec::new() }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::of(ErrorClass::BadInput, &error)
    }
}

/// `fs_err` names verb and path; what is missing is told apart from what is out of order.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let class = match error.kind() {
            io::ErrorKind::NotFound => ErrorClass::NotFound,
            io::ErrorKind::PermissionDenied => ErrorClass::Forbidden,
            io::ErrorKind::AlreadyExists => ErrorClass::Conflict,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorClass::NoSpace,
            io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => ErrorClass::BadInput,
            io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused => ErrorClass::Unavailable,
            _ => ErrorClass::Internal,
        };
        Self::of(class, &error)
    }
}

/// An error and its causes in one line, without saying a cause twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_not_found_and_its_path_is_named() {
        let failure = Failure::from(fs_err::read("/nonexistent/file").unwrap_err());
        assert_eq!(failure.class, ErrorClass::NotFound);
        assert!(failure.message.contains("/nonexistent/file"), "{}", failure.message);
    }
}
