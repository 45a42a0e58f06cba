//! Step 8 of the README's path: policy and command become a flat plan.
//!
//! Everything that can be decided, opened, allocated or compiled is done here, in the parent, where an error can be told
//! in words. `child.rs` then only walks the plan.

use crate::{
    check::Kernel,
    in_force,
    layers::{
        landlock::{self, LandlockError, Signals},
        mounts::{self, Mounts, RootError},
    },
    optional::{self, Missing, Protection},
    policy::{self, Command, Denials, Limits, Policy, PolicyError, Proc, Processes},
    seccomp::{
        self, Architecture, Filter, Profile,
        call::{self, Call},
        profiles::{self, app},
        rule,
    },
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{Mode, OFlags},
    io::Errno,
};
use seccompiler::{BackendError, SeccompRule};
use std::ffi::{CString, NulError, c_char};

/// A launch, ready to be walked.
pub(crate) struct Plan {
    pub user: u32,
    pub host_name: Vec<u8>,
    pub processes: Processes,
    /// Whether it changes to `user`, or is that already.
    pub own_user: bool,
    pub limits: Limits,
    pub proc: Proc,
    /// Detached.
    pub root: OwnedFd,
    pub mounts: Mounts,
    /// To join; else it is born in one of its own.
    pub network: Option<OwnedFd>,
    pub program: CString,
    pub directory: CString,
    pub arguments: Strings,
    pub environment: Strings,
    /// Number above all that the program's own descriptors get.
    pub first_free: i32,
    /// Standard input, output, error, then the passed ones: copies that lie above all numbers they will get.
    pub descriptors: Vec<OwnedFd>,
    pub ruleset: OwnedFd,
    pub landlock_flags: u32,
    pub reaper_ruleset: OwnedFd,
    pub filter: Filter,
    pub denials: Denials,
    pub reaper_filter: Filter,
    /// Whether memory that could be written never becomes executable (PR_SET_MDWE).
    pub no_new_code: bool,
    /// Where the empty path of the one exec lies, unless the program may exec again.
    pub exec_once: Option<u64>,
    /// What will be in force, layer by layer.
    pub in_force: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The policy contradicts itself.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Protections that the caller cannot have.
    #[error("{0}")]
    Missing(Missing),
    /// In a user namespace there is one user.
    #[error("in a user namespace of the caller's the program's user is the caller's own, {own}, not {found}")]
    OtherUser {
        /// The caller's.
        own: u32,
        /// The policy's.
        found: u32,
    },
    /// The root.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The filter.
    #[error("the system call filter cannot be compiled")]
    Filter(#[from] BackendError),
    /// Landlock.
    #[error("the Landlock domain cannot be made")]
    Landlock(#[from] LandlockError),
    /// Something that the policy's check should have refused.
    #[error("a text holds a NUL byte")]
    Nul(#[from] NulError),
    /// No descriptors are left.
    #[error("a descriptor cannot be copied")]
    Descriptor(#[source] Errno),
}

impl Plan {
    /// Checks and prepares everything.
    pub fn new(kernel: &Kernel, mut policy: Policy<'_>, command: &Command<'_>) -> Result<Self, PlanError> {
        policy::check(&policy, command)?;
        check_optional(kernel, &policy)?;
        let profiles = profiles(&policy);
        let (exec_once, extra) = exec_once(kernel, policy.processes)?;
        let filter = seccomp::compile(Architecture::NATIVE, &profiles, &extra)?;
        let filter = if policy.denials == Denials::Told { filter.telling() } else { filter };
        let in_force = in_force::lines(kernel, &policy, command, &profiles, &filter);

        let mounts = mounts::build(&mut policy)?;
        let rules: Vec<_> = mounts.rules.iter().map(|(fd, access)| (fd.as_fd(), *access)).collect();
        let ruleset = landlock::ruleset(&rules, Signals::OwnDomain)?;
        let first_free = 3 + command.descriptors.len();
        Ok(Self {
            user: policy.user,
            host_name: policy.host_name.into_bytes(),
            processes: policy.processes,
            own_user: kernel.initial_user_namespace,
            limits: policy.limits,
            proc: policy.proc,
            root: above(policy.root, first_free)?,
            mounts,
            network: policy.network.map(|fd| above(fd.as_fd(), first_free)).transpose()?,
            program: CString::new(command.program.as_str())?,
            first_free: i32::try_from(first_free).unwrap_or(i32::MAX),
            directory: CString::new(command.directory.as_str())?,
            arguments: Strings::new(std::iter::once(&command.program).chain(&command.arguments))?,
            environment: Strings::new(&environment(command, policy.processes))?,
            descriptors: descriptors(command, first_free)?,
            ruleset: above(ruleset.as_fd(), first_free)?,
            landlock_flags: landlock::flags_before_exec(kernel.landlock_abi),
            reaper_ruleset: landlock::ruleset(&[], Signals::Any)?,
            filter,
            denials: policy.denials,
            reaper_filter: seccomp::compile(Architecture::NATIVE, &[&profiles::reaper::REAPER], &[])?,
            no_new_code: !has(&profiles, &app::JIT),
            exec_once,
            in_force,
        })
    }
}

/// In a user namespace there is no other user, and no page below vm.mmap_min_addr.
fn check_optional(kernel: &Kernel, policy: &Policy<'_>) -> Result<(), PlanError> {
    let exec_once = (policy.processes != Processes::Exec).then_some(Protection::ExecOnce);
    let wanted: Vec<_> = std::iter::once(Protection::OwnUser).chain(exec_once).collect();
    optional::check(kernel, &wanted, &policy.optional).map_err(PlanError::Missing)?;
    let own = rustix::process::geteuid().as_raw();
    if kernel.initial_user_namespace || policy.user == own {
        Ok(())
    } else {
        Err(PlanError::OtherUser { own, found: policy.user })
    }
}

/// Unless it may exec, a program gets one exec: by a pointer to a page that it can never map again.
fn exec_once(kernel: &Kernel, processes: Processes) -> Result<ExecOnce, BackendError> {
    if processes == Processes::Exec {
        return Ok((None, Vec::new()));
    }
    let empty_path = rule::is(4, libc::AT_EMPTY_PATH as u32);
    if !kernel.initial_user_namespace {
        return Ok((None, vec![(call::execveat, rule::rule(&[empty_path])?)]));
    }
    let address = kernel.exec_once_address();
    let once = rule::rule(&[rule::is_pointer(1, address), empty_path])?;
    Ok((Some(address), vec![(call::execveat, once)]))
}

/// Where the page lies, and what the filter allows because of it.
type ExecOnce = (Option<u64>, Vec<(Call, SeccompRule)>);

fn profiles(policy: &Policy<'_>) -> Vec<&'static Profile> {
    let mut all = profiles::ALWAYS.to_vec();
    all.push(&app::APP);
    match policy.processes {
        Processes::Single => {}
        Processes::Fork => all.push(&app::FORK),
        Processes::Exec => all.extend([&app::FORK, &app::EXEC]),
    }
    // Without the network, what listens is a Unix socket, and Landlock decides whether there may be one.
    if !has(&policy.profiles, &app::NETWORK) {
        all.push(&app::LISTEN);
    }
    for profile in &policy.profiles {
        if !has(&all, profile) {
            all.push(profile);
        }
    }
    all
}

pub(crate) fn has(profiles: &[&Profile], profile: &Profile) -> bool {
    profiles.iter().any(|known| known.name == profile.name)
}

/// The environment as given, and where the passed descriptors are. The program is process 1 of its namespace, or 2
/// where the reaper comes first.
fn environment(command: &Command<'_>, processes: Processes) -> Vec<String> {
    let mut all = command.environment.clone();
    if !command.descriptors.is_empty() {
        let pid = mounts::process_id(processes);
        let names: Vec<&str> = command.descriptors.iter().map(|(name, _)| name.as_str()).collect();
        all.push(format!("LISTEN_PID={pid}"));
        all.push(format!("LISTEN_FDS={}", names.len()));
        all.push(format!("LISTEN_FDNAMES={}", names.join(":")));
    }
    all
}

fn descriptors(command: &Command<'_>, first_free: usize) -> Result<Vec<OwnedFd>, PlanError> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(PlanError::Descriptor)?;
    let standard = [command.stdin.unwrap_or(null.as_fd()), command.stdout, command.stderr];
    standard.into_iter().chain(command.descriptors.iter().map(|(_, fd)| *fd)).map(|fd| above(fd, first_free)).collect()
}

/// A copy that lies above the numbers which the program's own descriptors will get, so that none is overwritten.
pub(crate) fn above(fd: BorrowedFd<'_>, first_free: usize) -> Result<OwnedFd, PlanError> {
    let least = i32::try_from(first_free).map_err(|_| PlanError::Descriptor(Errno::MFILE))?;
    rustix::io::fcntl_dupfd_cloexec(fd, least).map_err(PlanError::Descriptor)
}

/// C strings and the array of pointers to them that execveat(2) takes.
pub(crate) struct Strings {
    pointers: Vec<*const c_char>,
    /// What the pointers point to: neither moved nor changed while they are used.
    _texts: Vec<CString>,
}

impl Strings {
    fn new<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<Self, NulError> {
        let texts = texts.into_iter().map(|text| CString::new(text.as_str())).collect::<Result<Vec<_>, _>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect();
        Ok(Self { pointers, _texts: texts })
    }

    /// The array, ended by a null pointer.
    pub fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
