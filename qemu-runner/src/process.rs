//! Processes by pid and start time.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    process::Child,
    time::{Duration, Instant},
};

/// A process that does not become another when its pid is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, field 22 of proc_pid_stat(5).
    pub start: u64,
}

impl ProcessId {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start: start_time(pid)? })
    }

    /// Whether it runs. A zombie does not.
    pub fn is_alive(self) -> bool {
        start_time(self.pid).is_ok_and(|start| start == self.start)
    }

    /// Sends a signal; a process that has ended is no error.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match self.handle()? {
            Some(fd) => match pidfd_send_signal(fd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
                Err(error) => Err(error.into()),
            },
            None => Ok(()),
        }
    }

    /// Waits for its end; whether it came in time.
    pub fn wait(self, limit: Duration) -> io::Result<bool> {
        match self.handle()? {
            Some(fd) => ends(&fd, limit),
            None => Ok(true),
        }
    }

    /// A descriptor of it; none when it has ended. The check after opening makes the pair safe: the descriptor belongs to
    /// whoever had the pid then, and that is ours if the start time still agrees.
    fn handle(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(self.is_alive().then_some(fd)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits for a child's end without reaping it; whether it came in time.
pub(crate) fn wait_limited(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("a child without a pid"))?;
    ends(&pidfd_open(pid, PidfdFlags::empty())?, limit)
}

fn ends(fd: &OwnedFd, limit: Duration) -> io::Result<bool> {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let time = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&time)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn start_time(pid: u32) -> io::Result<u64> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/stat"))?.take(4096).read_to_string(&mut text)?;
    // The name in parentheses may hold anything, blanks and parentheses included.
    let fields: Vec<&str> = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let gone = || io::Error::new(io::ErrorKind::NotFound, format!("process {pid} has ended"));
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return Err(gone());
    }
    fields.get(19).and_then(|field| field.parse().ok()).ok_or_else(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_by_its_start_time_too() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive() && !ProcessId { start: id.start + 1, ..id }.is_alive());
        assert!(!id.wait(Duration::from_millis(10)).unwrap());
        ProcessId { start: id.start + 1, ..id }.signal(Signal::KILL).unwrap();
        assert!(id.is_alive(), "a signal for another process must not reach this one");
        id.signal(Signal::KILL).unwrap();
        assert!(id.wait(Duration::from_secs(10)).unwrap());
        assert!(!id.is_alive(), "a zombie does not run");
        child.wait().unwrap();
    }
}
