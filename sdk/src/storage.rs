//! The app's persistent storage: small files that are whole after a power cut.
//!
//! The folder exists when the manifest has `MutableStorage`; its size is a quota that the file system holds.

use rustix::{
    fs::{self, CWD, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Longest file that [`Storage::read`] returns, in bytes.
pub const READ_LIMIT: u64 = 1024 * 1024;

/// The app's storage folder.
#[derive(Debug)]
pub struct Storage {
    folder: OwnedFd,
    path: PathBuf,
}

/// Why storage could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No storage was granted.
    #[error("HOLDFAST_STORAGE is not set: does the app's manifest have `MutableStorage`?")]
    NotGranted,
    /// A name that is a path.
    #[error("`{0}` is not a file name: expected one path part, not beginning with a dot")]
    Name(String),
    /// A file of more than [`READ_LIMIT`] bytes.
    #[error("{} has more than {READ_LIMIT} bytes", .0.display())]
    TooLong(PathBuf),
    /// The file system refused; out of quota is `EDQUOT`.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    /// Whether the quota of `MutableStorage` is used up, in bytes or in files: what is removed makes room.
    pub fn is_full(&self) -> bool {
        let full = |e: &io::Error| matches!(e.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull);
        matches!(self, Self::File { source, .. } if full(source))
    }
}

impl Storage {
    /// Opens the folder that HOLDFAST_STORAGE names.
    pub fn open() -> Result<Self, StorageError> {
        Self::at(std::env::var_os("HOLDFAST_STORAGE").ok_or(StorageError::NotGranted)?)
    }

    /// Opens a folder by its path: for tests of an app on a desk.
    ///
    /// ```
    /// let storage = sdk::storage::Storage::at(std::env::temp_dir())?;
    /// storage.write("sdk-example", b"42\n")?;
    /// assert_eq!(storage.read("sdk-example")?.as_deref(), Some(&b"42\n"[..]));
    /// storage.remove("sdk-example")?;
    /// assert_eq!(storage.read("sdk-example")?, None);
    /// # Ok::<(), sdk::storage::StorageError>(())
    /// ```
    pub fn at(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let path = path.as_ref().to_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match fs::openat(CWD, &path, flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder, path }),
            Err(e) => Err(StorageError::File { verb: "open", path, source: e.into() }),
        }
    }

    /// The whole content of a file, or nothing if there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let name = plain(name)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.error("open", name, e)),
        };
        let mut bytes = Vec::new();
        file.take(READ_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| self.error("read", name, e))?;
        if bytes.len() as u64 > READ_LIMIT {
            return Err(StorageError::TooLong(self.path.join(name)));
        }
        Ok(Some(bytes))
    }

    /// Replaces a file. When this returns, the new content survives a power cut; when the power fails before, either the
    /// old or the new content is there, whole: temporary file, write, fsync, rename, fsync of the folder (fsync(2)).
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let name = plain(name)?;
        let temporary = format!(".{name}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = fs::openat(&self.folder, &temporary, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|e| self.error("open", &temporary, e))?);
        let filled = file.write_all(bytes).map_err(|e| self.error("write", &temporary, e));
        let filled = filled.and_then(|()| file.sync_all().map_err(|e| self.error("flush", &temporary, e)));
        if filled.is_err() {
            // What found no room takes none.
            let _ = fs::unlinkat(&self.folder, &temporary, fs::AtFlags::empty());
        }
        filled?;
        fs::renameat(&self.folder, &temporary, &self.folder, name).map_err(|e| self.error("rename", name, e))?;
        fs::fsync(&self.folder).map_err(|e| self.error("flush the folder of", name, e))
    }

    /// Names of the files, in order.
    pub fn names(&self) -> Result<Vec<String>, StorageError> {
        let failed = |e: Errno| self.error("list", "", e);
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names.extend(entry.file_name().to_str().ok().filter(|name| plain(name).is_ok()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<(), StorageError> {
        let name = plain(name)?;
        match fs::unlinkat(&self.folder, name, fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => fs::fsync(&self.folder).map_err(|e| self.error("flush the folder of", name, e)),
            Err(e) => Err(self.error("remove", name, e)),
        }
    }

    fn error(&self, verb: &'static str, name: &str, source: impl Into<io::Error>) -> StorageError {
        StorageError::File { verb, path: self.path.join(name), source: source.into() }
    }
}

/// A name that stays in the folder. Names with a dot in front are the temporary files'.
fn plain(name: &str) -> Result<&str, StorageError> {
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(StorageError::Name(name.chars().take(64).flat_map(char::escape_default).collect()));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::at(folder.path()).unwrap();
        assert_eq!(storage.read("count").unwrap(), None);
        storage.write("count", b"a longer first content").unwrap();
        storage.write("count", b"2").unwrap();
        assert_eq!(storage.read("count").unwrap().unwrap(), b"2");
        assert_eq!(storage.names().unwrap(), ["count"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let storage = Storage::at(std::env::temp_dir()).unwrap();
        for name in ["", "..", ".count", "a/b", "/etc/passwd", "a\0b"] {
            assert!(matches!(storage.write(name, b""), Err(StorageError::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn a_symbolic_link_in_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("count")).unwrap();
        assert!(matches!(Storage::at(folder.path()).unwrap().read("count"), Err(StorageError::File { verb: "open", .. })));
    }
}
