//! Step 1 of the README's path: the root partition's dm-verity hash tree, and the line that makes the
//! kernel set it up before it mounts the root (Documentation/admin-guide/device-mapper/{verity,dm-init}.rst).
//!
//! The partition holds the EROFS image, then the tree, top level first, without a super block: everything the kernel
//! must know stands on its command line, which the firmware has verified with the UKI.

use crate::{
    files::{self, FileError, hex},
    merkle::{BLOCK, Hash, Tree},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What the kernel must know to check a root partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verity {
    /// Data blocks of 4096 bytes; the tree begins right after them.
    pub data_blocks: u64,
    /// Root of the tree.
    pub root_hash: String,
    /// Salt in front of each block.
    pub salt: String,
}

/// Why no tree could be made.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a file system image.
    #[error("{path} has {size} bytes; a file system image of whole blocks of {BLOCK} bytes, two at least, was expected")]
    Size {
        /// The image.
        path: String,
        /// Its size.
        size: usize,
    },
}

/// Writes `partition`: the file system `image` and its tree.
///
/// The salt is derived from the image, so that equal images give equal partitions, and no two releases share digests.
pub fn seal(image: &Path, partition: &Path) -> Result<Verity, VerityError> {
    let data = files::read(image)?;
    if data.len() % BLOCK != 0 || data.len() < 2 * BLOCK {
        return Err(VerityError::Size { path: image.display().to_string(), size: data.len() });
    }
    let salt: Hash = Sha256::new_with_prefix(SALT_LABEL).chain_update(Sha256::digest(&data)).finalize().into();
    let tree = Tree::over(&mut &data[..], &salt).map_err(FileError::of("read", image))?;
    let verity = Verity { data_blocks: (data.len() / BLOCK) as u64, root_hash: hex(&tree.root), salt: hex(&salt) };
    let mut bytes = data;
    tree.levels.iter().rev().for_each(|level| bytes.extend_from_slice(level));
    files::write(partition, &bytes)?;
    Ok(verity)
}

impl Verity {
    /// The value of `dm-mod.create=`: one read-only device `root` over the partition with this GPT label.
    ///
    /// Both options are needed: `panic_on_corruption` acts on wrong bytes, `panic_on_error` on read errors. A panic
    /// keeps the log (pstore) and reboots; EIO would leave a device that half works.
    pub fn table(&self, partition_label: &str) -> String {
        let device = format!("PARTLABEL={partition_label}");
        format!(
            "root,,,ro,0 {sectors} verity 1 {device} {device} {BLOCK} {BLOCK} {blocks} {blocks} sha256 {root} {salt} 2 panic_on_corruption panic_on_error",
            sectors = self.data_blocks * (BLOCK as u64 / 512),
            blocks = self.data_blocks,
            root = self.root_hash,
            salt = self.salt,
        )
    }
}

/// Keeps this use of the digest apart from all others.
const SALT_LABEL: &[u8] = b"holdfast root partition salt\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Outside, progress::Silent};

    fn sealed(folder: &Path, blocks: usize) -> (std::path::PathBuf, Verity) {
        let image = folder.join("image");
        files::write(&image, &(0..blocks * BLOCK).map(|i| (i / 97) as u8).collect::<Vec<_>>()).unwrap();
        let partition = folder.join("partition");
        let verity = seal(&image, &partition).unwrap();
        (partition, verity)
    }

    fn judge(partition: &Path, verity: &Verity) -> bool {
        let offset = verity.data_blocks * BLOCK as u64;
        let command = Outside::new("veritysetup", "cryptsetup-bin")
            .args(["verify", "--no-superblock", "--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096"])
            .args([
                format!("--salt={}", verity.salt),
                format!("--data-blocks={}", verity.data_blocks),
                format!("--hash-offset={offset}"),
            ])
            .args([partition, partition])
            .arg(&verity.root_hash);
        command.run(&mut Silent).is_ok()
    }

    #[test]
    fn veritysetup_accepts_the_tree_and_refuses_a_flipped_bit() {
        let folder = tempfile::tempdir().unwrap();
        for blocks in [2, 128, 129, 20_000] {
            let (partition, verity) = sealed(folder.path(), blocks);
            assert!(judge(&partition, &verity), "{blocks} blocks");
            let mut bytes = files::read(&partition).unwrap();
            bytes[BLOCK + 1] ^= 1;
            files::write(&partition, &bytes).unwrap();
            assert!(!judge(&partition, &verity), "{blocks} blocks, one bit flipped");
        }
    }

    #[test]
    fn an_image_that_is_not_whole_blocks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        files::write(&image, &[0; 5000]).unwrap();
        assert!(matches!(seal(&image, &folder.path().join("p")), Err(VerityError::Size { size: 5000, .. })));
    }
}
