//! Where the kernel's source comes from: the distribution's package, or a folder that the caller names.

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError},
    progress::Progress,
};
use sha2::{Digest, Sha256};
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The kernel's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The archive or folder.
    pub place: Place,
    /// Its version; equal versions mean equal sources.
    pub version: String,
}

/// Where a source lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A `.tar.xz`.
    Archive(PathBuf),
    /// A source folder; it is copied, never built in.
    Folder(PathBuf),
}

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The distribution's package is not installed.
    #[error("{ARCHIVE} is not there: install Debian's package `{PACKAGE}`, or name a source folder with --kernel-source")]
    NoArchive,
    /// Not a kernel of the series that the configuration is for.
    #[error("{} is Linux {found}; the configuration is for {SERIES}", place.display())]
    Series {
        /// The folder.
        place: PathBuf,
        /// Its version.
        found: String,
    },
}

impl Source {
    /// The folder, or the distribution's archive where none is named.
    pub fn find(folder: Option<&Path>, progress: &mut dyn Progress) -> Result<Self, SourceError> {
        match folder {
            Some(folder) => Self::of_folder(folder),
            None => Self::of_package(progress),
        }
    }

    fn of_package(progress: &mut dyn Progress) -> Result<Self, SourceError> {
        let archive = PathBuf::from(ARCHIVE);
        if !archive.exists() {
            return Err(SourceError::NoArchive);
        }
        let query = Outside::new("dpkg-query", "dpkg").args(["--show", "--showformat=${Version}", PACKAGE]).run(progress)?;
        let version = format!("{PACKAGE} {}", String::from_utf8_lossy(&query).trim());
        Ok(Self { place: Place::Archive(archive), version })
    }

    /// A folder has no version that could be trusted to change with its content: names, sizes and times stand in.
    fn of_folder(folder: &Path) -> Result<Self, SourceError> {
        let number = makefile_version(&files::read_text(&folder.join("Makefile"))?);
        if !number.starts_with(SERIES) {
            return Err(SourceError::Series { place: folder.to_owned(), found: number });
        }
        let mut hasher = Sha256::new();
        let mut waiting = vec![folder.to_owned()];
        while let Some(next) = waiting.pop() {
            for path in files::list(&next)? {
                let metadata = path.symlink_metadata().map_err(FileError::of("look at", &path))?;
                if metadata.is_dir() {
                    waiting.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                    hasher.update(format!("{name} {} {}.{}\0", metadata.len(), metadata.mtime(), metadata.mtime_nsec()));
                }
            }
        }
        let version = format!("{number} folder {}", files::hex(&hasher.finalize()));
        Ok(Self { place: Place::Folder(folder.to_owned()), version })
    }

    /// Lays the source into an empty folder.
    pub fn lay_into(&self, folder: &Path, progress: &mut dyn Progress) -> Result<(), CommandError> {
        let command = match &self.place {
            Place::Archive(archive) => Outside::new("tar", "tar")
                .arg("--extract")
                .arg("--file")
                .arg(archive)
                .args(["--strip-components=1", "--directory"])
                .arg(folder),
            Place::Folder(source) => Outside::new("cp", "coreutils").arg("--archive").arg(source.join(".")).arg(folder),
        };
        command.run(progress).map(|_| ())
    }
}

fn makefile_version(makefile: &str) -> String {
    let value = |name: &str| {
        let line = makefile.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
        line.unwrap_or_default().trim().to_owned()
    };
    format!("{}.{}.{}{}", value("VERSION"), value("PATCHLEVEL"), value("SUBLEVEL"), value("EXTRAVERSION"))
}

const PACKAGE: &str = "linux-source-6.12";
const ARCHIVE: &str = "/usr/src/linux-source-6.12.tar.xz";
const SERIES: &str = "6.12.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_makefile() {
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = Baby Opossum\n";
        assert_eq!(makefile_version(text), "6.12.117");
    }

    #[test]
    fn a_folder_of_another_series_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        files::write(&folder.path().join("Makefile"), b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\nEXTRAVERSION =\n").unwrap();
        let error = Source::of_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("6.1.2"), "{error}");
    }
}
