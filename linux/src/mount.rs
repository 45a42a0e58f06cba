//! Mounts by the new mount API (fsopen(2), mount_setattr(2)): made detached, attached as the last step, so that nothing
//! ever sees one with looser flags than it ends with.
#![expect(unsafe_code, reason = "mount_setattr is not in rustix")]

use crate::last_errno;
pub use rustix::mount::MountAttrFlags as Flags;
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::CWD,
    io::Errno,
    mount::{self, FsMountFlags, FsOpenFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What could not be mounted, unmounted or changed where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {} ({what})", target.display())]
pub struct MountError {
    /// Which step: `open`, `configure`, `create`, `attach`, `change`, `unmount`.
    pub step: &'static str,
    /// File system type, or option, or source.
    pub what: String,
    /// Mount point, or empty for a mount that is not attached yet.
    pub target: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

fn error(step: &'static str, what: impl Into<String>, target: impl AsRef<Path>) -> impl FnOnce(Errno) -> MountError {
    let (what, target) = (what.into(), target.as_ref().to_owned());
    move |e| MountError { step, what, target, source: e.into() }
}

/// An option of a file system: `key` alone, or `key=value`.
pub type FsOption<'a> = (&'a str, Option<&'a str>);

/// `nosuid,nodev,noexec`.
pub const INERT: Flags = Flags::MOUNT_ATTR_NOSUID.union(Flags::MOUNT_ATTR_NODEV).union(Flags::MOUNT_ATTR_NOEXEC);
/// `ro`.
pub const READ_ONLY: Flags = Flags::MOUNT_ATTR_RDONLY;

/// Makes a detached mount of file system `kind`. `source` is an option too (`("source", Some("/dev/vda5"))`), and
/// `("ro", None)` makes the file system itself read-only. Needs CAP_SYS_ADMIN.
pub fn detached(kind: &str, options: &[FsOption<'_>], flags: Flags) -> Result<OwnedFd, MountError> {
    let fs = mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(error("open", kind, ""))?;
    for (key, value) in options {
        let set = match value {
            Some(value) => mount::fsconfig_set_string(&fs, *key, *value),
            None => mount::fsconfig_set_flag(&fs, *key),
        };
        set.map_err(error("configure", format!("{kind}: {key}={}", value.unwrap_or("")), ""))?;
    }
    mount::fsconfig_create(&fs).map_err(error("create", kind, ""))?;
    mount::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, flags).map_err(error("create", kind, ""))
}

/// Makes a detached, read-only mount of a file system image in an open file, with no loop device and no path that could
/// change in between: what was verified is what is mounted.
pub fn detached_image(kind: &str, image: BorrowedFd<'_>, flags: Flags) -> Result<OwnedFd, MountError> {
    let source = format!("/proc/self/fd/{}", image.as_raw_fd());
    detached(kind, &[("source", Some(&source)), ("ro", None)], flags | READ_ONLY)
}

/// A detached copy of what is at `path`, without what is mounted below it: a bind mount in the making.
pub fn detached_bind(path: impl AsRef<Path>) -> Result<OwnedFd, MountError> {
    let path = path.as_ref();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    mount::open_tree(CWD, path, flags).map_err(error("open", "bind", path))
}

/// A detached copy of the open file or folder with everything that is mounted below it. `source` may be O_PATH.
pub fn detached_tree(source: BorrowedFd<'_>) -> Result<OwnedFd, MountError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    mount::open_tree(source, "", flags).map_err(error("open", "bind", ""))
}

/// Attaches a detached mount at `target` (move_mount(2)).
pub fn attach(detached: BorrowedFd<'_>, target: impl AsRef<Path>) -> Result<(), MountError> {
    let target = target.as_ref();
    mount::move_mount(detached, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(error("attach", "mount", target))
}

/// Attaches a detached mount over an open file or folder, which may be O_PATH.
pub fn attach_to(detached: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), MountError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    mount::move_mount(detached, "", target, "", flags).map_err(error("attach", "mount", ""))
}

/// Makes and attaches a mount.
pub fn mount(kind: &str, options: &[FsOption<'_>], flags: Flags, target: impl AsRef<Path>) -> Result<(), MountError> {
    let target = target.as_ref();
    let made = detached(kind, options, flags).map_err(|e| MountError { target: target.to_owned(), ..e })?;
    attach(made.as_fd(), target).map_err(|e| MountError { what: kind.to_owned(), ..e })
}

/// Adds and takes away flags of one mount (mount_setattr(2)).
pub fn change(mount: BorrowedFd<'_>, add: Flags, take_away: Flags) -> Result<(), MountError> {
    set_attributes(mount, 0, add, take_away).map_err(error("change", "flags", ""))
}

/// Adds flags to a mount and everything mounted below it.
pub fn change_tree(mount: BorrowedFd<'_>, add: Flags) -> Result<(), MountError> {
    set_attributes(mount, libc::AT_RECURSIVE, add, Flags::empty()).map_err(error("change", "flags of the tree", ""))
}

/// Makes the file system at `path` read-only, which fails with EBUSY while a file is open for writing; flags of the
/// mount are those given.
pub fn remount_read_only(path: impl AsRef<Path>, flags: mount::MountFlags) -> Result<(), MountError> {
    let path = path.as_ref();
    mount::mount_remount(path, flags | mount::MountFlags::RDONLY, c"").map_err(error("change", "read-only", path))
}

/// Unmounts; EBUSY while it is in use.
pub fn unmount(path: impl AsRef<Path>) -> Result<(), MountError> {
    let path = path.as_ref();
    mount::unmount(path, UnmountFlags::NOFOLLOW).map_err(error("unmount", "", path))
}

/// Takes a mount out of the tree at once; it ends when nobody uses it any more (MNT_DETACH).
pub fn detach(path: impl AsRef<Path>) -> Result<(), MountError> {
    let path = path.as_ref();
    mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(error("unmount", "detach", path))
}

fn set_attributes(mount: BorrowedFd<'_>, recursive: libc::c_int, add: Flags, take_away: Flags) -> Result<(), Errno> {
    let (attr_set, attr_clr) = (u64::from(add.bits()), u64::from(take_away.bits()));
    let attributes = libc::mount_attr { attr_set, attr_clr, propagation: 0, userns_fd: 0 };
    let (flags, size) = (libc::AT_EMPTY_PATH | recursive, size_of::<libc::mount_attr>());
    // SAFETY: mount_setattr reads a NUL-terminated path and `size` bytes of `attributes`, both of which live until it
    // returns, and writes nothing (mount_setattr(2)).
    let result =
        unsafe { libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &raw const attributes, size) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}
