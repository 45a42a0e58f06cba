//! A program's own root: its image, read-only, and over it /dev, /proc, /run, /tmp and perhaps /data.
//!
//! Everything is built detached (fsopen(2), open_tree(2)): no path leads to it until the child, in a mount namespace of
//! its own, puts it in place; and places are opened beforehand, without following links, so that nothing in the image
//! can lead a mount elsewhere (crun CVE-2026-47766).

use super::{
    devices::{self, Devices},
    landlock::Access,
};
use crate::{
    arms::layer,
    policy::{self, Mount, Place, Policy, Proc, Processes, Use},
};
use linux::mount::{self, Flags, MountError};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid},
    io::Errno,
};
use std::collections::BTreeSet;

/// Why the root cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A mount.
    #[error("a mount of the program's root cannot be made")]
    Mount(#[from] MountError),
    /// Something in the image or on one of the mounts.
    #[error("cannot {verb} `{what}` of the program's root")]
    Step {
        /// What was tried.
        verb: &'static str,
        /// With what.
        what: String,
        /// Why not.
        #[source]
        source: Errno,
    },
    /// The folder for /data belongs to somebody else.
    #[error("the folder for /data belongs to user {found}, not to {expected}")]
    DataOwner {
        /// Its owner.
        found: u32,
        /// Who should own it.
        expected: u32,
    },
    /// More names at the top of the root than rules are made for.
    #[error("the program's root has more than {TOP_LIMIT} entries at its top")]
    TooManyEntries,
    /// A device node is not what its name says.
    #[error("/dev/{0} is not the device that its name says")]
    Device(&'static str),
}

/// Most entries at the top of a root: a Landlock rule each.
const TOP_LIMIT: usize = 64;
/// Where data lives: nothing is run, no link followed.
const DATA_FLAGS: Flags = mount::INERT.union(Flags::MOUNT_ATTR_NOSYMFOLLOW);
/// Files and folders of a temporary file system, so that a flood of empty ones stays small.
const TEMPORARY_FILES: &str = "512";

/// What goes where, and what Landlock is to allow there.
pub struct Mounts {
    /// Detached mount and the place it goes to, in this order, after the root.
    pub attach: Vec<(OwnedFd, OwnedFd)>,
    /// Where the child mounts /proc, which only it can make.
    pub proc: Option<OwnedFd>,
    /// Rules of the domain.
    pub rules: Vec<(OwnedFd, Access)>,
    /// Where the program's core file comes to lie, if it may have one.
    pub core_folder: Option<OwnedFd>,
}

/// Process id of a program in its namespace: the reaper comes first where there is one.
pub fn process_id(processes: Processes) -> u32 {
    if processes == Processes::Single { 1 } else { 2 }
}

/// Builds all mounts of a program, of those that the policy brings and takes from it, and of its own.
pub fn build(policy: &mut Policy<'_>) -> Result<Mounts, RootError> {
    let (root, user, limits) = (policy.root, policy.user, policy.limits);
    let flags = mount::READ_ONLY | Flags::MOUNT_ATTR_NOSUID | Flags::MOUNT_ATTR_NODEV;
    layer!(MountFlags, mount::change(root, flags, Flags::empty())?);
    let proc = if policy.proc == Proc::None { None } else { Some(folder(root, "proc")?) };
    let mut built = Mounts { attach: Vec::new(), proc, rules: Vec::new(), core_folder: None };
    let (mut inside_run, mut paths) = (Vec::new(), Vec::new());
    let mut covered: BTreeSet<String> = ["dev", "proc", "run", "tmp"].map(str::to_owned).into();
    for Mount { detached, place } in std::mem::take(&mut policy.mounts) {
        covered.insert(policy::top(&place.path()).to_owned());
        match place {
            Place::Data => built.add_data(root, detached, user)?,
            Place::Socket(name) => inside_run.push((name, detached, DATA_FLAGS | mount::READ_ONLY)),
            Place::Tools => {
                built.rule(detached.as_fd(), Access::ReadAndExecute)?;
                inside_run.push((name(policy::TOOLS), detached, flags));
            }
            Place::Path(path, usage) => paths.push((path, usage, detached)),
        }
    }
    built.add_devices(root, policy.devices)?;
    built.add_temporary(root, "tmp", user, limits.temporary_bytes, Vec::new(), None)?;
    let core = (limits.core_bytes > 0).then(|| process_id(policy.processes));
    let run_bytes = limits.temporary_bytes + limits.core_bytes;
    built.core_folder = built.add_temporary(root, "run", user, run_bytes, inside_run, core)?;
    built.add_root(root, &covered)?;
    built.add_paths(root, paths)?;
    Ok(built)
}

impl Mounts {
    /// A rule for each entry at the top of the image rather than one for the root: rights add up along a path, and a
    /// right to execute that stood at `/` would hold in /data too.
    fn add_root(&mut self, root: BorrowedFd<'_>, covered: &BTreeSet<String>) -> Result<(), RootError> {
        let listing = step("list", "/", Dir::read_from(open(root, ".", OFlags::RDONLY | OFlags::DIRECTORY)?))?;
        for (index, entry) in listing.enumerate() {
            let entry = step("list", "/", entry)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if index > TOP_LIMIT + 2 {
                return Err(RootError::TooManyEntries);
            }
            if name != "." && name != ".." && !covered.contains(&name) && entry.file_type() != FileType::Symlink {
                let fd = open(root, &name, OFlags::PATH | OFlags::NOFOLLOW)?;
                let access = if is_folder(fd.as_fd(), &name)? { Access::ReadAndExecute } else { Access::RunFile };
                self.rules.push((fd, access));
            }
        }
        self.rule(root, Access::List)
    }

    /// /dev: a read-only tmpfs and five harmless nodes.
    fn add_devices(&mut self, root: BorrowedFd<'_>, ready: Option<&Devices>) -> Result<(), RootError> {
        let target = folder(root, "dev")?;
        #[cfg(feature = "attack-arms")]
        if crate::arms::is_out(crate::arms::Layer::Devices) {
            let dev = mount::detached_bind("/dev")?;
            mount::change(dev.as_fd(), layer!(MountFlags, mount::INERT, else Flags::empty()), Flags::empty())?;
            self.attach.push((dev, target));
            return Ok(());
        }
        let (dev, nodes) = match ready {
            Some(devices) => (devices.copy()?, Vec::new()),
            None => devices::lay_out()?,
        };
        self.rule(dev.as_fd(), Access::Devices)?;
        self.attach.push((dev, target));
        self.attach.extend(nodes);
        Ok(())
    }

    /// /tmp or /run: small, the user's own, gone with it. Returns the folder for the core file of this process, if it gets one.
    fn add_temporary(
        &mut self,
        root: BorrowedFd<'_>,
        name: &str,
        user: u32,
        bytes: u64,
        inside: Vec<(String, OwnedFd, Flags)>,
        core: Option<u32>,
    ) -> Result<Option<OwnedFd>, RootError> {
        let target = folder(root, name)?;
        let size = bytes.to_string();
        let temporary = mount::detached(
            "tmpfs",
            &[("size", Some(&size)), ("nr_inodes", Some(TEMPORARY_FILES)), ("mode", Some("0755"))],
            layer!(MountFlags, DATA_FLAGS, else Flags::empty()),
        )?;
        let mut attach = Vec::new();
        for (name, mount, flags) in inside {
            mount::change(mount.as_fd(), flags, Flags::empty())?;
            let make = if is_folder(mount.as_fd(), &name)? { make_folder } else { make_file };
            attach.push((mount, make(temporary.as_fd(), &name)?));
        }
        // Before it is given away: who starts programs need have no right to write everybody's folders.
        let core = core.map(|process| core_folder(temporary.as_fd(), process, user)).transpose()?;
        give(temporary.as_fd(), name, user)?;
        self.rule(temporary.as_fd(), Access::Write)?;
        self.attach.push((temporary, target));
        self.attach.extend(attach);
        Ok(core)
    }

    /// /data: what the program keeps.
    fn add_data(&mut self, root: BorrowedFd<'_>, data: OwnedFd, user: u32) -> Result<(), RootError> {
        layer!(MountFlags, mount::change(data.as_fd(), DATA_FLAGS, Flags::empty())?);
        let found = step("look at", "data", rustix::fs::fstat(&data))?.st_uid;
        if found != user {
            return Err(RootError::DataOwner { found, expected: user });
        }
        self.rule(data.as_fd(), Access::Write)?;
        self.attach.push((data, folder(root, "data")?));
        Ok(())
    }

    /// What the policy mounts elsewhere. Each is looked for in the mount that its path lies in, which may be one before it.
    fn add_paths(&mut self, root: BorrowedFd<'_>, paths: Vec<(String, Use, OwnedFd)>) -> Result<(), RootError> {
        let first = self.attach.len();
        let mut places: Vec<(String, usize)> = Vec::new();
        for (path, usage, detached) in paths {
            let (flags, access) = match usage {
                Use::Read => (mount::INERT | mount::READ_ONLY, Access::Read),
                Use::Run => (mount::READ_ONLY | Flags::MOUNT_ATTR_NOSUID | Flags::MOUNT_ATTR_NODEV, Access::ReadAndExecute),
                Use::Write => (DATA_FLAGS, Access::Write),
            };
            layer!(MountFlags, mount::change_tree(detached.as_fd(), flags)?);
            let is_folder = is_folder(detached.as_fd(), &path)?;
            self.rule(detached.as_fd(), if is_folder { access } else { access.for_file() })?;
            let around =
                places.iter().rev().find(|(outer, _)| path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/')));
            let (outer, within) = match around.and_then(|(outer, index)| Some((outer, self.attach.get(first + index)?))) {
                Some((outer, (mount, _))) => (mount.as_fd(), path.get(outer.len() + 1..).unwrap_or_default()),
                None => (root, path.get(1..).unwrap_or_default()),
            };
            let kind = if is_folder { OFlags::DIRECTORY } else { OFlags::empty() };
            let target = open(outer, within, OFlags::PATH | OFlags::NOFOLLOW | kind)?;
            places.push((path, places.len()));
            self.attach.push((detached, target));
        }
        Ok(())
    }

    fn rule(&mut self, fd: BorrowedFd<'_>, access: Access) -> Result<(), RootError> {
        let fd = step("copy", "descriptor", rustix::io::fcntl_dupfd_cloexec(fd, 3))?;
        self.rules.push((fd, access));
        Ok(())
    }
}

/// The last part of a path.
fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A folder of the image that is mounted over. A link, or a folder on another mount, is refused.
fn folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, RootError> {
    open(root, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)
}

fn open(root: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, RootError> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    step("open", name, rustix::fs::openat2(root, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve))
}

/// An empty file to mount over. Made without being opened for writing: had another thread of the caller's just forked, its
/// child would hold that open, and the mount could not become read-only.
pub(super) fn make_file(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, RootError> {
    step("make", name, rustix::fs::mknodat(folder, name, FileType::RegularFile, Mode::RUSR, 0))?;
    step("open", name, rustix::fs::openat(folder, name, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()))
}

/// The folder below /run that [`policy::CORE`] names for this process, the user's own.
fn core_folder(run: BorrowedFd<'_>, process: u32, user: u32) -> Result<OwnedFd, RootError> {
    let folders = make_folder(run, "core")?;
    let own = make_folder(folders.as_fd(), &process.to_string())?;
    // Whoever started the program looks for the file by its name, as nobody special.
    step(
        "set the mode of",
        "core",
        rustix::fs::chmodat(&folders, process.to_string(), Mode::from_raw_mode(0o711), AtFlags::empty()),
    )?;
    // From the inside out, for the same reason.
    for folder in [&own, &folders] {
        give(folder.as_fd(), "core", user)?;
    }
    Ok(own)
}

fn give(what: BorrowedFd<'_>, name: &str, user: u32) -> Result<(), RootError> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
    step("give away", name, rustix::fs::chownat(what, "", Some(user), Some(group), AtFlags::EMPTY_PATH))
}

/// An empty folder.
fn make_folder(around: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, RootError> {
    step("make", name, rustix::fs::mkdirat(around, name, Mode::RWXU))?;
    folder(around, name)
}

fn is_folder(fd: BorrowedFd<'_>, name: &str) -> Result<bool, RootError> {
    Ok(FileType::from_raw_mode(step("look at", name, rustix::fs::fstat(fd))?.st_mode).is_dir())
}

fn step<T>(verb: &'static str, what: &str, result: Result<T, Errno>) -> Result<T, RootError> {
    result.map_err(|source| RootError::Step { verb, what: what.to_owned(), source })
}
