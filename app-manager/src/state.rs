//! The durable table: which components this device knows, with their uids and what the owner wants of them.
//!
//! Whether an app is *installed* is not said here: it is when `apps/<id>/current` exists. So an installation has one
//! moment of truth, the rename, and the table cannot contradict it. So a table that is lost is made anew from what lies on the disk:
//! one bad file takes no device away.

use crate::folders;
use linux::files::{self, FileError};
use manifest::{
    names::ComponentId,
    places,
    read::{self, ReadError},
};
use rustix::fs::{AtFlags, CWD, FileType, statat};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Longest table that is read: some 20,000 components.
const TABLE_LIMIT: usize = 4 * 1024 * 1024;
/// Most entries of the apps' folder that are looked through for a new table.
const ENTRIES_LIMIT: usize = 4096;
/// Uids that a table which was lost may have given away beyond those that are still seen: no device has had so many components.
const UIDS_APART: u32 = 10_000;

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
    /// Reads the table; one that cannot be read, or is gone from beside its apps, is set aside and made anew. Says why and what
    /// then holds, if so.
    pub fn open(path: impl Into<PathBuf>, storage: &Path) -> (Self, Option<String>) {
        let path = path.into();
        let apps = path.parent().unwrap_or(Path::new("/"));
        let found = || from_disk(installed(apps), |id| owner(&storage.join(id.as_str())));
        let (content, why) = match Self::load(&path) {
            Ok(table) if !table.content.components.is_empty() => return (table, None),
            // No app has a folder before its uid is written down.
            Ok(table) => match found() {
                content if content.components.is_empty() => return (table, None),
                content => (content, "the table is gone".to_owned()),
            },
            Err(e) => (found(), files::chain(&e)),
        };
        // What cannot be set aside is written over.
        let aside = path.with_extension("json.unreadable");
        let aside = rustix::fs::rename(&path, &aside).map(|()| format!("; what was there is {}", aside.display()));
        if let Err(e) = write(&path, &content) {
            // It holds all the same: the next start finds what this one did.
            linux::log::error(files::chain(&e));
        }
        let (apps, aside) = (content.components.len(), aside.unwrap_or_default());
        let why = format!("{why}; made anew of what lies on the disk (apps: {apps}; all are wanted to run){aside}");
        (Self { path, content }, Some(why))
    }

    /// Reads the table, or begins an empty one.
    fn load(path: impl Into<PathBuf>) -> Result<Self, TableError> {
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
        write(&self.path, &content)?;
        self.content = content;
        Ok(())
    }
}

fn write(path: &Path, content: &Content) -> Result<(), TableError> {
    let bytes = serde_json::to_vec_pretty(content).map_err(|e| FileError::new("write", path, std::io::Error::other(e)))?;
    Ok(files::write_durably(path, &bytes, 0o600)?)
}

/// Components that have a folder.
fn installed(apps: &Path) -> Vec<ComponentId> {
    let names = files::list(apps, ENTRIES_LIMIT).inspect_err(|e| linux::log::error(files::chain(e))).unwrap_or_default();
    names.iter().filter(|name| folders::exists(&apps.join(name))).filter_map(|name| name.parse().ok()).collect()
}

/// The app's user whose storage this is: launcher gave it away.
fn owner(storage: &Path) -> Option<u32> {
    let about = statat(CWD, storage, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_apps = (places::FIRST_APP_UID..=places::LAST_APP_UID).contains(&about.st_uid);
    (is_apps && FileType::from_raw_mode(about.st_mode).is_dir()).then_some(about.st_uid)
}

/// What a new table says of these components. Each keeps the uid that owns its storage; all others, and those that come, get uids
/// that no component had before: so nobody's storage, nor what is left of a removed one's, is ever another's.
fn from_disk(ids: Vec<ComponentId>, owner: impl Fn(&ComponentId) -> Option<u32>) -> Content {
    let owners: BTreeMap<u32, &ComponentId> = ids.iter().rev().filter_map(|id| Some((owner(id)?, id))).collect();
    let last = owners.keys().next_back().copied().unwrap_or(places::FIRST_APP_UID);
    let mut next_uid = (last / UIDS_APART + 1) * UIDS_APART;
    let mut components: BTreeMap<_, _> = owners.into_iter().map(|(uid, id)| (id.clone(), Entry::new(uid))).collect();
    for id in ids {
        components.entry(id).or_insert_with(|| {
            next_uid += 1;
            Entry::new(next_uid - 1)
        });
    }
    Content { schema: 1, next_uid, components }
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

    #[test]
    fn a_table_made_anew_gives_no_uid_to_a_second_component() {
        let owned = |ids: &[u32], owners: &'static [(u32, u32)]| {
            from_disk(ids.iter().map(|n| id(*n)).collect(), |one| {
                owners.iter().find(|(n, _)| id(*n) == *one).map(|(_, uid)| *uid)
            })
        };
        let made = owned(&[1, 2, 3, 4], &[(1, 100_002), (3, 120_000), (4, 120_000)]);
        let uids: Vec<u32> = made.components.values().map(|entry| entry.uid).collect();
        // The fourth says that it owns what is the third's: launcher will not let it.
        assert_eq!((uids.as_slice(), made.next_uid), (&[100_002, 130_000, 120_000, 130_001][..], 130_002));
        // What was removed left nothing to see, and had the first ones.
        assert_eq!(owned(&[], &[]).next_uid, 110_000);
        assert_eq!(owned(&[1], &[]).components[&id(1)], Entry::new(110_000));
    }

    #[test]
    fn a_table_that_cannot_be_read_is_set_aside_and_one_that_is_gone_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, storage) = (folder.path().join("table.json"), folder.path().join("storage"));
        let (mut table, lost) = Table::open(&path, &storage);
        assert_eq!((table.uid(&id(1)).unwrap(), lost), (100_000, None), "a first start");
        assert_eq!(Table::open(&path, &storage).1, None);
        files::make_folder(folder.path().join(id(1).as_str()), 0o700).unwrap();
        for garbage in [&b"garbage"[..], b"{}"] {
            files::write_durably(&path, garbage, 0o600).unwrap();
            let (table, lost) = Table::open(&path, &storage);
            assert!(lost.unwrap().contains("apps: 1"));
            assert_eq!(table.get(&id(1)), Some(&Entry::new(110_000)));
            assert_eq!(files::read(folder.path().join("table.json.unreadable"), 10).unwrap(), garbage);
            assert_eq!(Table::open(&path, &storage).1, None, "it was written");
        }
        files::remove(&path).unwrap();
        assert!(Table::open(&path, &storage).1.unwrap().contains("gone"));
        let (_, lost) = Table::open("/nonexistent/table.json", &storage);
        assert_eq!(lost, None);
    }

    #[test]
    fn a_folder_in_place_of_the_table_takes_no_device_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        files::make_folder(&path, 0o700).unwrap();
        let (mut table, lost) = Table::open(&path, folder.path());
        assert!(lost.is_some());
        assert_eq!(table.uid(&id(1)).unwrap(), 110_000);
    }
}
