//! What a restarted app-manager must know of this boot: kept below /run, gone with a reboot.

use crate::denials::Record;
use linux::files::{self, FileError};
use manifest::{names::ComponentId, read};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Longest record that is read.
pub const RUN_LIMIT: usize = 32 * 1024;
const FILE: &str = "state.json";

/// One app's record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Counts starts in this boot; an instance is addressed by component and generation.
    pub generation: u64,
    /// Starts since it was installed or started by hand.
    pub starts: u64,
    /// Failures in a row.
    pub failures: u32,
    /// Version of the last instance.
    pub version: u64,
    /// Whether a debugger started it.
    pub debugged: bool,
    /// Where its life stood.
    pub stood: Stood,
    /// When this instance said READY=1, in milliseconds since the kernel's start.
    pub ready_at_ms: Option<u64>,
    /// How it ended last.
    pub last_exit: Option<String>,
    /// Its own status line.
    pub status: Option<String>,
    /// What it was refused.
    pub denials: Record,
    /// The update that waits.
    pub delayed: Option<Delayed>,
}

/// How long an update waits. Times are milliseconds since the kernel's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delayed {
    /// The version that comes.
    pub version: u64,
    /// Until when each app that was told has it wait.
    pub wishes_ms: BTreeMap<ComponentId, u64>,
    /// Until when the apps may answer.
    pub notice_ms: u64,
    /// When it is installed at the latest.
    pub limit_ms: u64,
}

/// Where an app's life stood, as far as it outlives app-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stood {
    /// Did not run, or waited to be started.
    #[default]
    Down,
    /// An instance was launched.
    Up,
    /// An instance had said READY=1.
    Ready,
    /// Ended by itself for good.
    Exited,
    /// Failed for good, as its manifest wants it.
    Crashed,
    /// Given up.
    Failed,
}

impl Run {
    /// The record of the app with this folder below /run, or a new one. A record that cannot be read is worth nothing
    /// more than a new one: it says nothing that the device depends on.
    pub fn load(folder: &Path) -> Self {
        let bytes = files::read(path(folder), RUN_LIMIT).unwrap_or_default();
        read::json("run record", &bytes, RUN_LIMIT).unwrap_or_default()
    }

    /// Keeps it.
    pub fn store(&self, folder: &Path) -> Result<(), FileError> {
        let error = |e| FileError::new("write", path(folder), std::io::Error::other(e));
        files::write_durably(path(folder), &serde_json::to_vec(self).map_err(error)?, 0o600)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_a_restart_and_a_broken_one_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run { generation: 7, stood: Stood::Ready, ..Run::default() };
        run.store(folder.path()).unwrap();
        assert_eq!(Run::load(folder.path()), run);
        files::write_durably(folder.path().join(FILE), b"{\"generaton\":1}", 0o600).unwrap();
        assert_eq!(Run::load(folder.path()), Run::default());
    }
}
