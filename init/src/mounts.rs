//! File systems that the kernel makes: what is mounted where, with the tightest flags that its use allows.

use crate::{phases::Boot, problem::Problem};
use linux::{
    files,
    mount::{self, Flags, FsOption},
};
use rustix::{
    fd::AsFd,
    fs::{self, OFlags},
    process::umask,
};
use std::path::Path;

/// One mount.
struct Mount {
    target: &'static str,
    kind: &'static str,
    options: &'static [FsOption<'static>],
    flags: Flags,
    presence: Presence,
}

/// Whether a kernel must have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// The boot fails without it.
    Always,
    /// Mounted where the kernel has it and its mount point exists: depends on the firmware or the board.
    IfThere,
}

use Presence::{Always, IfThere};

const RO: Flags = mount::INERT.union(mount::READ_ONLY).union(Flags::MOUNT_ATTR_NOSYMFOLLOW);
const INERT_NO_LINKS: Flags = mount::INERT.union(Flags::MOUNT_ATTR_NOSYMFOLLOW);

/// In order: a mount point below another comes after it. `/proc` and `/sys` keep their symbolic links
/// (`/proc/self/fd`, `/sys/class`); nothing else needs any.
const MOUNTS: &[Mount] = &[
    // A daemon sees no other user's processes; settings below /proc/sys are needed by name, so no `subset=pid` here.
    Mount { target: "/proc", kind: "proc", options: &[("hidepid", Some("invisible"))], flags: mount::INERT, presence: Always },
    Mount { target: "/sys", kind: "sysfs", options: &[], flags: mount::INERT, presence: Always },
    // Device nodes are what it is for; the kernel may have mounted it already.
    Mount { target: "/dev", kind: "devtmpfs", options: &[("mode", Some("0755"))], flags: DEVICES, presence: Always },
    Mount {
        target: "/run",
        kind: "tmpfs",
        options: &[("mode", Some("0755")), ("size", Some("8m")), ("nr_inodes", Some("4096"))],
        flags: INERT_NO_LINKS,
        presence: Always,
    },
    Mount {
        target: "/tmp",
        kind: "tmpfs",
        options: &[("mode", Some("1777")), ("size", Some("4m")), ("nr_inodes", Some("256"))],
        flags: INERT_NO_LINKS,
        presence: Always,
    },
    // nsdelegate: a cgroup namespace is a border. memory_recursiveprot: the system slice's protection reaches its services.
    Mount {
        target: "/sys/fs/cgroup",
        kind: "cgroup2",
        options: &[("nsdelegate", None), ("memory_recursiveprot", None)],
        flags: INERT_NO_LINKS,
        presence: Always,
    },
    Mount { target: "/sys/kernel/security", kind: "securityfs", options: &[], flags: RO, presence: IfThere },
    // Records are removed from it once they are kept.
    Mount { target: "/sys/fs/pstore", kind: "pstore", options: &[], flags: INERT_NO_LINKS, presence: IfThere },
    Mount { target: "/sys/firmware/efi/efivars", kind: "efivarfs", options: &[], flags: RO, presence: IfThere },
];

const DEVICES: Flags = Flags::MOUNT_ATTR_NOSUID.union(Flags::MOUNT_ATTR_NOEXEC);

/// Mounts them all. The root itself, which the kernel mounted read-only, loses what it does not need.
pub fn mount_kernel_file_systems(_: &mut Boot) -> Result<(), Problem> {
    umask(fs::Mode::from_raw_mode(0o022));
    let root = files::open("/", OFlags::PATH | OFlags::DIRECTORY)?;
    mount::change(root.as_fd(), Flags::MOUNT_ATTR_NOSUID | Flags::MOUNT_ATTR_NODEV | mount::READ_ONLY, Flags::empty())?;
    MOUNTS.iter().try_for_each(one)
}

fn one(wanted: &Mount) -> Result<(), Problem> {
    if wanted.presence == IfThere && !Path::new(wanted.target).is_dir() {
        return Ok(());
    }
    let there = files::open(wanted.target, OFlags::PATH | OFlags::DIRECTORY)?;
    if wanted.target == "/dev" && is_mount_point(&there)? {
        return Ok(mount::change(there.as_fd(), wanted.flags, Flags::empty())?);
    }
    // What /proc/mounts shows in its first column.
    let options: Vec<FsOption<'_>> = [("source", Some(wanted.kind))].into_iter().chain(wanted.options.iter().copied()).collect();
    match mount::mount(wanted.kind, &options, wanted.flags, wanted.target) {
        // A kernel without this file system, or firmware without what it shows (no efivars without a run-time).
        Err(_) if wanted.presence == IfThere => Ok(()),
        result => Ok(result?),
    }
}

/// Whether a folder of the root directory is on another file system than the root.
fn is_mount_point(folder: impl AsFd) -> Result<bool, Problem> {
    let device = |stat: rustix::io::Result<fs::Stat>| stat.map(|s| s.st_dev).map_err(Problem::kernel("compare /dev with /"));
    Ok(device(fs::fstat(folder))? != device(fs::stat("/"))?)
}

/// Standard input becomes `/dev/null`, output and error the kernel's log: a console that nobody reads blocks nobody. Comes
/// first, so that all others speak there too: this kernel mounts `/dev` before it starts init (CONFIG_DEVTMPFS_MOUNT).
pub fn leave_the_console(_: &mut Boot) -> Result<(), Problem> {
    let null = files::open("/dev/null", OFlags::RDWR)?;
    let log = files::open("/dev/kmsg", OFlags::WRONLY | OFlags::NONBLOCK)?;
    rustix::stdio::dup2_stdin(&null).map_err(Problem::kernel("replace standard input"))?;
    rustix::stdio::dup2_stdout(&log).map_err(Problem::kernel("replace standard output"))?;
    rustix::stdio::dup2_stderr(&log).map_err(Problem::kernel("replace standard error"))?;
    Ok(())
}

/// Mounts configfs, which only boards with a simulator need.
pub fn configfs() -> Result<&'static Path, Problem> {
    let target = "/sys/kernel/config";
    mount::mount("configfs", &[("source", Some("configfs"))], mount::INERT, target)?;
    Ok(Path::new(target))
}
