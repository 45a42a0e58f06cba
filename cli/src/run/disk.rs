//! The machine's own disk: a copy of the image's, which keeps the data partition when the image is built anew.

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
};
use gpt::{GptConfig, disk::LogicalBlockSize};
use image_builder::Output;
use manifest::{api::ErrorClass, places::DATA_LABEL};
use qemu_runner::{MachineFolder, folder, sparse};
use std::path::Path;

/// The disk.
pub const DISK: &str = "disk.img";
/// The firmware's variables.
pub const VARIABLES: &str = "ovmf-variables.fd";
/// Digests of the image the disk was made from.
const ORIGIN: &str = "disk-origin.json";

/// Whether a machine begins blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With what it had, or blank the first time.
    AsLeft,
    /// Blank.
    Blank,
}

/// Lays out disk and firmware variables in the machine's folder.
pub fn prepare(context: &Context, image: &Output, machine: &MachineFolder, begin: Begin) -> Result<()> {
    let origin = fs_err::read(image.manifest()).map_err(|error| {
        let failure = Failure::from(error).while_doing(format!("{} is no image folder", image.folder().display()));
        failure.hint("`holdfast image build boards/images/qemu.json` makes one")
    })?;
    let (disk, kept) = (machine.file(DISK), machine.file("disk.previous.img"));
    let same = fs_err::read(machine.file(ORIGIN)).is_ok_and(|known| known == origin);
    if begin == Begin::AsLeft && same && disk.exists() {
        return Ok(());
    }
    // Half a disk would be taken for a whole one if this broke off: the note of its origin comes last.
    let _ = fs_err::remove_file(machine.file(ORIGIN));
    let carry = begin == Begin::AsLeft && disk.exists();
    if carry {
        fs_err::rename(&disk, &kept)?;
    }
    sparse::copy(&image.disk(), &disk)?;
    if carry && carry_data(&kept, &disk)? {
        context.output.note("The image is new since the last run; the device keeps its data.");
        fs_err::remove_file(&kept)?;
    } else if carry {
        context.output.warning("the image is new and its data partition has another size, so the device begins blank; the old disk is disk.previous.img");
    }
    sparse::copy(&image.firmware_variables(), &machine.file(VARIABLES))?;
    if begin == Begin::Blank {
        let tpm = machine.file(folder::TPM_STATE);
        if tpm.exists() {
            fs_err::remove_dir_all(tpm)?;
        }
    }
    Ok(fs_err::write(machine.file(ORIGIN), origin)?)
}

/// Copies the data partition from disk to disk; whether they fit.
fn carry_data(from: &Path, to: &Path) -> Result<bool> {
    let (Some((at, length)), Some((to_at, to_length))) = (data_partition(from)?, data_partition(to)?) else { return Ok(false) };
    if length != to_length {
        return Ok(false);
    }
    let target = fs_err::OpenOptions::new().write(true).open(to)?;
    sparse::copy_range(&fs_err::File::open(from)?, at, &target, to_at, length)?;
    Ok(true)
}

/// Where the data partition lies, in bytes.
fn data_partition(disk: &Path) -> Result<Option<(u64, u64)>> {
    let error = |e: &dyn std::error::Error| {
        Failure::of(ErrorClass::BadInput, e).while_doing(format!("the partition table of {}", disk.display()))
    };
    let table = GptConfig::new().writable(false).open(disk).map_err(|e| error(&e))?;
    let Some(partition) = table.partitions().values().find(|partition| partition.name == DATA_LABEL) else { return Ok(None) };
    let block = LogicalBlockSize::Lb512;
    let start = partition.bytes_start(block).map_err(|e| error(&e))?;
    let length = partition.bytes_len(block).map_err(|e| error(&e))?;
    Ok(Some((start, length)))
}
