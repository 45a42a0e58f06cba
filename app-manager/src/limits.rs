//! One control group per instance: its limits, its end.
//!
//! `/sys/fs/cgroup/apps` belongs to app-manager, so it needs no capability to make groups and to kill by them. launcher
//! puts the app into its group with CLONE_INTO_CGROUP, for which `cgroup.procs` must be writable for launcher.

use grant::Limits;
use ipc::messages::Instance;
use linux::{cgroup::Cgroup, files::FileError};
use rustix::fs::{AtFlags, CWD, Mode, chmodat};
use std::path::Path;

/// Controllers that limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// Most groups below `apps` that are looked at.
const GROUPS_LIMIT: usize = 4096;

/// Hands the controllers on to the apps' groups. init may have done it already.
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

/// Makes the group of an instance with its limits.
pub fn make(apps: &Path, instance: &Instance, limits: &Limits) -> Result<Cgroup, FileError> {
    let group = Cgroup::make(group(apps, instance).path())?;
    for (file, value) in values(limits) {
        match group.set(file, &value) {
            // A kernel without swap has no such file, and nothing to limit.
            Err(e) if file == SWAP && e.is_missing() => {}
            set => set?,
        }
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
fn values(limits: &Limits) -> [(&'static str, String); 5] {
    let quota = u64::from(limits.cpu_percent) * CPU_PERIOD_US / 100;
    [
        ("memory.max", limits.memory.0.to_string()),
        (SWAP, "0".to_owned()),
        ("memory.oom.group", "1".to_owned()),
        ("pids.max", limits.pids.to_string()),
        ("cpu.max", format!("{quota} {CPU_PERIOD_US}")),
    ]
}

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
        let limits =
            Limits { memory: Bytes::mib(8), cpu_percent: 50, cpu_weight: 100, pids: 2, io: IoLimits::default(), open_files: 64 };
        assert_eq!(values(&limits)[0], ("memory.max", "8388608".to_owned()));
        assert_eq!(values(&limits)[4], ("cpu.max", "50000 100000".to_owned()));
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
