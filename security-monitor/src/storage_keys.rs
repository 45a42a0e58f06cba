//! Keys of the apps' storage: made, given to the kernel, dropped.
//!
//! An app's key comes out of the device's master key and a random salt of its own (HKDF-SHA-256, RFC 5869). Who drops the salt
//! drops the key, and with it everything that was ever written into that storage. Master key and salts lie in a folder of
//! the data partition that is the monitor's alone; without a TPM that is all that protects them, and the device says so.

use linux::{
    encryption::{self, KEY_SIZE, KeyIdentifier},
    files::{self, FileError},
};
use manifest::names::ComponentId;
use rustix::{
    fd::OwnedFd,
    fs::OFlags,
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};
use sha2::Sha256;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// File of the master key; no component id is written so.
const MASTER: &str = "master";
/// What the derived bytes are for (RFC 5869's `info`), with the component id behind it: a salt that is moved to another app's name
/// gives another key.
const PURPOSE: &[u8] = b"holdfast storage key 1 ";

/// How often, and after which pause, files in use are tried again when a key is dropped: a second together.
const IN_USE_TRIES: u32 = 50;
const IN_USE_PAUSE: Duration = Duration::from_millis(20);

type Key = Zeroizing<[u8; KEY_SIZE]>;

/// Where keys come from and go to.
pub struct StorageKeys {
    path: PathBuf,
    /// The folder, open: by it the kernel is told which file system is meant.
    folder: OwnedFd,
    master: Key,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum StorageKeyError {
    /// A file.
    #[error("what keys are made from cannot be read or written")]
    File(#[from] FileError),
    /// The kernel has no random bytes, or does not take the key.
    #[error("cannot {what}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Not what was written there.
    #[error("{path} has not {KEY_SIZE} bytes: what was encrypted with it is lost; remove the app to begin anew")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A fixed length that the derivation does not give; cannot happen.
    #[error("no key of {KEY_SIZE} bytes can be derived")]
    Length,
}

impl StorageKeys {
    /// Opens the folder that init made, and makes the master key at the first time.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StorageKeyError> {
        let path = path.into();
        let folder = files::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let master = kept_or_new(&path.join(MASTER))?;
        Ok(Self { path, folder, master })
    }

    /// Gives the kernel an app's key, which is made at the first time; what the kernel calls it.
    pub fn add(&self, component: &ComponentId) -> Result<KeyIdentifier, StorageKeyError> {
        let key = self.derive(component, &kept_or_new(&self.salt(component))?)?;
        self.give(&key)
    }

    /// Takes an app's key from the kernel and forgets what it was made from. The order matters: after a power cut in between
    /// the salt is still there, and whoever asked asks again.
    pub fn drop(&self, component: &ComponentId) -> Result<(), StorageKeyError> {
        let path = self.salt(component);
        let salt = match kept(&path) {
            Ok(Some(salt)) => salt,
            Ok(None) => return Ok(()),
            // Of no use to anybody: it goes.
            Err(StorageKeyError::Damaged { .. }) => return self.forget(&path),
            Err(error) => return Err(error),
        };
        // What the kernel calls a key it tells whoever gives it; giving it again changes nothing.
        let identifier = self.give(&self.derive(component, &salt)?)?;
        self.take_back(&identifier)?;
        self.forget(&path)
    }

    /// Until nothing can be read any more. An app that has just ended may have a file that the kernel is still closing or
    /// writing; a file that stays open longer is readable for who has it open, and for nobody else once it is closed.
    fn take_back(&self, identifier: &KeyIdentifier) -> Result<(), StorageKeyError> {
        for _ in 0..IN_USE_TRIES {
            match encryption::remove_key(&self.folder, identifier) {
                Ok(false) => std::thread::sleep(IN_USE_PAUSE),
                // What was in use has been closed since the call before.
                Ok(true) | Err(Errno::NOKEY) => return Ok(()),
                Err(source) => return Err(StorageKeyError::Kernel { what: "take the key back", source: source.into() }),
            }
        }
        linux::log::warning("a file of an app whose storage key was dropped is still open");
        Ok(())
    }

    /// Overwrites the salt in its place before its name goes: on a medium that writes where it is told, nothing of it stays.
    fn forget(&self, path: &Path) -> Result<(), StorageKeyError> {
        files::overwrite(path, &random()?[..])?;
        files::remove(path)?;
        Ok(files::sync_folder(&self.path)?)
    }

    fn salt(&self, component: &ComponentId) -> PathBuf {
        self.path.join(component.as_str())
    }

    fn derive(&self, component: &ComponentId, salt: &Key) -> Result<Key, StorageKeyError> {
        let mut key = Key::default();
        let derivation = hkdf::Hkdf::<Sha256>::new(Some(&salt[..]), &self.master[..]);
        let filled = derivation.expand_multi_info(&[PURPOSE, component.as_str().as_bytes()], &mut key[..]);
        filled.map(|()| key).map_err(|_| StorageKeyError::Length)
    }

    fn give(&self, key: &Key) -> Result<KeyIdentifier, StorageKeyError> {
        encryption::add_key(&self.folder, key)
            .map_err(|source| StorageKeyError::Kernel { what: "give the kernel the key", source: source.into() })
    }
}

/// The bytes of a file, made at random and durable before they are used.
fn kept_or_new(path: &Path) -> Result<Key, StorageKeyError> {
    if let Some(key) = kept(path)? {
        return Ok(key);
    }
    let key = random()?;
    files::write_durably(path, &key[..], 0o600)?;
    Ok(key)
}

/// The bytes of a file, if it is there.
fn kept(path: &Path) -> Result<Option<Key>, StorageKeyError> {
    match files::read(path, KEY_SIZE).map(Zeroizing::new) {
        Ok(bytes) => {
            let key = bytes.as_slice().try_into().map_err(|_| StorageKeyError::Damaged { path: path.to_owned() })?;
            Ok(Some(Zeroizing::new(key)))
        }
        Err(error) if error.is_missing() => Ok(None),
        Err(error) if error.source.kind() == io::ErrorKind::FileTooLarge => {
            Err(StorageKeyError::Damaged { path: path.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

fn random() -> Result<Key, StorageKeyError> {
    let mut key = Key::default();
    let filled = getrandom(&mut key[..], GetRandomFlags::empty());
    match filled {
        Ok(KEY_SIZE) => Ok(key),
        // Up to 256 bytes come whole, once the kernel has any (getrandom(2)).
        Ok(_) => Err(StorageKeyError::Kernel { what: "get random bytes", source: io::ErrorKind::UnexpectedEof.into() }),
        Err(e) => Err(StorageKeyError::Kernel { what: "get random bytes", source: e.into() }),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn component(last: char) -> ComponentId {
        format!("25025d2c-66da-4448-bae1-ac26fcdd362{last}").parse().unwrap()
    }

    fn keys() -> (tempfile::TempDir, StorageKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = StorageKeys::open(folder.path()).unwrap();
        (folder, keys)
    }

    fn derived(keys: &StorageKeys, component: &ComponentId) -> Key {
        keys.derive(component, &kept_or_new(&keys.salt(component)).unwrap()).unwrap()
    }

    #[test]
    fn a_key_stays_the_same_until_its_salt_is_dropped_and_no_two_apps_have_the_same() {
        let (folder, keys) = keys();
        let first = derived(&keys, &component('1'));
        let again = StorageKeys::open(folder.path()).unwrap();
        assert_eq!(first, derived(&again, &component('1')));
        assert_ne!(first, derived(&keys, &component('2')));
        let salt = keys.salt(&component('1'));
        keys.forget(&salt).unwrap();
        assert!(!salt.exists());
        assert_ne!(first, derived(&keys, &component('1')));
    }

    #[test]
    fn a_salt_under_another_apps_name_gives_another_key() {
        let (_folder, keys) = keys();
        let first = derived(&keys, &component('1'));
        std::fs::copy(keys.salt(&component('1')), keys.salt(&component('2'))).unwrap();
        assert_ne!(first, derived(&keys, &component('2')));
    }

    #[test]
    fn only_the_monitor_reads_them_and_a_damaged_one_is_no_key() {
        let (folder, keys) = keys();
        derived(&keys, &component('1'));
        for name in [MASTER, component('1').as_str()] {
            let path = folder.path().join(name);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            for damaged in [&b"short"[..], &[7; KEY_SIZE + 1]] {
                std::fs::write(&path, damaged).unwrap();
                assert!(matches!(kept_or_new(&path), Err(StorageKeyError::Damaged { .. })), "{name}");
            }
        }
    }

    #[test]
    fn dropping_what_was_never_made_is_done_at_once() {
        let (_folder, keys) = keys();
        keys.drop(&component('1')).unwrap();
        std::fs::write(keys.salt(&component('1')), "damaged").unwrap();
        keys.drop(&component('1')).unwrap();
        assert!(!keys.salt(&component('1')).exists());
    }
}
