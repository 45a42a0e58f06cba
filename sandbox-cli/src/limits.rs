//! The control group of a program: made with its limits before the program is, removed after it.

use crate::{
    failure::{Class, Failure, Result},
    policy::Limits,
};
use linux::{cgroup::Cgroup, files::FileError};
use std::{
    io,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// Controllers that the limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// Period of `cpu.max` in microseconds, the kernel's default.
const PERIOD: u64 = 100_000;
/// The reaping init counts too.
const OWN_PROCESSES: u32 = 1;
/// A killed group is empty within milliseconds.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(5);

/// A group of its own, killed and removed when dropped.
pub struct Group(Cgroup);

impl Group {
    /// Makes it below `parent`, which is made if it is not there, and sets the limits.
    pub fn make(parent: &Path, limits: &Limits) -> Result<Self> {
        let error = |e: FileError| {
            Failure::of(Class::Unavailable, &e).hint(
                "--cgroup-parent names a folder of control groups v2 that you may write to and that no process is in; \
                 or the policy names `control-group` optional",
            )
        };
        check_is_group(parent.parent().unwrap_or(parent)).map_err(error)?;
        // Controllers are handed down from level to level.
        if let Some(above) = parent.parent() {
            let _ = Cgroup::at(above).enable(&CONTROLLERS);
        }
        let parent = Cgroup::make(parent).map_err(error)?;
        parent.enable(&CONTROLLERS).map_err(error)?;
        let group = Self(Cgroup::make(parent.path().join(std::process::id().to_string())).map_err(error)?);
        group.limit(limits).map_err(error)?;
        Ok(group)
    }

    /// The group itself.
    pub fn cgroup(&self) -> &Cgroup {
        &self.0
    }

    fn limit(&self, limits: &Limits) -> std::result::Result<(), FileError> {
        let group = &self.0;
        group.set("memory.max", limits.memory.0)?;
        group.set("memory.oom.group", 1)?;
        match group.set("memory.swap.max", 0) {
            Err(error) if error.is_missing() => {} // a kernel without swap
            other => other?,
        }
        group.set("pids.max", limits.processes.saturating_add(OWN_PROCESSES))?;
        group.set("cpu.max", format!("{} {PERIOD}", u64::from(limits.cpu_percent) * PERIOD / 100))
    }
}

/// A folder made elsewhere would be a plain folder, and limit nothing.
fn check_is_group(folder: &Path) -> std::result::Result<(), FileError> {
    /// CGROUP2_SUPER_MAGIC (include/uapi/linux/magic.h).
    const CGROUP2: u64 = 0x6367_7270;
    let found = rustix::fs::statfs(folder).map_err(|e| FileError::new("look at", folder, e))?;
    if found.f_type.cast_unsigned() == CGROUP2 {
        return Ok(());
    }
    Err(FileError::new("make a control group in", folder, io::Error::other("it is not in a cgroup2 file system")))
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + EMPTY_TIMEOUT;
        let _ = self.0.kill();
        // Nobody says when the last process has left but the file that is asked here.
        while matches!(self.0.remove(), Ok(false)) && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
    }
}
