//! What is made before it is needed, because it takes long: empty network namespaces.

use crate::sys;
use linux::{
    clone::Namespaces,
    pidfd,
    process::{self, Signal},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
};
use std::time::Duration;

/// Empty network namespaces, each for one program: half of what a launch takes is making one.
///
/// ```no_run
/// # fn example(root: std::os::fd::BorrowedFd<'_>) -> Result<(), rustix::io::Errno> {
/// let mut networks = sandbox::ready::Networks::new(4);
/// let policy = sandbox::Policy { network: networks.take(), ..sandbox::Policy::new(200_000, root) };
/// // … start it, and when there is time:
/// while networks.lacks() {
///     networks.make()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Networks {
    ready: Vec<OwnedFd>,
    wanted: usize,
}

/// A killed process is gone within milliseconds.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

impl Networks {
    /// None yet, and how many are wanted ready.
    #[must_use]
    pub fn new(wanted: usize) -> Self {
        Self { ready: Vec::new(), wanted }
    }

    /// One that nothing was in, if one is left: where none is, the launch makes its own.
    pub fn take(&mut self) -> Option<OwnedFd> {
        self.ready.pop()
    }

    /// Whether fewer are ready than are wanted.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.ready.len() < self.wanted
    }

    /// Makes one, which takes half a millisecond or more. Needs CAP_SYS_ADMIN and a kernel with PIDFD_GET_NET_NAMESPACE
    /// (Linux 6.11).
    pub fn make(&mut self) -> Result<(), Errno> {
        self.ready.push(make()?);
        Ok(())
    }
}

/// The namespace of a process that is made for it and then killed: this process never enters another one, from which it
/// might not come back.
fn make() -> Result<OwnedFd, Errno> {
    let (_, maker) = sys::start(Namespaces::NETWORK, None, || {
        let _ = process::parent_death_signal(Signal::KILL);
        sys::wait_for_ever();
    })?;
    let namespace = sys::network_of(maker.as_fd());
    pidfd::signal(&maker, Signal::KILL)?;
    while !pidfd::ended(&maker, KILL_TIMEOUT)? {}
    pidfd::reap(&maker)?;
    namespace
}
