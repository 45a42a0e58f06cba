//! SIGTERM as something to wait for: the manager sends it, waits `StopGrace`, and kills what is left.

use crate::sys;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Readable once the manager asked the app to end (SIGTERM), or a person at a desk did (SIGINT).
#[derive(Debug)]
pub struct Termination {
    descriptor: OwnedFd,
}

impl Termination {
    /// Begins to watch. Call it before any thread is started: threads inherit the signal mask.
    ///
    /// ```
    /// use sdk::{signals::Termination, wait};
    /// use std::time::Duration;
    ///
    /// let termination = Termination::watch()?;
    /// assert!(wait::readable(&[&termination], Some(Duration::ZERO))?.is_empty(), "nobody asked yet");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn watch() -> io::Result<Self> {
        sys::termination_descriptor().map(|descriptor| Self { descriptor })
    }
}

impl AsFd for Termination {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
