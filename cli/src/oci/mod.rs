//! Container images as apps: what `docker save` writes, and OCI image layouts, become a tree and a way to start it.
//!
//! In order: [`blobs`] finds the parts of an archive by name, whatever its form; [`image`] reads which layers an image has
//! and what it runs; [`layer`] lays one layer over those below it; [`start`] makes an ELF program, arguments and
//! environment of what it runs.
//!
//! Everything here was made by others. Nothing of it names a place on this machine: paths are looked up in the app's own
//! root, contents go to files without names, digests are checked where the image states them, and every size, count and
//! depth has a bound, also of what is unpacked. What an app has no use for, or must not have (devices, set-id bits, links
//! that climb out, what lies where the device mounts), is left out and told.
//!
//! Formats: OCI Image Format Specification 1.1 (layout, index, manifest, config, layer); the `manifest.json` of `docker save`.

pub mod blobs;
pub mod image;
pub mod layer;
pub mod start;

use crate::bundle::{
    folder::{climbs_out, is_there},
    layout::MOUNT_POINTS,
    tree::{Entry, Tree, TreeError},
};
use blobs::Blobs;
use manifest::{api::ErrorClass, bundle::IMAGE_LIMIT};
use std::{io, path::Path};

/// Bytes that may come out of all layers together: upper layers replace what lower ones have.
pub const UNPACKED_LIMIT: u64 = 4 * IMAGE_LIMIT;

/// Why an archive is no image for an app.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// Could not read, or what was read is cut off.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Does not fit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Neither of the two forms, or one that is not whole.
    #[error("{0}")]
    Form(String),
    /// A document of the image is not one.
    #[error("{name}: {source}")]
    Document {
        /// Which.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A part is not what the image says it is.
    #[error("{part} is not what the image says: its SHA-256 is {found}, expected {expected}")]
    Digest {
        /// Which part.
        part: String,
        /// As stated.
        expected: String,
        /// As found.
        found: String,
    },
    /// More than any app needs.
    #[error("the image has more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A layer that no honest builder writes.
    #[error("layer {layer}: {path:?} {why}")]
    Entry {
        /// Counted from 1.
        layer: usize,
        /// Where in it.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Nothing to run.
    #[error("{0}")]
    Start(String),
}

impl OciError {
    /// The input's fault, but for what this machine could not do.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io(e) if e.kind() == io::ErrorKind::NotFound => ErrorClass::NotFound,
            Self::Io(e) if e.kind() == io::ErrorKind::StorageFull => ErrorClass::NoSpace,
            _ => ErrorClass::BadInput,
        }
    }
}

/// An image as an app could have it.
#[derive(Debug)]
pub struct Imported {
    /// Its root.
    pub tree: Tree,
    /// What it runs, and how.
    pub config: image::Config,
    /// What was left out or made harmless, in plain words.
    pub notes: Vec<String>,
    /// Keeps the contents of [`Imported::tree`].
    _contents: layer::Contents,
}

/// Reads an archive file, or the folder of an OCI layout.
pub fn read(path: &Path) -> Result<Imported, OciError> {
    let blobs = if fs_err::metadata(path)?.is_dir() {
        Blobs::in_folder(path)
    } else {
        Blobs::in_archive(fs_err::File::open(path)?.into_file())?
    };
    import(blobs, UNPACKED_LIMIT)
}

/// Puts an image together, of at most so many bytes in its layers.
pub fn import(mut blobs: Blobs, unpacked_limit: u64) -> Result<Imported, OciError> {
    let image::Image { config, layers } = image::find(&mut blobs)?;
    let mut root = layer::Root::new(unpacked_limit)?;
    for (number, layer) in (1..).zip(&layers) {
        root.lay(number, &mut blobs, layer)?;
    }
    let (mut tree, contents, mut notes) = root.done();
    leave_out_mounts(&mut tree, &mut notes);
    mend_links(&mut tree, &mut notes)?;
    notes.extend(config.notes());
    Ok(Imported { tree, config, notes, _contents: contents })
}

/// What lies where the device mounts: an app would never see it.
fn leave_out_mounts(tree: &mut Tree, notes: &mut Vec<String>) {
    for mount_point in MOUNT_POINTS {
        let inside = format!("{mount_point}/");
        let hidden: Vec<String> =
            tree.iter().map(|(path, _)| path).filter(|path| path.starts_with(&inside)).map(str::to_owned).collect();
        // The mount point itself may be a link: it becomes a folder.
        if matches!(tree.get(mount_point), Some(Entry::File { .. } | Entry::Link { .. })) {
            tree.remove(mount_point);
            notes.push(format!("{mount_point} is a folder that the device mounts over, whatever it was in the image"));
        }
        if !hidden.is_empty() {
            notes.push(format!("{} entries in {mount_point} are left out: the device mounts over it", hidden.len()));
        }
        for path in hidden {
            tree.remove(&path);
        }
    }
}

/// Links stay inside the root, as the kernel would have it on the device; those to nothing are left out.
fn mend_links(tree: &mut Tree, notes: &mut Vec<String>) -> Result<(), OciError> {
    let links: Vec<(String, String)> = tree
        .iter()
        .filter_map(|(path, entry)| match entry {
            Entry::Link { target } => Some((path.to_owned(), target.clone())),
            _ => None,
        })
        .collect();
    let (mut climbing, mut dangling) = (0, Vec::new());
    for (path, target) in links {
        if climbs_out(&path, &target) {
            climbing += 1;
            if let Ok(target) = tree.resolve(&path) {
                tree.remove(&path);
                tree.add(&path, Entry::Link { target })?;
            }
        }
        if !tree.resolve(&path).is_ok_and(|leads_to| is_there(tree, &leads_to)) {
            dangling.push(path);
        }
    }
    if climbing > 0 {
        notes.push(format!("{climbing} links climbed out of the root: they end at it, as they would on the device"));
    }
    if let Some(first) = dangling.first() {
        notes.push(format!("{} links to nothing are left out, {first} among them", dangling.len()));
    }
    for path in dangling {
        tree.remove(&path);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
