//! The three kernel contracts that need `unsafe`: passed descriptors, the signal mask, signalfd(2).
#![expect(unsafe_code, reason = "numbers become descriptors, and libc's signal sets are out-parameters")]

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first passed descriptor (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;
/// Most descriptors that are taken; launcher never passes more.
const LIMIT: usize = 128;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Owns the descriptors 3 to 3+`count`-1; none at a second call.
pub(crate) fn passed_descriptors(count: usize) -> Vec<OwnedFd> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    (FIRST..)
        .take(count.min(LIMIT))
        // SAFETY: launcher passed these numbers to this program for exactly this use (sd_listen_fds(3)), and TAKEN lets
        // this line run once per process, so no second owner comes from here.
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect()
}

/// Blocks SIGTERM and SIGINT for this thread and those it starts, and returns a descriptor that is readable once one of
/// them came (signalfd(2)). As PID 1 of its namespace an app would otherwise never see SIGTERM: the kernel drops signals
/// to a namespace's init that are neither handled nor blocked (pid_namespaces(7)).
pub(crate) fn termination_descriptor() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initializes the set it is given, and the others get that initialized set.
    let (masked, number) = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        let masked = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        (masked, libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))
    };
    if masked != 0 {
        return Err(io::Error::from_raw_os_error(masked));
    }
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd(2) just made this descriptor, and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
