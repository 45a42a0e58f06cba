//! App images: measured, looked up, mounted, by the very descriptor that came in.
//!
//! The digest is the one that the kernel checks every page against (fs-verity), so nothing can change between here and
//! the last page the app reads; no path is involved.

use crate::{
    refusal::Refusal,
    verdicts::{Verdict, Verdicts},
};
use linux::{
    files::FileError,
    mount::{self, Flags},
    verity,
};
use manifest::names::Sha256Hex;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{FileType, Mode, OFlags, ResolveFlags},
};
use std::io;

/// The verdict on an image that has fs-verity on.
pub fn judged<'a>(image: BorrowedFd<'_>, verdicts: &'a Verdicts) -> Result<&'a Verdict, Refusal> {
    let digest = Sha256Hex::from(verity::measure(image).map_err(|e| Refusal::Unmeasured(e.into()))?);
    verdicts.of(&digest).ok_or(Refusal::NoVerdict(digest))
}

/// A detached mount of a judged image, gone with its descriptor if it is never attached.
pub fn mounted(image: BorrowedFd<'_>) -> Result<OwnedFd, Refusal> {
    Ok(mount::detached_image("erofs", image, Flags::MOUNT_ATTR_NOSUID | Flags::MOUNT_ATTR_NODEV)?)
}

/// `/manifest.json` of an image, readable. It keeps working after the mount is gone from everywhere else.
pub fn manifest(image: BorrowedFd<'_>) -> Result<OwnedFd, Refusal> {
    let root = mounted(image)?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let error = |verb| move |e| FileError::new(verb, "manifest.json in the image", e);
    let file = rustix::fs::openat2(root.as_fd(), "manifest.json", flags, Mode::empty(), resolve).map_err(error("open"))?;
    let stat = rustix::fs::fstat(&file).map_err(error("look at"))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(FileError::new("read", "manifest.json in the image", io::Error::other("it is no regular file")).into());
    }
    Ok(file)
}
