//! One core being read, by a copy of this process: begun, waited for, judged.
//!
//! What the copy wrote is not parsed: its header must be, byte by byte, the one that this process would write, and its length
//! within bounds. The rest is the owner's.

use crate::reader::{Make, OUTPUT_LIMIT, Order, work};
use crash_report::MINIDUMP_LIMIT;
use linux::{
    clone::{self, OneThread, UNCHANGED},
    files,
    pidfd::{self, Ending},
    process::Signal,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{MemfdFlags, memfd_create},
};
use std::{
    fs::File,
    io::{self, Seek},
    time::Duration,
};

/// How long a core may be read before the copy is killed.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What a sealed report has beside header and minidump: encapsulated key and two tags.
const SEAL: usize = 32 + 16 + 16;

/// A copy of this process at work.
pub struct Reading {
    order: Order,
    copy: OwnedFd,
    output: File,
    patience: Duration,
    /// None once it was killed.
    deadline: Option<Duration>,
}

impl Reading {
    /// Starts the copy.
    pub fn begin(
        alone: &OneThread,
        order: Order,
        core: &File,
        make: Make,
        patience: Duration,
        now: Duration,
    ) -> io::Result<Self> {
        let output = File::from(memfd_create("crash-report", MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL)?);
        let copy = clone::copy(alone, &[core.as_fd(), output.as_fd()], || work(make, &order, core, &output))?;
        Ok(Self { order, copy, output, patience, deadline: Some(now + patience) })
    }

    /// What it is to make.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// When [`Reading::tend`] must be called next, if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Ends the copy before its time.
    pub fn kill(&mut self) {
        // One that has ended cannot be killed, and need not.
        let _ = pidfd::signal(&self.copy, Signal::KILL);
        self.deadline = None;
    }

    /// What came of it, once it has ended: a sealed report, or why there is none. Kills it when its time is over.
    pub fn tend(&mut self, now: Duration) -> Option<Result<Vec<u8>, String>> {
        match pidfd::reap(&self.copy) {
            Ok(Some(exit)) => Some(self.judge(exit.ending)),
            Ok(None) => {
                if self.deadline.is_some_and(|deadline| deadline <= now) {
                    self.kill();
                }
                None
            }
            Err(e) => Some(Err(format!("the reader is lost: {e}"))),
        }
    }

    fn judge(&mut self, ending: Ending) -> Result<Vec<u8>, String> {
        match ending {
            Ending::Exited(0) => self.sealed(),
            _ if self.deadline.is_none() => Err(format!("the core file was not read within {} s", self.patience.as_secs_f32())),
            Ending::Exited(status) => Err(match crate::reader::Failure::words(status) {
                Some(words) => words.to_owned(),
                None if status == i32::from(UNCHANGED) => "the reader failed".to_owned(),
                None => format!("the reader ended with status {status}"),
            }),
            Ending::Signaled(signal) => Err(format!("the reader was killed by signal {signal}")),
        }
    }

    fn sealed(&mut self) -> Result<Vec<u8>, String> {
        let failed = |e: io::Error| format!("what the reader wrote cannot be read: {e}");
        self.output.rewind().map_err(failed)?;
        let sealed = files::read_from(&self.output, OUTPUT_LIMIT).map_err(failed)?;
        let header = crash_report::header(&self.order.key, &self.order.report).map_err(|e| e.to_string())?;
        let rest = sealed.strip_prefix(&header[..]).map(<[u8]>::len);
        match rest {
            Some(rest) if (SEAL..=SEAL + MINIDUMP_LIMIT).contains(&rest) => Ok(sealed),
            _ => Err("the reader wrote something else than a report".to_owned()),
        }
    }
}

impl AsFd for Reading {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.copy.as_fd()
    }
}
