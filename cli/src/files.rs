//! Files on the developer's machine: bounded reads, and writes that leave the old file or the new one, never half of it.

use std::{
    io::{self, Read, Write},
    path::Path,
};

/// Reads a whole file of at most `limit` bytes; a longer one is refused, not cut. A device or pipe is refused too: it
/// could feed bytes for ever.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = fs_err::File::open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        let what = if data.is_dir() { "a folder" } else { "no regular file" };
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("cannot read {}: it is {what}", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("cannot read {}: longer than the {limit} bytes that are allowed", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Writes a file beside its place and renames it there, so that a broken-off call leaves the old one.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // tempfile makes files 0600; what is written here is meant to be read like any other file.
    replace_with_mode(path, 0o644, write)
}

/// The same, with this mode from the first byte on or a narrower one.
pub fn replace_with_mode(path: &Path, mode: u32, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let error = |e: io::Error| io::Error::new(e.kind(), format!("cannot write {}: {e}", path.display()));
    let mut temporary = tempfile::Builder::new().prefix(".holdfast-").tempfile_in(folder).map_err(error)?;
    {
        let mut buffered = io::BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        write(&mut buffered).map_err(error)?;
        buffered.flush().map_err(error)?;
    }
    use std::os::unix::fs::PermissionsExt;
    temporary.as_file().set_permissions(PermissionsExt::from_mode(mode)).map_err(error)?;
    temporary.as_file().sync_all().map_err(error)?;
    temporary.persist(path).map_err(|e| error(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_and_a_folder_are_refused_not_read() {
        assert!(read(Path::new("/dev/zero"), 10).unwrap_err().to_string().contains("no regular file"));
        assert!(read(Path::new("/"), 10).unwrap_err().to_string().contains("a folder"));
    }

    #[test]
    fn a_broken_off_write_leaves_the_old_file_and_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, |to| to.write_all(b"old")).unwrap();
        assert!(replace(&path, |to| to.write_all(b"new").and(Err(io::Error::other("broken off")))).is_err());
        assert_eq!(read(&path, 10).unwrap(), b"old");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
