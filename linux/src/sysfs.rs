//! Finding a device in sysfs by what stays the same from boot to boot, where its number does not.

use crate::files::{self, FileError};
use std::path::Path;

/// Why no device was found.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// None, with what there is instead.
    #[error("nothing in {folder} has {attribute} `{value}`; there are: {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    Missing {
        /// Where was looked.
        folder: String,
        /// What was looked at.
        attribute: String,
        /// What it should be.
        value: String,
        /// What it is.
        found: Vec<String>,
    },
    /// Several: which is meant cannot be told.
    #[error("several entries of {folder} have {attribute} `{value}`")]
    Several {
        /// Where was looked.
        folder: String,
        /// What was looked at.
        attribute: String,
        /// What more than one is.
        value: String,
    },
    /// The folder could not be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The one entry of `folder` whose `attribute` is `value`: a file's first line, or the last part of where a link leads.
pub fn entry(folder: &Path, attribute: &str, value: &str) -> Result<String, LookupError> {
    let (mut is, mut others) = (Vec::new(), Vec::new());
    for name in files::list(folder, ENTRIES_LIMIT)? {
        match attribute_of(&folder.join(&name).join(attribute)) {
            Some(its) if its == value => is.push(name),
            Some(its) => others.push(its),
            None => {}
        }
    }
    let (folder, attribute, value) = (folder.display().to_string(), attribute.to_owned(), value.to_owned());
    match (is.pop(), is.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(_), false) => Err(LookupError::Several { folder, attribute, value }),
        (None, _) => Err(LookupError::Missing { folder, attribute, value, found: others }),
    }
}

fn attribute_of(path: &Path) -> Option<String> {
    match rustix::fs::readlink(path, Vec::new()) {
        Ok(target) => target.to_string_lossy().rsplit('/').next().map(str::to_owned),
        Err(_) => files::read_line(path).ok(),
    }
}

/// Most entries of a folder that are looked through.
const ENTRIES_LIMIT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A class with two chips by link and two converters by name.
    fn class() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (entry, name, device) in [("chip0", "one", "../../../0-0051"), ("chip8", "two", "../../../0-0052")] {
            let path = folder.path().join(entry);
            files::make_folder(&path, 0o755).unwrap();
            files::write_durably(path.join("name"), format!("{name}\n").as_bytes(), 0o644).unwrap();
            rustix::fs::symlink(device, path.join("device")).unwrap();
        }
        folder
    }

    #[test]
    fn an_entry_is_found_by_a_file_and_by_a_link() {
        let class = class();
        assert_eq!(entry(class.path(), "name", "two").unwrap(), "chip8");
        assert_eq!(entry(class.path(), "device", "0-0051").unwrap(), "chip0");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let class = class();
        let error = entry(class.path(), "name", "three").unwrap_err().to_string();
        assert!(error.contains("has name `three`") && error.contains("one") && error.contains("two"), "{error}");
        assert!(entry(&class.path().join("none"), "name", "x").is_err());
    }

    #[test]
    fn two_that_answer_to_one_name_are_refused() {
        let class = class();
        files::write_durably(class.path().join("chip0/name"), b"two", 0o644).unwrap();
        assert!(matches!(entry(class.path(), "name", "two"), Err(LookupError::Several { .. })));
    }
}
