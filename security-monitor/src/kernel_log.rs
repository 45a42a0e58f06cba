//! The kernel's log: watched for events, and read out on request. The kernel keeps the ring; reading out goes back to
//! its oldest record, so that no copy of it is held in this process.

use crate::watch::{self, Sighting};
use linux::{
    clock,
    kernel_log::{Next, Reader, Record},
};
use manifest::api::{LogLine, LogStream};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{io, time::Duration};

/// Records read before other descriptors get their turn.
const TURN: usize = 256;

/// `/dev/kmsg`, and how far it was watched.
pub struct KernelLog {
    reader: Reader,
    /// Records below this number were watched.
    watched: u64,
}

impl KernelLog {
    /// Watches from the oldest record on that the kernel has.
    pub fn new(kmsg: OwnedFd) -> io::Result<Self> {
        Ok(Self { reader: Reader::new(kmsg)?, watched: 0 })
    }

    /// What the records that came since last time report.
    pub fn watch(&mut self) -> io::Result<Vec<Sighting>> {
        let mut seen = Vec::new();
        for _ in 0..TURN {
            match self.reader.read()? {
                Next::Record(record) => seen.extend(self.sighting(&record)),
                Next::Lost => {}
                Next::Empty => break,
            }
        }
        Ok(seen)
    }

    /// All records that the kernel still has with a line number above `after`, oldest first, as long as `fits` takes
    /// them; and what new ones among them report.
    pub fn page(&mut self, after: u64, mut fits: impl FnMut(&LogLine) -> bool) -> io::Result<(Vec<LogLine>, Vec<Sighting>)> {
        let (mut lines, mut seen) = (Vec::new(), Vec::new());
        let mut full = false;
        self.reader.rewind()?;
        loop {
            match self.reader.read()? {
                Next::Record(record) => {
                    seen.extend(self.sighting(&record));
                    let line = line(&record);
                    if !full && line.sequence > after {
                        full = !fits(&line);
                        if !full {
                            lines.push(line);
                        }
                    }
                }
                Next::Lost => {}
                Next::Empty => return Ok((lines, seen)),
            }
        }
    }

    fn sighting(&mut self, record: &Record) -> Option<Sighting> {
        if record.sequence < self.watched {
            return None;
        }
        self.watched = record.sequence.saturating_add(1);
        watch::kernel_record(record)
    }
}

impl AsFd for KernelLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// A record as a log line. Line numbers begin at 1, so that "after 0" is all of them.
fn line(record: &Record) -> LogLine {
    let ago = clock::since_boot().saturating_sub(record.since_boot);
    let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    LogLine {
        sequence: record.sequence.saturating_add(1),
        time_ms: clock::wall_ms().saturating_sub(ago_ms),
        stream: LogStream::System,
        text: format!("[{}] {}", seconds(record.since_boot), record.text),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:5}.{:06}", time.as_secs(), time.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_kernel_log_can_be_read_out_twice_where_it_may_be_read() {
        let Ok(kmsg) = linux::files::open("/dev/kmsg", rustix::fs::OFlags::RDONLY) else { return };
        let mut log = KernelLog::new(kmsg).unwrap();
        let all = log.page(0, |_| true).unwrap().0;
        let after = all.first().map_or(0, |line| line.sequence);
        let rest = log.page(after, |_| true).unwrap();
        assert!(rest.0.len() + 1 >= all.len());
        assert!(rest.0.iter().all(|line| line.sequence > after));
    }
}
