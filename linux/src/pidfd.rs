//! Processes by descriptor, how they ended, and what they used.
#![expect(unsafe_code, reason = "waitid and wait4 with resource usage are not in rustix")]

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, AsRawFd, OwnedFd},
    io::Errno,
    process::{self, Pid, PidfdFlags, Signal},
};
use std::{mem::MaybeUninit, time::Duration};

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
    /// Most memory it used, in KiB (`ru_maxrss`).
    pub max_rss_kib: u64,
    /// CPU time it used, user and system.
    pub cpu: Duration,
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
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the system call writes at most one siginfo_t and one rusage into the two buffers, which are of those types
    // and live until it returns; glibc's wrapper lacks the fifth argument that the system call has (waitid(2), NOTES).
    let result = unsafe {
        libc::syscall(libc::SYS_waitid, libc::P_PIDFD, fd, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG, usage.as_mut_ptr())
    };
    if result < 0 {
        return Err(last_errno());
    }
    // SAFETY: zeroed at first, which is a valid value of these plain C types, and then written by the kernel.
    let (info, usage) = unsafe { (info.assume_init(), usage.assume_init()) };
    // SAFETY: a siginfo_t of waitid has si_pid and si_status; with WNOHANG and nothing to reap the kernel leaves or
    // writes zeros there (waitid(2)).
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let ending = if info.si_code == libc::CLD_EXITED { Ending::Exited(status) } else { Ending::Signaled(status) };
    Ok(Some(exit(ending, info.si_code == libc::CLD_DUMPED, &usage)))
}

/// Reaps any one child that has ended (wait4(2) with WNOHANG): for PID 1, which inherits orphans. None when there is
/// none at the moment.
pub fn reap_any() -> Result<Option<(i32, Exit)>, Errno> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: wait4 writes one int and one rusage into the two buffers, which live until it returns.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
    match pid {
        0 => Ok(None),
        1.. => {
            // SAFETY: zeroed at first, a valid rusage, and then written by the kernel.
            let usage = unsafe { usage.assume_init() };
            let ending = if libc::WIFSIGNALED(status) {
                Ending::Signaled(libc::WTERMSIG(status))
            } else {
                Ending::Exited(libc::WEXITSTATUS(status))
            };
            Ok(Some((pid, exit(ending, libc::WCOREDUMP(status), &usage))))
        }
        _ => match last_errno() {
            Errno::CHILD => Ok(None),
            e => Err(e),
        },
    }
}

fn exit(ending: Ending, dumped: bool, usage: &libc::rusage) -> Exit {
    let time = |t: libc::timeval| {
        Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_usec).unwrap_or(0).saturating_mul(1000))
    };
    Exit {
        ending,
        dumped,
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
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
        let exit = reap(&pidfd).unwrap().unwrap();
        assert_eq!(exit.ending, Ending::Signaled(9));
        assert!(exit.max_rss_kib > 0);
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
