//! The builder's one door to files: every error names verb and path, every mode is set and never left to the umask.

use manifest::names::Sha256Hex;
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// What could not be done with which file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}", path.display())]
pub struct FileError {
    /// What was tried.
    pub verb: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// For use with `map_err`.
    pub fn of(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { verb, path, source }
    }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::of("read", path))
}

/// Reads a whole text file.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(FileError::of("read", path))
}

/// Writes a file of mode 0644, in place of one that is there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_mode(path, bytes, 0o644)
}

/// Writes a file with this mode, in place of one that is there: beside it first, so that a reader never sees half.
pub fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    remove(&beside)?;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let mut file = file.map_err(FileError::of("create", &beside))?;
    io::Write::write_all(&mut file, bytes).map_err(FileError::of("write", &beside))?;
    set_mode(&beside, mode)?;
    fs::rename(&beside, path).map_err(FileError::of("rename to", path))
}

/// Copies a file's bytes and gives the copy this mode.
pub fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    write_mode(to, &read(from)?, mode)
}

/// Sets permission bits.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(FileError::of("set the mode of", path))
}

/// Makes a folder and those above it; an existing one is left as it is.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::of("make folder", path))
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; one that is not there is no error.
pub fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove folder", path)(error)),
        _ => Ok(()),
    }
}

/// Paths of what is in a folder, sorted.
pub fn list(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(path).map_err(FileError::of("list", path))?;
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(FileError::of("list", path))?;
    paths.sort();
    Ok(paths)
}

/// Size in bytes.
pub fn size(path: &Path) -> Result<u64, FileError> {
    fs::metadata(path).map(|m| m.len()).map_err(FileError::of("look at", path))
}

/// SHA-256 of a file.
pub fn sha256(path: &Path) -> Result<Sha256Hex, FileError> {
    let mut file = fs::File::open(path).map_err(FileError::of("open", path))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(FileError::of("read", path))?;
    Ok(Sha256Hex::from(<[u8; 32]>::from(hasher.finalize())))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_verb_and_path() {
        assert_eq!(read(Path::new("/nonexistent")).unwrap_err().to_string(), "cannot read /nonexistent");
    }

    #[test]
    fn a_written_file_has_the_mode_asked_for_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_mode(&path, b"a", 0o600).unwrap();
        write_mode(&path, b"b", 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(read(&path).unwrap(), b"b");
        assert_eq!(list(folder.path()).unwrap(), [path]);
    }
}
