//! The one door to files: bounded reads, durable writes, and errors that name verb and path.

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// What could not be done with which file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}", path.display())]
pub struct FileError {
    /// What was tried: `open`, `write`, `rename`…
    pub verb: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// For callers that work on descriptors and know the path only for the words.
    pub fn new(verb: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self { verb, path: path.into(), source: source.into() }
    }

    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Cause of an error with all its sources in one line, for logs and replies.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Opens with `O_CLOEXEC` and these flags, mode 0600 for a file that is made.
pub fn open(path: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, FileError> {
    let path = path.as_ref();
    fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR).map_err(|e| FileError::new("open", path, e))
}

/// Opens what somebody else may have put there: a regular file, or it is an error. Never waits: a FIFO whose other end nobody opens
/// would hold PID 1 for ever, in each boot.
pub fn open_regular(path: impl AsRef<Path>, flags: OFlags) -> Result<File, FileError> {
    let path = path.as_ref();
    let file = File::from(open(path, flags | OFlags::NONBLOCK)?);
    let about = fs::fstat(&file).map_err(|e| FileError::new("look at", path, e))?;
    if FileType::from_raw_mode(about.st_mode).is_file() {
        return Ok(file);
    }
    Err(FileError::new("use", path, io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")))
}

/// Reads a whole regular file of at most `limit` bytes; a longer one is an error, not cut.
pub fn read(path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>, FileError> {
    let path = path.as_ref();
    let file = open_regular(path, OFlags::RDONLY)?;
    read_from(&file, limit).map_err(|e| FileError::new("read", path, e))
}

/// Reads what is left of an open file, at most `limit` bytes; more is an error, not cut.
pub fn read_from(file: &File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a short text file of the kernel, such as one of `/proc` or `/sys`, without the newline at its end.
pub fn read_line(path: impl AsRef<Path>) -> Result<String, FileError> {
    let path = path.as_ref();
    let text = String::from_utf8(read(path, 64 * 1024)?);
    let text = text.map_err(|_| FileError::new("read", path, io::Error::from(io::ErrorKind::InvalidData)))?;
    Ok(text.trim_end().to_owned())
}

/// Writes into an existing file in one write(2), as the kernel's own files want it.
pub fn write_existing(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), FileError> {
    let path = path.as_ref();
    let mut file = File::from(open(path, OFlags::WRONLY)?);
    file.write_all(bytes.as_ref()).map_err(|e| FileError::new("write", path, e))
}

/// Writes over the beginning of an existing file, in its place, and waits until that is on the disk.
pub fn overwrite(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
    let path = path.as_ref();
    let mut file = open_regular(path, OFlags::WRONLY)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| FileError::new("overwrite", path, e))
}

/// Replaces a file so that after a power cut either the old or the new content is there, whole: temporary file beside
/// it, write, fsync, rename, fsync of the folder (rename(2), fsync(2)).
pub fn write_durably(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let path = path.as_ref();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let error = |verb, path: &Path| {
        let path = path.to_owned();
        move |e: io::Error| FileError { verb, path, source: e }
    };
    // Whatever an earlier one that was cut off left, or somebody else put there: a FIFO would be waited for.
    remove(&temporary)?;
    let fd = fs::openat(
        CWD,
        &temporary,
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::from_raw_mode(mode),
    )
    .map_err(|e| FileError::new("create", &temporary, e))?;
    let mut file = File::from(fd);
    file.write_all(bytes).map_err(error("write", &temporary))?;
    file.sync_all().map_err(error("sync", &temporary))?;
    drop(file);
    fs::rename(&temporary, path).map_err(|e| FileError::new("rename", path, e))?;
    sync_folder(folder)
}

/// Makes the names in a folder survive a power cut.
pub fn sync_folder(folder: impl AsRef<Path>) -> Result<(), FileError> {
    let folder = folder.as_ref();
    let fd = open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    fs::fsync(fd).map_err(|e| FileError::new("sync", folder, e))
}

/// Adds to a log, unless nothing is free but what the file system holds in reserve (`f_bavail` of statvfs(3)): that is for what
/// matters more, and a log grows by itself.
pub fn append(log: &mut File, bytes: &[u8]) -> io::Result<()> {
    if rustix::fs::fstatvfs(&*log)?.f_bavail == 0 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    log.write_all(bytes)
}

/// Makes a folder with this mode (not subject to the umask) if it is not there; an existing one keeps its mode.
pub fn make_folder(path: impl AsRef<Path>, mode: u32) -> Result<(), FileError> {
    let path = path.as_ref();
    match fs::mkdirat(CWD, path, Mode::from_raw_mode(mode)) {
        Ok(()) => fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())
            .map_err(|e| FileError::new("set the mode of", path, e)),
        Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(FileError::new("make folder", path, e)),
    }
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    match fs::unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(FileError::new("remove", path, e)),
    }
}

/// Names in a folder, sorted, without `.` and `..`; at most `limit`, more is an error.
pub fn list(path: impl AsRef<Path>, limit: usize) -> Result<Vec<String>, FileError> {
    let path = path.as_ref();
    let names = some(path, limit.saturating_add(1))?;
    if names.len() > limit {
        return Err(FileError::new("list", path, io::Error::other(format!("more than {limit} entries"))));
    }
    let mut names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Some of the names in a folder, as they come, without `.` and `..`: all of them if they are fewer than `limit`. For who
/// makes room in a folder that others filled.
pub fn some(path: impl AsRef<Path>, limit: usize) -> Result<Vec<OsString>, FileError> {
    let path = path.as_ref();
    let error = |e: Errno| FileError::new("list", path, e);
    let fd = open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let names = fs::Dir::read_from(&fd).map_err(error)?;
    let names = names.map(|entry| Ok(OsStr::from_bytes(entry.map_err(error)?.file_name().to_bytes()).to_owned()));
    names.filter(|name| !matches!(name, Ok(name) if name == "." || name == "..")).take(limit).collect()
}

/// Opens an open file anew with other flags, by its place in `/proc/self/fd` (proc(5)).
pub fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, FileError> {
    use std::os::fd::AsRawFd;
    open(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()), flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_verb_and_path() {
        let error = read("/nonexistent/file", 10).unwrap_err();
        assert!(error.is_missing());
        assert!(chain(&error).starts_with("cannot open /nonexistent/file: "), "{}", chain(&error));
    }

    #[test]
    fn a_file_longer_than_the_limit_is_refused_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_durably(&path, b"12345", 0o600).unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).is_err());
    }

    #[test]
    fn a_durable_write_replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_durably(&path, b"old", 0o600).unwrap();
        write_durably(&path, b"new", 0o600).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"new");
        assert_eq!(list(folder.path(), 10).unwrap(), ["f"]);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_and_a_durable_write_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let fifo = |path: &Path| fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fifo(&path);
        assert!(chain(&read(&path, 10).unwrap_err()).ends_with("f: it is no regular file"));
        assert!(overwrite(&path, b"x").is_err() && open_regular(&path, OFlags::RDWR).is_err());
        assert!(read(folder.path(), 10).unwrap_err().to_string().starts_with("cannot use "));
        assert!(read("/dev/null", 10).is_err());
        fifo(&folder.path().join("f.new"));
        write_durably(&path, b"mended", 0o600).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"mended");
        assert_eq!(list(folder.path(), 10).unwrap(), ["f"]);
    }

    #[test]
    fn files_of_the_kernel_are_regular_ones() {
        for path in ["/proc/self/status", "/proc/sys/kernel/ostype", "/sys/kernel/mm/transparent_hugepage/enabled"] {
            // Not every kernel has all of them.
            assert!(read_line(path).map_or_else(|e| e.is_missing(), |text| !text.is_empty()), "{path}");
        }
    }
}
