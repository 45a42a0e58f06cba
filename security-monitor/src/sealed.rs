//! Bytes handed to another process so that nobody can change them any more: sealed memfds (memfd_create(2)).

use rustix::{
    fd::OwnedFd,
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
};
use std::{
    fs::File,
    io::{self, Seek, Write},
};

/// A memfd that holds `bytes`, sealed against writing, growing, shrinking and further seals; never executable
/// (`vm.memfd_noexec=2` allows no other).
pub fn memfd(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let mut file = File::from(memfd_create(name, flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn sealed_bytes_can_be_read_and_not_written() {
        let mut file = File::from(memfd("manifest", b"bytes").unwrap());
        assert!(file.write_all(b"x").is_err() && file.set_len(1).is_err());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "bytes");
    }
}
