//! What an app's image will hold, before it is written.

use manifest::{api::ErrorClass, bundle::IMAGE_LIMIT};
use std::{collections::BTreeMap, ops::Bound, path::PathBuf};

/// Most entries of an image: a bound on time and memory, far above any device app.
pub const ENTRIES_LIMIT: usize = 65_536;

/// The root of an app: path (absolute, without `/` at the end) → entry, sorted. The root itself is implied.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
    bytes: u64,
}

/// One entry. Owner, time and exact mode are not the developer's to choose: see the module above.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A folder, mode 0755.
    Folder,
    /// A file, mode 0755 or 0644.
    File {
        /// Where its bytes are.
        source: Source,
        /// Whether it may be executed.
        executable: bool,
        /// Its size in bytes.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// As it will be stored.
        target: String,
    },
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of this machine.
    Host(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

/// Why something cannot be part of an image.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Two things at one path.
    #[error("{path} would be in the image twice: once from {first}, once from {second}")]
    Twice {
        /// Path in the image.
        path: String,
        /// What is there.
        first: String,
        /// What was to be added.
        second: String,
    },
    /// A file where a folder has to be.
    #[error("{path} is a {found} and has to be a folder, because {child} lies in it")]
    NotFolder {
        /// Path in the image.
        path: String,
        /// What is there.
        found: &'static str,
        /// What was to be added.
        child: String,
    },
    /// A name that no image needs.
    #[error("the name {0:?} has control characters or is not UTF-8; nothing on the device could show it")]
    Name(String),
    /// Too much.
    #[error("the app has more than {limit} {what}; a bundle is one app, not a distribution")]
    TooMuch {
        /// Entries or bytes.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A link that leads out of the root.
    #[error("the link {path} points at {target:?}, which {why}")]
    Link {
        /// Path of the link.
        path: String,
        /// Where it points.
        target: String,
        /// What is wrong with that.
        why: &'static str,
    },
}

impl TreeError {
    /// Always the input's fault.
    pub const CLASS: ErrorClass = ErrorClass::BadInput;
}

impl Tree {
    /// Adds an entry and the folders above it.
    pub fn add(&mut self, path: &str, entry: Entry) -> Result<(), TreeError> {
        if path.chars().any(char::is_control) {
            return Err(TreeError::Name(path.to_owned()));
        }
        for (end, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            let (above, _) = path.split_at(end);
            match self.entries.get(above) {
                None => self.insert(above, Entry::Folder)?,
                Some(Entry::Folder) => {}
                Some(other) => {
                    return Err(TreeError::NotFolder { path: above.into(), found: other.kind(), child: path.into() });
                }
            }
        }
        match (self.entries.get(path), &entry) {
            (Some(Entry::Folder), Entry::Folder) => Ok(()),
            (Some(there), _) => Err(TreeError::Twice { path: path.into(), first: there.origin(), second: entry.origin() }),
            (None, _) => self.insert(path, entry),
        }
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), TreeError> {
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.bytes > IMAGE_LIMIT {
            return Err(TreeError::TooMuch { what: "bytes", limit: IMAGE_LIMIT });
        }
        if self.entries.len() >= ENTRIES_LIMIT {
            return Err(TreeError::TooMuch { what: "files", limit: ENTRIES_LIMIT as u64 });
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// Takes an entry out.
    pub fn remove(&mut self, path: &str) -> Option<Entry> {
        let entry = self.entries.remove(path)?;
        self.bytes = self.bytes.saturating_sub(entry.size());
        Some(entry)
    }

    /// The entry at this very path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Entries by path; a folder comes before what lies in it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Paths that begin with this.
    pub fn below(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.entries.range::<str, _>(from).map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(prefix))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The path that `path` leads to when links are followed inside this root, as the device would.
    pub fn resolve(&self, path: &str) -> Result<String, TreeError> {
        let mut done = String::new();
        let mut left: Vec<String> = parts(path);
        let mut hops = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => done = format!("{done}/{part}"),
            }
            if let Some(Entry::Link { target }) = self.entries.get(&done) {
                hops += 1;
                if hops > HOPS_LIMIT {
                    return Err(TreeError::Link { path: path.into(), target: target.clone(), why: "leads round in a circle" });
                }
                done.truncate(if target.starts_with('/') { 0 } else { done.rfind('/').unwrap_or(0) });
                left.extend(parts(target));
            }
        }
        Ok(if done.is_empty() { "/".into() } else { done })
    }
}

/// Parts of a path, last one first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).rev().collect()
}

/// Links followed before a path counts as a circle: what Linux allows (path_resolution(7)).
const HOPS_LIMIT: u32 = 40;

impl Entry {
    /// In one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Folder => "folder",
            Entry::File { .. } => "file",
            Entry::Link { .. } => "link",
        }
    }

    fn size(&self) -> u64 {
        match self {
            Entry::File { size, .. } => *size,
            Entry::Folder | Entry::Link { .. } => 0,
        }
    }

    fn origin(&self) -> String {
        match self {
            Entry::Folder => "a folder".into(),
            Entry::File { source: Source::Host(path), .. } => path.display().to_string(),
            Entry::File { source: Source::Bytes(_), .. } => "what packing itself adds".into(),
            Entry::Link { target } => format!("a link to {target}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Entry {
        Entry::File { source: Source::Bytes(vec![]), executable: false, size: 0 }
    }

    #[test]
    fn folders_above_an_entry_are_made_and_a_file_is_no_folder() {
        let mut tree = Tree::default();
        tree.add("/a/b/c", file()).unwrap();
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["/a", "/a/b", "/a/b/c"]);
        assert!(matches!(tree.add("/a/b/c/d", file()), Err(TreeError::NotFolder { .. })));
        assert!(matches!(tree.add("/a/b/c", file()), Err(TreeError::Twice { .. })));
    }

    #[test]
    fn links_are_resolved_inside_the_root_as_a_chrooted_kernel_would() {
        let mut tree = Tree::default();
        tree.add("/usr/lib/x", file()).unwrap();
        tree.add("/lib", Entry::Link { target: "usr/lib".into() }).unwrap();
        tree.add("/up", Entry::Link { target: "../../../usr".into() }).unwrap();
        tree.add("/loop", Entry::Link { target: "/loop".into() }).unwrap();
        assert_eq!(tree.resolve("/lib/x").unwrap(), "/usr/lib/x");
        assert_eq!(tree.resolve("/up/lib/./x").unwrap(), "/usr/lib/x");
        assert!(tree.resolve("/loop").is_err());
    }

    #[test]
    fn more_than_an_image_may_hold_is_refused_before_anything_is_copied() {
        let mut tree = Tree::default();
        let huge = Entry::File { source: Source::Host("/huge".into()), executable: false, size: IMAGE_LIMIT + 1 };
        assert!(matches!(tree.add("/huge", huge), Err(TreeError::TooMuch { what: "bytes", .. })));
    }
}
