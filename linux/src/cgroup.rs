//! Control groups v2 (Documentation/admin-guide/cgroup-v2.rst).

use crate::files::{self, FileError};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Gid, OFlags, Uid, chownat, unlinkat},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Files of a control group that its manager must own beside the folder, so that it may put processes in, move them
/// between its children and hand controllers on (cgroup-v2.rst, "Delegation").
const DELEGATED: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/// A control group by its path below the cgroup2 mount. Does not remove it when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The group at `path`, which must exist already.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the group at `path`, mode 0755, or takes the one that is there.
    pub fn make(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        files::make_folder(&path, 0o755)?;
        Ok(Self { path })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor of the folder, as clone3(2) with CLONE_INTO_CGROUP takes it.
    pub fn open(&self) -> Result<OwnedFd, FileError> {
        files::open(&self.path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Writes one of its files, such as `memory.max`.
    pub fn set(&self, file: &str, value: impl std::fmt::Display) -> Result<(), FileError> {
        files::write_existing(self.path.join(file), value.to_string())
    }

    /// Reads one of its files, without the newline at the end.
    pub fn get(&self, file: &str) -> Result<String, FileError> {
        files::read_line(self.path.join(file))
    }

    /// Reads a file of `key value` lines, such as `memory.events` or `cgroup.events`. What is not a number is left out.
    pub fn counters(&self, file: &str) -> Result<BTreeMap<String, u64>, FileError> {
        Ok(counters(&self.get(file)?))
    }

    /// Hands controllers on to its children, such as `["memory", "pids"]`: all or none. One that the kernel lacks is an error.
    pub fn enable(&self, controllers: &[&str]) -> Result<(), FileError> {
        let words: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
        self.set("cgroup.subtree_control", words.join(" "))
    }

    /// Moves a process into it.
    pub fn add(&self, pid: u32) -> Result<(), FileError> {
        self.set("cgroup.procs", pid)
    }

    /// Hands the group to another manager by owner: the folder and the three files of delegation. Its limits stay its
    /// maker's.
    pub fn delegate(&self, uid: u32, gid: u32) -> Result<(), FileError> {
        let own = |path: &Path| {
            chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| FileError::new("change the owner of", path, e))
        };
        own(&self.path)?;
        DELEGATED.iter().try_for_each(|file| own(&self.path.join(file)))
    }

    /// Kills every process in it and below, at once, forks in progress included (`cgroup.kill`).
    pub fn kill(&self) -> Result<(), FileError> {
        self.set("cgroup.kill", 1)
    }

    /// Whether a process is left in it or below.
    pub fn is_populated(&self) -> Result<bool, FileError> {
        Ok(self.counters("cgroup.events")?.get("populated") == Some(&1))
    }

    /// Removes it. False while a process or a child group is still in it; one that is gone already counts as removed.
    pub fn remove(&self) -> Result<bool, FileError> {
        match unlinkat(CWD, &self.path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(e) => Err(FileError::new("remove", &self.path, e)),
        }
    }
}

fn counters(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| line.split_once(' ').and_then(|(key, value)| Some((key.to_owned(), value.trim().parse().ok()?)));
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_what_is_no_number_is_left_out() {
        let read = counters("low 0\nmax 3\noom_kill 1\nodd\nusage max");
        assert_eq!(read.get("oom_kill"), Some(&1));
        assert_eq!(read.len(), 3);
    }
}
