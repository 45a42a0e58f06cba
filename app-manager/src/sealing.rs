//! Sealing an image beside the loop: the kernel hashes all of it and writes all of it to the disk, which takes a slow board
//! longer than init's patience with this daemon.
//!
//! The one thread of this daemon besides its first. It has one file and one order, ends by itself, and is confined like
//! the rest: threads inherit filter and Landlock domain.

use crate::{
    fault::Fault,
    install::{self, KernelVerity},
    monitor::Judged,
};
use manifest::api::ErrorClass;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    pipe::{PipeFlags, pipe_with},
};
use std::thread::{self, JoinHandle};

/// A sealing under way: readable when it is over.
pub struct Sealing {
    over: OwnedFd,
    thread: JoinHandle<Result<OwnedFd, Fault>>,
}

impl Sealing {
    /// Begins to seal an image ([`install::seal`]).
    pub fn begin(image: OwnedFd, judged: Judged) -> Result<Self, Fault> {
        let failed = |e: std::io::Error| Fault::new(ErrorClass::Internal, format!("cannot begin to seal the image: {e}"));
        let (over, running) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let work = move || {
            let sealed = install::seal(&image, &judged, &KernelVerity);
            // Closed at the end of the thread, however it ends: that is what the loop hears.
            drop(running);
            sealed.map(|()| image)
        };
        let thread = thread::Builder::new().name("sealing".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { over, thread })
    }

    /// The sealed image. Waits for the thread, which has nothing left to do once this is readable.
    pub fn finish(self) -> Result<OwnedFd, Fault> {
        self.thread.join().unwrap_or_else(|_| Err(Fault::new(ErrorClass::Internal, "sealing the image ended in a panic")))
    }
}

impl AsFd for Sealing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}
