//! An app's log: two files that take turns, bounded, kept over restarts and reboots.
//!
//! A line is `<sequence> <milliseconds since 1970> <o|e|s> <text>`; text has no control characters, so a newline ends a
//! line and nothing else does. Sequence numbers rise by one and go on after a restart.
//!
//! Durability: lines are gathered in memory, written and synced at most once a second, so a power cut may take the last
//! second of lines with it, and a line that was cut in two is dropped when the log is next opened.
//!
//! - [`intake`]: bytes of a pipe become lines, and too many of them a notice.

pub mod intake;

use linux::{
    files::{self, FileError},
    log::printable,
};
use manifest::api::{LogLine, LogStream};
use rustix::fs::{OFlags, fdatasync};
use std::{fs::File, path::PathBuf, time::Duration};

/// Size at which the newer file becomes the older one; so an app's log takes at most twice this.
pub const FILE_LIMIT: u64 = 256 * 1024;
/// Longest time that a line waits in memory.
pub const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// Bytes that wait in memory before they are written early.
const PENDING_LIMIT: usize = 32 * 1024;
/// Answers are cut here: what a packet holds, less the answer's own frame.
pub const ANSWER_LIMIT: usize = ipc::PACKET_LIMIT - 1024;
const NEWER: &str = "newer";
const OLDER: &str = "older";

/// One app's log.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    newer: File,
    size: u64,
    next: u64,
    pending: Vec<u8>,
    waiting_since: Option<Duration>,
    failing: bool,
}

impl Log {
    /// Opens the log in `folder`, which is made if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, FileError> {
        let folder = folder.into();
        files::make_folder(&folder, 0o700)?;
        let bytes = read(&folder.join(NEWER))?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let newer = open(&folder)?;
        if whole < bytes.len() {
            rustix::fs::ftruncate(&newer, whole as u64).map_err(|e| FileError::new("cut", folder.join(NEWER), e))?;
        }
        let last = match lines(&bytes).last() {
            Some(line) => line.sequence,
            None => lines(&read(&folder.join(OLDER))?).last().map_or(0, |line| line.sequence),
        };
        Ok(Self { folder, newer, size: whole as u64, next: last + 1, pending: Vec::new(), waiting_since: None, failing: false })
    }

    /// Adds a line. It is cleaned of control characters here.
    pub fn push(&mut self, stream: LogStream, text: &str, wall_ms: u64, now: Duration) {
        let mark = match stream {
            LogStream::Stdout => 'o',
            LogStream::Stderr => 'e',
            LogStream::System => 's',
        };
        let clean = printable(text, intake::LINE_LIMIT);
        self.pending.extend_from_slice(format!("{} {wall_ms} {mark} {clean}\n", self.next).as_bytes());
        self.next += 1;
        self.waiting_since.get_or_insert(now);
    }

    /// When the pending lines must be on the disk.
    pub fn deadline(&self) -> Option<Duration> {
        self.waiting_since.map(|since| if self.pending.len() >= PENDING_LIMIT { since } else { since + FLUSH_AFTER })
    }

    /// Writes and syncs what is pending. On failure it is lost, and the next lines are tried again; that is told once.
    pub fn flush(&mut self) -> Result<(), FileError> {
        self.waiting_since = None;
        let failed_before = self.failing;
        match self.write() {
            Err(_) if failed_before => Ok(()),
            Err(e) => Err(e),
            Ok(()) => fdatasync(&self.newer).map_err(|e| FileError::new("sync", self.folder.join(NEWER), e)),
        }
    }

    fn write(&mut self) -> Result<(), FileError> {
        let pending = std::mem::take(&mut self.pending);
        if self.size > 0 && self.size + pending.len() as u64 > FILE_LIMIT {
            self.turn()?;
        }
        let written = files::append(&mut self.newer, &pending).map_err(|e| FileError::new("write", self.folder.join(NEWER), e));
        self.failing = written.is_err();
        if written.is_err() {
            // Whatever part of it is there ends in the middle of a line: cut it, or it would swallow the next one.
            let _ = rustix::fs::ftruncate(&self.newer, self.size);
            return written;
        }
        self.size += pending.len() as u64;
        Ok(())
    }

    /// The newer file becomes the older one.
    fn turn(&mut self) -> Result<(), FileError> {
        let (newer, older) = (self.folder.join(NEWER), self.folder.join(OLDER));
        fdatasync(&self.newer).map_err(|e| FileError::new("sync", &newer, e))?;
        rustix::fs::rename(&newer, &older).map_err(|e| FileError::new("rename", &newer, e))?;
        self.newer = open(&self.folder)?;
        self.size = 0;
        files::sync_folder(&self.folder)
    }

    /// Lines with a higher sequence number than `after`, the oldest first, as many as an answer holds.
    pub fn read(&mut self, after: u64, limit: u32) -> Result<Vec<LogLine>, FileError> {
        if after + 1 >= self.next {
            return Ok(Vec::new());
        }
        // What is on the disk can be read where nothing more can be written.
        let failed_before = self.failing;
        if let Err(e) = self.write()
            && !failed_before
        {
            linux::log::warning(format!("lines of a log are lost: {}", files::chain(&e)));
        }
        let newer = read(&self.folder.join(NEWER))?;
        let older = match lines(&newer).next() {
            Some(first) if first.sequence <= after + 1 => Vec::new(),
            _ => read(&self.folder.join(OLDER))?,
        };
        let mut size = 0;
        let wanted = lines(&older).chain(lines(&newer)).filter(|line| line.sequence > after);
        let fitting = wanted.take_while(|line| {
            size += line.text.len() + line.text.matches(['"', '\\']).count() + PER_LINE;
            size <= ANSWER_LIMIT
        });
        Ok(fitting.take(limit as usize).map(Line::into_owned).collect())
    }

    /// Removes the log for good.
    pub fn erase(folder: impl Into<PathBuf>) -> Result<(), FileError> {
        let folder = folder.into();
        files::remove(folder.join(NEWER))?;
        files::remove(folder.join(OLDER))?;
        crate::folders::remove_empty(&folder)
    }
}

/// What a line's keys and numbers take in JSON.
const PER_LINE: usize = 96;

fn open(folder: &std::path::Path) -> Result<File, FileError> {
    files::open_regular(folder.join(NEWER), OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, FileError> {
    match files::read(path, 2 * FILE_LIMIT as usize) {
        Err(e) if e.is_missing() => Ok(Vec::new()),
        read => read,
    }
}

/// A line of the file, borrowed.
struct Line<'a> {
    sequence: u64,
    time_ms: u64,
    stream: LogStream,
    text: &'a str,
}

impl Line<'_> {
    fn into_owned(self) -> LogLine {
        LogLine { sequence: self.sequence, time_ms: self.time_ms, stream: self.stream, text: self.text.to_owned() }
    }
}

/// Whole lines only; what a power cut or a bad block left of others is passed over.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    bytes.get(..whole).unwrap_or_default().split(|b| *b == b'\n').filter_map(|line| parse(std::str::from_utf8(line).ok()?))
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, ' ');
    let (sequence, time_ms) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let stream = match parts.next()? {
        "o" => LogStream::Stdout,
        "e" => LogStream::Stderr,
        "s" => LogStream::System,
        _ => return None,
    };
    Some(Line { sequence, time_ms, stream, text: parts.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const NOW: Duration = Duration::ZERO;

    fn texts(log: &mut Log, after: u64) -> Vec<String> {
        log.read(after, u32::MAX).unwrap().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_come_back_in_order_with_their_stream_and_without_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path().join("log")).unwrap();
        log.push(LogStream::Stdout, "one\ttwo\x1b[31m", 5, NOW);
        log.push(LogStream::Stderr, "", 6, NOW);
        log.push(LogStream::System, "three", 7, NOW);
        let lines = log.read(0, 10).unwrap();
        assert_eq!(lines[0], LogLine { sequence: 1, time_ms: 5, stream: LogStream::Stdout, text: "one two [31m".into() });
        assert_eq!((lines[1].stream, lines[1].text.as_str()), (LogStream::Stderr, ""));
        assert_eq!(texts(&mut log, 2), ["three"]);
        assert_eq!(log.read(0, 2).unwrap().len(), 2);
        assert!(log.read(3, 10).unwrap().is_empty());
    }

    #[test]
    fn sequence_numbers_go_on_after_a_restart_and_a_cut_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        log.push(LogStream::Stdout, "whole", 1, NOW);
        log.flush().unwrap();
        log.newer.write_all(b"2 1 o cut").unwrap();
        drop(log);
        let mut log = Log::open(folder.path()).unwrap();
        log.push(LogStream::Stdout, "next", 2, NOW);
        assert_eq!(texts(&mut log, 0), ["whole", "next"]);
        assert_eq!(log.read(1, 10).unwrap()[0].sequence, 2);
    }

    #[test]
    fn the_log_stays_bounded_and_keeps_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        for i in 0..10_000u64 {
            log.push(LogStream::Stdout, &format!("{i} {}", "x".repeat(100)), i, NOW);
            if i % 50 == 0 {
                log.flush().unwrap();
            }
        }
        log.flush().unwrap();
        let total: u64 = [NEWER, OLDER].iter().map(|name| std::fs::metadata(folder.path().join(name)).unwrap().len()).sum();
        assert!(total <= 2 * FILE_LIMIT && total > FILE_LIMIT, "{total}");
        assert_eq!(log.read(9_999, 10).unwrap()[0].sequence, 10_000);
        let first = log.read(0, 1).unwrap()[0].sequence;
        assert!(first > 1 && first < 10_000);
    }

    #[test]
    fn an_answer_fits_in_a_packet() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        for _ in 0..200 {
            log.push(LogStream::Stdout, &"\"".repeat(intake::LINE_LIMIT), 0, NOW);
        }
        let answer = ipc::messages::app_manager::AppLog { lines: log.read(0, u32::MAX).unwrap() };
        assert!(answer.lines.len() > 10);
        assert!(serde_json::to_vec(&ipc::client::Answer::Ok(answer)).unwrap().len() <= ipc::PACKET_LIMIT);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_on_the_disk_are_read_without_panic(bytes: Vec<u8>) {
            let folder = tempfile::tempdir().unwrap();
            files::write_durably(folder.path().join(NEWER), &bytes, 0o600).unwrap();
            let mut log = Log::open(folder.path()).unwrap();
            log.push(LogStream::System, "after", 1, NOW);
            let last = log.read(log.next.saturating_sub(2), 10).unwrap();
            proptest::prop_assert_eq!(last.last().map(|line| line.text.as_str()), Some("after"));
        }
    }
}
