//! The fs-verity digest of a file that does not have fs-verity on yet: the same number that FS_IOC_MEASURE_VERITY will
//! give (Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor").

use sha2::{Digest, Sha256};

/// Bytes that one hash covers, on every level.
pub const BLOCK: usize = 4096;

/// Builds the tree from the file's blocks as they come, keeping one unfinished block per level: 4 KiB for each factor
/// of 128 in size.
#[derive(Default)]
pub struct Tree {
    levels: Vec<Vec<u8>>,
    size: u64,
}

impl Tree {
    /// Adds the next block of the file: [`BLOCK`] bytes, or fewer for the last one, which is filled with zeros.
    pub fn add(&mut self, block: &[u8]) {
        self.size += block.len() as u64;
        self.push(0, padded_hash(block));
    }

    fn push(&mut self, level: usize, hash: [u8; 32]) {
        if self.levels.len() == level {
            self.levels.push(Vec::with_capacity(BLOCK));
        }
        let Some(hashes) = self.levels.get_mut(level) else { return };
        hashes.extend_from_slice(&hash);
        if hashes.len() == BLOCK {
            let above = padded_hash(hashes);
            hashes.clear();
            self.push(level + 1, above);
        }
    }

    /// The digest of the file: SHA-256 over the descriptor that holds the tree's root and the file's size.
    pub fn digest(mut self) -> [u8; 32] {
        let root = self.root();
        let mut descriptor = Sha256::new();
        // version 1, SHA-256, blocks of 2^12 bytes, no salt, then a reserved number of four bytes.
        descriptor.update([1, 1, 12, 0, 0, 0, 0, 0]);
        descriptor.update(self.size.to_le_bytes());
        descriptor.update(root);
        // Rest of the root's 64 bytes, 32 of salt, 144 reserved.
        descriptor.update([0; 32 + 32 + 144]);
        descriptor.finalize().into()
    }

    /// Closes the unfinished blocks from the lowest level up. An empty file's root is zeros.
    fn root(&mut self) -> [u8; 32] {
        let mut below: Option<[u8; 32]> = None;
        let top = self.levels.len().saturating_sub(1);
        for (level, hashes) in self.levels.iter_mut().enumerate() {
            hashes.extend(below.take().into_iter().flatten());
            if level == top
                && let Ok(only) = <[u8; 32]>::try_from(hashes.as_slice())
            {
                return only;
            }
            below = (!hashes.is_empty()).then(|| padded_hash(hashes));
        }
        below.unwrap_or([0; 32])
    }
}

fn padded_hash(block: &[u8]) -> [u8; 32] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let mut hash = Sha256::new();
    hash.update(block);
    hash.update(ZEROS.get(block.len()..).unwrap_or_default());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::names::Sha256Hex;
    use std::{io::Write, process::Command};

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i / 7 % 251) as u8).collect()
    }

    fn digest(bytes: &[u8]) -> String {
        let mut tree = Tree::default();
        bytes.chunks(BLOCK).for_each(|block| tree.add(block));
        Sha256Hex::from(tree.digest()).as_str().to_owned()
    }

    /// Around every border of the tree: one block, one level full, two levels full.
    const LENGTHS: [usize; 12] = [
        1,
        4095,
        4096,
        4097,
        2 * BLOCK,
        127 * BLOCK,
        128 * BLOCK,
        128 * BLOCK + 1,
        129 * BLOCK,
        256 * BLOCK,
        128 * 128 * BLOCK,
        128 * 128 * BLOCK + BLOCK,
    ];

    #[test]
    fn digests_are_those_that_fsverity_utils_computed() {
        for (length, expected) in PINNED {
            assert_eq!(digest(&bytes(length)), expected, "{length} bytes");
        }
    }

    #[test]
    fn digests_agree_with_the_fsverity_program_where_there_is_one() {
        if Command::new("fsverity").arg("--version").output().is_err() {
            return;
        }
        for length in LENGTHS {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes(length)).unwrap();
            let output = Command::new("fsverity").args(["digest", "--compact"]).arg(file.path()).output().unwrap();
            assert_eq!(digest(&bytes(length)), String::from_utf8_lossy(&output.stdout).trim(), "{length} bytes");
        }
    }

    const PINNED: [(usize, &str); 3] = [
        (4096, "85a99c4b6967a582bf757d2fbdde0c3f8079f9d2815c004f56439e0889f4a890"),
        (129 * BLOCK, "ae6174925b558281468b95762b8878cb7dfd977196bc40004b879650d125ed07"),
        (100_000, "ec2470167b596664a192672cfa581b8f01fce5b580bc8a14aa261598fb59b65f"),
    ];
}
