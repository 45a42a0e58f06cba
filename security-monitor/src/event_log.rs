//! The event log: bounded, hash-chained, on the data partition.
//!
//! Up to [`SEGMENTS`] files `events-<after>.jsonl`, each a header line and then one event per line in JSON. `chain` of
//! an event is the SHA-256 over the event with the chain of the one before in its place, so that a change, a gap or a
//! swap breaks every later link; a segment's header repeats where the one before ended. The chain shows damage and
//! clumsy tampering; it does not hold against somebody who can write the file and compute hashes.
//!
//! Contract for power cuts: an event that [`EventLog::append`] returned for is on the disk (fdatasync); what was cut
//! while it was written is cut off at the next open; sequence numbers of acknowledged events are never given again.
//! What stands behind a broken link is not believed: it is kept aside in `broken.jsonl` and the log goes on before it.

use crate::segment::{self, Fault, Header, SEGMENT_LIMIT, Scan};
use linux::files::{self, FileError};
use manifest::{
    api::{Event, EventKind},
    names::Sha256Hex,
};
use rustix::fs::{OFlags, fdatasync, ftruncate};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

/// Files that the log keeps; the oldest goes when a new one is begun.
pub const SEGMENTS: usize = 4;
/// Where an event log's unbelievable part is kept, for people; the last one only.
const BROKEN: &str = "broken.jsonl";
/// Most files in the folder: the log's own, pstore's, and what a power cut left.
const FILES_LIMIT: usize = 256;
/// How far behind a broken link sequence numbers are believed when the next one is chosen.
const JUMP_LIMIT: u64 = 1_000_000;

/// The open log.
pub struct EventLog {
    folder: PathBuf,
    /// Headers' `after` of the segments, oldest first; the last one is open.
    segments: Vec<u64>,
    file: File,
    length: usize,
    last: u64,
    chain: Sha256Hex,
}

/// What was wrong with the log when it was opened, in words.
pub type Finding = Option<String>;

/// An event before it has a number.
pub struct NewEvent<'a> {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Number of this boot.
    pub boot: u64,
    /// What happened.
    pub kind: EventKind,
    /// About whom.
    pub subject: &'a str,
    /// In words.
    pub detail: &'a str,
}

impl EventLog {
    /// Opens the log in `folder`, checks the whole chain, and mends what is broken.
    pub fn open(folder: &Path) -> Result<(Self, Finding), FileError> {
        let mut good: Vec<(u64, Scan)> = Vec::new();
        let mut finding = None;
        let mut claimed = 0;
        let mut names = segment_names(folder)?.into_iter();
        for (after, name) in names.by_ref() {
            let path = folder.join(&name);
            let bytes = contents(&path);
            let scan = segment::scan(&bytes);
            let linked = good.last().is_none_or(|(_, before)| scan.follows(before)) && scan.header_after() == Some(after);
            let fault = if linked { scan.fault } else { Some(Fault::Broken) };
            let kept = if linked { scan.good } else { 0 };
            match fault {
                None => {}
                Some(Fault::Torn) => {
                    finding = Some(format!(
                        "{} bytes after event {} were cut off: written when the power went",
                        bytes.len() - kept,
                        scan.last
                    ));
                    truncate(&path, kept)?;
                }
                Some(Fault::Broken) => {
                    finding = Some(format!("the chain does not hold after event {}: what follows is in {BROKEN}", scan.last));
                    claimed = set_aside(folder, &path, &bytes, kept)?;
                }
            }
            if kept > 0 {
                good.push((after, scan));
            }
            if fault == Some(Fault::Broken) {
                break;
            }
        }
        // Only after a break is anything left here: what a broken link leads to is evidence, not log.
        for (_, name) in names {
            let path = folder.join(&name);
            let bytes = contents(&path);
            claimed = claimed.max(set_aside(folder, &path, &bytes, 0)?);
        }
        let (last, chain) = good.last().map_or((0, segment::no_chain()), |(_, scan)| (scan.last, scan.chain.clone()));
        let segments: Vec<u64> = good.iter().map(|(after, _)| *after).collect();
        let mut log = match segments.last() {
            Some(newest) => {
                let (file, length) = open_segment(folder, *newest)?;
                Self { folder: folder.to_owned(), segments, file, length, last, chain }
            }
            None => Self::begin(folder, segments, claimed.min(JUMP_LIMIT), chain)?,
        };
        if claimed > log.last {
            log.last = claimed.min(log.last.saturating_add(JUMP_LIMIT));
            log.rotate()?;
        }
        Ok((log, finding))
    }

    /// Sequence number of the newest event, 0 without any.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Appends an event; when this returns, it is on the disk.
    pub fn append(&mut self, new: &NewEvent<'_>) -> Result<u64, FileError> {
        let event = segment::link(new, self.last + 1, &self.chain);
        let line = segment::line(&event);
        if self.length + line.len() > SEGMENT_LIMIT {
            self.rotate()?;
        }
        let written = self.file.write_all(&line).and_then(|()| Ok(fdatasync(&self.file)?));
        if let Err(source) = written {
            // Half a line must not stay in front of the next one; if even this fails, the next open cuts it off.
            let _ = ftruncate(&self.file, self.length as u64);
            return Err(FileError::new("append to", self.path(), source));
        }
        self.length += line.len();
        self.last = event.sequence;
        self.chain = event.chain;
        Ok(self.last)
    }

    /// Events after a sequence number, oldest first, at most `limit`, and at most as many as `fits` takes.
    pub fn page(&self, after: u64, limit: usize, mut fits: impl FnMut(&Event) -> bool) -> Result<Vec<Event>, FileError> {
        let mut page = Vec::new();
        let next = self.segments.iter().skip(1).chain([&u64::MAX]);
        for (begin, _) in self.segments.iter().zip(next).filter(|(_, next)| **next > after) {
            for event in segment::events(&files::read(segment_path(&self.folder, *begin), 2 * SEGMENT_LIMIT)?) {
                if event.sequence <= after {
                    continue;
                }
                if page.len() >= limit || !fits(&event) {
                    return Ok(page);
                }
                page.push(event);
            }
        }
        Ok(page)
    }

    fn rotate(&mut self) -> Result<(), FileError> {
        *self = Self::begin(&self.folder, self.segments.clone(), self.last, self.chain.clone())?;
        while self.segments.len() > SEGMENTS {
            let oldest = self.segments.remove(0);
            files::remove(segment_path(&self.folder, oldest))?;
        }
        Ok(())
    }

    /// Begins a segment after event `last`; whole or not there after a power cut.
    fn begin(folder: &Path, mut segments: Vec<u64>, last: u64, chain: Sha256Hex) -> Result<Self, FileError> {
        let header = Header { segment: 1, after: last, chain: chain.clone() };
        files::write_durably(segment_path(folder, last), &segment::line(&header), 0o600)?;
        let (file, length) = open_segment(folder, last)?;
        segments.retain(|after| *after != last);
        segments.push(last);
        Ok(Self { folder: folder.to_owned(), segments, file, length, last, chain })
    }

    fn path(&self) -> PathBuf {
        segment_path(&self.folder, self.segments.last().copied().unwrap_or(0))
    }
}

fn segment_path(folder: &Path, after: u64) -> PathBuf {
    folder.join(format!("events-{after:020}.jsonl"))
}

/// The segments in a folder by what their names say, oldest first.
fn segment_names(folder: &Path) -> Result<Vec<(u64, String)>, FileError> {
    let names = files::list(folder, FILES_LIMIT)?;
    let number = |name: &str| name.strip_prefix("events-")?.strip_suffix(".jsonl")?.parse::<u64>().ok();
    Ok(names.into_iter().filter_map(|name| Some((number(&name)?, name))).collect())
}

/// A segment's bytes; one that cannot be read, or is longer than any of ours, has none that could be believed.
fn contents(path: &Path) -> Vec<u8> {
    files::read(path, 2 * SEGMENT_LIMIT).unwrap_or_else(|error| {
        linux::log::error(files::chain(&error));
        Vec::new()
    })
}

fn open_segment(folder: &Path, after: u64) -> Result<(File, usize), FileError> {
    let path = segment_path(folder, after);
    let file = files::open_regular(&path, OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW)?;
    let length = file.metadata().map_err(|e| FileError::new("measure", &path, e))?.len();
    Ok((file, usize::try_from(length).unwrap_or(SEGMENT_LIMIT)))
}

fn truncate(path: &Path, length: usize) -> Result<(), FileError> {
    let fd = files::open_regular(path, OFlags::WRONLY | OFlags::NOFOLLOW)?;
    ftruncate(&fd, length as u64).map_err(|e| FileError::new("cut off", path, e))?;
    rustix::fs::fsync(&fd).map_err(|e| FileError::new("sync", path, e))
}

/// Keeps `bytes` behind `good` as evidence and takes them out of the log; returns the highest number they claim.
fn set_aside(folder: &Path, path: &Path, bytes: &[u8], good: usize) -> Result<u64, FileError> {
    let evidence = bytes.get(good..).unwrap_or_default();
    files::write_durably(folder.join(BROKEN), evidence, 0o600)?;
    if good == 0 {
        files::remove(path)?;
        files::sync_folder(folder)?;
    } else {
        truncate(path, good)?;
    }
    Ok(segment::events(evidence).map(|event| event.sequence).max().unwrap_or(0))
}
