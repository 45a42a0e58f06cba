//! What the runner's errors mean for whoever called.

use crate::failure::Failure;
use manifest::api::ErrorClass;
use qemu_runner::RunnerError;

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        let class = match error {
            RunnerError::Io(error) => return error.into(),
            RunnerError::Missing { .. } | RunnerError::Ended { .. } | RunnerError::Qmp { .. } => ErrorClass::Internal,
            RunnerError::TimedOut { .. } | RunnerError::Gone { .. } => ErrorClass::Unavailable,
            RunnerError::Port { .. } => ErrorClass::BadInput,
        };
        Self::of(class, &error)
    }
}
