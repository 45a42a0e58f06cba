//! The ext4 file system that a blank data partition is laid from: made here once, so that the device needs no mkfs.
//! init copies it and grows it online (`EXT4_IOC_RESIZE_FS`).

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError},
    progress::Progress,
};
use manifest::places;
use std::path::Path;

/// Why no template could be made.
#[derive(Debug, thiserror::Error)]
pub enum DataTemplateError {
    /// The old one could not be removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// mke2fs failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Makes the template at `path`. Equal for each image with the same build time.
pub fn make(path: &Path, build_time: u64, progress: &mut dyn Progress) -> Result<(), DataTemplateError> {
    files::remove(path)?;
    let options = format!("hash_seed={HASH_SEED},root_owner=0:0,resize={LARGEST_BLOCKS},lazy_itable_init=1,nodiscard");
    // A configuration of our own: the machine's /etc/mke2fs.conf could add features that our kernel does not know.
    let configuration = path.with_extension("conf");
    files::write(&configuration, MKE2FS_CONFIGURATION.as_bytes())?;
    let command = Outside::new("mke2fs", "e2fsprogs").env("MKE2FS_CONFIG", &configuration);
    let command = command.env("E2FSPROGS_FAKE_TIME", build_time.to_string()).env("SOURCE_DATE_EPOCH", build_time.to_string());
    let files = (GROUP_BYTES / places::DATA_BYTES_PER_FILE).to_string();
    let command =
        command.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", RESERVED_PERCENT, "-N", &files, "-J", "size=4"]);
    let command = command.args(["-E", &options, "-O", "verity,encrypt,project,quota,^metadata_csum_seed", "-U", FILE_SYSTEM_ID]);
    command.arg(path).arg(SIZE).run(progress)?;
    Ok(files::remove(&configuration)?)
}

/// What only init and the daemons may write that keep the table of apps and the events: apps that fill the disk can be stopped
/// and removed. Of the template, so 2 MiB; what is beyond the first group after growing adds one per cent.
const RESERVED_PERCENT: &str = "20";
/// Below 9 MiB mke2fs makes no journal, and says nothing.
const SIZE: &str = "10240k";
/// A block group of 4 KiB blocks. The template is part of one, and has all its inodes; each later group gets as many.
const GROUP_BYTES: u64 = 128 << 20;
/// 256 GiB: the most it can be grown to without moving blocks.
const LARGEST_BLOCKS: u64 = 1 << 26;
/// The same on all devices: nothing of ours names the file system by it, and a build must be reproducible.
const FILE_SYSTEM_ID: &str = "686f6c64-6661-7374-2d64-617461000001";
/// Seed of the directory hash. It guards against crafted names that collide; those who could craft them on the device
/// are confined to their own folder and quota.
const HASH_SEED: &str = "686f6c64-6661-7374-2d64-617461000002";

const MKE2FS_CONFIGURATION: &str = "\
[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
[fs_types]
ext4 = {
features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_template_is_the_same_each_time_and_e2fsck_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one.img"), folder.path().join("other.img"));
        make(&one, 1_764_000_000, &mut Silent).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        make(&other, 1_764_000_000, &mut Silent).unwrap();
        assert_eq!(files::sha256(&one).unwrap(), files::sha256(&other).unwrap());
        Outside::new("e2fsck", "e2fsprogs").args(["-f", "-n"]).arg(&one).run(&mut Silent).unwrap();
        let header = Outside::new("dumpe2fs", "e2fsprogs").arg("-h").arg(&one).run(&mut Silent).unwrap();
        let header = String::from_utf8(header).unwrap();
        for feature in ["has_journal", "verity", "encrypt", "project", "quota", "metadata_csum"] {
            assert!(header.contains(feature), "{feature}");
        }
    }
}
