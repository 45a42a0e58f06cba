//! File encryption by the file system (Documentation/filesystems/fscrypt.rst), policies of version 2: a folder belongs to a
//! key, names and contents below it are readable only while the kernel has that key, and the key is asked for by a digest
//! that the kernel makes of it.
#![expect(unsafe_code, reason = "three ioctls that rustix has no safe function for")]

use rustix::{fd::AsFd, io, ioctl};

/// What the kernel calls a key by: a digest of it.
pub type KeyIdentifier = [u8; 16];
/// Bytes of a key: what AES-256-XTS asks for at least. The kernel derives a key for each file from it (HKDF-SHA512).
pub const KEY_SIZE: usize = 32;

/// Gives the kernel a key for the file system that `place` is on, and tells what it calls it. Needs no capability; again by
/// the same user changes nothing.
pub fn add_key(place: impl AsFd, key: &[u8; KEY_SIZE]) -> io::Result<KeyIdentifier> {
    let mut argument = AddKey { specifier: Specifier::of([0; 16]), size: SIZE, id: 0, reserved: [0; 8], key: *key };
    // SAFETY: the opcode is FS_IOC_ADD_ENCRYPTION_KEY, whose argument is `struct fscrypt_add_key_arg` with a flexible array:
    // the kernel reads `size` bytes behind the header, which `AddKey` has, and writes the identifier into the specifier.
    let added = unsafe { ioctl::ioctl(place, ioctl::Updater::<ADD, AddKey>::new(&mut argument)) };
    let identifier = argument.specifier.identifier;
    argument.key.fill(0);
    // So that the zeros are written though nobody reads them.
    std::hint::black_box(&argument);
    added.map(|()| identifier)
}

/// Takes a key back that this user gave: what it protects becomes unreadable, at the latest when the last file that is open
/// is closed; whether all of it was. Where some are still in use, the same call again tries those. `ENOKEY` if the kernel
/// has nothing left of such a key of this user.
pub fn remove_key(place: impl AsFd, identifier: &KeyIdentifier) -> io::Result<bool> {
    let mut argument = RemoveKey { specifier: Specifier::of(*identifier), status: 0, reserved: [0; 5] };
    // SAFETY: the opcode is FS_IOC_REMOVE_ENCRYPTION_KEY, whose argument is `struct fscrypt_remove_key_arg`, which
    // `RemoveKey` is; the kernel reads the specifier and writes the status.
    unsafe { ioctl::ioctl(place, ioctl::Updater::<REMOVE, RemoveKey>::new(&mut argument)) }?;
    Ok(argument.status & FILES_BUSY == 0)
}

/// Makes an open, empty folder of this user belong to a key: AES-256-XTS for contents, AES-256-CTS for names, names padded to 32
/// bytes. Needs that this user gave the key, or CAP_FOWNER. The same policy again changes nothing; another one is `EEXIST`.
pub fn set_policy(folder: impl AsFd, identifier: &KeyIdentifier) -> io::Result<()> {
    let policy = Policy {
        version: 2,
        contents: AES_256_XTS,
        names: AES_256_CTS,
        flags: PAD_32,
        reserved: [0; 4],
        identifier: *identifier,
    };
    // SAFETY: the opcode is FS_IOC_SET_ENCRYPTION_POLICY, whose number has the size of version 1; by the version in its first
    // byte the kernel reads `struct fscrypt_policy_v2`, whose 24 bytes `Policy` has.
    unsafe { ioctl::ioctl(folder, ioctl::Setter::<SET_POLICY, Policy>::new(policy)) }
}

/// FSCRYPT_MODE_AES_256_XTS, FSCRYPT_MODE_AES_256_CTS, FSCRYPT_POLICY_FLAGS_PAD_32 (include/uapi/linux/fscrypt.h).
const AES_256_XTS: u8 = 1;
const AES_256_CTS: u8 = 4;
const PAD_32: u8 = 3;
/// FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY.
const FILES_BUSY: u32 = 1;
/// FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER.
const BY_IDENTIFIER: u32 = 2;
/// [`KEY_SIZE`] in the width of the structure.
const SIZE: u32 = 32;

/// The size in the number is that of the header alone.
const ADD: ioctl::Opcode = ioctl::opcode::read_write::<[u8; 80]>(b'f', 23);
const REMOVE: ioctl::Opcode = ioctl::opcode::read_write::<RemoveKey>(b'f', 24);
const SET_POLICY: ioctl::Opcode = ioctl::opcode::read::<[u8; 12]>(b'f', 19);

/// `struct fscrypt_key_specifier`.
#[repr(C)]
struct Specifier {
    kind: u32,
    reserved: u32,
    identifier: KeyIdentifier,
    rest: [u8; 16],
}

impl Specifier {
    fn of(identifier: KeyIdentifier) -> Self {
        Self { kind: BY_IDENTIFIER, reserved: 0, identifier, rest: [0; 16] }
    }
}

/// `struct fscrypt_add_key_arg`, with room for one key.
#[repr(C)]
struct AddKey {
    specifier: Specifier,
    size: u32,
    id: u32,
    reserved: [u32; 8],
    key: [u8; KEY_SIZE],
}

/// `struct fscrypt_remove_key_arg`.
#[repr(C)]
struct RemoveKey {
    specifier: Specifier,
    status: u32,
    reserved: [u32; 5],
}

/// `struct fscrypt_policy_v2`.
#[repr(C)]
struct Policy {
    version: u8,
    contents: u8,
    names: u8,
    flags: u8,
    reserved: [u8; 4],
    identifier: KeyIdentifier,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_those_of_the_kernel_header() {
        assert_eq!((ADD, REMOVE, SET_POLICY), (0xc050_6617, 0xc040_6618, 0x800c_6613));
        assert_eq!((size_of::<AddKey>(), size_of::<RemoveKey>(), size_of::<Policy>()), (80 + KEY_SIZE, 64, 24));
        assert_eq!(usize::try_from(SIZE), Ok(KEY_SIZE));
    }

    #[test]
    fn a_file_system_without_keys_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let folder = rustix::fs::open(folder.path(), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        assert!(remove_key(&folder, &[7; 16]).is_err());
        assert!(set_policy(&folder, &[7; 16]).is_err());
    }
}
