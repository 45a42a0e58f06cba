//! A tree from a folder: nothing in it is followed, and what no app may bring is refused by name.

use super::{
    layout::MOUNT_POINTS,
    tree::{Entry, Source, Tree, TreeError},
};
use std::{
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Deepest nesting of folders.
const DEPTH_LIMIT: usize = 64;
/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Could not look.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it holds does not fit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A device node, socket or pipe.
    #[error("{} is a {kind}; an app's image holds files, folders and links only", .path.display())]
    Special {
        /// Where.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A set-id bit.
    #[error("{} has a set-user-id or set-group-id bit (mode {mode:04o}); on the device it would have no effect", .path.display())]
    SetId {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nested too deep.
    #[error("{} is nested more than {DEPTH_LIMIT} folders deep", .0.display())]
    TooDeep(PathBuf),
    /// Not a folder at all.
    #[error("{} is not a folder", .0.display())]
    NotFolder(PathBuf),
}

/// Reads a folder. Links inside it are kept as links; whether they stay inside is checked by [`check_links`], which
/// wants the whole tree.
pub fn read(folder: &Path) -> Result<Tree, FolderError> {
    if !fs_err::metadata(folder)?.is_dir() {
        return Err(FolderError::NotFolder(folder.to_owned()));
    }
    let mut tree = Tree::default();
    walk(folder, "", 0, &mut tree)?;
    Ok(tree)
}

fn walk(folder: &Path, above: &str, depth: usize, tree: &mut Tree) -> Result<(), FolderError> {
    if depth > DEPTH_LIMIT {
        return Err(FolderError::TooDeep(folder.to_owned()));
    }
    for entry in fs_err::read_dir(folder)? {
        let host = entry?.path();
        let name = host.file_name().unwrap_or_default();
        let name = name.to_str().ok_or_else(|| TreeError::Name(name.to_string_lossy().into_owned()))?;
        let path = format!("{above}/{name}");
        let data = fs_err::symlink_metadata(&host)?;
        let kind = data.file_type();
        if kind.is_symlink() {
            let target = fs_err::read_link(&host)?;
            let target = target.to_str().ok_or_else(|| TreeError::Name(target.to_string_lossy().into_owned()))?;
            tree.add(&path, Entry::Link { target: target.to_owned() })?;
        } else if kind.is_dir() || kind.is_file() {
            // A set-group-id bit on a folder only says who owns new files in it: many checkouts have it.
            if kind.is_file() && data.mode() & SET_ID_BITS != 0 {
                return Err(FolderError::SetId { path: host, mode: data.mode() & 0o7777 });
            }
            if kind.is_dir() {
                tree.add(&path, Entry::Folder)?;
                walk(&host, &path, depth + 1, tree)?;
            } else {
                let executable = data.mode() & 0o111 != 0;
                tree.add(&path, Entry::File { source: Source::Host(host), executable, size: data.len() })?;
            }
        } else {
            return Err(FolderError::Special { path: host, kind: special(kind) });
        }
    }
    Ok(())
}

fn special(kind: std::fs::FileType) -> &'static str {
    if kind.is_block_device() {
        "block device"
    } else if kind.is_char_device() {
        "character device"
    } else if kind.is_fifo() {
        "named pipe"
    } else {
        "socket"
    }
}

/// Whether something is at this place, or may be on the device: what a link points at in what it mounts is not known when packing.
pub fn is_there(tree: &Tree, path: &str) -> bool {
    let at_run_time = MOUNT_POINTS.iter().any(|top| path == *top || path.starts_with(&format!("{top}/")));
    at_run_time || path == "/" || tree.get(path).is_some()
}

/// Refuses links that leave the root or point at nothing.
pub fn check_links(tree: &Tree) -> Result<(), TreeError> {
    for (path, entry) in tree.iter() {
        let Entry::Link { target } = entry else { continue };
        let error = |why| TreeError::Link { path: path.to_owned(), target: target.clone(), why };
        if climbs_out(path, target) {
            return Err(error("lies outside the app's folder"));
        }
        let leads_to = tree.resolve(path)?;
        if !is_there(tree, &leads_to) {
            return Err(error("is not in the image (an absolute target is looked up in the app's own root)"));
        }
    }
    Ok(())
}

/// Whether a relative target has more `..` than the link has folders above it. The kernel would stop at the app's root;
/// on the developer's disk it meant something else, and that is not in the image.
pub fn climbs_out(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = path.matches('/').count() as i64 - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("bin")).unwrap();
        fs_err::write(folder.path().join("bin/app"), "x").unwrap();
        folder
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused_and_never_followed() {
        for target in ["../../etc/passwd", "/etc/passwd", "../bin/../../x"] {
            let folder = folder();
            symlink(target, folder.path().join("bin/link")).unwrap();
            let tree = read(folder.path()).unwrap();
            assert!(check_links(&tree).is_err(), "{target}");
        }
    }

    #[test]
    fn a_link_inside_the_folder_or_to_what_the_device_mounts_is_kept() {
        for target in ["app", "/bin/app", "../bin/app", "/data/state"] {
            let folder = folder();
            symlink(target, folder.path().join("bin/link")).unwrap();
            check_links(&read(folder.path()).unwrap()).unwrap();
        }
    }

    #[test]
    fn set_id_files_pipes_and_sockets_are_refused_by_name() {
        let set_id = folder();
        fs_err::set_permissions(set_id.path().join("bin/app"), std::fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(matches!(read(set_id.path()), Err(FolderError::SetId { mode: 0o4755, .. })));

        let socket = folder();
        let _listener = std::os::unix::net::UnixListener::bind(socket.path().join("bin/socket")).unwrap();
        assert!(matches!(read(socket.path()), Err(FolderError::Special { kind: "socket", .. })));
    }

    #[test]
    fn a_sparse_file_larger_than_an_image_is_refused_without_reading_it() {
        let folder = folder();
        fs_err::File::create(folder.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(folder.path()), Err(FolderError::Tree(TreeError::TooMuch { .. }))));
    }
}
