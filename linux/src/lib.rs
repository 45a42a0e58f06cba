//! Kernel contracts that the crates lack, and the one door to files.
//!
//! Everything here is a thin, safe face of one kernel contract, named in the docs of its function. No policy, no
//! formats, no threads. `unsafe` stands in the modules that make a system call rustix does not offer, and each block
//! argues why it is sound.
//!
//! - [`files`]: reading bounded and writing durably; every error names verb and path. clippy bans `std::fs` elsewhere.
//! - [`descriptors`]: descriptors passed by name (`LISTEN_FDS`).
//! - [`log`]: one line to standard error, never blocking for ever, never panicking.
//! - [`notify`]: sd_notify, both sides.
//! - [`poll`]: epoll with tokens.
//! - [`mount`], [`cgroup`], [`pidfd`], [`clone`], [`process`]: what init and launcher start things with.
//! - [`verity`], [`encryption`], [`quota`], [`ext4`], [`gpio`], [`bus`]: ioctls.
//! - [`sysfs`]: devices by what stays the same from boot to boot.
//! - [`signals`]: signals as a descriptor.
//! - [`kernel_log`]: `/dev/kmsg` records; [`clock`]: boot time and wall clock.

pub mod bus;
pub mod cgroup;
pub mod clock;
pub mod clone;
pub mod descriptors;
pub mod encryption;
pub mod ext4;
pub mod files;
pub mod gpio;
pub mod kernel_log;
pub mod log;
pub mod mount;
pub mod notify;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod quota;
pub mod signals;
pub mod sysfs;
pub mod verity;

use rustix::io::Errno;

/// What the last system call of this thread failed with, where libc made it. Allocates nothing.
pub fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
