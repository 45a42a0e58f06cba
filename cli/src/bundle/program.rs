//! A tree from one program: the program at its entry point, and the loader and libraries it names, from this machine.
//!
//! Looks libraries up as the loader would on this machine (ld.so(8): run path, `/etc/ld.so.conf`, default folders), but
//! reads files only: the program is never run, as `ldd` would. Each goes where the loader *inside the image* finds it
//! without a cache: a library of a default folder keeps its folder, any other moves beside libc.

use super::{
    elf::{self, ElfError, Program},
    tree::{Entry, Source, Tree, TreeError},
};
use crate::files;
use manifest::{bundle::IMAGE_LIMIT, names::CleanPath};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
};

/// Most libraries of a program.
const LIBRARIES_LIMIT: usize = 512;
/// Where glibc looks without being told, on Debian and on others.
const GLIBC_FOLDERS: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/// Where musl looks without being told, on Alpine and on Debian.
const MUSL_FOLDERS: [&str; 4] = ["/lib", "/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-musl"];
/// Files that `/etc/ld.so.conf` may include.
const CONFIGURATIONS_LIMIT: usize = 256;

/// Why a program cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Could not read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not a program.
    #[error("{} {reason}", .path.display())]
    Elf {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ElfError,
    },
    /// A library that is not here.
    #[error("{} needs the library {name}, which is not on this machine", .by.display())]
    Missing {
        /// The library.
        name: String,
        /// What needs it.
        by: PathBuf,
    },
    /// Does not fit.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Absurd.
    #[error("{} needs more than {LIBRARIES_LIMIT} libraries", .0.display())]
    TooMany(PathBuf),
}

/// Where libraries of either C library lie.
pub fn library_folders() -> impl Iterator<Item = &'static str> {
    GLIBC_FOLDERS.iter().chain(&MUSL_FOLDERS).copied()
}

/// Puts `program` at `entry_point`, with everything it is linked with.
pub fn read(program: &Path, entry_point: &CleanPath) -> Result<Tree, ProgramError> {
    let mut tree = Tree::default();
    let main = parse(program)?;
    add(&mut tree, entry_point.as_str(), program)?;
    let Some(loader) = &main.loader else { return Ok(tree) };
    add(&mut tree, loader, Path::new(loader))?;

    let origin = entry_point.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    let lookup = Lookup::new(loader);
    let mut placed: BTreeMap<String, ()> = BTreeMap::new();
    let mut queue = VecDeque::from([(program.to_owned(), origin.to_owned(), main.clone())]);
    while let Some((by, in_image, object)) = queue.pop_front() {
        for name in &object.needed {
            if placed.contains_key(name) || lookup.is_loader_itself(name, loader) {
                continue;
            }
            if placed.len() >= LIBRARIES_LIMIT {
                return Err(ProgramError::TooMany(program.to_owned()));
            }
            let found = lookup.find(name, &by, &in_image, &[&object.search, &main.search]);
            let (host, folder) = found.ok_or_else(|| ProgramError::Missing { name: name.clone(), by: by.clone() })?;
            add(&mut tree, &format!("{folder}/{name}"), &host)?;
            placed.insert(name.clone(), ());
            queue.push_back((host.clone(), folder, parse(&host)?));
        }
    }
    Ok(tree)
}

fn parse(path: &Path) -> Result<Program, ProgramError> {
    let bytes = files::read(path, IMAGE_LIMIT)?;
    elf::read(&bytes).map_err(|reason| ProgramError::Elf { path: path.to_owned(), reason })
}

fn add(tree: &mut Tree, at: &str, host: &Path) -> Result<(), ProgramError> {
    // Through all links: the image holds the file itself under the name that is asked for.
    let host = fs_err::canonicalize(host)?;
    let size = fs_err::metadata(&host)?.len();
    Ok(tree.add(at, Entry::File { source: Source::Host(host), executable: true, size })?)
}

/// How the loader of a program looks for libraries.
struct Lookup {
    musl: bool,
    defaults: &'static [&'static str],
    configured: Vec<String>,
}

impl Lookup {
    fn new(loader: &str) -> Self {
        let musl = loader.contains("ld-musl");
        let configured = if musl { Vec::new() } else { configured_folders(Path::new("/etc/ld.so.conf")) };
        Self { musl, defaults: if musl { &MUSL_FOLDERS } else { &GLIBC_FOLDERS }, configured }
    }

    /// The loader is a library as well: glibc's under its own name, musl's as its libc.
    fn is_loader_itself(&self, name: &str, loader: &str) -> bool {
        loader.ends_with(&format!("/{name}")) || (self.musl && name.starts_with("libc."))
    }

    /// A library's file on this machine, and the folder it belongs to in the image.
    fn find(&self, name: &str, by: &Path, in_image: &str, search: &[&Vec<String>; 2]) -> Option<(PathBuf, String)> {
        if name.contains('/') {
            return None; // a path in DT_NEEDED: what it means on the device cannot be known here
        }
        let beside = by.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        for folder in search.iter().copied().flatten() {
            let host = PathBuf::from(folder.replace("${ORIGIN}", &beside).replace("$ORIGIN", &beside)).join(name);
            if host.is_file() && is_ours(&host) {
                let target = tidy(&folder.replace("${ORIGIN}", in_image).replace("$ORIGIN", in_image));
                return Some((host, target));
            }
        }
        let places = self.configured.iter().map(String::as_str).chain(self.defaults.iter().copied());
        let host = places.map(|folder| (Path::new(folder).join(name), folder)).find(|(host, _)| host.is_file() && is_ours(host));
        let (host, folder) = host?;
        let kept = self.defaults.contains(&folder);
        Some((host, if kept { folder.to_owned() } else { self.defaults.first().copied().unwrap_or("/lib").to_owned() }))
    }
}

/// Whether a file is a library for this platform: folders for other machines may stand in the configuration, too.
fn is_ours(path: &Path) -> bool {
    files::read(path, IMAGE_LIMIT).is_ok_and(|bytes| elf::read(&bytes).is_ok())
}

/// A path without `.`, `..` and doubled slashes.
fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// Folders that `/etc/ld.so.conf` names, with its `include` lines (ldconfig(8)).
fn configured_folders(start: &Path) -> Vec<String> {
    let mut folders = Vec::new();
    let mut files_left = vec![start.to_owned()];
    let mut seen = 0;
    while let Some(path) = files_left.pop() {
        seen += 1;
        let Ok(bytes) = files::read(&path, 64 * 1024) else { continue };
        if seen > CONFIGURATIONS_LIMIT {
            break;
        }
        for line in String::from_utf8_lossy(&bytes).lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if let Some(pattern) = line.strip_prefix("include ") {
                files_left.extend(matching(pattern.trim()));
            } else if line.starts_with('/') {
                folders.push(line.to_owned());
            }
        }
    }
    folders
}

/// Files of a pattern such as `/etc/ld.so.conf.d/*.conf`: one star in the last part is all that distributions use.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((folder, (head, tail))) = pattern.rsplit_once('/').and_then(|(folder, last)| Some((folder, last.split_once('*')?)))
    else {
        return vec![pattern.into()];
    };
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(head) && n.ends_with(tail)))
        .collect();
    found.sort_by(|a, b| b.cmp(a)); // taken from the end
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_brings_its_loader_and_libc() {
        let tree = read(Path::new("/bin/sh"), &"/bin/app".parse().unwrap()).unwrap();
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert!(paths.contains(&"/bin/app") && paths.iter().any(|p| p.contains("ld-linux")), "{paths:?}");
        assert!(paths.iter().any(|p| p.ends_with("/libc.so.6")), "{paths:?}");
    }

    #[test]
    fn a_library_of_the_run_path_keeps_its_place_beside_the_program() {
        assert_eq!(tidy("/opt/app/bin/../lib/."), "/opt/app/lib");
        assert_eq!(tidy("/../x"), "/x");
    }

    #[test]
    fn a_script_is_refused() {
        let script = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(script.path(), "#!/bin/sh\n").unwrap();
        let error = read(script.path(), &"/bin/app".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ProgramError::Elf { reason: ElfError::Script { .. }, .. }));
    }
}
