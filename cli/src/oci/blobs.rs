//! The parts of an image by their names: in a tar archive, or in the folder of an OCI layout.

use super::{OciError, UNPACKED_LIMIT};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Most parts of an archive: an image has a few documents and at most some hundred layers.
const PARTS_LIMIT: usize = 4096;
/// Links from one part to another that are followed: `docker save` writes a layer that two images share once.
const HOPS_LIMIT: usize = 4;
/// Longest document (manifest, index, config).
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// What parts are read from.
pub trait Bytes: Read + Seek + Send {}
impl<T: Read + Seek + Send> Bytes for T {}

/// The parts of an image.
pub enum Blobs {
    /// A tar archive.
    Archive {
        /// The archive.
        bytes: Box<dyn Bytes>,
        /// Where each part is.
        parts: BTreeMap<String, Part>,
    },
    /// A folder.
    Folder(PathBuf),
}

/// A part of an archive.
pub enum Part {
    /// Its bytes.
    At {
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Another part.
    Link(String),
}

impl Blobs {
    /// Those of an OCI layout.
    pub fn in_folder(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }

    /// Those of an archive, compressed with gzip or not.
    pub fn in_archive(mut file: impl Bytes + 'static) -> Result<Self, OciError> {
        let mut magic = [0; 2];
        let length = file.read(&mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        if length == 2 && magic == GZIP {
            let mut unpacked = tempfile::tempfile()?;
            let copied = io::copy(&mut MultiGzDecoder::new(file).take(UNPACKED_LIMIT + 1), &mut unpacked)?;
            if copied > UNPACKED_LIMIT {
                return Err(OciError::TooMuch { what: "bytes", limit: UNPACKED_LIMIT });
            }
            unpacked.seek(SeekFrom::Start(0))?;
            return Self::listed(Box::new(unpacked));
        }
        Self::listed(Box::new(file))
    }

    fn listed(mut bytes: Box<dyn Bytes>) -> Result<Self, OciError> {
        let mut parts = BTreeMap::new();
        let mut archive = tar::Archive::new(&mut bytes);
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let kind = entry.header().entry_type();
            let Some(name) = plain(&String::from_utf8_lossy(&entry.path_bytes())) else { continue };
            let part = if kind.is_file() {
                Part::At { offset: entry.raw_file_position(), length: entry.size() }
            } else if kind.is_symlink() || kind.is_hard_link() {
                let target = String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()).into_owned();
                // A symbolic link counts from its own folder, a hard one from the archive's top.
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                let whole = if kind.is_symlink() { format!("{folder}/{target}") } else { target };
                match plain(&whole) {
                    Some(target) => Part::Link(target),
                    None => continue,
                }
            } else {
                continue;
            };
            if parts.len() >= PARTS_LIMIT {
                return Err(OciError::TooMuch { what: "parts", limit: PARTS_LIMIT as u64 });
            }
            parts.insert(name, part);
        }
        Ok(Self::Archive { bytes, parts })
    }

    /// Whether there is a part of this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Archive { parts, .. } => parts.contains_key(name),
            Self::Folder(folder) => folder.join(name).is_file(),
        }
    }

    /// A document, read whole.
    pub fn document(&mut self, name: &str) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        self.open(name)?.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(OciError::TooMuch { what: "bytes in a document", limit: DOCUMENT_LIMIT });
        }
        Ok(bytes)
    }

    /// A part's bytes. The name is one that the image's documents have, so it is looked at as any other path.
    pub fn open(&mut self, name: &str) -> Result<Box<dyn Read + '_>, OciError> {
        let missing = || OciError::Form(format!("the image names the part {name:?}, which is not there"));
        let name = plain(name).ok_or_else(missing)?;
        match self {
            Self::Folder(folder) => {
                let path = folder.join(&name);
                // Not what a link in the layout would lead to.
                if !fs_err::symlink_metadata(&path).is_ok_and(|data| data.is_file()) {
                    return Err(missing());
                }
                Ok(Box::new(fs_err::File::open(path)?.into_file()) as Box<dyn Read>)
            }
            Self::Archive { bytes, parts } => {
                let mut at = name.as_str();
                for _ in 0..HOPS_LIMIT {
                    match parts.get(at) {
                        Some(Part::At { offset, length }) => {
                            bytes.seek(SeekFrom::Start(*offset))?;
                            return Ok(Box::new(bytes.take(*length)));
                        }
                        Some(Part::Link(target)) => at = target,
                        None => break,
                    }
                }
                Err(missing())
            }
        }
    }

    /// Checks a part against the digest that the image states.
    pub fn verify(&mut self, name: &str, expected: &str) -> Result<(), OciError> {
        let mut hasher = Sha256::new();
        io::copy(&mut self.open(name)?, &mut hasher)?;
        same(name, expected, hasher)
    }
}

/// Fails unless the digest is `sha256:` and what was hashed.
pub fn same(part: &str, expected: &str, hasher: Sha256) -> Result<(), OciError> {
    let found = format!("sha256:{}", hex(&hasher.finalize()));
    // No fuzzer would ever get past it.
    if found == expected || cfg!(fuzzing) {
        return Ok(());
    }
    Err(OciError::Digest { part: part.to_owned(), expected: expected.to_owned(), found })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A relative path without dots, or nothing if it leads out.
fn plain(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        assert_eq!(plain("./blobs//sha256/x").as_deref(), Some("blobs/sha256/x"));
        assert_eq!(plain("a/../b/layer.tar").as_deref(), Some("b/layer.tar"));
        for path in ["", "..", "a/../..", "../x", "/../x"] {
            assert_eq!(plain(path), None, "{path}");
        }
    }

    #[test]
    fn links_that_go_round_are_missing_parts() {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, target) in [("a", "b"), ("b", "a")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        let mut blobs = Blobs::in_archive(io::Cursor::new(builder.into_inner().unwrap())).unwrap();
        assert!(blobs.has("a") && blobs.open("a").is_err());
    }
}
