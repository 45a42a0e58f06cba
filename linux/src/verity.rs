//! fs-verity (Documentation/filesystems/fsverity.rst): the kernel checks each page of a file against one digest
//! whenever the page is read. SHA-256, 4096-byte blocks, no salt: the one form that Holdfast's bundles name.
#![expect(unsafe_code, reason = "two ioctls that rustix has no safe function for")]

use rustix::{fd::AsFd, io, ioctl};

/// Bytes of a file that one leaf hash covers.
pub const BLOCK_SIZE: u32 = 4096;

/// Turns fs-verity on for the file behind a read-only descriptor: from then on nobody can write it any more.
///
/// Fails with `ETXTBSY` while anybody has the file open for writing, with `EEXIST` if it is on already, with
/// `EOPNOTSUPP` on a file system made without the feature. Returns when the Merkle tree is on the disk.
pub fn enable(fd: impl AsFd) -> io::Result<()> {
    let argument = EnableArgument { version: 1, hash_algorithm: SHA256, block_size: BLOCK_SIZE, ..EnableArgument::default() };
    // SAFETY: the opcode is FS_IOC_ENABLE_VERITY, whose argument the kernel copies in as `struct fsverity_enable_arg`;
    // `EnableArgument` has its 128 bytes, and salt and signature are empty, so that no pointer in it is followed.
    unsafe { ioctl::ioctl(fd, ioctl::Setter::<ENABLE, EnableArgument>::new(argument)) }
}

/// The digest that the kernel enforces for the file; `ENODATA` if fs-verity is not on for it, `EOVERFLOW` or
/// `EINVAL` if its algorithm is another one.
pub fn measure(fd: impl AsFd) -> io::Result<[u8; 32]> {
    let mut measured = Measured { algorithm: 0, size: DIGEST_SIZE, digest: [0; 32] };
    // SAFETY: the opcode is FS_IOC_MEASURE_VERITY, whose argument is `struct fsverity_digest` with a flexible array:
    // the kernel writes at most the `size` bytes behind the header that we announce, and `Measured` has 32 of them.
    unsafe { ioctl::ioctl(fd, ioctl::Updater::<MEASURE, Measured>::new(&mut measured))? };
    match measured {
        Measured { algorithm: MEASURED_SHA256, size: DIGEST_SIZE, digest } => Ok(digest),
        _ => Err(io::Errno::INVAL),
    }
}

/// `FS_VERITY_HASH_ALG_SHA256`, in the width of each structure.
const SHA256: u32 = 1;
const MEASURED_SHA256: u16 = 1;
const DIGEST_SIZE: u16 = 32;

/// `FS_IOC_ENABLE_VERITY`.
const ENABLE: ioctl::Opcode = ioctl::opcode::write::<EnableArgument>(b'f', 133);
/// `FS_IOC_MEASURE_VERITY`; the size in the number is that of the header alone.
const MEASURE: ioctl::Opcode = ioctl::opcode::read_write::<[u16; 2]>(b'f', 134);

/// `struct fsverity_enable_arg`.
#[repr(C)]
#[derive(Default)]
struct EnableArgument {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt: u64,
    signature_size: u32,
    reserved1: u32,
    signature: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest`, with room for one SHA-256.
#[repr(C)]
struct Measured {
    algorithm: u16,
    size: u16,
    digest: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn numbers_and_sizes_are_those_of_the_kernel_header() {
        assert_eq!((ENABLE, MEASURE), (0x4080_6685, 0xc004_6686));
        assert_eq!((size_of::<EnableArgument>(), size_of::<Measured>()), (128, 36));
    }

    #[test]
    fn a_file_without_verity_has_no_measurement() {
        let file = tempfile::tempfile().unwrap();
        let error = measure(&file).unwrap_err();
        assert!([Errno::NODATA, Errno::OPNOTSUPP, Errno::NOTTY].contains(&error), "{error}");
    }
}
