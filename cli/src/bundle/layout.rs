//! What every app's root has: mount points, the manifest, and an entry point that can run.

use super::{
    elf::{self, ElfError},
    tree::{Entry, Source, Tree, TreeError},
};
use crate::files;
use manifest::{app::AppManifest, bundle::IMAGE_LIMIT};
use std::io;

/// What the device mounts over: folders in the image, and empty.
pub const MOUNT_POINTS: [&str; 5] = ["/data", "/dev", "/proc", "/run", "/tmp"];
/// Where the manifest lies in the image.
pub const MANIFEST: &str = "/manifest.json";

/// Why a tree is no app.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Could not read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Does not fit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Something lies where the device mounts.
    #[error("{found} lies in {mount_point}, which the device mounts over: the app would never see it")]
    Hidden {
        /// What.
        found: String,
        /// Where.
        mount_point: &'static str,
    },
    /// Another manifest.
    #[error("{MANIFEST} in the app's folder differs from the manifest that was given; the device would refuse the bundle")]
    OtherManifest,
    /// No entry point.
    #[error("the manifest's EntryPoint {0} is not in the app's folder")]
    NoEntryPoint(String),
    /// Entry point that is no program.
    #[error("the manifest's EntryPoint {path} {reason}")]
    EntryPoint {
        /// Path in the image.
        path: String,
        /// What is wrong.
        reason: ElfError,
    },
    /// Entry point without x bit.
    #[error("the manifest's EntryPoint {0} is not executable")]
    NotExecutable(String),
    /// The loader is not in the image.
    #[error("the manifest's EntryPoint {path} needs the loader {loader}, which is not in the app's folder")]
    NoLoader {
        /// Path in the image.
        path: String,
        /// Path of the loader.
        loader: String,
    },
}

/// Adds what every app's root has. `manifest` are the exact bytes that will be signed.
pub fn complete(tree: &mut Tree, manifest: &[u8]) -> Result<(), LayoutError> {
    for mount_point in MOUNT_POINTS {
        let inside = format!("{mount_point}/");
        if let Some((found, _)) = tree.iter().find(|(path, _)| path.starts_with(&inside)) {
            return Err(LayoutError::Hidden { found: found.to_owned(), mount_point });
        }
        tree.add(mount_point, Entry::Folder)?;
    }
    match tree.remove(MANIFEST) {
        Some(Entry::File { source, .. }) if bytes(&source)? != manifest => return Err(LayoutError::OtherManifest),
        Some(Entry::File { .. }) | None => {}
        Some(other) => {
            tree.add(MANIFEST, other)?; // and the real one below names both
        }
    }
    let source = Source::Bytes(manifest.to_owned());
    tree.add(MANIFEST, Entry::File { source, executable: false, size: manifest.len() as u64 })?;
    Ok(())
}

/// Checks that the entry point is there and can run in this root.
pub fn check_entry_point(tree: &Tree, manifest: &AppManifest) -> Result<(), LayoutError> {
    let path = manifest.entry_point.as_str();
    let Some(Entry::File { source, executable, .. }) = tree.get(&tree.resolve(path)?) else {
        return Err(LayoutError::NoEntryPoint(path.to_owned()));
    };
    let program = elf::read(&bytes(source)?).map_err(|reason| LayoutError::EntryPoint { path: path.to_owned(), reason })?;
    if !executable {
        return Err(LayoutError::NotExecutable(path.to_owned()));
    }
    match program.loader {
        Some(loader) if tree.get(&tree.resolve(&loader)?).is_none() => {
            Err(LayoutError::NoLoader { path: path.to_owned(), loader })
        }
        _ => Ok(()),
    }
}

fn bytes(source: &Source) -> io::Result<Vec<u8>> {
    match source {
        Source::Bytes(bytes) => Ok(bytes.clone()),
        Source::Host(path) => files::read(path, IMAGE_LIMIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_device_would_mount_over_is_refused() {
        let mut tree = Tree::default();
        tree.add("/data/state", Entry::Folder).unwrap();
        assert!(matches!(complete(&mut tree, b"{}"), Err(LayoutError::Hidden { mount_point: "/data", .. })));
    }

    #[test]
    fn a_manifest_in_the_folder_has_to_be_the_signed_one() {
        let manifest = |bytes: &[u8]| Entry::File { source: Source::Bytes(bytes.to_vec()), executable: false, size: 2 };
        let mut tree = Tree::default();
        tree.add(MANIFEST, manifest(b"{}")).unwrap();
        complete(&mut tree, b"{}").unwrap();
        assert!(matches!(complete(&mut tree, b"{ }"), Err(LayoutError::OtherManifest)));

        let mut link = Tree::default();
        link.add(MANIFEST, Entry::Link { target: "bin/x".into() }).unwrap();
        assert!(matches!(complete(&mut link, b"{}"), Err(LayoutError::Tree(TreeError::Twice { .. }))));
    }
}
