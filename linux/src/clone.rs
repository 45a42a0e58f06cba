//! clone3(2): a child in new namespaces, born in its control group, with a pidfd. And clone(2), for who is behind a filter.
#![expect(unsafe_code, reason = "clone3 has no wrapper anywhere")]

use crate::{
    files, last_errno,
    process::{self, CapabilitySet, Signal},
};
use rustix::{
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    io::Errno,
};
use std::io;

/// CLONE_INTO_CGROUP (include/uapi/linux/sched.h); libc's constant overflows its type.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Namespaces that a child gets of its own (namespaces(7)), as clone's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(u64);

impl Namespaces {
    /// The parent's.
    pub const NONE: Self = Self(0);
    /// Mounts, process ids, System V IPC and message queues, host name, network. The cgroup namespace is not here: it
    /// would begin at the parent's group, not at the one that the child is born in, so the child unshares it itself.
    pub const ALL: Self = Self(Self::ALL_BUT_NETWORK.0 | Self::NETWORK.0);
    /// For a child that joins a network namespace which is there already.
    pub const ALL_BUT_NETWORK: Self =
        Self((libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS) as u64);
    /// Network alone.
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET as u64);
}

/// Who returned from [`clone`].
#[derive(Debug)]
pub enum Side {
    /// The caller.
    Parent {
        /// The child's process id, as the caller's pid namespace counts.
        pid: i32,
        /// Its descriptor, close-on-exec.
        pidfd: OwnedFd,
    },
    /// The new process, with a copy of everything.
    Child,
}

/// Starts a copy of this process. `cgroup` is the folder of the control group it is born in (CLONE_INTO_CGROUP): it
/// never runs outside of it, not even for its first instruction. Needs CAP_SYS_ADMIN for namespaces.
///
/// # Safety
///
/// The child has this thread only, while locks that other threads held stay locked for ever. In a process with more than
/// one thread the child must neither allocate nor take a lock nor unwind until exec or exit. It must not return to code
/// that believes itself in the parent.
pub unsafe fn clone(namespaces: Namespaces, cgroup: Option<BorrowedFd<'_>>) -> Result<Side, Errno> {
    let mut pidfd: i32 = -1;
    // SAFETY: clone_args is plain integers; zero means "not used" for each (clone3(2)).
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = namespaces.0 | libc::CLONE_PIDFD as u64;
    arguments.pidfd = (&raw mut pidfd).addr() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = cgroup {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the kernel reads size_of::<clone_args>() bytes and writes one int to `pidfd`, which both live here. Without
    // CLONE_VM and with no stack named the child runs on a copy of this stack, as after fork(2); what it may do then is
    // the caller's promise.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match pid {
        0 => Ok(Side::Child),
        1.. => {
            // SAFETY: with CLONE_PIDFD a successful call has stored a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent { pid: i32::try_from(pid).unwrap_or(i32::MAX), pidfd })
        }
        _ => Err(last_errno()),
    }
}

/// Runs `body` in a child that is this user, without any capability and without a way to win one, and gives the child's
/// descriptor. What `body` returns is the exit status; it dies with its parent. For work on files that belong to somebody who is not trusted: a
/// process that may do everything must not follow their links.
///
/// Refused in a process with more than one thread, where a copy of it could not use the heap.
pub fn as_user(user: u32, body: impl FnOnce() -> u8) -> io::Result<OwnedFd> {
    OneThread::check()?;
    // SAFETY: there is one thread, so no lock is held by another and the child is an ordinary process; it ends in `run`.
    match unsafe { clone(Namespaces::NONE, None) }? {
        Side::Parent { pidfd, .. } => Ok(pidfd),
        Side::Child => run(|| drop_to(user), body),
    }
}

/// Runs `body` in a copy of this process that has no open descriptor but `kept`, and gives its pidfd. What `body` returns is
/// its exit status; it dies with its parent. For reading what somebody forged, far from what the process holds.
///
/// By clone(2): a filter looks into its arguments, which are these flags and no others, and refuses clone3 altogether.
pub fn copy(_: &OneThread, kept: &[BorrowedFd<'_>], body: impl FnOnce() -> u8) -> Result<OwnedFd, Errno> {
    let mut pidfd: i32 = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with no stack named the child runs on a copy of this stack, as after fork(2); the kernel
    // writes one int to `pidfd` (clone(2), CLONE_PIDFD), the last two arguments are not used. There is one thread, so no lock
    // is held by another and the child is an ordinary process; it ends in `run`.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) } {
        0 => run(
            || {
                process::parent_death_signal(Signal::KILL)?;
                close_all_but(kept)
            },
            body,
        ),
        // SAFETY: with CLONE_PIDFD a successful call has stored a new descriptor there, which nobody else owns.
        1.. => Ok(unsafe { OwnedFd::from_raw_fd(pidfd) }),
        _ => Err(last_errno()),
    }
}

/// Proof that a process has one thread, and a copy of it can use the heap. Keep it only where no thread is started later:
/// behind a filter that allows none.
#[derive(Debug)]
pub struct OneThread(());

impl OneThread {
    /// Asks /proc, so before the process is confined.
    pub fn check() -> io::Result<Self> {
        if threads()? == 1 { Ok(Self(())) } else { Err(io::Error::other("this process has more than one thread")) }
    }
}

/// In a child: `body` after `first`, and the end.
fn run(first: impl FnOnce() -> Result<(), Errno>, body: impl FnOnce() -> u8) -> ! {
    let ending = EndOnDrop;
    let status = if first().is_ok() { body() } else { UNCHANGED };
    std::mem::forget(ending);
    exit(status)
}

/// Exit status of a child that could not give up what it should, and of one that panicked.
pub const UNCHANGED: u8 = 255;

fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut numbers: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    numbers.sort_unstable();
    let begins = std::iter::once(0).chain(numbers.iter().map(|number| number + 1));
    let ends = numbers.iter().map(|number| number.checked_sub(1)).chain([Some(u32::MAX)]);
    for (begin, end) in begins.zip(ends).filter_map(|(begin, end)| Some((begin, end.filter(|end| begin <= *end)?))) {
        // SAFETY: the child uses no descriptor but `kept`, and ends by _exit, so none is closed twice.
        if unsafe { libc::syscall(libc::SYS_close_range, begin, end, 0) } < 0 {
            return Err(last_errno());
        }
    }
    Ok(())
}

/// Ends the child when it unwinds, so that it never returns into the parent's code.
struct EndOnDrop;

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        exit(UNCHANGED)
    }
}

fn exit(status: u8) -> ! {
    // SAFETY: _exit runs no handlers and no destructors, which belong to the parent, and never returns.
    unsafe { libc::_exit(status.into()) }
}

/// The bounding set first: emptying it needs CAP_SETPCAP, which goes with the change of user.
fn drop_to(user: u32) -> Result<(), Errno> {
    process::drop_bounding(CapabilitySet::empty())?;
    process::set_ids(user, user)?;
    process::drop_all_capabilities()?;
    process::no_new_privileges()?;
    // After the change of user, which clears it.
    process::parent_death_signal(Signal::KILL)
}

/// How many threads this process has (proc_pid_status(5)).
pub fn threads() -> io::Result<u32> {
    let status = files::read("/proc/self/status", 64 * 1024).map_err(io::Error::other)?;
    let status = String::from_utf8_lossy(&status);
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:")).and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| io::Error::other("/proc/self/status does not tell the number of threads"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pidfd::{self, Ending};
    use std::time::Duration;

    #[test]
    fn a_child_runs_and_its_descriptor_reaps_it() {
        // SAFETY: the child makes one system call, which ends it.
        match unsafe { clone(Namespaces::NONE, None) }.unwrap() {
            // SAFETY: _exit never returns and runs no handlers.
            Side::Child => unsafe { libc::_exit(9) },
            Side::Parent { pid, pidfd } => {
                assert!(pid > 0 && pidfd::ended(&pidfd, Duration::from_secs(10)).unwrap());
                assert_eq!(pidfd::reap(&pidfd).unwrap().unwrap().ending, Ending::Exited(9));
            }
        }
    }
}
