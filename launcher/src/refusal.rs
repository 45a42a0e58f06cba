//! Why a request is refused, and as what class the caller is told.

use linux::files::{FileError, chain};
use manifest::{
    api::{ErrorBody, ErrorClass},
    names::{ComponentId, Sha256Hex},
};
use sandbox::{CheckError, SpawnError, plan::PlanError, step::Step};
use std::io;

/// Why a request is refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The plan breaks an invariant; app-manager should never send such a one.
    #[error("the plan is refused: {0}")]
    Plan(String),
    /// The request's descriptors are not those that belong to it.
    #[error("expected {expected}")]
    Descriptors {
        /// What belongs to it.
        expected: &'static str,
    },
    /// fs-verity is not on, or cannot be read.
    #[error("the image has no fs-verity digest")]
    Unmeasured(#[source] io::Error),
    /// Nobody judged the image.
    #[error("image {0} has no verdict of security-monitor")]
    NoVerdict(Sha256Hex),
    /// The image is another component's.
    #[error("the image belongs to {owner}, not to {asked}")]
    OtherComponent {
        /// Whose it is.
        owner: ComponentId,
        /// For whom it was to be mounted.
        asked: ComponentId,
    },
    /// The image cannot be mounted or read.
    #[error("the image cannot be used")]
    Image(#[from] linux::mount::MountError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The storage belongs to somebody else.
    #[error("the storage of {component} belongs to user {owner}, not to {asked}")]
    OtherOwner {
        /// Whose storage.
        component: ComponentId,
        /// Who owns it.
        owner: u32,
        /// Who should.
        asked: u32,
    },
    /// The storage is not encrypted: launcher did not make it.
    #[error("the storage of {0} is not encrypted; remove the app and install it again")]
    NotEncrypted(ComponentId),
    /// The kernel refused a quota.
    #[error("cannot {what} of project {project}")]
    Quota {
        /// What was tried.
        what: &'static str,
        /// Which.
        project: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The app runs, or its storage is being erased.
    #[error("{component} {state}")]
    Busy {
        /// Which.
        component: ComponentId,
        /// What is in the way.
        state: &'static str,
    },
    /// No such instance.
    #[error("no instance {0}")]
    NoInstance(String),
    /// Too many apps.
    #[error("{0} instances run or have ended without acknowledgement; no more are started")]
    TooMany(usize),
    /// A signal.
    #[error("cannot signal {instance}")]
    Signal {
        /// Which.
        instance: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A process cannot be watched or made.
    #[error("cannot {what}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel does not enforce what apps are confined by.
    #[error("no app can be confined")]
    Kernel(#[from] CheckError),
    /// The sandbox.
    #[error("the app cannot be started")]
    Spawn(#[from] SpawnError),
}

impl Refusal {
    /// What the caller is told.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { class: self.class(), message: chain(self), hint: None }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Plan(_) | Self::Descriptors { .. } | Self::Spawn(SpawnError::Plan(PlanError::Policy(_))) => ErrorClass::Usage,
            Self::Unmeasured(_) | Self::NoVerdict(_) | Self::OtherComponent { .. } | Self::NotEncrypted(_) => {
                ErrorClass::Untrusted
            }
            Self::Image(_) | Self::Spawn(SpawnError::Plan(PlanError::Root(_))) => ErrorClass::BadInput,
            Self::Spawn(SpawnError::Step { step: Step::OpenProgram | Step::LookAtProgram, .. }) => ErrorClass::BadInput,
            Self::NoInstance(_) => ErrorClass::NotFound,
            Self::Busy { .. } | Self::TooMany(_) | Self::OtherOwner { .. } => ErrorClass::Conflict,
            Self::File(_)
            | Self::Quota { .. }
            | Self::Signal { .. }
            | Self::Process { .. }
            | Self::Kernel(_)
            | Self::Spawn(_) => ErrorClass::Internal,
        }
    }
}
