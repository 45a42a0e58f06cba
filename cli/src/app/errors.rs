//! What the errors of packing mean for whoever called.

use crate::{
    bundle::{elf::ElfError, file::OpenError, folder::FolderError, layout::LayoutError, program::ProgramError, tree::TreeError},
    failure::Failure,
};
use image_builder::erofs::ErofsError;
use manifest::{
    api::ErrorClass::{self, BadInput},
    bundle::BundleError,
};

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        let failure = Self::of(TreeError::CLASS, &error);
        match error {
            TreeError::Link { .. } => failure.hint("copy what it points at into the folder, or remove the link"),
            _ => failure,
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Io(error) => error.into(),
            FolderError::Tree(error) => error.into(),
            FolderError::SetId { ref path, .. } => Self::of(BadInput, &error).hint(format!("chmod u-s,g-s {}", path.display())),
            FolderError::NotFolder(_) => {
                Self::of(BadInput, &error).hint("to pack a single program use --binary FILE --manifest FILE")
            }
            FolderError::Special { .. } => Self::of(BadInput, &error)
                .hint("devices are granted by the manifest and passed as open descriptors; remove it from the folder"),
            FolderError::TooDeep(_) => Self::of(BadInput, &error),
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Io(error) => error.into(),
            ProgramError::Tree(error) => error.into(),
            ProgramError::Elf { ref reason, .. } => with_advice(Self::of(BadInput, &error), reason),
            ProgramError::Missing { ref name, .. } => Self::of(ErrorClass::NotFound, &error)
                .hint(format!("install the package that has {name}, or link the program statically")),
            ProgramError::TooMany(_) => Self::of(BadInput, &error),
        }
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Io(error) => error.into(),
            LayoutError::Tree(error) => error.into(),
            LayoutError::EntryPoint { ref reason, .. } => with_advice(Self::of(BadInput, &error), reason),
            LayoutError::NotExecutable(ref path) => {
                Self::of(BadInput, &error).hint(format!("chmod +x the file that becomes {path}"))
            }
            LayoutError::NoEntryPoint(_) => {
                Self::of(BadInput, &error).hint("paths in a manifest are those inside the app's root")
            }
            LayoutError::NoLoader { .. } => {
                Self::of(BadInput, &error).hint("pack with --binary, which adds loader and libraries, or link statically")
            }
            LayoutError::Hidden { .. } => {
                Self::of(BadInput, &error).hint("what an app ships lies elsewhere; /data is its storage at run time")
            }
            LayoutError::OtherManifest => {
                Self::of(BadInput, &error).hint("remove manifest.json from the folder: packing adds it")
            }
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error.into(),
            OpenError::Bundle(error) => error.into(),
            OpenError::Manifest(_) | OpenError::OtherComponent { .. } | OpenError::NotFile(_) => Self::of(BadInput, &error),
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::of(BadInput, &error)
    }
}

fn with_advice(failure: Failure, reason: &ElfError) -> Failure {
    match reason {
        ElfError::Script { .. } => {
            failure.hint("make the interpreter the EntryPoint, the script one of CmdArgs, and pack both as a folder")
        }
        ElfError::Machine { .. } => failure.hint("build for the target x86_64-unknown-linux-musl or x86_64-unknown-linux-gnu"),
        _ => failure,
    }
}

impl From<ErofsError> for Failure {
    fn from(error: ErofsError) -> Self {
        Self::of(ErrorClass::Internal, &error)
    }
}
