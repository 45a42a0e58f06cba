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

/// Opening peripherals for apps.
pub const PERIPHERALS: Profile =
    Profile { name: "peripherals", purpose: "app-manager, which opens the peripherals it grants", lines: PERIPHERAL_LINES };

const PERIPHERAL_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x8044_b401)] [is(1, 0xc100_b405)] [is(1, 0xc250_b407)] [is(1, 0x802c_542a)] [is(1, 0x402c_542b)]
           [is(1, 0x540b)] [is(1, 0x5418)] [is(1, 0x0703)] [is(1, 0x4001_6b01)] [is(1, 0x4004_6b04)]
        else EPERM => "GPIO_GET_CHIPINFO, GPIO_V2_GET_LINEINFO and GPIO_V2_GET_LINE; TCGETS2, TCSETS2, TCFLSH and TIOCMSET, I2C_SLAVE, \
                       SPI_IOC_WR_MODE and _WR_MAX_SPEED_HZ: what a port, address or chip select is set to before an app gets it",
            safe "on what the board file names, which alone Landlock lets it open";
};

/// Setting the clock.
pub const CLOCK: Profile =
    Profile { name: "clock", purpose: "network-manager, which sets the clock for apps that may", lines: CLOCK_LINES };

const CLOCK_LINES: &[Line] = lines! {
    allow [clock_settime]
        if [is(0, libc::CLOCK_REALTIME as u32)]
        else EPERM => "the wall clock", safe "within the years that the image can run, and only who holds CAP_SYS_TIME";
};

/// Copies of itself.
pub const COPIES: Profile = Profile {
    name: "copies",
    purpose: "crash-reporter, which reads what an app forged in a copy of itself",
    lines: COPIES_LINES,
};

/// What [`linux::clone::copy`] asks for.
const COPY: u32 = (libc::CLONE_PIDFD | libc::SIGCHLD) as u32;

const COPIES_LINES: &[Line] = lines! {
    allow [clone]
        if [is(0, COPY)]
        else EPERM => "a copy of itself", safe "of the whole process: no thread, no namespace, counted by the control group";
    allow [seccomp]
        if [is(0, libc::SECCOMP_SET_MODE_FILTER), is(1, libc::SECCOMP_FILTER_FLAG_LOG as u32)]
        else EPERM => "the copy's own filter", safe "under this one a further filter only takes away; no listener";
    allow [waitid] => "how the copy ended";
    allow [pidfd_send_signal]
        => "ending a copy that takes too long", safe "by Landlock's scope it reaches its own copies alone";
};
