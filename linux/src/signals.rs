//! Signals as a descriptor (signalfd(2)): they arrive in the loop, between two pieces of work, and interrupt nothing.
#![expect(unsafe_code, reason = "signal masks and signalfd are not in rustix")]

use rustix::fd::{FromRawFd, OwnedFd};
use std::{io, mem::MaybeUninit};

pub use libc::{SIGINT, SIGTERM};

/// Blocks `signals` for this thread, and so for every thread it starts later, and gives a descriptor that is readable
/// once one of them is pending. Close-on-exec and non-blocking. Children inherit the mask: reset it before exec.
pub fn receive(signals: &[i32]) -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset writes a whole, valid set; sigaddset and the mask call only read and write that one set,
    // which lives until the end of the block. An unknown signal number is an error of sigaddset, told below.
    let descriptor = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        if signals.iter().any(|signal| libc::sigaddset(set.as_mut_ptr(), *signal) != 0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) != 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd(2) has just made this descriptor for us, and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The next pending signal of a descriptor of [`receive`], if there is one.
pub fn next(descriptor: &OwnedFd) -> Option<i32> {
    let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
    let read = rustix::io::read(descriptor, &mut record).ok()?;
    let (number, _) = record.split_first_chunk::<4>()?;
    (read == record.len()).then(|| i32::from_ne_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_arrives_at_the_descriptor() {
        // SIGWINCH: harmless where the mask would not hold.
        let descriptor = receive(&[libc::SIGWINCH]).unwrap();
        assert_eq!(next(&descriptor), None);
        let thread = rustix::thread::gettid();
        // SAFETY: tgkill(2) with ids of this very thread.
        unsafe {
            libc::syscall(
                libc::SYS_tgkill,
                rustix::process::getpid().as_raw_nonzero().get(),
                thread.as_raw_nonzero().get(),
                libc::SIGWINCH,
            )
        };
        assert_eq!(next(&descriptor), Some(libc::SIGWINCH));
        assert_eq!(next(&descriptor), None);
    }
}
