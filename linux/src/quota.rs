//! Project quota (Documentation/admin-guide/quota.rst, quotactl_fd(2), ioctl_fsgetxattr(2)): a folder belongs to a
//! project, what is made in it inherits that, and the project has a limit.
//!
//! Needs a file system mounted with `prjquota`. A process with CAP_SYS_RESOURCE is not bound by any quota, and whoever
//! owns a file may change its project: whoever writes for an app must not hold the one, and apps not make that call.
#![expect(unsafe_code, reason = "two ioctls that rustix has no safe function for, and a call that has no wrapper anywhere")]

use crate::last_errno;
use rustix::{
    fd::{AsRawFd, BorrowedFd},
    ioctl,
};
use std::io;

/// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR (include/uapi/linux/fs.h).
const GET_ATTRIBUTES: ioctl::Opcode = ioctl::opcode::read::<Attributes>(b'X', 31);
const SET_ATTRIBUTES: ioctl::Opcode = ioctl::opcode::write::<Attributes>(b'X', 32);
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
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// Gives an open folder, and what will be made in it, to `project`. For the folder's owner, or with CAP_FOWNER.
pub fn set_project(folder: BorrowedFd<'_>, project: u32) -> io::Result<()> {
    // SAFETY: the call writes one struct fsxattr, whose layout Attributes has.
    let before = unsafe { ioctl::ioctl(folder, ioctl::Getter::<GET_ATTRIBUTES, Attributes>::new()) }?;
    let attributes = Attributes { project, flags: before.flags | INHERIT, ..before };
    // SAFETY: the call reads one struct fsxattr, whose layout Attributes has.
    Ok(unsafe { ioctl::ioctl(folder, ioctl::Setter::<SET_ATTRIBUTES, Attributes>::new(attributes)) }?)
}

/// Limits what `project` uses of the file system that `file` is on. Needs CAP_SYS_ADMIN.
pub fn set_limit(file: BorrowedFd<'_>, project: u32, bytes: u64, files: u64) -> io::Result<()> {
    let blocks = bytes.div_ceil(BLOCK);
    let limits = libc::dqblk {
        dqb_bhardlimit: blocks,
        dqb_bsoftlimit: blocks,
        dqb_curspace: 0,
        dqb_ihardlimit: files,
        dqb_isoftlimit: files,
        dqb_curinodes: 0,
        dqb_btime: 0,
        dqb_itime: 0,
        dqb_valid: LIMITS,
    };
    let command = (libc::Q_SETQUOTA << 8) | PROJECT;
    // SAFETY: the kernel reads one dqblk, which lives until the call returns (quotactl_fd(2)).
    let result = unsafe { libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, project, &raw const limits) };
    if result < 0 { Err(last_errno().into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel_header() {
        assert_eq!((GET_ATTRIBUTES, SET_ATTRIBUTES), (0x801c_581f, 0x401c_5820));
    }
}
