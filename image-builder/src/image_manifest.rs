//! `image-manifest.json`: what went into an image and what came out, with digests; and the check of an image folder
//! against it.

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError},
    progress::Progress,
    secure_boot, uki,
    verity::Verity,
};
use manifest::{
    names::{DisplayName, Sha256Hex},
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the manifest in an image folder.
pub const FILE_NAME: &str = "image-manifest.json";

/// The manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageManifest {
    /// The product's name.
    pub product: DisplayName,
    /// Its version.
    pub version: String,
    /// Whether it carries the test probe.
    pub test: bool,
    /// Build time in seconds since 1970.
    pub build_time: u64,
    /// Version and key of the kernel.
    pub kernel: String,
    /// The root's hash tree.
    pub verity: Verity,
    /// Bytes of UKI and root together: what a device downloads and stores.
    pub image_size: u64,
    /// The tools that made it, each with its version.
    pub tools: Vec<String>,
    /// What went in: files of the root, kernel configuration, stub, certificates.
    pub inputs: Vec<Entry>,
    /// What came out, relative to the folder.
    pub outputs: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name: a path inside the root, or relative to the image folder, or a role.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: Sha256Hex,
    /// Bytes.
    pub size: u64,
}

/// Why an image folder did not pass.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The manifest is not one.
    #[error("{}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ReadError,
    },
    /// A file is not what the manifest says.
    #[error("{}: found {found}, the manifest says {expected}", file.display())]
    Differs {
        /// The file.
        file: PathBuf,
        /// Digest and size found.
        found: String,
        /// Digest and size expected.
        expected: String,
    },
    /// The manifest names a file outside its folder.
    #[error("{}, outputs: `{name}`; expected a file name without folders", file.display())]
    Name {
        /// The manifest.
        file: PathBuf,
        /// The name.
        name: String,
    },
}

impl Entry {
    /// Reads a file and notes its digest under `name`.
    pub fn of(name: impl Into<String>, path: &Path) -> Result<Self, ManifestError> {
        Ok(Self { name: name.into(), sha256: files::sha256(path)?, size: files::size(path)? })
    }

    /// Adds all files below `folder`, each named by its path in the tree `top`.
    pub fn add_tree(top: &Path, folder: &Path, entries: &mut Vec<Self>) -> Result<(), ManifestError> {
        for path in files::list(folder)? {
            if path.is_dir() {
                Self::add_tree(top, &path, entries)?;
            } else {
                entries.push(Self::of(format!("/{}", path.strip_prefix(top).unwrap_or(&path).display()), &path)?);
            }
        }
        Ok(())
    }
}

impl ImageManifest {
    /// Reads the manifest of an image folder.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let file = folder.join(FILE_NAME);
        read::json("image manifest", &files::read(&file)?, MANIFEST_LIMIT).map_err(|source| ManifestError::Read { file, source })
    }

    /// Compares each output in the folder with its digest.
    pub fn check_outputs(&self, folder: &Path) -> Result<(), ManifestError> {
        for expected in &self.outputs {
            if expected.name.contains('/') || expected.name.starts_with('.') {
                return Err(ManifestError::Name { file: folder.join(FILE_NAME), name: expected.name.clone() });
            }
            let file = folder.join(&expected.name);
            let found = Entry::of(&expected.name, &file)?;
            if found != *expected {
                let words = |entry: &Entry| format!("{} ({} bytes)", entry.sha256, entry.size);
                return Err(ManifestError::Differs { file, found: words(&found), expected: words(expected) });
            }
        }
        Ok(())
    }
}

const MANIFEST_LIMIT: usize = 1 << 20;

/// Names and versions of what made the image: another version may give other bytes.
pub fn tools(progress: &mut dyn Progress) -> Result<Vec<String>, CommandError> {
    let rustc = Outside::new("rustc", "rustc-web").arg("--version").run(progress)?;
    let packages = Outside::new("dpkg-query", "dpkg")
        .args(["--show", "--showformat=${Package} ${Version}\\n"])
        .args(TOOL_PACKAGES)
        .run(progress)?;
    Ok([rustc, packages]
        .iter()
        .flat_map(|text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect())
}

/// Packages whose programs or files shape the output.
const TOOL_PACKAGES: [&str; 6] =
    ["gcc-12", "binutils", "e2fsprogs", "erofs-utils", uki::STUB_PACKAGE, secure_boot::FIRMWARE_PACKAGE];
