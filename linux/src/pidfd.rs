//! Processes by descriptor, and how they ended.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    io::Errno,
    process::{self, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions},
};
use std::time::Duration;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By exit(2) with this status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Signaled(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// An ended process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// How.
    pub ending: Ending,
    /// Whether the kernel dumped it into a core file (core(5)).
    pub dumped: bool,
}

/// A descriptor of a running or unreaped process (pidfd_open(2)); close-on-exec.
pub fn open(pid: i32) -> Result<OwnedFd, Errno> {
    process::pidfd_open(Pid::from_raw(pid).ok_or(Errno::SRCH)?, PidfdFlags::empty())
}

/// Sends a signal to exactly this process (pidfd_send_signal(2)). ESRCH when it has been reaped.
pub fn signal(pidfd: impl AsFd, signal: Signal) -> Result<(), Errno> {
    process::pidfd_send_signal(pidfd, signal)
}

/// Whether the process has ended, reaped or not, within `timeout`: a pidfd is readable then.
pub fn ended(pidfd: impl AsFd, timeout: Duration) -> Result<bool, Errno> {
    let timeout =
        Timespec { tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(timeout.subsec_nanos()) };
    match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Reaps a child by its descriptor if it has ended (waitid(2) with P_PIDFD and WNOHANG). None while it runs.
pub fn reap(pidfd: impl AsFd) -> Result<Option<Exit>, Errno> {
    let status = process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?;
    Ok(status.map(|status| exit(status.exit_status(), status.terminating_signal(), status.dumped())))
}

/// Reaps any one child that has ended (wait4(2) with WNOHANG): for PID 1, which inherits orphans. None when there is
/// none at the moment.
pub fn reap_any() -> Result<Option<(i32, Exit)>, Errno> {
    match process::wait(WaitOptions::NOHANG) {
        Ok(ended) => Ok(ended.map(|(pid, status)| {
            let dumped = libc::WCOREDUMP(status.as_raw());
            (pid.as_raw_pid(), exit(status.exit_status(), status.terminating_signal(), dumped))
        })),
        Err(Errno::CHILD) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Of what has ended, one of the two is told.
fn exit(status: Option<i32>, signal: Option<i32>, dumped: bool) -> Exit {
    Exit { ending: status.map_or(Ending::Signaled(signal.unwrap_or_default()), Ending::Exited), dumped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[expect(clippy::zombie_processes, reason = "reaping is what is tested here")]
    fn started(script: &str) -> OwnedFd {
        let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        open(i32::try_from(child.id()).unwrap()).unwrap()
    }

    #[test]
    fn status_and_signal_of_an_ended_process_are_told() {
        let pidfd = started("exit 7");
        assert!(ended(&pidfd, Duration::from_secs(10)).unwrap());
        assert_eq!(reap(&pidfd).unwrap().unwrap().ending, Ending::Exited(7));
        let pidfd = started("kill -9 $$");
        assert!(ended(&pidfd, Duration::from_secs(10)).unwrap());
        assert_eq!(reap(&pidfd).unwrap(), Some(Exit { ending: Ending::Signaled(9), dumped: false }));
    }

    #[test]
    fn a_running_process_is_not_reaped() {
        let pidfd = started("sleep 100");
        assert_eq!(reap(&pidfd).unwrap(), None);
        assert!(!ended(&pidfd, Duration::ZERO).unwrap());
        signal(&pidfd, Signal::KILL).unwrap();
        assert!(ended(&pidfd, Duration::from_secs(10)).unwrap());
        assert!(reap(&pidfd).unwrap().is_some());
        assert_eq!(signal(&pidfd, Signal::KILL), Err(Errno::SRCH));
    }
}
