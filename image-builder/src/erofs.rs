//! A folder as an EROFS image: same content, same bytes, whoever owns the files and whenever they were written.

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError},
    progress::Progress,
};
use sha2::{Digest, Sha256};
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Why no image could be made.
#[derive(Debug, thiserror::Error)]
pub enum ErofsError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// mkfs.erofs failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// How much an image is compressed; who reads it sees no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// For what is kept: as small as it gets.
    #[default]
    Small,
    /// For what is replaced in a minute: in an eighth of the time, a fifth larger.
    Quick,
}

/// Writes the folder `tree` as the EROFS image `image`: blocks of 4096 bytes, LZ4, all owned by root, all times
/// `build_time`, its UUID taken from the content.
pub fn make(tree: &Path, image: &Path, build_time: u64, progress: &mut dyn Progress) -> Result<(), ErofsError> {
    make_with(Compression::Small, tree, image, build_time, progress)
}

/// As [`make`], compressed like this.
pub fn make_with(
    compression: Compression,
    tree: &Path,
    image: &Path,
    build_time: u64,
    progress: &mut dyn Progress,
) -> Result<(), ErofsError> {
    let mut hasher = Sha256::new();
    digest_of_tree(tree, tree, &mut hasher)?;
    files::remove(image)?;
    let algorithm = match compression {
        Compression::Small => "-zlz4hc,12",
        Compression::Quick => "-zlz4",
    };
    let command = Outside::new("mkfs.erofs", "erofs-utils").args([algorithm, CLUSTER, "--all-root", "-x-1", "--quiet"]);
    let command = command.arg(format!("-T{build_time}")).arg(format!("-U{}", uuid_from(&hasher.finalize())));
    command.arg(image).arg(tree).run(progress)?;
    Ok(())
}

/// Bytes compressed together. Against clusters of 4 KiB the root is 16 % smaller; a page fault reads up to 64 KiB,
/// which a starting program needs anyway.
const CLUSTER: &str = "-C65536";

/// A UUID (version 8 of RFC 9562: custom) from the first 16 bytes of a digest.
pub fn uuid_from(digest: &[u8]) -> uuid::Uuid {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Path, mode and content of all that is in a tree, in order.
fn digest_of_tree(top: &Path, folder: &Path, hasher: &mut Sha256) -> Result<(), FileError> {
    for path in files::list(folder)? {
        let metadata = path.symlink_metadata().map_err(FileError::of("look at", &path))?;
        let name = path.strip_prefix(top).unwrap_or(&path).display().to_string();
        let content = if metadata.is_file() { files::sha256(&path)?.to_string() } else { "-".into() };
        hasher.update(format!("{:o} {content} {name}\0", metadata.permissions().mode()));
        if metadata.is_dir() {
            digest_of_tree(top, &path, hasher)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Files in the given order: the order in which a folder lists them follows from it.
    fn tree(at: &Path, names: &[&str]) {
        files::make_folder(&at.join("usr/lib")).unwrap();
        for name in names {
            let content = name.repeat(20_000);
            files::write_mode(&at.join("usr/lib").join(name), content.as_bytes(), 0o755).unwrap();
        }
        for folder in ["", "usr", "usr/lib"] {
            files::set_mode(&at.join(folder), 0o755).unwrap();
        }
    }

    #[test]
    fn equal_trees_give_equal_images_in_other_folders_at_other_times() {
        let here = tempfile::tempdir().unwrap();
        let there = tempfile::tempdir_in("/dev/shm").unwrap();
        tree(&here.path().join("a"), &["one", "two", "three", "four"]);
        make(&here.path().join("a"), &here.path().join("image"), 1_764_000_000, &mut Silent).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        tree(&there.path().join("another/place"), &["four", "three", "two", "one"]);
        make(&there.path().join("another/place"), &there.path().join("image"), 1_764_000_000, &mut Silent).unwrap();
        assert_eq!(files::read(&here.path().join("image")).unwrap(), files::read(&there.path().join("image")).unwrap());
        Outside::new("fsck.erofs", "erofs-utils").arg(here.path().join("image")).run(&mut Silent).unwrap();
    }
}
