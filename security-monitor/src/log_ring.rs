//! A daemon's log on the data partition: two files, of which the older one goes when the newer one is full.
//!
//! Lines of JSON. Not synced: a log is not worth a flush per line, and the newest lines of a crash are on the console
//! and in pstore. What a power cut tore is skipped when it is read.

use linux::files::{self, FileError};
use manifest::api::LogLine;
use rustix::fs::{OFlags, rename};
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// Longest file, in bytes: two of them per daemon.
const FILE_LIMIT: usize = 64 * 1024;

/// An open ring.
pub struct LogRing {
    older: PathBuf,
    newer: PathBuf,
    file: File,
    length: usize,
    last: u64,
    /// The file may end within a line, which must not take the next one with it.
    torn: bool,
}

impl LogRing {
    /// Opens the ring called `name`, and goes on after its last number.
    pub fn open(folder: &Path, name: &str) -> Result<Self, FileError> {
        let (older, newer) = (folder.join(format!("{name}.older")), folder.join(format!("{name}.newer")));
        let last = begin(&newer)?.max(begin(&older)?);
        let file = open_for_append(&newer)?;
        let length = file.metadata().map_err(|e| FileError::new("measure", &newer, e))?.len();
        let length = usize::try_from(length).unwrap_or(FILE_LIMIT);
        Ok(Self { older, newer, file, length, last, torn: length > 0 })
    }

    /// Appends a line and gives it its number.
    pub fn append(&mut self, mut line: LogLine) -> Result<(), FileError> {
        line.sequence = self.last + 1;
        let mut bytes = if self.torn { b"\n".to_vec() } else { Vec::new() };
        bytes.extend(serde_json::to_vec(&line).unwrap_or_default());
        bytes.push(b'\n');
        if self.length + bytes.len() > FILE_LIMIT {
            rename(&self.newer, &self.older).map_err(|e| FileError::new("rename", &self.newer, e))?;
            (self.file, self.length) = (open_for_append(&self.newer)?, 0);
        }
        let written = files::append(&mut self.file, &bytes);
        self.torn = written.is_err();
        written.map_err(|e| FileError::new("append to", &self.newer, e))?;
        self.length += bytes.len();
        self.last = line.sequence;
        Ok(())
    }

    /// Lines after a number, oldest first.
    pub fn after(&self, after: u64) -> Result<Vec<LogLine>, FileError> {
        let mut all = lines(&self.older)?;
        all.extend(lines(&self.newer)?);
        all.retain(|line| line.sequence > after);
        Ok(all)
    }
}

/// The last number in a file. One that cannot be read makes room for a new one: a log may be lost, its daemon not.
fn begin(path: &Path) -> Result<u64, FileError> {
    match lines(path) {
        Ok(lines) => Ok(lines.last().map_or(0, |line| line.sequence)),
        Err(error) => {
            linux::log::error(files::chain(&error));
            files::remove(path).map(|()| 0)
        }
    }
}

fn open_for_append(path: &Path) -> Result<File, FileError> {
    files::open_regular(path, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW)
}

fn lines(path: &Path) -> Result<Vec<LogLine>, FileError> {
    let bytes = match files::read(path, 2 * FILE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::api::LogStream;

    fn line(text: &str) -> LogLine {
        LogLine { sequence: 0, time_ms: 1, stream: LogStream::Stderr, text: text.to_owned() }
    }

    #[test]
    fn numbers_go_on_over_restarts_and_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut ring = LogRing::open(folder.path(), "a").unwrap();
        ring.append(line("one")).unwrap();
        ring.append(line("two")).unwrap();
        let path = folder.path().join("a.newer");
        let length = path.metadata().unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
        let mut ring = LogRing::open(folder.path(), "a").unwrap();
        ring.append(line("three")).unwrap();
        let texts: Vec<(u64, String)> = ring.after(0).unwrap().into_iter().map(|line| (line.sequence, line.text)).collect();
        assert_eq!(texts, [(1, "one".to_owned()), (2, "three".to_owned())]);
    }

    #[test]
    fn a_file_that_is_none_of_ours_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("a.newer")).unwrap().set_len(1 << 30).unwrap();
        let mut ring = LogRing::open(folder.path(), "a").unwrap();
        ring.append(line("one")).unwrap();
        assert_eq!(ring.after(0).unwrap().len(), 1);
    }

    #[test]
    fn the_ring_is_bounded_and_keeps_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut ring = LogRing::open(folder.path(), "a").unwrap();
        for n in 0..5000 {
            ring.append(line(&format!("line {n} {}", "x".repeat(50)))).unwrap();
        }
        let bytes: u64 = ["a.older", "a.newer"].iter().map(|name| folder.path().join(name).metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * FILE_LIMIT as u64);
        let lines = ring.after(0).unwrap();
        assert_eq!(lines.last().unwrap().sequence, 5000);
        assert!(lines.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence) && lines.len() > 500);
        assert_eq!(LogRing::open(folder.path(), "a").unwrap().last, 5000);
    }
}
