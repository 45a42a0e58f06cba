//! The first kilobyte of the data partition, which ext4 leaves to boot loaders: what must be remembered while nothing can
//! be mounted. A superblock's first byte is the 1024th; the kernel neither reads nor writes what is before it.

use crate::problem::Problem;
use std::{fs::File, os::unix::fs::FileExt};

/// What it says. A template's and a blank partition's zeros say that nothing has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootBlock {
    /// The template is being laid: what is there is a part of it.
    pub laying: bool,
    /// Boots in a row that could not mount it.
    pub failures: u32,
}

/// Bytes that are read and written at once: one sector, which disks write whole or not at all.
const SECTOR: usize = 512;
const NAME: &[u8; 16] = b"HOLDFAST-DATA-1\n";

/// Reads it. What is not ours says nothing.
pub fn read(device: &File) -> Result<BootBlock, Problem> {
    let mut sector = [0; SECTOR];
    device.read_exact_at(&mut sector, 0).map_err(Problem::io("read the boot block of the data partition"))?;
    Ok(parse(&sector))
}

/// Writes it, and waits until it is on the disk.
pub fn write(device: &File, block: &BootBlock) -> Result<(), Problem> {
    let what = "write the boot block of the data partition";
    device.write_all_at(&rendered(block), 0).map_err(Problem::io(what))?;
    device.sync_data().map_err(Problem::io(what))
}

fn parse(sector: &[u8; SECTOR]) -> BootBlock {
    let Some(rest) = sector.strip_prefix(NAME) else { return BootBlock::default() };
    let [laying, a, b, c, d, ..] = rest else { return BootBlock::default() };
    BootBlock { laying: *laying == 1, failures: u32::from_le_bytes([*a, *b, *c, *d]) }
}

fn rendered(block: &BootBlock) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let content = NAME.iter().copied().chain([u8::from(block.laying)]).chain(block.failures.to_le_bytes());
    sector.iter_mut().zip(content).for_each(|(to, from)| *to = from);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_strangers_say_nothing() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        assert_eq!(read(&file).unwrap(), BootBlock::default());
        let block = BootBlock { laying: true, failures: 2 };
        write(&file, &block).unwrap();
        assert_eq!(read(&file).unwrap(), block);
        assert_eq!(parse(&[0xff; SECTOR]), BootBlock::default());
    }
}
