//! Project quota (Documentation/admin-guide/quota.rst, quotactl_fd(2), ioctl_fsgetxattr(2)): a folder belongs to a
//! project, what is made in it inherits that, and the project has a limit.
//!
//! Needs a file system mounted with `prjquota`. A process with CAP_SYS_RESOURCE is not bound by any quota, and whoever
//! owns a file may change its project: whoever writes for an app must not hold the one, and apps not make that call.
#![expect(unsafe_code, reason = "the quota calls have no wrapper anywhere")]

use rustix::{
    fd::{AsRawFd, BorrowedFd},
    io::Errno,
};
use std::io;

/// `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, struct fsxattr)` (include/uapi/linux/fs.h).
const GET_ATTRIBUTES: libc::Ioctl = 0x801c_581f_u32 as libc::Ioctl;
const SET_ATTRIBUTES: libc::Ioctl = 0x401c_5820;
/// What is made in a folder belongs to its project (FS_XFLAG_PROJINHERIT).
const INHERIT: u32 = 0x200;
/// PRJQUOTA.
const PROJECT: i32 = 2;
/// Bytes that a limit counts in (QIF_DQBLKSIZE).
const BLOCK: u64 = 1024;
/// QIF_BLIMITS and QIF_ILIMITS: which limits a call sets.
const LIMITS: u32 = 1 | 4;

/// struct fsxattr of include/uapi/linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// What a project uses and may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in use.
    pub used: u64,
    /// Bytes it may use; 0: no limit.
    pub limit: u64,
    /// Files in use.
    pub files: u64,
    /// Files it may use; 0: no limit.
    pub files_limit: u64,
}

/// Gives an open folder, and what will be made in it, to `project`. For the folder's owner, or with CAP_FOWNER.
pub fn set_project(folder: BorrowedFd<'_>, project: u32) -> io::Result<()> {
    let mut attributes = attributes(folder)?;
    attributes.project = project;
    attributes.flags |= INHERIT;
    // SAFETY: the call reads one struct fsxattr, whose layout Attributes has, and which lives until it returns.
    let result = unsafe { libc::ioctl(folder.as_raw_fd(), SET_ATTRIBUTES, &raw const attributes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The project that an open file or folder belongs to.
pub fn project(file: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(attributes(file)?.project)
}

/// Limits what `project` uses of the file system that `file` is on. Needs CAP_SYS_ADMIN.
pub fn set_limit(file: BorrowedFd<'_>, project: u32, bytes: u64, files: u64) -> io::Result<()> {
    // SAFETY: dqblk is plain integers, for which zero is a value.
    let mut block: libc::dqblk = unsafe { std::mem::zeroed() };
    block.dqb_bhardlimit = bytes.div_ceil(BLOCK);
    block.dqb_bsoftlimit = block.dqb_bhardlimit;
    block.dqb_ihardlimit = files;
    block.dqb_isoftlimit = files;
    block.dqb_valid = LIMITS;
    call(file, libc::Q_SETQUOTA, project, &mut block)
}

/// What `project` uses and may use. Needs CAP_SYS_ADMIN.
pub fn get(file: BorrowedFd<'_>, project: u32) -> io::Result<Quota> {
    // SAFETY: dqblk is plain integers, for which zero is a value.
    let mut block: libc::dqblk = unsafe { std::mem::zeroed() };
    call(file, libc::Q_GETQUOTA, project, &mut block)?;
    Ok(Quota {
        used: block.dqb_curspace,
        limit: block.dqb_bhardlimit * BLOCK,
        files: block.dqb_curinodes,
        files_limit: block.dqb_ihardlimit,
    })
}

fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut attributes = Attributes::default();
    // SAFETY: the call writes one struct fsxattr, whose layout Attributes has, into memory that lives until it returns.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GET_ATTRIBUTES, &raw mut attributes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(attributes) }
}

fn call(file: BorrowedFd<'_>, command: i32, project: u32, block: &mut libc::dqblk) -> io::Result<()> {
    // SAFETY: the kernel reads or writes one dqblk, which lives until the call returns (quotactl_fd(2)); QCMD is the
    // command above the quota's type.
    let result = unsafe {
        libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), (command << 8) | PROJECT, project, std::ptr::from_mut(block))
    };
    if result < 0 { Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO).into()) } else { Ok(()) }
}
