//! Descriptors that a process was started with, by name: the LISTEN_FDS convention (sd_listen_fds(3)), and whether those that it
//! passed on were taken.
#![expect(unsafe_code, reason = "a number from the environment becomes a descriptor here, and rustix has no SO_MEMINFO")]

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

/// The first passed descriptor (SD_LISTEN_FDS_START).
pub const FIRST: RawFd = 3;
/// Most descriptors a process may be started with.
pub const LIMIT: usize = 128;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The passed descriptors by name.
#[derive(Debug, Default)]
pub struct Passed(BTreeMap<String, OwnedFd>);

/// A descriptor that should have been passed was not.
#[derive(Debug, thiserror::Error)]
#[error("no descriptor named `{0}` was passed to this process: does its entry in the service table list it?")]
pub struct MissingDescriptor(pub String);

/// Takes ownership of all passed descriptors, once; a second call, or a process that was passed none, gets none.
/// Of two with one name the second is closed.
pub fn take() -> Passed {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    if number("LISTEN_PID").is_some_and(|pid| pid != std::process::id()) || TAKEN.swap(true, Ordering::SeqCst) {
        return Passed::default();
    }
    let count = number("LISTEN_FDS").and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(LIMIT);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = BTreeMap::new();
    for (number, name) in (FIRST..).zip(names.split(':')).take(count) {
        // SAFETY: whoever started this process passed descriptors 3 to 3+LISTEN_FDS-1 to it (sd_listen_fds(3)) and
        // nothing in this process has taken them: TAKEN lets this line run once per process, and daemons call it first.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
        passed.entry(name.to_owned()).or_insert(fd);
    }
    Passed(passed)
}

/// For tests: as if these had been passed.
impl FromIterator<(String, OwnedFd)> for Passed {
    fn from_iter<I: IntoIterator<Item = (String, OwnedFd)>>(descriptors: I) -> Self {
        Self(descriptors.into_iter().collect())
    }
}

impl Passed {
    /// The descriptor called `name`.
    pub fn take(&mut self, name: &str) -> Result<OwnedFd, MissingDescriptor> {
        self.0.remove(name).ok_or_else(|| MissingDescriptor(name.to_owned()))
    }

    /// All descriptors whose names begin with `prefix`, by the rest of their names.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, OwnedFd)> {
        let names: Vec<String> = self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        names.into_iter().filter_map(|name| self.0.remove(&name).map(|fd| (name[prefix.len()..].to_owned(), fd))).collect()
    }
}

/// Whether packets that were sent on a Unix socket wait for its peer, and the descriptors in them with them. What a peer that
/// closed its end had not read is gone. (SO_MEMINFO; its figures are those of SK_MEMINFO_* in linux/sock_diag.h.)
pub fn wait_for_peer(socket: impl AsFd) -> io::Result<bool> {
    let mut figures = [0u32; 9];
    let mut length: libc::socklen_t = 36;
    let (fd, to) = (socket.as_fd().as_raw_fd(), figures.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `length` bytes, which are those of `figures`, and their number into `length`.
    if unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, to, &raw mut length) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let [_, _, sent_and_not_read, ..] = figures;
    Ok(sent_and_not_read > 0)
}
