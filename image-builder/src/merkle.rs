//! The Merkle tree that dm-verity and fs-verity share: SHA-256 over blocks of 4096 bytes, 128 digests a block.
//!
//! A level holds the digests of the blocks of the level below, its last block filled up with zeros. Levels are added
//! until one block is left; that block's digest is the root.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Bytes of a block, of data and of digests.
pub const BLOCK: usize = 4096;
/// A SHA-256 value.
pub type Hash = [u8; 32];

/// A Merkle tree over some data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Digest of the top block.
    pub root: Hash,
    /// Levels from the leaves up, each a whole number of blocks. Empty for data of at most one block: there the root
    /// is that block's own digest.
    pub levels: Vec<Vec<u8>>,
    /// Bytes of data that were read.
    pub data_size: u64,
}

impl Tree {
    /// Reads `data` to its end, in constant memory beside the tree itself; `salt` goes in front of each block.
    pub fn over(data: &mut dyn Read, salt: &[u8]) -> io::Result<Self> {
        let mut leaves: Vec<Hash> = Vec::new();
        let mut data_size = 0;
        let mut block = [0u8; BLOCK];
        loop {
            let filled = fill(data, &mut block)?;
            if filled == 0 {
                break;
            }
            block[filled..].fill(0);
            leaves.push(digest(salt, &block));
            data_size += filled as u64;
            if filled < BLOCK {
                break;
            }
        }
        Ok(Self::from_leaves(leaves, salt, data_size))
    }

    fn from_leaves(mut digests: Vec<Hash>, salt: &[u8], data_size: u64) -> Self {
        let mut levels = Vec::new();
        while digests.len() > 1 {
            let mut level = digests.concat();
            level.resize(level.len().next_multiple_of(BLOCK), 0);
            digests = level.chunks(BLOCK).map(|block| digest(salt, block)).collect();
            levels.push(level);
        }
        // Of no data at all the root is zero (fs-verity's rule; dm-verity never has such a device).
        Self { root: digests.first().copied().unwrap_or([0; 32]), levels, data_size }
    }
}

fn digest(salt: &[u8], block: &[u8]) -> Hash {
    Sha256::new_with_prefix(salt).chain_update(block).finalize().into()
}

/// Reads until the block is full or the data ends.
fn fill(data: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match data.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_added_for_each_128_blocks() {
        let levels = |blocks: usize| Tree::over(&mut &vec![7u8; blocks * BLOCK][..], b"").unwrap().levels.len();
        assert_eq!([levels(0), levels(1), levels(2), levels(128), levels(129)], [0, 0, 1, 1, 2]);
    }

    #[test]
    fn each_byte_and_the_salt_change_the_root() {
        let mut data = vec![0u8; 3 * BLOCK + 5];
        let root = |data: &[u8], salt: &[u8]| Tree::over(&mut &data[..], salt).unwrap().root;
        let first = root(&data, b"");
        assert_ne!(first, root(&data, b"salt"));
        data[3 * BLOCK + 4] = 1;
        assert_ne!(first, root(&data, b""));
    }
}
