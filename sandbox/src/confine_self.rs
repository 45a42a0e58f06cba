//! Confining a daemon from inside, after it opened what it needs and before it answers anybody.
//!
//! no_new_privs, then Landlock, then the system call filter; none can be taken back. What the daemon still has to open
//! by path is granted folder by folder, what it still has to call beyond reading, writing and waiting by a profile.
//! Descriptors that are open stay as they are: Landlock asks when a file is opened, not when it is used.
//!
//! A refused call fails with EPERM (ENOSYS if nobody has judged it) and is logged by the kernel's audit; it does not
//! kill. A daemon that is killed takes its service with it, over a call that some library makes once a year and knows
//! how to do without; one whose call fails goes on, and the record says what it tried.

use crate::{
    layers::landlock::{self, Access, LandlockError, Signals},
    policy::Denials,
    seccomp::{self, Architecture, Profile, profiles},
    sys,
};
use linux::files::FileError;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::OFlags,
    io::Errno,
};
use std::path::{Path, PathBuf};

/// What a daemon keeps.
///
/// ```no_run
/// use sandbox::{Confinement, confine_self, seccomp::profiles::daemon};
///
/// let in_force = confine_self(&Confinement::new().profile(&daemon::VERITY).read("/usr/lib/holdfast").write("/data/apps"))?;
/// # Ok::<(), sandbox::ConfineError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Confinement {
    profiles: Vec<&'static Profile>,
    paths: Vec<(PathBuf, Access)>,
}

/// Why a daemon is not confined; it must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A granted path is not there.
    #[error("a path that the daemon is to keep cannot be opened")]
    Path(#[from] FileError),
    /// Threads that run already would stay unconfined.
    #[error("{0} threads are running; a daemon confines itself before it starts any")]
    Threads(u32),
    /// Whether there are threads cannot be told.
    #[error("cannot find the number of threads")]
    Unknown(#[source] std::io::Error),
    /// no_new_privs was refused.
    #[error("cannot give up gaining privileges (no_new_privs)")]
    NoNewPrivileges(#[source] Errno),
    /// No Landlock ruleset.
    #[error("cannot make the Landlock domain")]
    Landlock(#[from] LandlockError),
    /// The Landlock domain was refused.
    #[error("cannot enter the Landlock domain")]
    Restrict(#[source] Errno),
    /// The filter cannot be made.
    #[error("cannot compile the system call filter")]
    Compile(#[from] seccompiler::BackendError),
    /// The filter was refused.
    #[error("cannot load the system call filter")]
    Filter(#[source] Errno),
}

impl Confinement {
    /// Nothing but what every daemon needs: memory, time, its descriptors, Unix sockets. No path can be opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows what this profile allows besides: see [`crate::seccomp::profiles`].
    pub fn profile(mut self, profile: &'static Profile) -> Self {
        self.profiles.push(profile);
        self
    }

    /// Files beneath this path, or this file, can be read.
    pub fn read(self, path: impl AsRef<Path>) -> Self {
        self.path(path, Access::Read)
    }

    /// Files beneath this path, or this file, can be read, written, made and removed.
    pub fn write(self, path: impl AsRef<Path>) -> Self {
        self.path(path, Access::Write)
    }

    /// This device can be opened, and its ioctls used that the profiles allow.
    pub fn device(self, path: impl AsRef<Path>) -> Self {
        self.path(path, Access::Device)
    }

    fn path(mut self, path: impl AsRef<Path>, access: Access) -> Self {
        self.paths.push((path.as_ref().to_owned(), access));
        self
    }
}

/// Confines this process for good and says what is in force, a line per layer.
pub fn confine_self(confinement: &Confinement) -> Result<Vec<String>, ConfineError> {
    if cfg!(feature = "confine-off") {
        linux::log::warning("NOT CONFINED: built for the test that shows what confinement is for");
        probe();
        return Ok(vec!["nothing: built without confinement, for a test".to_owned()]);
    }
    let threads = linux::clone::threads().map_err(ConfineError::Unknown)?;
    if threads != 1 {
        return Err(ConfineError::Threads(threads));
    }
    let mut in_force = Vec::new();
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(ConfineError::NoNewPrivileges)?;
    in_force.push("no_new_privs".to_owned());
    in_force.push(enter_domain(&confinement.paths)?);
    in_force.push(load_filter(&confinement.profiles)?);
    probe();
    Ok(in_force)
}

/// Confines a copy that a confined daemon made of itself ([`linux::clone::copy`]) to read what somebody forged. Beside what
/// the daemon gave up it opens no path, signals nobody, and makes no call but those of [`profiles::reader::READER`].
pub fn confine_reader() -> Result<(), ConfineError> {
    if cfg!(feature = "confine-off") {
        return Ok(());
    }
    enter_domain(&[])?;
    let filter = seccomp::compile(Architecture::NATIVE, &[&profiles::reader::READER], &[])?;
    sys::load_filter(&filter.program, Denials::Logged).map_err(ConfineError::Filter).map(drop)
}

fn enter_domain(paths: &[(PathBuf, Access)]) -> Result<String, ConfineError> {
    let mut opened = Vec::new();
    for (path, access) in paths {
        opened.push(open(path, *access)?);
    }
    let rules: Vec<_> = opened.iter().map(|(fd, access)| (fd.as_fd(), *access)).collect();
    let ruleset = landlock::ruleset(&rules, Signals::OwnDomain)?;
    sys::landlock_restrict_self(ruleset.as_fd(), 0).map_err(ConfineError::Restrict)?;
    let kept: Vec<String> = paths.iter().map(|(path, access)| format!("{access:?} {}", path.display())).collect();
    let kept = if kept.is_empty() { "no path".to_owned() } else { kept.join(", ") };
    Ok(format!("Landlock ABI {}: {kept}; no TCP port, signals and abstract sockets of this process only", landlock::abi()?))
}

fn open(path: &Path, access: Access) -> Result<(OwnedFd, Access), ConfineError> {
    let fd = linux::files::open(path, OFlags::PATH)?;
    let stat = rustix::fs::fstat(&fd).map_err(|e| FileError::new("look at", path, e))?;
    let is_folder = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    Ok((fd, if is_folder { access } else { access.for_file() }))
}

fn load_filter(chosen: &[&'static Profile]) -> Result<String, ConfineError> {
    let mut all = profiles::ALWAYS.to_vec();
    all.push(&profiles::daemon::DAEMON);
    all.extend(chosen);
    let filter = seccomp::compile(Architecture::NATIVE, &all, &[])?;
    sys::load_filter(&filter.program, Denials::Logged).map_err(ConfineError::Filter)?;
    let names: Vec<&str> = all.iter().map(|profile| profile.name).collect();
    Ok(format!("seccomp filter of {} instructions: {}", filter.program.len(), names.join(", ")))
}

/// In a test image, tries what must not work and says what happened: the judge is the act, not what we say of ourselves.
fn probe() {
    #[cfg(feature = "confine-probe")]
    crate::probe::report();
}
