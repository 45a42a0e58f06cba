//! The system calls that this crate makes itself: the ones rustix lacks, or that must run in a child after fork.
//!
//! Each function is one call. None allocates, formats or takes a lock, so all of them may run between clone and exec.
#![expect(unsafe_code, reason = "system calls that no crate offers safely")]

use crate::policy::Denials;
use libc::{c_char, c_long, sock_filter};
use linux::{
    clone::{Namespaces, Side, clone},
    last_errno,
};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Result of a call: its value, or errno.
pub type Answer = Result<c_long, Errno>;

fn answer(value: c_long) -> Answer {
    if value < 0 { Err(last_errno()) } else { Ok(value) }
}

/// prctl(2) with options whose arguments are plain numbers, never pointers.
pub fn prctl(option: i32, argument: c_long) -> Answer {
    // SAFETY: callers pass options whose argument the kernel takes as a number (this is the crate's own list: no_new_privs,
    // and MDWE set and read); no memory of ours is named.
    answer(unsafe { libc::syscall(libc::SYS_prctl, option, argument, 0, 0, 0) })
}

/// seccomp(2), SECCOMP_SET_MODE_FILTER. What it refuses is logged by the kernel, or told to the listener that this returns,
/// which exec closes. Cannot be undone.
pub fn load_filter(program: &[sock_filter], denials: Denials) -> Result<Option<OwnedFd>, Errno> {
    let Ok(len) = u16::try_from(program.len()) else { return Err(Errno::INVAL) };
    let header = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let flags = match denials {
        Denials::Logged => libc::SECCOMP_FILTER_FLAG_LOG,
        Denials::Told => libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    };
    // SAFETY: the header names `len` instructions that live in `program` during the call; the kernel copies and checks
    // them (it never writes through the pointer, mutable only by the type's declaration).
    let made = answer(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const header) })?;
    // SAFETY: with NEW_LISTENER the kernel has just made this descriptor for us; nobody else owns it.
    Ok((denials == Denials::Told).then(|| unsafe { OwnedFd::from_raw_fd(i32::try_from(made).unwrap_or(-1)) }))
}

/// Takes a call that waits at a listener (seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_RECV). It does not block where poll said
/// that one waits, even if its caller is gone by now: then it fails with ENOENT.
pub fn next_waiting(listener: BorrowedFd<'_>) -> Result<libc::seccomp_notif, Errno> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    let mut waiting = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    // SAFETY: the kernel writes one seccomp_notif to `waiting`, which is zeroed as it wants.
    answer(unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_RECV, &raw mut waiting) }.into())?;
    Ok(waiting)
}

/// Answers a call that waits at a listener, always with an errno and never with SECCOMP_USER_NOTIF_FLAG_CONTINUE: nothing
/// that was refused is let through by whoever listens (SECCOMP_IOCTL_NOTIF_SEND).
pub fn refuse(listener: BorrowedFd<'_>, id: u64, errno: i32) -> Answer {
    let refusal = libc::seccomp_notif_resp { id, val: 0, error: -errno.abs().max(1), flags: 0 };
    // SAFETY: the kernel reads one seccomp_notif_resp.
    answer(unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_SEND, &raw const refusal) }.into())
}

/// SECCOMP_IOCTL_NOTIF_RECV and _SEND of include/uapi/linux/seccomp.h.
pub const NOTIF_RECV: u64 = 0xc050_2100;
pub const NOTIF_SEND: u64 = 0xc018_2101;

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION: the ABI that this kernel has.
pub fn landlock_abi() -> Answer {
    const VERSION: u32 = 1;
    // SAFETY: with this flag and size 0 the kernel reads no memory.
    answer(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION) })
}

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_ERRATA: the fixes that this kernel has, as a bit set.
pub fn landlock_errata() -> Answer {
    const ERRATA: u32 = 2;
    // SAFETY: as in landlock_abi.
    answer(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, ERRATA) })
}

/// landlock_restrict_self(2). Cannot be undone.
pub fn landlock_restrict_self(ruleset: BorrowedFd<'_>, flags: u32) -> Answer {
    // SAFETY: a descriptor and a number, no memory.
    answer(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) })
}

/// landlock_add_rule(2), LANDLOCK_RULE_PATH_BENEATH, for rights in the kernel's bits.
pub fn landlock_allow(ruleset: BorrowedFd<'_>, folder: BorrowedFd<'_>, rights: u64) -> Answer {
    /// struct landlock_path_beneath_attr of include/uapi/linux/landlock.h.
    #[repr(C, packed)]
    struct PathBeneath {
        rights: u64,
        folder: i32,
    }
    const PATH_BENEATH: u32 = 1;
    let rule = PathBeneath { rights, folder: folder.as_raw_fd() };
    // SAFETY: the kernel reads one struct landlock_path_beneath_attr, whose packed layout PathBeneath has.
    answer(unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), PATH_BENEATH, &raw const rule, 0u32) })
}

/// Starts a copy of this process that runs `body` and never comes back from it.
///
/// What `body` calls must neither allocate nor take a lock: this process may have had other threads that held one. The
/// functions of this module and of [`linux::process`] are made for that.
pub fn start(namespaces: Namespaces, cgroup: Option<BorrowedFd<'_>>, body: impl FnOnce()) -> Result<(i32, OwnedFd), Errno> {
    // SAFETY: `body` keeps to what is said above (they are functions of child.rs), and whatever it does, the child ends
    // here and never returns to the parent's code.
    match unsafe { clone(namespaces, cgroup) }? {
        Side::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Side::Child => {
            let _ending = EndOnUnwind;
            body();
            exit(NEVER_RAN)
        }
    }
}

/// Status of a child whose body returned or panicked although it should have ended in exec or exit.
const NEVER_RAN: i32 = 126;

/// Ends the child where a panic would leave `body`: the frames above are the parent's.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit(NEVER_RAN)
    }
}

/// _exit(2): no destructors, no handlers.
pub fn exit(status: i32) -> ! {
    // SAFETY: ends the process, which is what the caller wants.
    unsafe { libc::_exit(status) }
}

/// Makes `number` a copy of `fd` that exec keeps open (dup3(2)).
pub fn place(fd: BorrowedFd<'_>, number: i32) -> Answer {
    // SAFETY: what `number` was is closed. In a child after clone nobody uses it: the plan's descriptors lie above the
    // program's (`plan::above`), and what else the parent had open is of no use here.
    answer(unsafe { libc::syscall(libc::SYS_dup3, fd.as_raw_fd(), number, 0) })
}

/// Marks every descriptor from `first` on for closing at exec (close_range(2)).
pub fn close_from_at_exec(first: i32) -> Answer {
    // SAFETY: changes a flag of descriptors, no memory.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
}

/// Closes every descriptor from `first` on. For a process that will use none of them any more.
pub fn close_from(first: i32) -> Answer {
    // SAFETY: the reaper, which calls this, touches no OwnedFd afterwards and ends by _exit, so nothing is closed twice.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })
}

/// Maps one page that holds zeros, an empty path, at an address below vm.mmap_min_addr. Needs CAP_SYS_RAWIO.
pub fn map_empty_path(address: u64) -> Answer {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: nothing of this process lies below vm.mmap_min_addr, which it could not have mapped; so MAP_FIXED replaces
    // nothing. Rust code never makes a reference to the page: only the kernel reads it, in execve_at.
    answer(unsafe { libc::syscall(libc::SYS_mmap, address, 4096usize, libc::PROT_READ, flags, -1, 0) })
}

/// Takes the page of [`map_empty_path`] away.
pub fn unmap_empty_path(address: u64) -> Answer {
    // SAFETY: the page is no Rust object, see map_empty_path.
    answer(unsafe { libc::syscall(libc::SYS_munmap, address, 4096usize) })
}

/// unshare(2) of namespaces.
pub fn unshare(namespaces: i32) -> Answer {
    // SAFETY: a namespace is no memory; no caller names CLONE_FILES or CLONE_FS, and what CLONE_NEWNS does to the file
    // system state of a process with one thread concerns no Rust object.
    answer(unsafe { libc::syscall(libc::SYS_unshare, namespaces) })
}

/// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a new keyring without a name, empty.
pub fn join_new_keyring() -> Answer {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name is allowed and means an anonymous keyring.
    answer(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<c_char>()) })
}

/// Sets every signal to its default, ignored ones too, and blocks all or none.
pub fn reset_signals(blocked: bool) -> Answer {
    /// The kernel's own struct sigaction (signal.h), which begins with the handler on every architecture; SIG_DFL is 0.
    const DEFAULT: [u64; 4] = [0; 4];
    for signal in 1..=64 {
        if !matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
            // SAFETY: the kernel reads one struct sigaction, at most the 32 bytes of DEFAULT, and writes nothing; a default
            // action has no handler that could run. By the raw call, because libc keeps two or three numbers to itself.
            answer(unsafe {
                libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), std::ptr::null_mut::<u64>(), 8usize)
            })?;
        }
    }
    let mask: u64 = if blocked { u64::MAX } else { 0 };
    // SAFETY: the kernel reads the 8 bytes of `mask`, its own form of a signal set, and writes nothing.
    answer(unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut::<u64>(), 8usize)
    })
}

/// Waits for one of these blocked signals, a bit each from signal 1 on (rt_sigtimedwait(2)).
pub fn wait_for_signal(set: u64) -> Answer {
    // SAFETY: the kernel reads the 8 bytes of `set`; no information is asked for and no time-out given.
    answer(unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, std::ptr::null_mut::<u8>(), std::ptr::null::<u8>(), 8usize)
    })
}

/// Waits for a signal that ends this process.
pub fn wait_for_ever() {
    // SAFETY: no arguments that are looked at: no descriptors, no time-out.
    unsafe {
        libc::syscall(libc::SYS_ppoll, std::ptr::null_mut::<u8>(), 0usize, std::ptr::null::<u8>(), std::ptr::null::<u8>(), 8usize)
    };
}

/// The network namespace of a process (PIDFD_GET_NET_NAMESPACE of include/uapi/linux/pidfd.h).
pub fn network_of(process: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const GET_NET_NAMESPACE: u64 = 0xff04;
    // SAFETY: this ioctl takes no argument.
    let fd = answer(unsafe { libc::syscall(libc::SYS_ioctl, process.as_raw_fd(), GET_NET_NAMESPACE, 0) })?;
    // SAFETY: the kernel has just made this descriptor, close-on-exec, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// Reaps any child that has ended: its process id and status, or 0 (wait4(2) with WNOHANG).
pub fn reap() -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the kernel writes one int to `status`; usage is not asked for.
    let pid = answer(unsafe { libc::syscall(libc::SYS_wait4, -1, &raw mut status, libc::WNOHANG, std::ptr::null_mut::<u8>()) })?;
    Ok((i32::try_from(pid).unwrap_or(0), status))
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Answer {
    // SAFETY: numbers only.
    answer(unsafe { libc::syscall(libc::SYS_kill, pid, signal) })
}

/// Writes a status to a descriptor by its number; a reader that is gone is not waited for.
pub fn tell(descriptor: i32, status: i32) {
    // SAFETY: the kernel reads four bytes of `status`. The reaper, which calls this, put the pipe there itself.
    unsafe { libc::syscall(libc::SYS_write, descriptor, &raw const status, size_of::<i32>()) };
}

/// execveat(2) with AT_EMPTY_PATH: runs the open file. `path` is the address of an empty C string.
pub fn exec(program: BorrowedFd<'_>, path: u64, arguments: *const *const c_char, environment: *const *const c_char) -> Errno {
    // SAFETY: the arrays come from plan::Strings, end in a null pointer and point to C strings that outlive the call, as
    // the plan does; `path` is the page of map_empty_path or a static empty string. On success nothing returns.
    let result = answer(unsafe {
        libc::syscall(libc::SYS_execveat, program.as_raw_fd(), path, arguments, environment, libc::AT_EMPTY_PATH)
    });
    result.err().unwrap_or(Errno::IO)
}

/// Tries to run a program that is not there: EPERM behind a filter, ENOENT (the door was open) without one.
#[cfg(feature = "confine-probe")]
pub fn exec_nothing() -> Result<(), Errno> {
    // SAFETY: three pointers that the kernel only reads: a C string that lives for ever, and two that may be null.
    answer(unsafe { libc::syscall(libc::SYS_execve, c"/nonexistent".as_ptr(), std::ptr::null::<u8>(), std::ptr::null::<u8>()) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::pidfd::{self, Ending};
    use std::time::Duration;

    #[test]
    fn a_panic_in_the_child_ends_it_before_it_reaches_the_parents_code() {
        let (_, child) = start(Namespaces::NONE, None, || panic!("in the child")).unwrap();
        assert!(pidfd::ended(&child, Duration::from_secs(10)).unwrap());
        assert_eq!(pidfd::reap(&child).unwrap().unwrap().ending, Ending::Exited(NEVER_RAN));
    }
}
