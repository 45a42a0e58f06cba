//! The disk below `/data`, by whose number `io.max` limits what apps read and write.

use linux::files::{self, FileError};
use rustix::fs::{major, minor, stat};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A whole disk: of a partition the kernel takes no limits (cgroup-v2.rst, "io.max").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl Disk {
    /// The disk that the file system of `folder` lies on, as `sys` (/sys) tells; none if it lies on no block device.
    pub fn below(folder: &Path, sys: &Path) -> Result<Option<Self>, FileError> {
        let device = stat(folder).map_err(|e| FileError::new("look at", folder, e))?.st_dev;
        let number = Self { major: major(device), minor: minor(device) };
        let entry: PathBuf = sys.join("dev/block").join(number.to_string());
        match files::read_line(entry.join("partition")) {
            Err(e) if e.is_missing() => Ok(entry.join("dev").exists().then_some(number)),
            Err(e) => Err(e),
            // The entry is a link; the kernel follows it before it goes up.
            Ok(_) => Ok(parse(&files::read_line(entry.join("../dev"))?)),
        }
    }
}

fn parse(text: &str) -> Option<Disk> {
    let (major, minor) = text.split_once(':')?;
    Some(Disk { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use std::fs;

    /// A /sys in which the temporary folder's device is this.
    fn sys(partition: bool) -> (tempfile::TempDir, Disk) {
        let root = tempfile::tempdir().unwrap();
        let device = stat(root.path()).unwrap().st_dev;
        let number = Disk { major: major(device), minor: minor(device) };
        let disk = root.path().join("devices/vda");
        let part = disk.join("vda5");
        fs::create_dir_all(&part).unwrap();
        fs::create_dir_all(root.path().join("dev/block")).unwrap();
        fs::write(disk.join("dev"), "254:16\n").unwrap();
        fs::write(part.join("dev"), format!("{number}\n")).unwrap();
        if partition {
            fs::write(part.join("partition"), "5\n").unwrap();
        }
        std::os::unix::fs::symlink(&part, root.path().join("dev/block").join(number.to_string())).unwrap();
        (root, number)
    }

    #[test]
    fn of_a_partition_it_is_the_disk_and_of_a_disk_itself() {
        let (root, _) = sys(true);
        assert_eq!(Disk::below(root.path(), root.path()).unwrap(), Some(Disk { major: 254, minor: 16 }));
        let (root, number) = sys(false);
        assert_eq!(Disk::below(root.path(), root.path()).unwrap(), Some(number));
    }

    #[test]
    fn a_file_system_in_memory_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Disk::below(root.path(), root.path()).unwrap(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_number_is_read_as_it_is_written_and_nothing_panics(major: u32, minor: u32, text: String) {
            proptest::prop_assert_eq!(parse(&Disk { major, minor }.to_string()), Some(Disk { major, minor }));
            let _ = parse(&text);
        }
    }
}
