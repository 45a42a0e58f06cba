//! The way of an ordinary user: a user namespace in which the caller may mount and clone, and nothing outside of it.
//!
//! What cannot be had there is listed in [`crate::optional`].

use crate::sys;
use linux::files::{self, FileError};
use rustix::io::Errno;

/// Why there is no user namespace.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Others would stay behind.
    #[error("{0} threads are running; a process enters a user namespace before it starts any")]
    Threads(u32),
    /// Whether there are threads cannot be told.
    #[error("cannot find the number of threads")]
    Unknown(#[source] std::io::Error),
    /// The kernel refused.
    #[error(
        "ordinary users get no user namespace here: look at user.max_user_namespaces, kernel.unprivileged_userns_clone \
         and kernel.apparmor_restrict_unprivileged_userns, or run this as root"
    )]
    Refused(#[source] Errno),
    /// The ids could not be mapped.
    #[error("the caller's ids cannot be mapped into the user namespace")]
    Map(#[from] FileError),
}

/// Puts this process, for good, into a user and a mount namespace of its own, where it is the user it was and may do
/// what [`crate::spawn`] needs. Mounts are made after this, [`crate::Kernel::check`] is called after this.
pub fn enter() -> Result<(), EnterError> {
    let threads = linux::clone::threads().map_err(EnterError::Unknown)?;
    if threads != 1 {
        return Err(EnterError::Threads(threads));
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(EnterError::Refused)?;
    // An ordinary user may map its group only once nobody in the namespace can drop groups (user_namespaces(7)).
    files::write_existing("/proc/self/setgroups", "deny")?;
    files::write_existing("/proc/self/uid_map", format!("{user} {user} 1"))?;
    files::write_existing("/proc/self/gid_map", format!("{group} {group} 1"))?;
    Ok(())
}

/// Whether this process is in the namespace that the machine booted with, where every id is mapped to itself. A kernel
/// without user namespaces, as a device has, has no such file and no other namespace; where a folder hides the file, this
/// answer is the one that demands more.
pub fn is_initial() -> Result<bool, FileError> {
    match files::read_line("/proc/self/uid_map") {
        Ok(map) => Ok(map.split_whitespace().eq(["0", "0", "4294967295"])),
        Err(e) if e.is_missing() => Ok(true),
        Err(e) => Err(e),
    }
}
