//! Copies disk images without their holes.

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use std::{
    io::{self, Read, Seek, Write},
    path::Path,
};

/// Copies a file; holes stay holes. A disk of 300 MiB with 20 MiB in it takes the time of 20.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let source = fs_err::File::open(from)?;
    let length = source.metadata()?.len();
    let target = fs_err::File::create(to)?;
    target.set_len(length)?;
    copy_range(&source, 0, &target, 0, length)
}

/// Copies `length` bytes between two places of two files, without holes. The target has to be a hole there.
pub fn copy_range(from: &fs_err::File, at: u64, to: &fs_err::File, to_at: u64, length: u64) -> io::Result<()> {
    let end = at.saturating_add(length);
    let mut position = at;
    while position < end {
        let data = match seek(from.file(), SeekFrom::Data(position)) {
            Ok(data) if data < end => data,
            Ok(_) | Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(from.file(), SeekFrom::Hole(data))?.min(end);
        let (mut reader, mut writer) = (from.file(), to.file());
        reader.seek(io::SeekFrom::Start(data))?;
        writer.seek(io::SeekFrom::Start(to_at + (data - at)))?;
        let copied = io::copy(&mut reader.take(hole - data), &mut writer)?;
        if copied != hole - data {
            return Err(io::Error::other(format!("{} became shorter while it was copied", from.path().display())));
        }
        position = hole;
    }
    to.file().flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_copy_is_equal_and_keeps_its_holes() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let file = fs_err::File::create(&a).unwrap();
        file.set_len(64 << 20).unwrap();
        file.file().write_all_at(b"begin", 0).unwrap();
        file.file().write_all_at(b"middle", 33 << 20).unwrap();
        copy(&a, &b).unwrap();
        assert_eq!(fs_err::read(&a).unwrap(), fs_err::read(&b).unwrap());
        assert!(fs_err::metadata(&b).unwrap().blocks() < 2048, "the holes were filled");
    }
}
