//! The durable table: which components this device knows, with their uids and what the owner wants of them.
//!
//! Whether an app is *installed* is not said here: it is when `apps/<id>/current` exists. So an installation has one
//! moment of truth, the rename, and the table cannot contradict it.

use linux::files::{self, FileError};
use manifest::{
    names::ComponentId,
    places,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Longest table that is read: some 20,000 components.
const TABLE_LIMIT: usize = 4 * 1024 * 1024;

/// What is kept over restarts and reboots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Format of the table: 1.
    schema: u32,
    /// The uid that the next new component gets. Only ever rises: a uid is never given to a second component.
    next_uid: u32,
    /// Every component that was ever installed. One that was removed stays as a tombstone that keeps its uid.
    components: BTreeMap<ComponentId, Entry>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// User id, group id and project id.
    pub uid: u32,
    /// What the owner wants.
    pub wanted: Wanted,
    /// Highest version that was installed since the last removal: nothing older is installed silently.
    pub floor: u64,
    /// A removal began: it is finished at the next start if it was cut off.
    #[serde(default)]
    pub removing: bool,
}

impl Entry {
    /// Of one that is not installed, or not yet: whoever installs it wants it to run, and a power cut after its switch, before
    /// anything else is written here, finds that.
    fn new(uid: u32) -> Self {
        Self { uid, wanted: Wanted::Running, floor: 0, removing: false }
    }

    /// Nothing is left of it but its uid.
    pub fn end_removal(&mut self) {
        *self = Self::new(self.uid);
    }
}

/// What the owner wants of an app, over reboots too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// It runs.
    Running,
    /// It does not.
    Stopped,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is none of ours.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Written by a later release.
    #[error("table of apps: schema {0} is not known, expected 1")]
    Schema(u32),
    /// Every uid was given away.
    #[error(
        "all user ids of apps ({} to {}) were given away; this device can take no new component",
        places::FIRST_APP_UID,
        places::LAST_APP_UID
    )]
    NoUid,
}

/// The table and its file. Each change is on the disk when the method returns.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    content: Content,
}

impl Table {
    /// Reads the table, or begins an empty one.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, TableError> {
        let path = path.into();
        let content = match files::read(&path, TABLE_LIMIT) {
            Ok(bytes) => read::json("table of apps", &bytes, TABLE_LIMIT)?,
            Err(e) if e.is_missing() => Content { schema: 1, next_uid: places::FIRST_APP_UID, components: BTreeMap::new() },
            Err(e) => return Err(e.into()),
        };
        if content.schema != 1 {
            return Err(TableError::Schema(content.schema));
        }
        Ok(Self { path, content })
    }

    /// The entry of a component, tombstones included.
    pub fn get(&self, id: &ComponentId) -> Option<&Entry> {
        self.content.components.get(id)
    }

    /// All components that were ever installed.
    pub fn components(&self) -> impl Iterator<Item = (&ComponentId, &Entry)> {
        self.content.components.iter()
    }

    /// The uid of a component: the one it always had, or a new one.
    pub fn uid(&mut self, id: &ComponentId) -> Result<u32, TableError> {
        if let Some(entry) = self.get(id) {
            return Ok(entry.uid);
        }
        let uid = self.content.next_uid;
        if !(places::FIRST_APP_UID..=places::LAST_APP_UID).contains(&uid) {
            return Err(TableError::NoUid);
        }
        self.change(|content| {
            content.next_uid = uid + 1;
            content.components.insert(id.clone(), Entry::new(uid));
        })?;
        Ok(uid)
    }

    /// Changes an entry; one that is not there stays so.
    pub fn update(&mut self, id: &ComponentId, change: impl FnOnce(&mut Entry)) -> Result<(), TableError> {
        self.change(|content| {
            if let Some(entry) = content.components.get_mut(id) {
                change(entry);
            }
        })
    }

    /// In memory only what is on the disk: a change that could not be written did not happen.
    fn change(&mut self, change: impl FnOnce(&mut Content)) -> Result<(), TableError> {
        let mut content = self.content.clone();
        change(&mut content);
        if content == self.content {
            return Ok(());
        }
        let bytes =
            serde_json::to_vec_pretty(&content).map_err(|e| FileError::new("write", &self.path, std::io::Error::other(e)))?;
        files::write_durably(&self.path, &bytes, 0o600)?;
        self.content = content;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> ComponentId {
        format!("25025d2c-66da-4448-bae1-{n:012x}").parse().unwrap()
    }

    #[test]
    fn a_component_keeps_its_uid_and_no_other_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        let mut table = Table::load(&path).unwrap();
        assert_eq!(table.uid(&id(1)).unwrap(), 100_000);
        assert_eq!(table.uid(&id(2)).unwrap(), 100_001);
        table.update(&id(1), |entry| entry.removing = true).unwrap();
        let mut table = Table::load(&path).unwrap();
        assert_eq!(table.uid(&id(3)).unwrap(), 100_002);
        assert_eq!(table.uid(&id(1)).unwrap(), 100_000);
        assert!(table.get(&id(1)).unwrap().removing);
    }

    #[test]
    fn one_that_is_not_installed_runs_once_it_is_whatever_was_wanted_before_its_removal() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = Table::load(folder.path().join("table.json")).unwrap();
        let uid = table.uid(&id(1)).unwrap();
        assert_eq!(table.get(&id(1)), Some(&Entry::new(uid)));
        table.update(&id(1), |entry| (entry.removing, entry.wanted, entry.floor) = (true, Wanted::Stopped, 7)).unwrap();
        table.update(&id(1), Entry::end_removal).unwrap();
        assert_eq!(table.get(&id(1)), Some(&Entry { uid, wanted: Wanted::Running, floor: 0, removing: false }));
    }

    #[test]
    fn a_change_that_cannot_be_written_did_not_happen() {
        let mut table = Table::load("/nonexistent/table.json").unwrap();
        assert!(table.uid(&id(1)).is_err());
        assert!(table.get(&id(1)).is_none());
    }

    #[test]
    fn uids_that_are_used_up_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        files::write_durably(&path, br#"{"schema":1,"next_uid":1000000,"components":{}}"#, 0o600).unwrap();
        assert!(matches!(Table::load(&path).unwrap().uid(&id(1)), Err(TableError::NoUid)));
    }

    #[test]
    fn a_misspelt_key_or_another_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        for text in [r#"{"schema":2,"next_uid":1,"components":{}}"#, r#"{"schema":1,"nextuid":1,"components":{}}"#, ""] {
            files::write_durably(&path, text.as_bytes(), 0o600).unwrap();
            assert!(Table::load(&path).is_err(), "{text}");
        }
    }
}
