//! Sealing an image beside the loop: the kernel hashes all of it and writes all of it to the disk, which takes a slow board
//! longer than init's patience with this daemon.
//!
//! An image has a name of its own while it is sealed. fs-verity takes a file from the file system's list of orphans when it is
//! done (ext4_end_enable_verity), also one without a name (O_TMPFILE), which belongs there: after a power cut before its first
//! name its blocks would be lost for good. The name goes when the image is installed or refused, or at the next start.
//!
//! The one thread of this daemon besides its first. It has one file and one order, ends by itself, and is confined like
//! the rest: threads inherit filter and Landlock domain.

use crate::{
    fault::Fault,
    install::{self, KernelVerity},
    monitor::Judged,
};
use linux::{
    clock,
    files::{self, FileError},
};
use manifest::api::ErrorClass;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    pipe::{PipeFlags, pipe_with},
};
use std::{
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

/// A sealing under way: readable when it is over.
pub struct Sealing {
    over: OwnedFd,
    thread: JoinHandle<Result<OwnedFd, Fault>>,
    name: Name,
}

/// What images are called while they are sealed, before a number.
const PREFIX: &str = "sealing-";
/// Most entries of the folder that are looked through.
const ENTRIES_LIMIT: usize = 4096;

/// An image's name while it is sealed; gone when this is dropped.
pub struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        if let Err(e) = files::remove(&self.0) {
            linux::log::warning(files::chain(&e));
        }
    }
}

/// Removes the names that an earlier process left.
pub fn clear(folder: &Path) -> Result<(), FileError> {
    let names = files::list(folder, ENTRIES_LIMIT)?;
    names.iter().filter(|name| name.starts_with(PREFIX)).try_for_each(|name| files::remove(folder.join(name)))
}

impl Sealing {
    /// Begins to seal an image ([`install::seal`]) that lies in this folder's file system.
    pub fn begin(image: OwnedFd, judged: Judged, folder: &Path) -> Result<Self, Fault> {
        let name = Name(folder.join(format!("{PREFIX}{}", clock::since_boot().as_micros())));
        install::name(image.as_fd(), &name.0)?;
        let failed = |e: std::io::Error| Fault::new(ErrorClass::Internal, format!("cannot begin to seal the image: {e}"));
        let (over, running) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let work = move || {
            let sealed = install::seal(&image, &judged, &KernelVerity);
            // Closed at the end of the thread, however it ends: that is what the loop hears.
            drop(running);
            sealed.map(|()| image)
        };
        let thread = thread::Builder::new().name("sealing".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { over, thread, name })
    }

    /// The sealed image and its name, to be kept until it has another one. Waits for the thread, which has nothing left to do once
    /// this is readable.
    pub fn finish(self) -> Result<(OwnedFd, Name), Fault> {
        let ended = self.thread.join();
        let sealed = ended.unwrap_or_else(|_| Err(Fault::new(ErrorClass::Internal, "sealing the image ended in a panic")));
        sealed.map(|image| (image, self.name))
    }
}

impl AsFd for Sealing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.over.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::OFlags;

    #[test]
    fn an_image_has_a_name_while_it_is_sealed_and_one_of_an_earlier_process_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let names = || files::list(folder.path(), 8).unwrap();
        let named = |number: u32| {
            let image = files::open(folder.path(), OFlags::RDWR | OFlags::TMPFILE).unwrap();
            let name = Name(folder.path().join(format!("{PREFIX}{number}")));
            install::name(image.as_fd(), &name.0).unwrap();
            (image, name)
        };
        let (image, name) = named(1);
        // What is installed meanwhile keeps its own name.
        install::name(image.as_fd(), &folder.path().join("image")).unwrap();
        drop(name);
        assert_eq!(names(), ["image"]);
        std::mem::forget(named(2).1);
        assert_eq!(names().len(), 2);
        clear(folder.path()).unwrap();
        assert_eq!(names(), ["image"]);
    }
}
