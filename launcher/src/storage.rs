//! The apps' storage: a folder per app, owned by its user, encrypted with its key, in a project of its own with a quota.
//!
//! The folder's parent belongs to root, so no app can move its own; what is inside belongs to the app and is never
//! touched by a process with rights: erasing is done by a child that is the app's user.

use crate::{invariants, refusal::Refusal};
use linux::{
    clone,
    encryption::{self, KeyIdentifier},
    files::FileError,
    quota,
};
use manifest::{names::ComponentId, places};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, StatxAttributes, StatxFlags, Uid},
    io::Errno,
};
use std::{
    collections::VecDeque,
    ffi::{CStr, CString},
    path::{Path, PathBuf},
};

/// Files that a quota allows at least; beyond that one per [`places::DATA_BYTES_PER_FILE`] of its size.
const FEWEST_FILES: u64 = 64;
/// Files and folders that one call removes, in a second or two on a slow board: app-manager waits that long, and asks again.
const REMOVED_AT_ONCE: usize = 10_000;
/// Levels of which it is kept how far they were read (32 KiB); those above are read again from their beginning.
const POSITIONS_LIMIT: usize = 4096;
/// Exit status of a child that has not removed all; no errno has it.
pub const MORE: u8 = 254;

/// Where all storage lies.
pub struct Storage {
    path: PathBuf,
    folder: OwnedFd,
}

impl Storage {
    /// Opens the folder that init made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let folder = linux::files::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Self { path, folder })
    }

    /// An app's folder.
    pub fn path(&self, component: &ComponentId) -> PathBuf {
        self.path.join(component.as_str())
    }

    /// Makes an app's folder if it is not there, encrypted with this key, and sets its quota.
    pub fn prepare(&self, component: &ComponentId, uid: u32, size_kib: u64, key: &KeyIdentifier) -> Result<(), Refusal> {
        invariants::check_uid(uid)?;
        match self.owner(component)? {
            None => self.make(component, uid, key)?,
            // Begun before a power cut, perhaps for a key that is no more; empty.
            Some(0) => {
                self.remove_folder(component)?;
                self.make(component, uid, key)?;
            }
            Some(owner) if owner == uid => self.check_encrypted(component)?,
            Some(owner) => return Err(Refusal::OtherOwner { component: component.clone(), owner, asked: uid }),
        }
        let bytes = size_kib.saturating_mul(1024);
        self.limit(uid, bytes, FEWEST_FILES.max(bytes / places::DATA_BYTES_PER_FILE))
    }

    /// Empties an app's folder by a child of its user. None if there is nothing to empty; else the child's descriptor. When
    /// it has ended, [`Storage::remove`] comes, or the next call where its status is [`MORE`].
    pub fn erase(&self, component: &ComponentId, uid: u32) -> Result<Option<OwnedFd>, Refusal> {
        invariants::check_uid(uid)?;
        match self.owner(component)? {
            // Made and not given away before a power cut: root's own, and empty.
            None | Some(0) => Ok(None),
            Some(owner) if owner == uid => {
                let path = self.path(component);
                let child = clone::as_user(uid, || erase_status(&path))
                    .map_err(|source| Refusal::Process { what: "start the child that erases", source })?;
                Ok(Some(child))
            }
            Some(owner) => Err(Refusal::OtherOwner { component: component.clone(), owner, asked: uid }),
        }
    }

    /// Removes an app's emptied folder, and its quota.
    pub fn remove(&self, component: &ComponentId, uid: u32) -> Result<(), Refusal> {
        self.remove_folder(component)?;
        self.sync()?;
        self.limit(uid, 0, 0)
    }

    fn remove_folder(&self, component: &ComponentId) -> Result<(), Refusal> {
        match rustix::fs::unlinkat(&self.folder, component.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(FileError::new("remove", self.path(component), e).into()),
        }
    }

    /// A folder that somebody put there from outside, not encrypted, would have the app write down what it has in the open.
    fn check_encrypted(&self, component: &ComponentId) -> Result<(), Refusal> {
        let status = rustix::fs::statx(&self.folder, component.as_str(), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
            .map_err(|e| FileError::new("look at", self.path(component), e))?;
        if status.stx_attributes.contains(StatxAttributes::ENCRYPTED) {
            Ok(())
        } else {
            Err(Refusal::NotEncrypted(component.clone()))
        }
    }

    fn owner(&self, component: &ComponentId) -> Result<Option<u32>, Refusal> {
        match rustix::fs::statat(&self.folder, component.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if FileType::from_raw_mode(status.st_mode).is_dir() => Ok(Some(status.st_uid)),
            Ok(_) => Err(FileError::new("use as storage", self.path(component), Errno::NOTDIR).into()),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(FileError::new("look at", self.path(component), e).into()),
        }
    }

    /// Project and key first, while the folder is still ours: once it is the app's, only the app could be asked to open it.
    fn make(&self, component: &ComponentId, uid: u32, key: &KeyIdentifier) -> Result<(), Refusal> {
        let error = |verb| {
            let path = self.path(component);
            move |e: Errno| FileError::new(verb, path, e)
        };
        match rustix::fs::mkdirat(&self.folder, component.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(error("make")(e).into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.folder, component.as_str(), flags, Mode::empty()).map_err(error("open"))?;
        quota::set_project(made.as_fd(), uid).map_err(|source| Refusal::Quota { what: "make a folder", project: uid, source })?;
        encryption::set_policy(&made, key).map_err(error("encrypt"))?;
        rustix::fs::fchmod(&made, Mode::RWXU).map_err(error("set the mode of"))?;
        rustix::fs::fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid))).map_err(error("give away"))?;
        rustix::fs::fsync(&made).map_err(error("sync"))?;
        self.sync()
    }

    fn limit(&self, project: u32, bytes: u64, files: u64) -> Result<(), Refusal> {
        quota::set_limit(self.folder.as_fd(), project, bytes, files).map_err(|source| Refusal::Quota {
            what: "set the quota",
            project,
            source,
        })
    }

    fn sync(&self) -> Result<(), Refusal> {
        Ok(rustix::fs::fsync(&self.folder).map_err(|e| FileError::new("sync", &self.path, e))?)
    }
}

/// In the child: 0, [`MORE`], or the errno that stopped it.
fn erase_status(path: &Path) -> u8 {
    match empty(path, REMOVED_AT_ONCE) {
        Ok(Emptied::Whole) => 0,
        Ok(Emptied::InPart) => MORE,
        Err(e) => u8::try_from(e.raw_os_error()).unwrap_or(u8::MAX),
    }
}

/// How far a folder was emptied.
#[derive(Debug, PartialEq, Eq)]
enum Emptied {
    Whole,
    InPart,
}

/// Removes what is in a folder, however deep, and at most `most` of it: by walking, with one folder open at a time and no
/// name kept, so that neither stack nor memory nor descriptors, which are launcher's own, grow with what an app made; and
/// without making or moving anything, for which a full quota would have no room.
fn empty(path: &Path, most: usize) -> Result<Emptied, Errno> {
    // The app may have locked itself out; its owner, which this process is, may always change that.
    rustix::fs::chmodat(CWD, path, Mode::RWXU, AtFlags::empty())?;
    let top = open_folder(CWD, path)?;
    let place = |folder: BorrowedFd<'_>| rustix::fs::fstat(folder).map(|status| (status.st_dev, status.st_ino));
    let mut here = top.try_clone().map_err(|_| Errno::MFILE)?;
    let (mut from, mut left) = (0, most);
    // Where the folders above were left, the nearest last: each is read once, or a wide one would be read from its
    // beginning for each folder in it.
    let mut positions = VecDeque::new();
    loop {
        match clear(here.as_fd(), from, &mut left)? {
            Cleared::Folder { name, position } => {
                rustix::fs::chmodat(&here, &name, Mode::RWXU, AtFlags::empty())?;
                here = open_folder(here.as_fd(), &name)?;
                positions.push_back(position);
                if positions.len() > POSITIONS_LIMIT {
                    positions.pop_front();
                }
                from = 0;
            }
            Cleared::Enough => return Ok(Emptied::InPart),
            Cleared::All if place(here.as_fd())? != place(top.as_fd())? => {
                // Empty now: it goes when the folder above is looked at again. Nobody moves anything meanwhile, the app has
                // ended.
                here = open_folder(here.as_fd(), c"..")?;
                from = positions.pop_back().unwrap_or(0);
            }
            Cleared::All if from == 0 => return Ok(Emptied::Whole),
            // Nothing behind this position; whether there is nothing at all, only the whole folder tells.
            Cleared::All => from = 0,
        }
    }
}

fn open_folder(folder: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// How far [`clear`] came.
enum Cleared {
    /// Nothing is left behind the position.
    All,
    /// As much was removed as may be.
    Enough,
    /// A folder that is not empty, and where in the folder above it stands.
    Folder { name: CString, position: i64 },
}

/// Removes files and empty folders from a position of the folder on, up to the first folder that is not empty.
fn clear(folder: BorrowedFd<'_>, from: i64, left: &mut usize) -> Result<Cleared, Errno> {
    let mut entries = Dir::read_from(folder)?;
    entries.seek(from)?;
    let mut position = from;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            if *left == 0 {
                return Ok(Cleared::Enough);
            }
            match remove(folder, name) {
                Ok(()) => *left -= 1,
                Err(Errno::NOTEMPTY) => return Ok(Cleared::Folder { name: name.to_owned(), position }),
                Err(e) => return Err(e),
            }
        }
        position = entry.offset();
    }
    Ok(Cleared::All)
}

/// Removes a file or an empty folder.
fn remove(folder: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR),
        done => done,
    }
}

impl Storage {
    /// The place on the device.
    pub fn on_device() -> Result<Self, FileError> {
        Self::open(places::STORAGE)
    }
}

#[cfg(test)]
mod tests;
