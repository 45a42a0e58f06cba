//! One control group per instance: its limits, its end.
//!
//! `/sys/fs/cgroup/apps` belongs to app-manager, so it needs no capability to make groups and to kill by them. launcher
//! puts the app into its group with CLONE_INTO_CGROUP, for which `cgroup.procs` must be writable for launcher.

use crate::{disk::Disk, fault::Fault};
use grant::Limits;
use ipc::messages::Instance;
use linux::{cgroup::Cgroup, files::FileError};
use manifest::api::ErrorClass;
use rustix::fs::{AtFlags, CWD, Mode, chmodat};
use std::path::Path;

/// Controllers that limits need.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];
/// Most groups below `apps` that are looked at.
const GROUPS_LIMIT: usize = 4096;

/// Hands those controllers on to the apps' groups that they lack: none where init made the tree.
pub fn enable_controllers(apps: &Path) -> Result<(), FileError> {
    let group = Cgroup::at(apps);
    let enabled = group.get("cgroup.subtree_control")?;
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|name| !enabled.split(' ').any(|e| e == *name)).collect();
    group.enable(&missing)
}

/// The group of an instance.
pub fn group(apps: &Path, instance: &Instance) -> Cgroup {
    Cgroup::at(apps.join(format!("{}-{}", instance.component, instance.generation)))
}

/// Makes the group of an instance with its limits. `disk` is the one that limits of reading and writing are of.
pub fn make(apps: &Path, instance: &Instance, limits: &Limits, disk: Option<&Disk>) -> Result<Cgroup, Fault> {
    let io = io(limits, disk)?;
    let group = Cgroup::make(group(apps, instance).path())?;
    for (file, value) in values(limits) {
        match group.set(file, &value) {
            // A kernel without swap has no such file, and nothing to limit.
            Err(e) if file == SWAP && e.is_missing() => {}
            set => set?,
        }
    }
    if let Some(value) = io {
        group.set(IO, value)?;
    }
    // launcher must be able to write here for CLONE_INTO_CGROUP, and app-manager is in no group with it. For others the bit
    // is worth nothing: moving a process needs the same right in the common ancestor (cgroup-v2.rst, "Delegation
    // Containment"), and apps see no cgroupfs at all.
    let procs = group.path().join("cgroup.procs");
    chmodat(CWD, &procs, Mode::from_raw_mode(0o646), AtFlags::empty())
        .map_err(|e| FileError::new("set the mode of", &procs, e))?;
    Ok(group)
}

/// Files and values. One app over its memory limit is killed as a whole, instead of losing a process at random.
fn values(limits: &Limits) -> [(&'static str, String); 6] {
    let quota = u64::from(limits.cpu_percent) * CPU_PERIOD_US / 100;
    [
        ("memory.max", limits.memory.0.to_string()),
        (SWAP, "0".to_owned()),
        ("memory.oom.group", "1".to_owned()),
        ("pids.max", limits.pids.to_string()),
        ("cpu.max", format!("{quota} {CPU_PERIOD_US}")),
        ("cpu.weight", limits.cpu_weight.to_string()),
    ]
}

/// The value of `io.max`, if anything is limited. A limit that nobody could enforce is no start.
fn io(limits: &Limits, disk: Option<&Disk>) -> Result<Option<String>, Fault> {
    let io = &limits.io;
    if io.is_empty() {
        return Ok(None);
    }
    let disk =
        disk.ok_or_else(|| Fault::new(ErrorClass::Internal, "Holdfast.Io cannot be enforced: no disk is known below /data"))?;
    let keys = [
        ("rbps", io.read_bytes_per_second.map(|bytes| bytes.0)),
        ("wbps", io.write_bytes_per_second.map(|bytes| bytes.0)),
        ("riops", io.reads_per_second.map(u64::from)),
        ("wiops", io.writes_per_second.map(u64::from)),
    ];
    let set: Vec<String> = keys.iter().filter_map(|(key, limit)| limit.map(|limit| format!("{key}={limit}"))).collect();
    Ok(Some(format!("{disk} {}", set.join(" "))))
}

/// The limits that the kernel says are in force, a line each.
pub fn in_force(group: &Cgroup) -> Vec<String> {
    let told = |file: &&str| match group.get(file) {
        Ok(value) if value.is_empty() => None,
        Ok(value) => Some(format!("control group: {file} {value}")),
        Err(e) if e.is_missing() => None,
        Err(e) => Some(format!("control group: {file} cannot be read: {}", linux::files::chain(&e))),
    };
    ["memory.max", SWAP, "pids.max", "cpu.max", "cpu.weight", IO].iter().filter_map(told).collect()
}

/// Empty where nothing is limited.
const IO: &str = "io.max";

const SWAP: &str = "memory.swap.max";
/// The kernel's own default period.
const CPU_PERIOD_US: u64 = 100_000;

/// Instances that have a group, whether anything runs in it or not.
pub fn groups(apps: &Path) -> Result<Vec<Instance>, FileError> {
    Ok(linux::files::list(apps, GROUPS_LIMIT)?.iter().filter_map(|name| instance(name)).collect())
}

fn instance(name: &str) -> Option<Instance> {
    let (component, generation) = name.rsplit_once('-')?;
    Some(Instance { component: component.parse().ok()?, generation: generation.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::{holdfast::IoLimits, quantity::Bytes};

    #[test]
    fn limits_are_written_as_the_kernel_wants_them() {
        let limits = Limits {
            memory: Bytes::mib(8),
            cpu_percent: 50,
            cpu_weight: 100,
            pids: 2,
            io: IoLimits::default(),
            open_files: 64,
            core: Bytes(0),
        };
        assert_eq!(values(&limits)[0], ("memory.max", "8388608".to_owned()));
        assert_eq!(values(&limits)[4], ("cpu.max", "50000 100000".to_owned()));
        assert_eq!(values(&limits)[5], ("cpu.weight", "100".to_owned()));
    }

    #[test]
    fn limits_of_the_disk_name_it_and_without_one_nothing_is_started() {
        let io = IoLimits { write_bytes_per_second: Some(Bytes::mib(1)), reads_per_second: Some(50), ..IoLimits::default() };
        let limits =
            |io| Limits { memory: Bytes::mib(8), cpu_percent: 50, cpu_weight: 100, pids: 2, io, open_files: 64, core: Bytes(0) };
        let disk = Disk { major: 254, minor: 16 };
        assert_eq!(super::io(&limits(io), Some(&disk)).unwrap().unwrap(), "254:16 wbps=1048576 riops=50");
        assert_eq!(super::io(&limits(IoLimits::default()), None).unwrap(), None);
        assert!(super::io(&limits(io), None).unwrap_err().0.message.contains("Holdfast.Io"));
    }

    #[test]
    fn a_groups_name_gives_its_instance_and_nothing_else_does() {
        let text = "25025d2c-66da-4448-bae1-ac26fcdd3627-12";
        assert_eq!(instance(text).unwrap().generation, 12);
        for other in ["cgroup.procs", "25025d2c-66da-4448-bae1-ac26fcdd3627", "x-1", "25025d2c-66da-4448-bae1-ac26fcdd3627-x"] {
            assert!(instance(other).is_none(), "{other}");
        }
    }
}
