//! The disk: GPT with esp-a, root-a, esp-b, root-b and data. A slot is esp + root, written raw and whole. Slot b is
//! empty until the first update; data is blank until the first boot.

use crate::{
    erofs::uuid_from,
    files::{self, FileError},
};
use gpt::{
    disk::LogicalBlockSize,
    mbr::ProtectiveMBR,
    partition::Partition,
    partition_types::{EFI, LINUX_FS, LINUX_ROOT_X64, Type},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What a disk is made of.
#[derive(Debug)]
pub struct Layout<'a> {
    /// Image of the EFI system partition; also its size.
    pub esp: &'a Path,
    /// Image of the root partition.
    pub root: &'a Path,
    /// Room for a root partition.
    pub root_size: u64,
    /// Room for data.
    pub data_size: u64,
}

/// Why there is no disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The partition table could not be written.
    #[error("cannot write the partition table of {}", disk.display())]
    Table {
        /// The disk image.
        disk: PathBuf,
        /// Why not.
        #[source]
        source: Box<gpt::GptError>,
    },
}

/// Room for `times` roots of this size, in whole MiB.
pub fn root_size_for(root: u64, times: u64) -> u64 {
    (root * times).next_multiple_of(MIB)
}

/// Writes the disk as a sparse file: equal for equal partitions and sizes, ids included.
pub fn make(layout: &Layout<'_>, disk: &Path) -> Result<(), DiskError> {
    let partitions = partitions(layout)?;
    let end = partitions.last().map_or(FIRST, |last| (last.partition.last_lba + 1) * SECTOR);
    files::remove(disk)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(disk).map_err(FileError::of("create", disk))?;
    file.set_len(end + MIB).map_err(FileError::of("size", disk))?;
    let (content, ids) = (write_content(&file, &partitions), disk_id(layout)?);
    content.map_err(FileError::of("write", disk))?;
    write_table(file, end + MIB, ids, &partitions)
        .map_err(|source| DiskError::Table { disk: disk.to_owned(), source: Box::new(source) })
}

struct Planned {
    partition: Partition,
    content: Option<Vec<u8>>,
}

fn partitions(layout: &Layout<'_>) -> Result<Vec<Planned>, DiskError> {
    let (esp, root) = (files::read(layout.esp)?, files::read(layout.root)?);
    let esp_size = esp.len() as u64;
    let rows: [(&str, Type, u64, Option<Vec<u8>>); 5] = [
        ("esp-a", EFI, esp_size, Some(esp)),
        ("root-a", LINUX_ROOT_X64, layout.root_size, Some(root)),
        ("esp-b", EFI, esp_size, None),
        ("root-b", LINUX_ROOT_X64, layout.root_size, None),
        (manifest::places::DATA_LABEL, LINUX_FS, layout.data_size, None),
    ];
    let seed = digest(layout)?;
    let mut start = FIRST;
    let mut planned = Vec::new();
    for (name, part_type_guid, size, content) in rows {
        let size = size.next_multiple_of(MIB);
        let (first_lba, last_lba) = (start / SECTOR, (start + size) / SECTOR - 1);
        let part_guid = id(&seed, name);
        planned.push(Planned {
            partition: Partition { part_type_guid, part_guid, first_lba, last_lba, flags: 0, name: name.into() },
            content,
        });
        start += size;
    }
    Ok(planned)
}

fn write_content(mut file: &File, partitions: &[Planned]) -> io::Result<()> {
    for planned in partitions {
        let Some(content) = &planned.content else { continue };
        for (at, chunk) in content.chunks(MIB as usize).enumerate() {
            // What is zero stays a hole.
            if chunk.iter().any(|byte| *byte != 0) {
                file.seek(SeekFrom::Start(planned.partition.first_lba * SECTOR + at as u64 * MIB))?;
                file.write_all(chunk)?;
            }
        }
    }
    Ok(())
}

fn write_table(mut file: File, size: u64, disk_id: Uuid, partitions: &[Planned]) -> Result<(), gpt::GptError> {
    let sectors = u32::try_from(size / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(&mut file).map_err(io::Error::other)?;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(disk_id))?;
    let rows: BTreeMap<u32, Partition> = (1..).zip(partitions.iter().map(|planned| planned.partition.clone())).collect();
    table.update_partitions(rows)?;
    table.write()?;
    Ok(())
}

/// Ids follow from the content. Two devices with one image have equal ids, which tells nobody which device it is.
fn digest(layout: &Layout<'_>) -> Result<String, FileError> {
    Ok(format!("{} {} {} {}", files::sha256(layout.esp)?, files::sha256(layout.root)?, layout.root_size, layout.data_size))
}

fn disk_id(layout: &Layout<'_>) -> Result<Uuid, FileError> {
    Ok(id(&digest(layout)?, "disk"))
}

fn id(seed: &str, name: &str) -> Uuid {
    uuid_from(&Sha256::digest(format!("holdfast {name} {seed}")))
}

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// The first partition begins here; before it lies the table.
const FIRST: u64 = MIB;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Outside, progress::Silent};

    #[test]
    fn sgdisk_finds_no_fault_and_equal_parts_give_equal_disks() {
        let folder = tempfile::tempdir().unwrap();
        let (esp, root) = (folder.path().join("esp"), folder.path().join("root"));
        files::write(&esp, &vec![1; 2 << 20]).unwrap();
        files::write(&root, &vec![2; 1_003_520]).unwrap();
        let layout = Layout { esp: &esp, root: &root, root_size: root_size_for(1_003_520, 4), data_size: 32 << 20 };
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        make(&layout, &one).unwrap();
        make(&layout, &other).unwrap();
        assert_eq!(files::sha256(&one).unwrap(), files::sha256(&other).unwrap());

        let sgdisk = |option: &str| {
            String::from_utf8(Outside::new("sgdisk", "gdisk").arg(option).arg(&one).run(&mut Silent).unwrap()).unwrap()
        };
        assert!(sgdisk("-v").contains("No problems found"), "{}", sgdisk("-v"));
        let table = sgdisk("-p");
        let names: Vec<&str> = table
            .lines()
            .skip_while(|line| !line.starts_with("Number"))
            .skip(1)
            .filter_map(|line| line.split_whitespace().last())
            .collect();
        assert_eq!(names, ["esp-a", "root-a", "esp-b", "root-b", "data"]);
        let bytes = files::read(&one).unwrap();
        assert!(bytes[3 << 20..][..1_003_520].iter().all(|byte| *byte == 2));
    }
}
