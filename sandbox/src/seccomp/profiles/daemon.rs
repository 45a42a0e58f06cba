//! What Holdfast's own daemons get beside what every program gets.

use crate::{
    seccomp::rule::{Line, Profile, is, lines, masked},
    sys::{NOTIF_RECV, NOTIF_SEND},
};
use libc::EPERM;

/// Every daemon.
pub const DAEMON: Profile = Profile { name: "daemon", purpose: "every daemon", lines: DAEMON_LINES };

const DAEMON_LINES: &[Line] = lines! {
    allow [listen]
        => "serving the other daemons",
            safe "on Unix sockets: a daemon opens what it needs of the network before it confines itself";
    allow [accept accept4] => "from a socket that listens";
};

/// Bytes that nobody can change any more.
pub const SEALED: Profile =
    Profile { name: "sealed", purpose: "security-monitor and app-manager, for what they hand on", lines: SEALED_LINES };

/// MFD_NOEXEC_SEAL: never executable.
const NEVER_EXECUTABLE: u32 = 8;

const SEALED_LINES: &[Line] = lines! {
    allow [memfd_create]
        if [masked(1, NEVER_EXECUTABLE, NEVER_EXECUTABLE)]
        else EPERM => "sealed bytes for another daemon", safe "they can never be executed";
    allow [fcntl]
        if [is(1, libc::F_ADD_SEALS as u32)] [is(1, libc::F_GET_SEALS as u32)]
        else EPERM => "sealing them", safe "seals only take rights away";
};

/// fs-verity.
pub const VERITY: Profile = Profile { name: "verity", purpose: "app-manager and security-monitor", lines: VERITY_LINES };

const VERITY_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x4080_6685)] [is(1, 0xc004_6686)]
        else EPERM => "FS_IOC_ENABLE_VERITY and FS_IOC_MEASURE_VERITY on app images",
            safe "the first only takes away: the file can never be written again";
};

/// Keys of file encryption.
pub const STORAGE_KEYS: Profile = Profile { name: "storage-keys", purpose: "security-monitor", lines: STORAGE_KEYS_LINES };

const STORAGE_KEYS_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0xc050_6617)] [is(1, 0xc040_6618)] [is(1, 0x800c_6613)]
        else EPERM => "FS_IOC_ADD_ENCRYPTION_KEY, FS_IOC_REMOVE_ENCRYPTION_KEY and FS_IOC_SET_ENCRYPTION_POLICY on the data partition",
            safe "a user takes back only keys that it gave itself, and encrypts only empty folders of its own";
};

/// Refused calls of others.
pub const DENIALS: Profile =
    Profile { name: "denials", purpose: "app-manager, which answers the apps' refused calls", lines: DENIALS_LINES };

const DENIALS_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, NOTIF_RECV as u32)] [is(1, NOTIF_SEND as u32)]
        else EPERM => "SECCOMP_IOCTL_NOTIF_RECV and _SEND on what launcher passes",
            safe "whose filter it is, is settled when the listener is made; no descriptor is put into an app (_ADDFD)";
};

/// Asking GPIO chips for lines.
pub const GPIO_CHIP: Profile =
    Profile { name: "gpio-chip", purpose: "app-manager, which opens the lines it grants", lines: GPIO_CHIP_LINES };

const GPIO_CHIP_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x8044_b401)] [is(1, 0xc100_b405)] [is(1, 0xc250_b407)]
        else EPERM => "GPIO_GET_CHIPINFO, GPIO_V2_GET_LINEINFO and GPIO_V2_GET_LINE",
            safe "on the chips that the board file names, which Landlock lets it open";
};
