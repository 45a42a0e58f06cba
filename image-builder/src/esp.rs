//! The EFI system partition: FAT32 with one file, the signed UKI, where firmware looks when nobody tells it where.

use crate::files::{self, FileError};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::{
    io::{self, Cursor, Write},
    path::Path,
};

/// Writes the EFI system partition's image: room for `size` bytes, the UKI in it. Equal for equal UKIs.
pub fn make(uki: &Path, image: &Path, size: u64) -> Result<(), FileError> {
    let program = files::read(uki)?;
    let bytes = format(&program, size).map_err(FileError::of("lay out", image))?;
    files::write(image, &bytes)
}

/// Room for `times` UKIs of this size, in whole MiB; never less than FAT32 can be.
pub fn size_for(uki_size: u64, times: u64) -> u64 {
    (uki_size * times).next_multiple_of(1 << 20).max(SMALLEST)
}

fn format(program: &[u8], size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(512)
        .volume_id(VOLUME_ID)
        .volume_label(*b"HOLDFAST   ");
    fatfs::format_volume(Cursor::new(&mut bytes), options)?;
    let volume = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new().time_provider(&FIXED))?;
    let mut file = volume.root_dir().create_dir("EFI")?.create_dir("BOOT")?.create_file("BOOTX64.EFI")?;
    file.write_all(program)?;
    drop(file);
    // Counts the free clusters, which unmounting then writes down.
    volume.stats()?;
    volume.unmount()?;
    mend_parent(&mut bytes)?;
    Ok(bytes)
}

/// The first folder's `..` must say cluster 0 where the root is meant (Microsoft's FAT specification, "Directory
/// Creation"); the crate says the root's own number there, which checkers report.
fn mend_parent(bytes: &mut [u8]) -> io::Result<()> {
    const ENTRY: usize = 32;
    let is = |entry: &[u8], name: &[u8; 11]| entry.starts_with(name) && entry[11] == DIRECTORY;
    let own = bytes.chunks_exact(ENTRY).position(|entry| is(entry, b".          "));
    let parent =
        own.map(|at| (at + 1) * ENTRY).and_then(|at| bytes.get_mut(at..at + ENTRY)).filter(|entry| is(entry, b"..         "));
    let parent = parent.ok_or_else(|| io::Error::other("the folder EFI has no entry for its parent"))?;
    // High and low half of the first cluster's number.
    parent[20..22].fill(0);
    parent[26..28].fill(0);
    Ok(())
}

/// A clock that stands still: files of an image carry no time of day.
#[derive(Debug)]
struct Fixed;

static FIXED: Fixed = Fixed;

impl TimeProvider for Fixed {
    fn get_current_date(&self) -> Date {
        Date { year: 2020, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

/// Attribute of a directory's entry.
const DIRECTORY: u8 = 0x10;
const VOLUME_ID: u32 = 0x484f_4c44;
/// FAT32 has at least 65,525 clusters, of 512 bytes here, and its tables.
const SMALLEST: u64 = 36 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Outside, progress::Silent};

    #[test]
    fn the_partition_is_fat32_that_fsck_and_mtools_accept_and_equal_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let (uki, image, back) = (folder.path().join("uki"), folder.path().join("esp"), folder.path().join("back"));
        files::write(&uki, &vec![0x5a; 3_000_001]).unwrap();
        make(&uki, &image, size_for(3_000_001, 4)).unwrap();
        let first = files::read(&image).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        make(&uki, &image, size_for(3_000_001, 4)).unwrap();
        assert!(first == files::read(&image).unwrap());
        Outside::new("mcopy", "mtools").arg("-i").arg(&image).arg("::EFI/BOOT/BOOTX64.EFI").arg(&back).run(&mut Silent).unwrap();
        assert!(files::read(&uki).unwrap() == files::read(&back).unwrap());
        Outside::new("fsck.vfat", "dosfstools").args(["-n"]).arg(&image).run(&mut Silent).unwrap();
    }
}
