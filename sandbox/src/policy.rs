//! What a process may do, as types, and the contradictions that no policy may have.

use crate::{layers::devices::Devices, optional::Protection, seccomp::Profile};
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::FileType,
};
use std::collections::BTreeSet;

/// What a started program gets. What is not in it, it does not get; what every program gets (own root, namespaces, no
/// capabilities, no_new_privs, Landlock, a filter) is not in it, because nothing turns it off.
pub struct Policy<'a> {
    /// User and group id, never 0. Nothing else of the machine may have it. In a user namespace of the caller's
    /// ([`crate::user_namespace::enter`]) it is the caller's own, and [`Protection::OwnUser`] must be optional.
    pub user: u32,
    /// Host name inside.
    pub host_name: String,
    /// The root file system: a detached mount, such as [`linux::mount::detached_image`] makes. It is made read-only,
    /// nosuid and nodev, and must hold the empty folders [`MOUNT_POINTS`].
    pub root: BorrowedFd<'a>,
    /// Detached mounts inside it. One that lies inside another comes after it.
    pub mounts: Vec<Mount>,
    /// What /proc shows.
    pub proc: Proc,
    /// A network namespace that nothing else is in and nothing else was in: one of a [`crate::ready::Networks`], or one
    /// with links of its own. A new, empty one if None, which takes half a millisecond more.
    pub network: Option<OwnedFd>,
    /// A /dev that was laid out before; a new one if None.
    pub devices: Option<&'a Devices>,
    /// How it may use processes.
    pub processes: Processes,
    /// System call profiles beside those that every program gets and those that [`Policy::processes`] brings.
    pub profiles: Vec<&'static Profile>,
    /// What becomes of the calls that its filter refuses.
    pub denials: Denials,
    /// What it may use up.
    pub limits: Limits,
    /// The folder of the control group it is born in, with its limits set. None only if
    /// [`Protection::ControlGroup`] is optional.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Protections that it starts without where they cannot be had. Every other one that is missing is an error.
    pub optional: Vec<Protection>,
}

impl<'a> Policy<'a> {
    /// The strictest policy: its own user and root, one program that may fork and never exec again; no storage, no
    /// profile beyond what every program gets.
    pub fn new(user: u32, root: BorrowedFd<'a>) -> Self {
        Self {
            user,
            host_name: "sandbox".to_owned(),
            root,
            mounts: Vec::new(),
            proc: Proc::Own,
            network: None,
            devices: None,
            processes: Processes::Fork,
            profiles: Vec::new(),
            denials: Denials::Logged,
            limits: Limits::default(),
            cgroup: None,
            optional: Vec::new(),
        }
    }
}

/// Empty folders that the root file system must have, because they are mounted over (`proc` unless the policy has
/// [`Proc::None`]); and one for each mount.
pub const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "run", "tmp"];

/// A mount inside the root.
pub struct Mount {
    /// The detached mount.
    pub detached: OwnedFd,
    /// Where, and with that what for.
    pub place: Place,
}

/// Places where a policy may mount something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `/data`, read and write: nosuid, nodev, noexec, nosymfollow. Its folder must belong to the user.
    Data,
    /// `/run/<name>`: one socket to connect to, or a folder of them, on a read-only mount.
    Socket(String),
    /// [`TOOLS`], read and run: programs that are not of the root, such as a debugger.
    Tools,
    /// This absolute path, outside of [`MOUNT_POINTS`] and `/data`: what is mounted below the source comes along.
    Path(String, Use),
}

/// Where [`Place::Tools`] is.
pub const TOOLS: &str = "/run/tools";

/// What a mount at a [`Place::Path`] is for. Always nosuid and nodev.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Read: read-only, noexec.
    Read,
    /// Read and run programs: read-only.
    Run,
    /// Read and write: noexec, nosymfollow, as `/data`.
    Write,
}

/// What /proc shows (proc(5)); always read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proc {
    /// There is none.
    None,
    /// The program's own processes, nothing of the machine: `subset=pid`, `hidepid=invisible`.
    Own,
    /// Everything that /proc has, for the program's own pid namespace.
    Full,
}

/// How a program may use processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// One process without threads, PID 1 of its namespace. Mind that the kernel delivers to PID 1 only signals it has
    /// a handler for: without one, SIGTERM does nothing.
    Single,
    /// Children and threads, but no other program, ever.
    Fork,
    /// Children, threads, and other programs of its root.
    Exec,
}

/// What becomes of the calls that a filter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denials {
    /// They fail, and the kernel's audit has a record of each.
    Logged,
    /// They wait until the holder of [`crate::Child::denials`] answers: see [`crate::denials`].
    Told,
}

/// What a program may use up beside what its control group limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open files (RLIMIT_NOFILE).
    pub open_files: u64,
    /// Processes and threads of its user (RLIMIT_NPROC): behind `pids.max` of its control group, which counts its own.
    pub processes: u64,
    /// Bytes of /tmp, and the same again of /run.
    pub temporary_bytes: u64,
    /// Bytes that the kernel may write of a program that crashed, into [`CORE`]: see [`crate::Child::core`]. 0: none. They
    /// count as the program's memory.
    pub core_bytes: u64,
}

/// `kernel.core_pattern`, where programs with [`Limits::core_bytes`] are started: whoever does has to see to that. There is a
/// folder for the program's own process id and for no other: its children are not dumped.
pub const CORE: &str = "/run/core/%p/core";

impl Default for Limits {
    fn default() -> Self {
        Self { open_files: 256, processes: MOST_PROCESSES, temporary_bytes: 1 << 20, core_bytes: 0 }
    }
}

/// What is started, with everything it is given.
pub struct Command<'a> {
    /// Absolute path of an ELF program inside the root; scripts are refused.
    pub program: String,
    /// Arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The whole environment, `NAME=value`, but for the LISTEN_ variables, which come from `descriptors`.
    pub environment: Vec<String>,
    /// Absolute path of its working directory.
    pub directory: String,
    /// Standard input, a pipe or socket; /dev/null if None.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Standard output; a pipe or socket.
    pub stdout: BorrowedFd<'a>,
    /// Standard error; a pipe or socket.
    pub stderr: BorrowedFd<'a>,
    /// Passed by name, from descriptor 3 on (sd_listen_fds(3)).
    pub descriptors: Vec<(String, BorrowedFd<'a>)>,
}

impl<'a> Command<'a> {
    /// A program without arguments and with an empty environment.
    pub fn new(program: impl Into<String>, stdout: BorrowedFd<'a>, stderr: BorrowedFd<'a>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: "/".to_owned(),
            stdin: None,
            stdout,
            stderr,
            descriptors: Vec::new(),
        }
    }
}

/// Longest path, host name, argument or variable, in bytes.
const TEXT_LIMIT: usize = 4096;
/// Most arguments, and most variables.
const COUNT_LIMIT: usize = 256;
/// Most passed descriptors.
const DESCRIPTORS_LIMIT: usize = 64;
/// Most mounts: each is a rule, and each open walks past the rules.
const MOUNTS_LIMIT: usize = 64;
/// HOST_NAME_MAX.
const HOST_NAME_LIMIT: usize = 64;
/// Open files below which no program starts: three standard ones and a few for the loader.
const FEWEST_FILES: u64 = 16;
/// RLIMIT_NOFILE's default ceiling; more in one program can exhaust the machine's.
const MOST_FILES: u64 = 4096;
/// Itself, the reaping init, and the one that starts it where that is the same user.
const FEWEST_PROCESSES: u64 = 3;
/// As many as a manifest may ask for.
const MOST_PROCESSES: u64 = 4096;
/// More temporary memory than any device of this class has to spare.
const MOST_TEMPORARY: u64 = 256 << 20;

/// The same of a dump: as much again as the largest program that is worth one.
const MOST_CORE: u64 = 64 << 20;

/// Why a policy or command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// root, or the id that means "no change".
    #[error("user id {0} is not one that a confined program can have")]
    User(u32),
    /// Not a host name.
    #[error("`{0}` is not a host name: 1 to {HOST_NAME_LIMIT} letters, digits, `-` and `.`")]
    HostName(String),
    /// Not a clean absolute path.
    #[error("`{0}` is not an absolute path without `.`, `..` and empty parts")]
    Program(String),
    /// Not a clean absolute path.
    #[error("the working directory `{0}` is not an absolute path without `.`, `..` and empty parts")]
    Directory(String),
    /// Something that is no text for execve(2).
    #[error("{what} holds a NUL byte or is longer than {TEXT_LIMIT} bytes")]
    Text {
        /// Argument or variable, and which.
        what: String,
    },
    /// Too many of something.
    #[error("{found} {what}, at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// Most.
        limit: usize,
    },
    /// A variable without `=`, without a name, twice, or one that spawn sets.
    #[error("`{0}` is not an environment variable that can be set here: `NAME=value`, each once, no LISTEN_ variables")]
    Variable(String),
    /// A descriptor's name that LISTEN_FDNAMES cannot hold, or one used twice.
    #[error("`{0}` is not a name for a descriptor: letters, digits, `_`, `-` and `.`, each once")]
    DescriptorName(String),
    /// Two mounts at one place, or a place that is none.
    #[error("{0:?} is not a place to mount at, or is mounted at twice")]
    Place(Place),
    /// A limit out of range.
    #[error("{what} of {found} is not between {least} and {most}")]
    Limit {
        /// Which.
        what: &'static str,
        /// What was asked for.
        found: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// A profile that would undo what `processes` says.
    #[error("profile `{profile}` contradicts processes {processes:?}")]
    Contradiction {
        /// Its name.
        profile: &'static str,
        /// What was asked for.
        processes: Processes,
    },
    /// A protection was left out that is not optional.
    #[error("there is no control group; make one with its limits, or name `{}` optional", Protection::ControlGroup.name())]
    NoControlGroup,
    /// Standard input, output or error that leads to a file or terminal.
    #[error("{0} is neither a pipe nor a socket: a file or terminal would be shared with whoever started the program")]
    Stream(&'static str),
    /// A profile that is for daemons.
    #[error("profile `{0}` is for daemons, not for confined programs")]
    DaemonProfile(&'static str),
}

/// Refuses a policy and command that contradict themselves, before anything is opened or made.
pub fn check(policy: &Policy<'_>, command: &Command<'_>) -> Result<(), PolicyError> {
    if policy.user == 0 || policy.user == u32::MAX {
        return Err(PolicyError::User(policy.user));
    }
    if policy.cgroup.is_none() && !policy.optional.contains(&Protection::ControlGroup) {
        return Err(PolicyError::NoControlGroup);
    }
    check_host_name(&policy.host_name)?;
    check_mounts(&policy.mounts)?;
    check_limit("open files", policy.limits.open_files, FEWEST_FILES + command.descriptors.len() as u64, MOST_FILES)?;
    check_limit("processes", policy.limits.processes, FEWEST_PROCESSES, MOST_PROCESSES)?;
    check_limit("temporary memory", policy.limits.temporary_bytes, 4096, MOST_TEMPORARY)?;
    check_limit("core file", policy.limits.core_bytes, 0, MOST_CORE)?;
    policy.profiles.iter().try_for_each(|profile| check_profile(profile, policy.processes))?;
    check_program(&command.program)?;
    if command.directory != "/" && !is_clean(&command.directory) {
        return Err(PolicyError::Directory(shown(&command.directory)));
    }
    for (name, stream) in [("stdin", command.stdin), ("stdout", Some(command.stdout)), ("stderr", Some(command.stderr))] {
        check_stream(name, stream)?;
    }
    check_arguments(&command.arguments)?;
    check_environment(&command.environment)?;
    check_descriptors(&command.descriptors)
}

fn check_host_name(name: &str) -> Result<(), PolicyError> {
    let valid =
        (1..=HOST_NAME_LIMIT).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if valid { Ok(()) } else { Err(PolicyError::HostName(shown(name))) }
}

fn check_mounts(mounts: &[Mount]) -> Result<(), PolicyError> {
    check_count("mounts", mounts.len(), MOUNTS_LIMIT)?;
    let mut seen = BTreeSet::new();
    for Mount { place, .. } in mounts {
        let fits = match place {
            Place::Data | Place::Tools => true,
            Place::Socket(name) => is_short_name(name, b"-_"),
            Place::Path(path, _) => is_clean(path) && !RESERVED.contains(&top(path)),
        };
        if !fits || !seen.insert(place.path()) {
            return Err(PolicyError::Place(place.clone()));
        }
    }
    Ok(())
}

/// Names at the top of a root that a [`Place::Path`] may not lie in: what is there is laid out by this library.
const RESERVED: [&str; 5] = ["dev", "proc", "run", "tmp", "data"];

/// The first part of an absolute path.
pub(crate) fn top(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Whether a path is absolute, bounded, and has neither control characters nor `.`, `..` and empty parts.
pub fn is_clean(path: &str) -> bool {
    let parts = path.strip_prefix('/').filter(|rest| rest.len() < TEXT_LIMIT && !rest.contains(char::is_control));
    parts.is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".."))
}

fn is_short_name(name: &str, besides: &[u8]) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || besides.contains(&b))
}

fn check_limit(what: &'static str, found: u64, least: u64, most: u64) -> Result<(), PolicyError> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(PolicyError::Limit { what, found, least, most }) }
}

fn check_profile(profile: &'static Profile, processes: Processes) -> Result<(), PolicyError> {
    use crate::seccomp::profiles;
    if profiles::DAEMONS.iter().any(|daemon| daemon.name == profile.name) {
        return Err(PolicyError::DaemonProfile(profile.name));
    }
    let allowed = match profile.name {
        "threads" | "fork" => processes != Processes::Single,
        "exec" | "debug" => processes == Processes::Exec,
        _ => true,
    };
    if allowed { Ok(()) } else { Err(PolicyError::Contradiction { profile: profile.name, processes }) }
}

fn check_program(path: &str) -> Result<(), PolicyError> {
    if is_clean(path) { Ok(()) } else { Err(PolicyError::Program(shown(path))) }
}

fn check_stream(name: &'static str, stream: Option<BorrowedFd<'_>>) -> Result<(), PolicyError> {
    let kind = stream.map(|fd| rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)));
    if matches!(kind, None | Some(Ok(FileType::Fifo | FileType::Socket))) { Ok(()) } else { Err(PolicyError::Stream(name)) }
}

fn check_arguments(arguments: &[String]) -> Result<(), PolicyError> {
    check_count("arguments", arguments.len(), COUNT_LIMIT)?;
    arguments.iter().enumerate().try_for_each(|(index, argument)| check_text(argument, || format!("argument {}", index + 1)))
}

fn check_environment(variables: &[String]) -> Result<(), PolicyError> {
    check_count("environment variables", variables.len(), COUNT_LIMIT)?;
    let mut seen = BTreeSet::new();
    for variable in variables {
        check_text(variable, || format!("environment variable `{}`", shown(variable)))?;
        let name = variable.split_once('=').map(|(name, _)| name).filter(|name| !name.is_empty() && !name.starts_with("LISTEN_"));
        if !name.is_some_and(|name| seen.insert(name)) {
            return Err(PolicyError::Variable(shown(variable)));
        }
    }
    Ok(())
}

fn check_descriptors(descriptors: &[(String, BorrowedFd<'_>)]) -> Result<(), PolicyError> {
    check_count("descriptors", descriptors.len(), DESCRIPTORS_LIMIT)?;
    let mut seen = BTreeSet::new();
    for (name, _) in descriptors {
        if !is_short_name(name, b"_-.") || !seen.insert(name) {
            return Err(PolicyError::DescriptorName(shown(name)));
        }
    }
    Ok(())
}

fn check_count(what: &'static str, found: usize, limit: usize) -> Result<(), PolicyError> {
    if found <= limit { Ok(()) } else { Err(PolicyError::TooMany { what, found, limit }) }
}

fn check_text(text: &str, what: impl FnOnce() -> String) -> Result<(), PolicyError> {
    if text.contains('\0') || text.len() > TEXT_LIMIT { Err(PolicyError::Text { what: what() }) } else { Ok(()) }
}

/// A refused text as an error repeats it: bounded and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

impl Place {
    /// Where in the root.
    pub fn path(&self) -> String {
        match self {
            Self::Data => "/data".to_owned(),
            Self::Socket(name) => format!("/run/{name}"),
            Self::Tools => TOOLS.to_owned(),
            Self::Path(path, _) => path.clone(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data | Self::Path(_, Use::Write) => write!(f, "{} (read and write)", self.path()),
            Self::Socket(_) => write!(f, "{} (socket)", self.path()),
            Self::Path(path, Use::Read) => write!(f, "{path} (read)"),
            Self::Tools => write!(f, "{TOOLS} (read and run)"),
            Self::Path(path, Use::Run) => write!(f, "{path} (read and run)"),
        }
    }
}
