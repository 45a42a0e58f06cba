//! Removing our own small folders of known names: nothing here follows a link or descends without end.

use linux::files::{self, FileError};
use rustix::{
    fs::{AtFlags, CWD, unlinkat},
    io::Errno,
};
use std::path::Path;

/// Most files of one folder of ours.
const FILES_LIMIT: usize = 64;

/// Removes an empty folder; one that is not there is no error.
pub fn remove_empty(folder: &Path) -> Result<(), FileError> {
    match unlinkat(CWD, folder, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(FileError::new("remove", folder, e)),
    }
}

/// Removes a folder with the files in it; one that is not there is no error. A folder inside is an error.
pub fn remove_flat(folder: &Path) -> Result<(), FileError> {
    match files::list(folder, FILES_LIMIT) {
        Ok(names) => names.iter().try_for_each(|name| files::remove(folder.join(name)))?,
        Err(e) if e.is_missing() => return Ok(()),
        Err(e) => return Err(e),
    }
    remove_empty(folder)
}

/// Whether a folder is there.
pub fn exists(folder: &Path) -> bool {
    rustix::fs::statat(CWD, folder, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode).is_dir())
}
