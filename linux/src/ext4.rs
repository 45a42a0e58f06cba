//! ext4 ioctls (fs/ext4/ioctl.c).
#![expect(unsafe_code, reason = "an ioctl that rustix does not know")]

use rustix::{fd::AsFd, io::Errno, ioctl};

/// `_IOW('f', 16, __u64)`: the size a file system is to have, in its blocks.
const RESIZE_FS: ioctl::Opcode = ioctl::opcode::write::<u64>(b'f', 16);

/// Grows a mounted ext4 file system to `blocks` blocks of its own block size; `mounted` is any descriptor on it. Needs
/// CAP_SYS_RESOURCE. The size it has already is no error.
pub fn resize(mounted: impl AsFd, blocks: u64) -> Result<(), Errno> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one u64 through the pointer that Setter passes, which is what the opcode says.
    unsafe { ioctl::ioctl(mounted, ioctl::Setter::<RESIZE_FS, u64>::new(blocks)) }
}
