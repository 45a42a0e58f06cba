//! The data partition: found, laid from the template where it is blank, mounted, grown.
//!
//! A file system that cannot be mounted is not touched until three boots have failed on it; then it is laid anew, its
//! first MiB saved. Where to count, when nothing can be mounted: in the first kilobyte of the partition itself, which ext4
//! leaves to boot loaders and never reads or writes ([`crate::boot_block`]).

use crate::{
    boot_block::{self, BootBlock},
    folders, lay,
    partition::{self, Partition},
    phases::Boot,
    problem::Problem,
    say,
};
use linux::{
    ext4,
    files::{self, FileError},
    mount::{self, Flags},
};
use manifest::{api::EventKind, places};
use rustix::fs::OFlags;
use std::{fs::File, os::unix::fs::FileExt};

/// Boots that may fail on a data partition before it is laid anew.
const FAILURES_LIMIT: u32 = 3;
/// What is kept of a partition that is laid anew: superblock, group descriptors, and what may tell why.
const SAVED: usize = 1 << 20;
/// Where the superblock begins, and where in it the magic number stands (ext4's on-disk layout).
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_SIZE: usize = 1024;
const MAGIC_OFFSET: u64 = SUPERBLOCK + 0x38;
const MAGIC: [u8; 2] = [0x53, 0xef];

/// Data is never executed, holds no devices, no set-id files that count, and no link that anybody follows: a daemon that
/// owns a folder there cannot lead init or another daemon elsewhere by a link.
const FLAGS: Flags = mount::INERT.union(Flags::MOUNT_ATTR_NOSYMFOLLOW).union(Flags::MOUNT_ATTR_NOATIME);

/// Makes `/data` there, or fails after having counted that.
pub fn mount(boot: &mut Boot) -> Result<(), Problem> {
    let partition = partition::find(places::DATA_LABEL)?;
    let (block, blank) = {
        let device = open(&partition, OFlags::RDONLY)?;
        (boot_block::read(&device)?, is_blank(&device)?)
    };
    if must_be_laid(&block, blank) {
        lay_from_template(&partition, boot)?;
        boot.event(EventKind::DataPartition, "data partition", format!("{} was blank and is laid", partition.device));
    }
    match attach(&partition, boot).and_then(|()| prove_usable()) {
        Ok(()) if block.failures > 0 => forget_failures(&partition, boot)?,
        Ok(()) => {}
        Err(problem) => {
            // Mounted, but of no use, counts like not mounted; what could not be mounted cannot be unmounted.
            let _ = mount::unmount(places::DATA);
            lay_anew_or_count(&partition, &block, boot, problem)?;
        }
    }
    // Neither makes the device unfit: it has its data, if in less room, and a keepsake in another place.
    for result in [grow(&partition), keep_what_was_saved()] {
        if let Err(problem) = result {
            boot.event(EventKind::DataPartition, "data partition", problem.to_string());
        }
    }
    Ok(())
}

/// Makes init's folder and writes a file into it that has no name, and so finds nothing in its place: a file system that cannot
/// do that serves nobody. One that is full is not broken.
fn prove_usable() -> Result<(), Problem> {
    let written = folders::in_place_of_all_else(places::SYSTEM, 0o700)
        .and_then(|()| files::open(places::SYSTEM, OFlags::WRONLY | OFlags::TMPFILE))
        .and_then(|file| rustix::io::write(&file, b"\n").map_err(|e| FileError::new("write to", places::SYSTEM, e)));
    match written {
        Err(e) if e.source.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        Err(e) => Err(e.into()),
        Ok(_) => Ok(()),
    }
}

/// Opens the device. Never held while it is mounted: this kernel lets nobody write to a mounted device, nor mount one that
/// is open for writing.
fn open(partition: &Partition, flags: OFlags) -> Result<File, Problem> {
    Ok(File::from(files::open(&partition.device, flags)?))
}

/// Whether there is nothing on it, or only a part of the template.
fn must_be_laid(block: &BootBlock, blank: bool) -> bool {
    blank || block.laying
}

/// Nothing in the first MiB.
fn is_blank(device: &File) -> Result<bool, Problem> {
    let mut start = vec![0; SAVED];
    device.read_exact_at(&mut start, 0).map_err(Problem::io("read the start of the data partition"))?;
    let magic = start.get(usize::try_from(MAGIC_OFFSET).unwrap_or(usize::MAX)..).and_then(|rest| rest.get(..MAGIC.len()));
    Ok(magic != Some(&MAGIC) && start.iter().all(|byte| *byte == 0))
}

fn lay_from_template(partition: &Partition, boot: &Boot) -> Result<(), Problem> {
    if let Some(watchdog) = &boot.watchdog {
        watchdog.feed();
    }
    let template = File::from(files::open(places::DATA_TEMPLATE, OFlags::RDONLY)?);
    let device = open(partition, OFlags::RDWR)?;
    boot_block::write(&device, &BootBlock { laying: true, failures: 0 })?;
    lay::copy(&template, &device)
}

/// What the file system holds in reserve is for who writes down what an owner wants, and what happened.
fn attach(partition: &Partition, boot: &Boot) -> Result<(), Problem> {
    let services = &boot.table()?.services;
    let of = |name| services.iter().find(|service| service.name.as_str() == name);
    let user = of("app-manager").map_or(0, |service| service.uid).to_string();
    let group = of("security-monitor").map_or(0, |service| service.gid).to_string();
    let options = [
        ("source", Some(partition.device.as_str())),
        ("prjquota", None),
        ("errors", Some("remount-ro")),
        ("resuid", Some(user.as_str())),
        ("resgid", Some(group.as_str())),
    ];
    Ok(mount::mount("ext4", &options, FLAGS, places::DATA)?)
}

/// It could be mounted again: the next failure is the first. The device can only be written while it is not mounted.
fn forget_failures(partition: &Partition, boot: &Boot) -> Result<(), Problem> {
    say::warning("the data partition is back after a boot that failed on it");
    mount::unmount(places::DATA)?;
    boot_block::write(&open(partition, OFlags::RDWR)?, &BootBlock::default())?;
    attach(partition, boot)
}

fn lay_anew_or_count(partition: &Partition, block: &BootBlock, boot: &mut Boot, problem: Problem) -> Result<(), Problem> {
    let failures = block.failures.saturating_add(1);
    let mut start = vec![0; SAVED];
    {
        let device = open(partition, OFlags::RDWR)?;
        if failures < FAILURES_LIMIT {
            boot_block::write(&device, &BootBlock { laying: false, failures })?;
            say::error(format_args!("boot {failures} of {FAILURES_LIMIT} that fails on the data partition"));
            return Err(problem);
        }
        device.read_exact_at(&mut start, 0).map_err(Problem::io("save the start of the data partition"))?;
    }
    lay_from_template(partition, boot)?;
    attach(partition, boot)?;
    prove_usable()?;
    files::write_durably(saved_file(), &start, 0o600)?;
    boot.event(
        EventKind::DataPartition,
        "data partition",
        format!("could not be mounted in {failures} boots and is laid anew; its first MiB is {}: {problem}", kept_file()),
    );
    Ok(())
}

/// Grows the file system to its partition, online, where it is smaller.
fn grow(partition: &Partition) -> Result<(), Problem> {
    let mut superblock = [0; SUPERBLOCK_SIZE];
    open(partition, OFlags::RDONLY)?
        .read_exact_at(&mut superblock, SUPERBLOCK)
        .map_err(Problem::io("read the superblock of the data partition"))?;
    let (block_size, has) =
        geometry(&superblock).ok_or_else(|| Problem::Missing("block size in the superblock of the data partition".into()))?;
    let wanted = partition.size / block_size;
    if has >= wanted {
        return Ok(());
    }
    let mounted = files::open(places::DATA, OFlags::RDONLY | OFlags::DIRECTORY)?;
    ext4::resize(mounted, wanted).map_err(Problem::kernel(format!("grow the data file system to {wanted} blocks")))
}

/// Size of a block, and number of blocks (`s_log_block_size`, `s_blocks_count_lo` and `_hi`).
fn geometry(superblock: &[u8; SUPERBLOCK_SIZE]) -> Option<(u64, u64)> {
    let word = |at: usize| superblock.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let block_size = 1024_u64.checked_shl(word(0x18)?).filter(|size| (1024..=65_536).contains(size))?;
    Some((block_size, u64::from(word(0x4)?) | u64::from(word(0x150)?) << 32))
}

/// The saved MiB lies beside [`places::SYSTEM`] until that folder exists on the new file system.
fn keep_what_was_saved() -> Result<(), Problem> {
    match files::read(saved_file(), SAVED) {
        Ok(bytes) => {
            files::write_durably(kept_file(), &bytes, 0o600)?;
            Ok(files::remove(saved_file())?)
        }
        Err(e) if e.is_missing() => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn saved_file() -> String {
    format!("{}/data-partition-start", places::DATA)
}

fn kept_file() -> String {
    format!("{}/data-partition-start", places::SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_blank_or_half_laid_partition_is_laid_at_once() {
        let laid = |laying, failures, blank| must_be_laid(&BootBlock { laying, failures }, blank);
        assert!(laid(false, 0, true));
        assert!(laid(true, 0, false));
        assert!(!laid(false, 2, false));
    }

    #[test]
    fn size_of_a_file_system_is_read_from_its_superblock() {
        let mut superblock = [0; SUPERBLOCK_SIZE];
        superblock[0x18] = 2;
        superblock[0x5] = 1;
        superblock[0x150] = 1;
        assert_eq!(geometry(&superblock), Some((4096, (1 << 32) + 256)));
        superblock[0x18] = 99;
        assert_eq!(geometry(&superblock), None);
    }

    #[test]
    fn a_partition_with_anything_in_its_first_mib_is_not_blank() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 << 20).unwrap();
        assert!(is_blank(&file).unwrap());
        file.write_all_at(b"x", (1 << 20) - 1).unwrap();
        assert!(!is_blank(&file).unwrap());
    }
}
