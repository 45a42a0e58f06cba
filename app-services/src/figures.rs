//! An app's figures of memory, read from the open files of its control group (cgroup-v2.rst).

use manifest::services::Memory;
use rustix::{
    fd::{AsFd, OwnedFd},
    io::{Errno, pread, pwrite},
};
use std::io;

/// The open files.
pub struct Figures {
    current: OwnedFd,
    peak: OwnedFd,
    limit_bytes: u64,
}

/// More than the longest number.
const NUMBER_LIMIT: usize = 32;

impl Figures {
    /// From `memory.current` and `memory.peak`, in this order; none if they are not there.
    pub fn new(files: Vec<OwnedFd>, limit_bytes: u64) -> Option<Self> {
        let [current, peak] = <[OwnedFd; 2]>::try_from(files).ok()?;
        Some(Self { current, peak, limit_bytes })
    }

    /// The figures now.
    pub fn read(&self) -> io::Result<Memory> {
        Ok(Memory { used_bytes: number(&self.current)?, peak_bytes: number(&self.peak)?, limit_bytes: self.limit_bytes })
    }

    /// Any write lets what is read from this very open file begin anew from what is used now.
    pub fn reset_peak(&self) -> io::Result<()> {
        pwrite(&self.peak, b"0\n", 0)?;
        Ok(())
    }
}

fn number(file: impl AsFd) -> io::Result<u64> {
    let mut bytes = [0; NUMBER_LIMIT];
    let length = loop {
        match pread(&file, &mut bytes, 0) {
            Err(Errno::INTR) => {}
            read => break read?,
        }
    };
    let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default()).unwrap_or_default();
    text.trim_end().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.into()
    }

    #[test]
    fn figures_are_numbers_or_an_error() {
        let figures = Figures::new(vec![file("4096\n"), file("8192\n")], 1 << 20).unwrap();
        assert_eq!(figures.read().unwrap(), Memory { used_bytes: 4096, peak_bytes: 8192, limit_bytes: 1 << 20 });
        assert!(Figures::new(vec![file("max\n"), file("")], 0).unwrap().read().is_err());
        assert!(Figures::new(vec![file("1\n")], 0).is_none());
    }
}
