//! Why a request was refused or failed, in the words and the class its caller gets.

use ipc::CallError;
use linux::files::{self, FileError};
use manifest::api::{ErrorBody, ErrorClass};

/// An error that goes back to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Fault(pub ErrorBody);

impl Fault {
    /// Without a hint.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self(ErrorBody { class, message: message.into(), hint: None })
    }

    /// With what to do next.
    pub fn with_hint(class: ErrorClass, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(ErrorBody { class, message: message.into(), hint: Some(hint.into()) })
    }

    /// Whose fault it is.
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let class =
            if matches!(error.source.kind(), StorageFull | QuotaExceeded) { ErrorClass::NoSpace } else { ErrorClass::Internal };
        Self::new(class, files::chain(&error))
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(body) => Self(body),
            other => Self::with_hint(
                ErrorClass::Unavailable,
                files::chain(&other),
                "try again; `holdfast device info` shows the services",
            ),
        }
    }
}

impl From<grant::Refusal> for Fault {
    fn from(refusal: grant::Refusal) -> Self {
        Self::with_hint(ErrorClass::NotGranted, refusal.to_string(), refusal.advice())
    }
}
