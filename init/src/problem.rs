//! Why a phase of the boot, or a start of a service, failed.

use linux::{files::FileError, mount::MountError};
use rustix::io::Errno;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// With a file.
    #[error("{}", linux::files::chain(.0))]
    File(#[from] FileError),
    /// With a mount.
    #[error("{}", linux::files::chain(.0))]
    Mount(#[from] MountError),
    /// A document of the verified image is not what it should be.
    #[error("{path}: {reason}")]
    Document {
        /// Its path.
        path: &'static str,
        /// What was wrong and what was expected.
        reason: String,
    },
    /// The kernel refused something that is no file.
    #[error("cannot {what}: {}", std::io::Error::from(*.errno))]
    Kernel {
        /// What was tried.
        what: String,
        /// Why not.
        errno: Errno,
    },
    /// Something that should be there is not.
    #[error("there is no {0}")]
    Missing(String),
    /// Several things, each of which the boot goes on without.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
}

impl Problem {
    /// For `map_err` of a system call.
    pub fn kernel(what: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let what = what.into();
        move |errno| Self::Kernel { what, errno }
    }

    /// The same for an `std::io::Error`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |e| Self::Kernel { what, errno: Errno::from_io_error(&e).unwrap_or(Errno::IO) }
    }
}

/// Tries all of many things; what failed is one problem, so that nobody has to hunt for the second after the first.
pub fn all<T>(things: impl IntoIterator<Item = T>, mut attempt: impl FnMut(T) -> Result<(), Problem>) -> Result<(), Problem> {
    let failed: Vec<String> = things.into_iter().filter_map(|thing| attempt(thing).err()).map(|e| e.to_string()).collect();
    if failed.is_empty() { Ok(()) } else { Err(Problem::Several(failed)) }
}
