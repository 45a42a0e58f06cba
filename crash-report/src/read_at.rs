//! Reading at a position: all that is asked of a core file.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Something that is read at any position, like a file by pread(2).
pub trait ReadAt {
    /// Reads at most as many bytes as there is room for; none past the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        let (to, _) = bytes.split_at_mut(length);
        to.copy_from_slice(rest.split_at(length).0);
        Ok(length)
    }
}

/// Reads until `most` bytes are there or the end is.
pub(crate) fn read_up_to(core: &impl ReadAt, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
        match core.read_at(room, offset.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
