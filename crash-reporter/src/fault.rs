//! Why a request was refused or failed, in the words and the class its caller gets.

use linux::files::{self, FileError};
use manifest::api::{ErrorBody, ErrorClass};

/// An error that goes back to whoever asked.
#[derive(Debug)]
pub struct Fault(pub ErrorBody);

impl Fault {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self(ErrorBody { class, message: message.into(), hint: None })
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
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
