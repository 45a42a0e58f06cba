//! Where things lie on the developer's machine.

use std::path::{Path, PathBuf};

/// Folder that a checkout of this project has and others do not.
const MARK: &str = "boards/images";

/// Places of one call.
#[derive(Debug, Clone)]
pub struct Places {
    root: PathBuf,
    keys: PathBuf,
}

impl Places {
    /// `keys` as given on the command line; the rest from the current folder.
    pub fn new(keys: Option<&Path>) -> Self {
        let here = std::env::current_dir().unwrap_or_else(|_| ".".into());
        let root = here.ancestors().find(|folder| folder.join(MARK).is_dir()).unwrap_or(&here).to_owned();
        let keys = keys.map_or_else(|| root.join("build/keys"), Path::to_owned);
        Self { root, keys }
    }

    /// The project: the nearest folder above that looks like a checkout, else the current folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the keys.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// Folder of all runs' states.
    pub fn runs(&self) -> PathBuf {
        self.root.join("build/run")
    }

    /// Folder of the symbols of apps that were built.
    pub fn symbols(&self) -> PathBuf {
        self.root.join("build/symbols")
    }

    /// A path as people like to read it: relative to the current folder where that is shorter.
    pub fn shown(path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&here).unwrap_or(path).display().to_string()
    }
}
