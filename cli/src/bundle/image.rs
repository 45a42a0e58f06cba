//! Writes a tree as an EROFS image.
//!
//! The tree is laid out in a temporary folder with exact modes, then `image_builder::erofs` makes the image from it:
//! one place knows how to make EROFS reproducible, for apps and for the device's root alike.

use super::tree::{Entry, Source, Tree};
use std::{
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

/// Lays a tree out in an empty folder.
pub fn stage(tree: &Tree, folder: &Path) -> io::Result<()> {
    set_mode(folder, 0o755)?;
    for (path, entry) in tree.iter() {
        let at = folder.join(path.trim_start_matches('/'));
        match entry {
            Entry::Folder => {
                fs_err::create_dir(&at)?;
                set_mode(&at, 0o755)?;
            }
            Entry::Link { target } => symlink(target, &at)?,
            Entry::File { source, executable, size } => {
                match source {
                    Source::Bytes(bytes) => fs_err::write(&at, bytes)?,
                    Source::Host(host) => copy(host, &at, *size)?,
                }
                set_mode(&at, if *executable { 0o755 } else { 0o644 })?;
            }
        }
    }
    Ok(())
}

/// Copies a file that has to have the size it had when it was looked at: it counted against the limit.
fn copy(from: &Path, to: &Path, size: u64) -> io::Result<()> {
    let copied = fs_err::copy(from, to)?;
    let changed = || io::Error::other(format!("{} changed while it was packed", from.display()));
    if copied == size { Ok(()) } else { Err(changed()) }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs_err::set_permissions(path, PermissionsExt::from_mode(mode))
}
