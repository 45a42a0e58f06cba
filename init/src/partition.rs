//! Finding a partition by its GPT label, through sysfs.

use crate::problem::Problem;
use linux::{clock, files};
use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its device node.
    pub device: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Block devices of the machine, one link each.
const BLOCK_DEVICES: &str = "/sys/class/block";
/// The root's device-mapper device.
const ROOT: &str = "dm-0";
/// Longest wait for it: controllers such as eMMC's are probed beside the boot. After that the boot has failed.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Most block devices that are looked at.
const DEVICES_LIMIT: usize = 1024;
/// Unit of `size` in sysfs.
const SECTOR: u64 = 512;

/// Finds the partition labelled `label`, on the disk that the root is on where several carry the label: a second disk
/// with the same label must not take its place.
pub fn find(label: &str) -> Result<Partition, Problem> {
    let began = clock::since_boot();
    loop {
        let found = look(Path::new(BLOCK_DEVICES), label)?;
        if let Some(partition) = found {
            return Ok(partition);
        }
        if clock::since_boot().saturating_sub(began) > WAIT {
            return Err(Problem::Missing(format!("partition labelled `{label}` on any disk")));
        }
        sleep(PAUSE);
    }
}

fn look(devices: &Path, label: &str) -> Result<Option<Partition>, Problem> {
    let root_disks = root_disks(devices);
    let mut found: Vec<(bool, Partition)> = Vec::new();
    for name in files::list(devices, DEVICES_LIMIT)? {
        let folder = devices.join(&name);
        let Ok(uevent) = files::read_line(folder.join("uevent")) else { continue };
        if value(&uevent, "PARTNAME") != Some(label) {
            continue;
        }
        let (Some(node), Ok(sectors)) = (value(&uevent, "DEVNAME"), files::read_line(folder.join("size"))) else { continue };
        let size = sectors.parse::<u64>().unwrap_or(0).saturating_mul(SECTOR);
        let beside_root = disk(&folder).is_some_and(|disk| root_disks.contains(&disk));
        found.push((beside_root, Partition { device: format!("/dev/{node}"), size }));
    }
    let best = found.iter().position(|(beside_root, _)| *beside_root).unwrap_or(0);
    // Where the root's disk is known, no other one will do.
    Ok(found
        .into_iter()
        .nth(best)
        .filter(|(beside_root, _)| *beside_root || root_disks.is_empty())
        .map(|(_, partition)| partition))
}

/// Disks that the root's device-mapper device lies on; none where the root is no such device.
fn root_disks(devices: &Path) -> Vec<PathBuf> {
    let slaves = devices.join(ROOT).join("slaves");
    let names = files::list(&slaves, DEVICES_LIMIT).unwrap_or_default();
    names.iter().filter_map(|name| disk(&slaves.join(name))).collect()
}

/// The disk a partition belongs to: the folder above its own in `/sys/devices`.
fn disk(partition: &Path) -> Option<PathBuf> {
    partition.canonicalize().ok()?.parent().map(Path::to_owned)
}

fn value<'a>(uevent: &'a str, key: &str) -> Option<&'a str> {
    uevent.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folders(path: &Path) {
        let above: Vec<&Path> = path.ancestors().filter(|folder| !folder.exists()).collect();
        above.into_iter().rev().for_each(|folder| files::make_folder(folder, 0o700).unwrap());
    }

    fn partition(root: &Path, disk: &str, name: &str, label: &str) {
        let folder = root.join("devices").join(disk).join(name);
        folders(&folder);
        files::write_durably(
            folder.join("uevent"),
            format!("DEVNAME={name}\nDEVTYPE=partition\nPARTNAME={label}\n").as_bytes(),
            0o600,
        )
        .unwrap();
        files::write_durably(folder.join("size"), b"2048\n", 0o600).unwrap();
        folders(&root.join("class"));
        symlink(&folder, root.join("class").join(name)).unwrap();
    }

    #[test]
    fn the_partition_beside_the_root_wins_and_no_other_disk_takes_its_place() {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("class");
        partition(root.path(), "vda", "vda1", "data");
        assert_eq!(look(&class, "data").unwrap(), Some(Partition { device: "/dev/vda1".into(), size: 1 << 20 }));
        assert_eq!(look(&class, "dat").unwrap(), None);
        partition(root.path(), "vdb", "vdb2", "root-a");
        let slaves = root.path().join("devices/dm-0/slaves");
        folders(&slaves);
        symlink(root.path().join("devices/dm-0"), class.join("dm-0")).unwrap();
        symlink(root.path().join("devices/vdb/vdb2"), slaves.join("vdb2")).unwrap();
        assert_eq!(look(&class, "data").unwrap(), None, "only a stranger's disk has it");
        partition(root.path(), "vdb", "vdb5", "data");
        assert_eq!(look(&class, "data").unwrap().unwrap().device, "/dev/vdb5");
    }
}
