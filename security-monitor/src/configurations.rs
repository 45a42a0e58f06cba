//! The apps' documents beside their storage: a configuration, which its owner may put secrets into, and certificates. They are
//! kept encrypted with the key of the app's storage and gone with it. What is in them is nobody's business here.

use crate::storage_keys::{StorageKeyError, StorageKeys};
use ipc::messages::monitor::Document;
use linux::{
    encryption::{self, KeyIdentifier},
    files::{self, FileError},
};
use manifest::{api::CONFIG_LIMIT, names::ComponentId};
use rustix::{
    fs::{AtFlags, CWD, OFlags, unlinkat},
    io::Errno,
};
use std::path::{Path, PathBuf};

/// Files in an app's folder: the documents, and what power cuts left beside them.
const FILES_LIMIT: usize = 8;

/// Where the documents lie.
#[derive(Debug)]
pub struct Configurations {
    path: PathBuf,
}

impl Configurations {
    /// In the folder that init made.
    pub fn below(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Replaces an app's document: after a power cut the old one is there or the new one, whole.
    pub fn set(
        &self,
        keys: &StorageKeys,
        component: &ComponentId,
        which: Document,
        document: &[u8],
    ) -> Result<(), StorageKeyError> {
        let (folder, key) = (self.path.join(component.as_str()), keys.add(component)?);
        // What another key encrypted, one that is dropped, nobody reads any more.
        if make(&folder, &key)? == Made::ForAnotherKey {
            remove(&folder)?;
            make(&folder, &key)?;
        }
        files::sync_folder(&self.path)?;
        Ok(files::write_durably(folder.join(name(which)), document, 0o600)?)
    }

    /// An app's document; none if it has none, or none that can still be read.
    pub fn get(&self, keys: &StorageKeys, component: &ComponentId, which: Document) -> Result<Option<Vec<u8>>, StorageKeyError> {
        let folder = self.path.join(component.as_str());
        if files::open(&folder, OFlags::PATH).is_err_and(|e| e.is_missing()) {
            return Ok(None);
        }
        keys.add(component)?;
        match files::read(folder.join(name(which)), CONFIG_LIMIT) {
            Ok(document) => Ok(Some(document)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Removes one of an app's documents, which is no error if there is none.
    pub fn unset(&self, keys: &StorageKeys, component: &ComponentId, which: Document) -> Result<(), StorageKeyError> {
        if self.get(keys, component, which)?.is_some() {
            let folder = self.path.join(component.as_str());
            files::remove(folder.join(name(which)))?;
            files::sync_folder(folder)?;
        }
        Ok(())
    }

    /// Removes all documents of an app, which is no error if there is none. It needs no key.
    pub fn remove(&self, component: &ComponentId) -> Result<(), FileError> {
        remove(&self.path.join(component.as_str()))?;
        files::sync_folder(&self.path)
    }
}

fn name(which: Document) -> &'static str {
    match which {
        Document::Config => "document",
        Document::Certificates => "certificates",
    }
}

/// What became of [`make`].
#[derive(PartialEq, Eq)]
enum Made {
    Ready,
    ForAnotherKey,
}

/// Makes an app's folder, or takes the one that is there.
fn make(folder: &Path, key: &KeyIdentifier) -> Result<Made, StorageKeyError> {
    files::make_folder(folder, 0o700)?;
    let open = files::open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    match encryption::set_policy(&open, key) {
        Ok(()) => Ok(Made::Ready),
        Err(Errno::EXIST) => Ok(Made::ForAnotherKey),
        Err(e) => Err(FileError::new("encrypt", folder, e).into()),
    }
}

/// By the names that are found there: without the key they are others than those that were given.
fn remove(folder: &Path) -> Result<(), FileError> {
    match files::list(folder, FILES_LIMIT) {
        Ok(names) => names.iter().try_for_each(|name| files::remove(folder.join(name)))?,
        Err(e) if e.is_missing() => return Ok(()),
        Err(e) => return Err(e),
    }
    unlinkat(CWD, folder, AtFlags::REMOVEDIR).map_err(|e| FileError::new("remove", folder, e))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_removed_whatever_its_file_is_called_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let configurations = Configurations::below(folder.path().join("config"));
        let keys = StorageKeys::open(folder.path()).unwrap();
        let component: ComponentId = "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap();
        let own = folder.path().join("config").join(component.as_str());
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("kNbX0a,otherwise"), "x").unwrap();
        configurations.remove(&component).unwrap();
        assert!(!own.exists());
        configurations.remove(&component).unwrap();
        assert!(configurations.get(&keys, &component, Document::Config).unwrap().is_none());
    }
}
