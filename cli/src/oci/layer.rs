//! One layer laid over those below it: entries, whiteouts, hard links; every path looked up inside the app's own root.

use super::{
    OciError,
    blobs::{Blobs, same},
    image::Layer,
};
use crate::bundle::tree::{Entry, Source, Tree};
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use sha2::{Digest, Sha256};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};
use tar::EntryType;

/// Entries of all layers together.
const ENTRIES_LIMIT: u64 = 4 * crate::bundle::tree::ENTRIES_LIMIT as u64;
/// Files up to this size stay in memory: most files are small.
const IN_MEMORY: u64 = 4096;
/// Longest name, link target or set of attributes in a header of its own.
const EXTENSION_LIMIT: u64 = 64 * 1024;
/// Longest path, as the kernel has it (PATH_MAX).
const PATH_LIMIT: usize = 4096;
/// Of each kind of note this many are told by name.
const NOTES_LIMIT: usize = 3;

/// Where the contents of files lie; gone when this is dropped.
#[derive(Debug)]
pub struct Contents(tempfile::TempDir);

/// The root while layers are laid.
pub struct Root {
    tree: Tree,
    contents: Contents,
    files: u64,
    entries: u64,
    /// Bytes that may still come out of layers.
    left: u64,
    /// Bytes of files that may still be kept: a sparse file has more than its layer, and one that is replaced stays.
    keeps: u64,
    limit: u64,
    devices: Vec<String>,
    set_ids: Vec<String>,
}

impl Root {
    /// An empty one, for layers of at most so many bytes.
    pub fn new(limit: u64) -> io::Result<Self> {
        let (tree, contents) = (Tree::default(), Contents(tempfile::tempdir()?));
        Ok(Self {
            tree,
            contents,
            files: 0,
            entries: 0,
            left: limit,
            keeps: limit,
            limit,
            devices: Vec::new(),
            set_ids: Vec::new(),
        })
    }

    /// What came of it: the tree, its contents, and what was left out.
    pub fn done(self) -> (Tree, Contents, Vec<String>) {
        let mut notes = Vec::new();
        let mut note = |what: &str, of: &[String]| {
            if !of.is_empty() {
                let first: Vec<&str> = of.iter().take(NOTES_LIMIT).map(String::as_str).collect();
                let more = if of.len() > NOTES_LIMIT { ", …" } else { "" };
                notes.push(format!("{} {what}: {}{more}", of.len(), first.join(", ")));
            }
        };
        note("devices, pipes or sockets are left out", &self.devices);
        note("files lose their set-user-id or set-group-id bit, which would have no effect", &self.set_ids);
        (self.tree, self.contents, notes)
    }

    /// Lays a layer over what is there.
    pub fn lay(&mut self, number: usize, blobs: &mut Blobs, layer: &Layer) -> Result<(), OciError> {
        if let Some(digest) = &layer.digest {
            blobs.verify(&layer.part, digest)?;
        }
        self.look_through(number, blobs, layer)?;
        let mut archive = tar::Archive::new(unpack(BufReader::new(blobs.open(&layer.part)?))?);
        let mut added = BTreeSet::new();
        for entry in archive.entries()? {
            self.entry(number, &mut entry?, &mut added)?;
        }
        Ok(())
    }

    /// Whether a layer is what the image says and within the bounds: before anything of it is taken, because what reads archives keeps
    /// long names and attributes in memory whole.
    fn look_through(&mut self, number: usize, blobs: &mut Blobs, layer: &Layer) -> Result<(), OciError> {
        let hasher = Rc::new(RefCell::new((Sha256::new(), 0)));
        let packed = unpack(BufReader::new(blobs.open(&layer.part)?))?;
        let mut hashed = Hashed { from: packed.take(self.left + 1), hasher: Rc::clone(&hasher) };
        let seen = self.look_at_headers(&mut hashed);
        // What was cut off at the bound ends in the middle of an entry.
        if hasher.borrow().1 > self.left {
            return Err(self.too_much());
        }
        seen?;
        // What pads the archive belongs to the digest too.
        io::copy(&mut hashed, &mut io::sink())?;
        let (hasher, unpacked) = std::mem::take(&mut *hasher.borrow_mut());
        self.left = self.left.checked_sub(unpacked).ok_or_else(|| self.too_much())?;
        same(&format!("layer {number}"), &layer.diff_id, hasher)
    }

    fn look_at_headers(&mut self, layer: &mut impl Read) -> Result<(), OciError> {
        for entry in tar::Archive::new(layer).entries()?.raw(true) {
            let entry = entry?;
            self.entries += 1;
            if self.entries > ENTRIES_LIMIT {
                return Err(OciError::TooMuch { what: "entries in its layers", limit: ENTRIES_LIMIT });
            }
            let extends = matches!(
                entry.header().entry_type(),
                EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
            );
            if extends && entry.size() > EXTENSION_LIMIT {
                return Err(OciError::TooMuch { what: "bytes in the name or attributes of a file", limit: EXTENSION_LIMIT });
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        layer: usize,
        entry: &mut tar::Entry<'_, impl Read>,
        added: &mut BTreeSet<String>,
    ) -> Result<(), OciError> {
        let wrong = |path: &str, why| OciError::Entry { layer, path: path.chars().take(256).collect(), why };
        let bytes = entry.path_bytes().into_owned();
        let name = std::str::from_utf8(&bytes).map_err(|_| wrong(&String::from_utf8_lossy(&bytes), "is not UTF-8"))?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let Some(path) = self.place(name).map_err(|why| wrong(name, why))? else { return Ok(()) };
        let (folder, base) = path.rsplit_once('/').unwrap_or(("", &path));
        if base == OPAQUE {
            self.clear_below(folder, |path| !added.contains(path));
            return Ok(());
        }
        if let Some(hidden) = base.strip_prefix(WHITEOUT) {
            if hidden.is_empty() || matches!(hidden, "." | "..") {
                return Err(wrong(name, "removes nothing that has a name"));
            }
            let hidden = format!("{folder}/{hidden}");
            self.clear_below(&hidden, |path| !added.contains(path));
            if !added.contains(&hidden) {
                self.tree.remove(&hidden);
            }
            return Ok(());
        }
        let new = match kind {
            EntryType::Directory => {
                if !matches!(self.tree.get(&path), Some(Entry::Folder)) {
                    self.replace(&path, Entry::Folder)?;
                }
                added.insert(path);
                return Ok(());
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = String::from_utf8(target).ok().filter(|t| !t.is_empty() && t.len() <= PATH_LIMIT);
                Entry::Link { target: target.ok_or_else(|| wrong(name, "is a link without a place that can be written down"))? }
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = std::str::from_utf8(&target).ok().and_then(|target| self.place(target).ok().flatten());
                let missing = || wrong(name, "is a hard link to nothing in the image");
                let there = self.tree.get(&target.ok_or_else(missing)?).ok_or_else(missing)?;
                if matches!(there, Entry::Folder) {
                    return Err(wrong(name, "is a hard link to a folder"));
                }
                there.clone()
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mode = entry.header().mode().unwrap_or(0);
                if mode & 0o6000 != 0 {
                    self.set_ids.push(path.clone());
                }
                let (source, size) = self.keep(entry)?;
                Entry::File { source, executable: mode & 0o111 != 0, size }
            }
            _ => {
                self.devices.push(path);
                return Ok(());
            }
        };
        self.replace(&path, new)?;
        added.insert(path);
        Ok(())
    }

    /// Where a name of a layer lies: below the folder that its folders lead to inside this root. None is the root itself.
    fn place(&self, name: &str) -> Result<Option<String>, &'static str> {
        if name.len() > PATH_LIMIT {
            return Err("is longer than any path");
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err("leads out of its folder");
        }
        let Some((base, folders)) = parts.split_last() else { return Ok(None) };
        let folder = self.tree.resolve(&format!("/{}", folders.join("/"))).map_err(|_| "lies behind links that go round")?;
        let folder = if folder == "/" { "" } else { &folder };
        Ok(Some(format!("{folder}/{base}")))
    }

    /// An entry takes the place of what has its path, with all that lies below.
    fn replace(&mut self, path: &str, entry: Entry) -> Result<(), OciError> {
        self.clear_below(path, |_| true);
        self.tree.remove(path);
        Ok(self.tree.add(path, entry)?)
    }

    fn clear_below(&mut self, folder: &str, goes: impl Fn(&str) -> bool) {
        let inside = format!("{folder}/");
        let gone: Vec<String> = self.tree.below(&inside).filter(|path| goes(path)).map(str::to_owned).collect();
        for path in gone {
            // A folder with something that stays stays too.
            let keeps = matches!(self.tree.get(&path), Some(Entry::Folder))
                && self.tree.below(&format!("{path}/")).any(|below| !goes(below));
            if !keeps {
                self.tree.remove(&path);
            }
        }
    }

    fn too_much(&self) -> OciError {
        OciError::TooMuch { what: "bytes in its layers", limit: self.limit }
    }

    fn keep(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(Source, u64), OciError> {
        self.keeps = self.keeps.checked_sub(entry.size()).ok_or_else(|| self.too_much())?;
        let expected = entry.size();
        if expected <= IN_MEMORY {
            let mut bytes = Vec::new();
            entry.take(IN_MEMORY).read_to_end(&mut bytes)?;
            let size = bytes.len() as u64;
            return Ok((Source::Bytes(bytes), size));
        }
        self.files += 1;
        let path = self.contents.0.path().join(self.files.to_string());
        let size = io::copy(&mut entry.take(expected), &mut fs_err::File::create(&path)?)?;
        Ok((Source::Host(path), size))
    }
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// A layer as it was before it was compressed; what compressed it is told by its first bytes, not by a name.
fn unpack<'a>(mut packed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, OciError> {
    let magic = packed.fill_buf()?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(packed)));
    }
    if magic.starts_with(&ZSTANDARD) || magic.get(1..4) == Some(&SKIPPABLE) {
        return Ok(Box::new(Frames { between: Some(packed), decoder: None }));
    }
    Ok(Box::new(packed))
}

/// Magic numbers of a frame, and of one to skip but for its first byte (RFC 8878, 3.1).
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// A Zstandard stream of any number of frames: builders that compress in parallel write many.
struct Frames<R: Read> {
    /// Between two frames.
    between: Option<R>,
    decoder: Option<StreamingDecoder<Begun<R>, FrameDecoder>>,
}

/// What follows a magic number that was read already.
struct Begun<R> {
    magic: [u8; 4],
    told: usize,
    rest: R,
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = self.magic.get(self.told..).unwrap_or_default();
        if left.is_empty() {
            return self.rest.read(to);
        }
        let length = left.len().min(to.len());
        to.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        self.told += length;
        Ok(length)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                let length = decoder.read(to)?;
                if length > 0 || to.is_empty() {
                    return Ok(length);
                }
                self.between = self.decoder.take().map(|decoder| decoder.into_inner().rest);
            }
            let Some(mut rest) = self.between.take() else { return Ok(0) };
            let mut magic = [0; 4];
            if rest.read(&mut magic[..1])? == 0 {
                return Ok(0);
            }
            rest.read_exact(&mut magic[1..])?;
            if magic[1..] == SKIPPABLE && magic[0] & 0xf0 == 0x50 {
                let mut length = [0; 4];
                rest.read_exact(&mut length)?;
                io::copy(&mut rest.by_ref().take(u32::from_le_bytes(length).into()), &mut io::sink())?;
                self.between = Some(rest);
                continue;
            }
            let decoder = StreamingDecoder::new(Begun { magic, told: 0, rest });
            let wrong = |e| io::Error::new(io::ErrorKind::InvalidData, format!("a layer is no Zstandard stream: {e}"));
            self.decoder = Some(decoder.map_err(wrong)?);
        }
    }
}

/// Hashes and counts what is read through it.
struct Hashed<R> {
    from: R,
    hasher: Rc<RefCell<(Sha256, u64)>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(to)?;
        let mut hasher = self.hasher.borrow_mut();
        hasher.0.update(to.get(..length).unwrap_or_default());
        hasher.1 += length as u64;
        Ok(length)
    }
}
