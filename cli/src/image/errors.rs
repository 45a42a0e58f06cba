//! What image-builder's errors mean for whoever called.

use crate::failure::Failure;
use image_builder::{BuildError, VerifyError, image_manifest::ManifestError};
use manifest::api::ErrorClass;

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let class = match error {
            BuildError::Keys(error) => return error.into(),
            BuildError::Manifest(error) => return error.into(),
            BuildError::Description(_) | BuildError::CommandLine(_) => ErrorClass::BadInput,
            BuildError::NoBuildTime(_) => ErrorClass::Usage,
            _ => ErrorClass::Internal,
        };
        Self::of(class, &error)
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let class = match error {
            ManifestError::File(ref error) if error.source.kind() == std::io::ErrorKind::NotFound => ErrorClass::NotFound,
            ManifestError::Differs { .. } => ErrorClass::Untrusted,
            ManifestError::File(_) | ManifestError::Read { .. } | ManifestError::Name { .. } => ErrorClass::BadInput,
        };
        let failure = Self::of(class, &error);
        match class {
            ErrorClass::NotFound => failure.hint("`holdfast image build DESCRIPTION` makes an image folder"),
            ErrorClass::Untrusted => failure.hint("build it again; nothing that differs from its manifest should run"),
            _ => failure,
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Manifest(error) => error.into(),
            other => Self::of(ErrorClass::Untrusted, &other),
        }
    }
}
