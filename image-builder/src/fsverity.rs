//! fs-verity digest of a file: what `FS_IOC_MEASURE_VERITY` will say of it on the device
//! (Documentation/filesystems/fsverity.rst, "fs-verity descriptor"). Bundles name their image by it.

use crate::merkle::{Hash, Tree};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Digest with the parameters that bundles use: SHA-256, blocks of 4096 bytes, no salt.
pub fn digest(data: &mut dyn Read) -> io::Result<Hash> {
    let tree = Tree::over(data, b"")?;
    Ok(Sha256::digest(descriptor(&tree)).into())
}

/// `struct fsverity_descriptor`, without a signature.
fn descriptor(tree: &Tree) -> [u8; 256] {
    let mut bytes = [0u8; 256];
    bytes[0] = 1; // version
    bytes[1] = 1; // FS_VERITY_HASH_ALG_SHA256
    bytes[2] = 12; // log2 of the block size
    bytes[8..16].copy_from_slice(&tree.data_size.to_le_bytes());
    bytes[16..48].copy_from_slice(&tree.root);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::hex;

    /// `fsverity digest --hash-alg=sha256 --block-size=4096` (Debian's package `fsverity`) of the same bytes.
    const KNOWN: [(usize, &str); 5] = [
        (0, "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"),
        (1, "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551"),
        (4096, "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157"),
        (4097, "b0d074abef4d544404facfab6ba242f6a8ccbde90f1325cd286f3c8aa8d0f8aa"),
        (1_000_000, "dbe1b6c44240d0b0642a25e6c1d5e399381c87474f3dcda2f3acb9495fa159d6"),
    ];

    #[test]
    fn digests_equal_those_of_the_fsverity_tool() {
        for (size, expected) in KNOWN {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            assert_eq!(hex(&digest(&mut &bytes[..]).unwrap()), expected, "{size} bytes");
        }
    }
}
