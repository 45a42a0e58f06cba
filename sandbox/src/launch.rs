//! Step 8 of the README's path: the parent's side. Plan, clone, wait until the program runs, and find words for what failed.

use crate::{
    arms::layer,
    check::Kernel,
    child::{self, Ends},
    plan::{self, Plan, PlanError},
    policy::{CORE, Command, Policy},
    step::{ABOUT_TO_EXEC, Failure, Step},
    sys,
};
use linux::{
    clone::Namespaces,
    pidfd::{self, Ending, Exit},
    process::Signal,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
    net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg, socketpair},
    pipe::{PipeFlags, pipe_with},
};
use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    time::{Duration, Instant},
};

/// A started program.
#[derive(Debug)]
pub struct Child {
    /// Its first process, as the caller's pid namespace counts: the reaping init, or the program itself if `single`.
    pub pid: u32,
    /// Descriptor of that process: readable when it has ended, and with it every process of the sandbox.
    pub pidfd: OwnedFd,
    /// What is in force, a line per layer.
    pub in_force: Vec<String>,
    /// Where refused calls wait to be answered, if the policy wants them told: see [`crate::denials`].
    pub denials: Option<OwnedFd>,
    /// Where the reaping init tells how the program ended.
    ending: OwnedFd,
    /// Where the kernel dumps the program to.
    core_folder: Option<OwnedFd>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Refused or impossible before anything was started.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No process.
    #[error("cannot {what} to start the program")]
    Start {
        /// What could not be done.
        what: &'static str,
        /// Why not.
        #[source]
        source: Errno,
    },
    /// The new process could not confine itself, or not become the program. It has ended.
    #[error("the new process could not {step}")]
    Step {
        /// What it was doing.
        step: Step,
        /// Why it could not.
        #[source]
        source: Errno,
    },
    /// The new process ended without a word.
    #[error("the new process was gone before it became the program: {}", .0.map_or("how is not known".to_owned(), |ending| ending.to_string()))]
    Gone(Option<Ending>),
    /// The new process took too long and was killed.
    #[error("the new process did not become the program within {} s", START_TIMEOUT.as_secs())]
    Timeout,
}

/// A start takes milliseconds; one that takes this long hangs.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for a killed process to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a program that can do what the policy grants and nothing else. Returns when the program has replaced the last
/// of our own code, with everything in force; if any layer could not be put in force, nothing was started.
pub fn spawn(kernel: &Kernel, policy: Policy<'_>, command: &Command<'_>) -> Result<Child, SpawnError> {
    let cgroup = policy.cgroup;
    let plan = Plan::new(kernel, policy, command)?;
    let (failure, failure_end) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(start("make a socket"))?;
    let (ending, ending_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(start("make a pipe"))?;
    let first_free = plan.descriptors.len();
    let ends = Ends {
        failure: plan::above(failure_end.as_fd(), first_free)?,
        ending: plan::above(ending_end.as_fd(), first_free)?,
        parent: pidfd::open(std::process::id().cast_signed()).map_err(start("open its own process"))?,
    };
    drop((failure_end, ending_end));
    let all = if plan.network.is_some() { Namespaces::ALL_BUT_NETWORK } else { Namespaces::ALL };
    let namespaces = layer!(PidNamespace, all, else Namespaces::NONE);
    let (pid, pidfd) = sys::start(namespaces, layer!(Cgroup, cgroup), || child::run(&plan, &ends)).map_err(start("clone"))?;
    drop(ends);
    let core_folder = plan.mounts.core_folder;
    let mut child = Child { pid: pid.unsigned_abs(), pidfd, in_force: plan.in_force, denials: None, ending, core_folder };
    match await_program(&failure, &mut child.denials) {
        Ok(Start::Running) => Ok(child),
        Ok(Start::Failed(Failure { step, errno })) => {
            child.destroy();
            Err(SpawnError::Step { step, source: errno })
        }
        Ok(Start::Gone) => Err(SpawnError::Gone(child.destroy())),
        Err(error) => {
            child.destroy();
            Err(error)
        }
    }
}

impl Child {
    /// How the program ended, given how its first process did: the reaping init cannot die of a signal in the program's
    /// stead, so it tells. Where it was killed itself (its control group was, or memory ran out), that is the ending.
    pub fn ending(&self, exit: Exit) -> Exit {
        let (ending, dumped) = self.told().unwrap_or((exit.ending, exit.dumped));
        Exit { ending, dumped }
    }

    /// What the kernel dumped of a program that has ended with [`Exit::dumped`], readable; None if the policy allowed no
    /// such file. The program could write there too: nothing about what is in it is sure, not even that it is a dump.
    /// Needs CAP_CHOWN where the program had a user of its own.
    pub fn core(&self) -> Result<Option<OwnedFd>, Errno> {
        let Some(folder) = &self.core_folder else { return Ok(None) };
        let name = CORE.rsplit('/').next().unwrap_or_default();
        // The dump is its user's alone, and who reads it need have no right to read everybody's files.
        rustix::fs::chownat(folder, name, Some(rustix::process::geteuid()), None, AtFlags::SYMLINK_NOFOLLOW)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve)?;
        let is_file = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_file();
        if is_file { Ok(Some(file)) } else { Err(Errno::NOENT) }
    }

    fn told(&self) -> Option<(Ending, bool)> {
        let mut status = [0; 4];
        let length = rustix::io::read(&self.ending, &mut status).ok()?;
        let status = i32::from_ne_bytes(status);
        let ending = if libc::WIFSIGNALED(status) {
            Ending::Signaled(libc::WTERMSIG(status))
        } else {
            Ending::Exited(libc::WEXITSTATUS(status))
        };
        (length == 4).then_some((ending, libc::WCOREDUMP(status)))
    }

    /// Kills it and waits until it is gone: nothing of a failed start is left.
    fn destroy(&self) -> Option<Ending> {
        let deadline = Instant::now() + KILL_TIMEOUT;
        let _ = pidfd::signal(&self.pidfd, Signal::KILL);
        // One that an interrupting signal cuts short is taken up again.
        while Instant::now() < deadline {
            let _ = pidfd::ended(&self.pidfd, deadline.saturating_duration_since(Instant::now()));
            match pidfd::reap(&self.pidfd) {
                Ok(None) | Err(Errno::INTR) => {}
                ended => return ended.ok().flatten().map(|exit| exit.ending),
            }
        }
        None
    }
}

/// What the socket for failures told.
enum Start {
    Running,
    Failed(Failure),
    Gone,
}

/// Reads until the last holder of the socket has closed it, by exec or by its end; and takes the listener of the filter.
fn await_program(socket: &OwnedFd, listener: &mut Option<OwnedFd>) -> Result<Start, SpawnError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(0), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(SpawnError::Timeout),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(start("wait")(e)),
        }
        let (mut part, mut space) = ([0; 32], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))]);
        let mut control = RecvAncillaryBuffer::new(&mut space);
        match recvmsg(socket, &mut [IoSliceMut::new(&mut part)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) if received.bytes == 0 => return Ok(understand(&said)),
            Ok(received) => {
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(mut passed) = message {
                        *listener = passed.next();
                    }
                }
                said.extend(part.iter().take(received.bytes));
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(start("read from the new process")(e)),
        }
    }
}

/// [`ABOUT_TO_EXEC`] once, and perhaps failures, of the program's process and of the reaper.
fn understand(mut said: &[u8]) -> Start {
    let mut start = Start::Gone;
    while let Some((first, rest)) = said.split_first() {
        if *first == ABOUT_TO_EXEC {
            start = Start::Running;
            said = rest;
        } else {
            return said.first_chunk().and_then(|bytes| Failure::from_bytes(*bytes)).map_or(Start::Gone, Start::Failed);
        }
    }
    start
}

fn start(what: &'static str) -> impl Fn(Errno) -> SpawnError {
    move |source| SpawnError::Start { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_whatever_was_said_before_it() {
        let failure = Failure { step: Step::Exec, errno: Errno::NOENT };
        let mut said = vec![ABOUT_TO_EXEC];
        assert!(matches!(understand(&said), Start::Running));
        said.extend(failure.to_bytes());
        assert!(matches!(understand(&said), Start::Failed(found) if found == failure));
        assert!(matches!(understand(&failure.to_bytes()), Start::Failed(found) if found == failure));
        assert!(matches!(understand(&[]), Start::Gone));
        assert!(matches!(understand(&[1, 2]), Start::Gone));
    }
}
