//! What apps get beside what every program gets, and what a manifest can add.

use crate::seccomp::rule::{Line, Profile, at_least, at_most, is, lines, masked, without};
use libc::{EAFNOSUPPORT, EPERM};

/// Every app.
pub const APP: Profile = Profile { name: "app", purpose: "every app", lines: APP_LINES };

const APP_LINES: &[Line] = lines! {
    allow [inotify_init1 inotify_add_watch inotify_rm_watch] => "watching own files";
};

/// Threads.
pub const THREADS: Profile = Profile { name: "threads", purpose: "programs with threads", lines: THREAD_LINES };

/// Every CLONE_NEW flag that clone takes, CLONE_PTRACE and CLONE_PARENT: none is ever allowed.
const NEVER_CLONED: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_PTRACE
    | libc::CLONE_PARENT) as u32;
const THREAD: u32 = (libc::CLONE_VM | libc::CLONE_THREAD) as u32;

const THREAD_LINES: &[Line] = lines! {
    allow [clone]
        if [masked(0, NEVER_CLONED | THREAD, THREAD)]
        else EPERM => "threads", safe "of this process, in no new namespace";
    allow [sched_setaffinity]
        if [is(0, 0)]
        else EPERM => "a thread may choose its processor", safe "its own alone, among those that its control group has";
};

/// Child processes.
pub const FORK: Profile = Profile { name: "fork", purpose: "programs that fork", lines: FORK_LINES };

const FORK_LINES: &[Line] = lines! {
    allow [clone]
        if [masked(0, NEVER_CLONED, 0)]
        else EPERM => "threads and children", safe "in no new namespace, counted by the control group";
    allow x86_64 [fork vfork] => "older forms of clone", safe "they take no flags";
    allow [wait4 waitid setsid setpgid] => "looking after children";
};

/// Running further programs of the app's own image.
pub const EXEC: Profile = Profile { name: "exec", purpose: "programs that run other programs of their image", lines: EXEC_LINES };

const EXEC_LINES: &[Line] = lines! {
    allow [execve execveat]
        => "the manifest says so", safe "mounts and Landlock decide which files, and no_new_privs that none gives rights";
};

/// A debugger and the program that it starts, in one sandbox.
pub const DEBUG: Profile = Profile { name: "debug", purpose: "a debugger that starts the program", lines: DEBUG_LINES };

const DEBUG_LINES: &[Line] = lines! {
    allow [ptrace]
        => "the debugger's work, where the device's image lets apps be debugged",
            safe "the pid namespace holds debugger and program alone, and Landlock and Yama let nobody trace out of it or upwards";
    allow [fcntl]
        if [is(1, libc::F_SETOWN as u32)]
        else EPERM => "to be told by SIGIO that the user wants to interrupt", safe "processes of the pid namespace alone";
    allow [ioctl]
        if [is(1, libc::TIOCGPGRP as u32)] [is(1, libc::TIOCSPGRP as u32)]
        else EPERM => "a debugger gives the terminal to the program and takes it back", safe "no program here has a terminal";
};

/// GPIO lines that were granted.
pub const GPIO: Profile = Profile { name: "gpio", purpose: "apps with GPIO lines", lines: GPIO_LINES };

const GPIO_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0xc010_b40e)] [is(1, 0xc010_b40f)]
        else EPERM => "GPIO_V2_LINE_GET_VALUES and _SET_VALUES, on the line that was passed",
            safe "not _SET_CONFIG, which would make an output of an input that other hardware drives, nor GPIO_V2_GET_LINE, \
                  which would ask a chip for another";
};

/// Serial ports that were granted.
pub const UART: Profile = Profile { name: "uart", purpose: "apps with serial ports", lines: UART_LINES };

/// Numbers from asm-generic/ioctls.h, the same on x86-64 and arm64.
const UART_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x5402)] [is(1, 0x5403)] [is(1, 0x5404)] [is(1, 0x802c_542a)] [is(1, 0x402c_542b)] [is(1, 0x402c_542c)]
           [is(1, 0x402c_542d)] [is(1, 0x5409)] [is(1, 0x540a)] [is(1, 0x540b)] [is(1, 0x5411)] [is(1, 0x5415)] [is(1, 0x5416)]
           [is(1, 0x5417)] [is(1, 0x5418)]
        else EPERM => "TCSETS and TCGETS2 with their forms: speed, parity and the like of the port that was passed; TCSBRK, TCXONC, \
                       TCFLSH and TIOCOUTQ: wait for, stop or drop its bytes; TIOCMGET, _MBIS, _MBIC and _MSET: its modem lines",
            safe "not TIOCSETD, which would hang another driver on the line, nor TIOCSTI, TIOCSCTTY and TIOCSSERIAL";
};

/// Devices on I2C buses that were granted. The descriptor has its address already.
pub const I2C: Profile = Profile { name: "i2c", purpose: "apps with I2C devices", lines: I2C_LINES };

const I2C_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x0705)] [is(1, 0x0720)]
        else EPERM => "I2C_FUNCS and I2C_SMBUS, at the address that was passed",
            safe "not I2C_SLAVE, I2C_SLAVE_FORCE and I2C_TENBIT, which would choose another address, nor I2C_RDWR, whose messages \
                  carry an address each";
};

/// Devices on SPI buses that were granted. The descriptor has its mode and speed already.
pub const SPI: Profile = Profile { name: "spi", purpose: "apps with SPI devices", lines: SPI_LINES };

/// Of SPI_IOC_MESSAGE(n), where the size of n transfers stands: 32 bytes each, up to 15.
const SPI_TRANSFERS: u32 = 0x01e0_0000;

const SPI_LINES: &[Line] = lines! {
    allow [ioctl]
        if [masked(1, !SPI_TRANSFERS, 0x4000_6b00)] [is(1, 0x8001_6b01)] [is(1, 0x8001_6b03)] [is(1, 0x8004_6b04)]
        else EPERM => "SPI_IOC_MESSAGE of up to 15 transfers, and reading mode, bits per word and speed",
            safe "not SPI_IOC_WR_MODE: an inverted chip select would drive the lines of the other devices of the bus";
};

/// Real-time clocks that were granted.
pub const RTC: Profile = Profile { name: "rtc", purpose: "apps with a real-time clock", lines: RTC_LINES };

const RTC_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x7001)] [is(1, 0x7002)] [is(1, 0x7003)] [is(1, 0x7004)] [is(1, 0x8024_7009)] [is(1, 0x8028_7010)] [is(1, 0x4028_700f)]
        else EPERM => "RTC_RD_TIME, RTC_WKALM_RD, RTC_WKALM_SET, and alarm and update interrupts on and off",
            safe "not RTC_SET_TIME, for which the kernel wants CAP_SYS_TIME besides";
};

/// Hardware watchdogs that were granted.
pub const WATCHDOG: Profile = Profile { name: "watchdog", purpose: "apps with a hardware watchdog", lines: WATCHDOG_LINES };

const WATCHDOG_LINES: &[Line] = lines! {
    allow [ioctl]
        if [is(1, 0x8004_5705)] [is(1, 0xc004_5706)] [is(1, 0x8004_5707)] [is(1, 0x8004_570a)]
        else EPERM => "WDIOC_KEEPALIVE, _SETTIMEOUT, _GETTIMEOUT and _GETTIMELEFT",
            safe "not WDIOC_SETOPTIONS, which would switch it off";
};

/// TCP and UDP, without accepting connections.
pub const NETWORK: Profile = Profile { name: "network", purpose: "programs that use the network", lines: NETWORK_LINES };

/// Of a socket's type, without SOCK_NONBLOCK and SOCK_CLOEXEC.
const SOCKET_TYPE: u32 = 0xf;
const STREAM: u32 = libc::SOCK_STREAM as u32;
const DATAGRAM: u32 = libc::SOCK_DGRAM as u32;
const SOCKET: u32 = libc::SOL_SOCKET as u32;
const TCP: u32 = libc::IPPROTO_TCP as u32;
const UDP: u32 = libc::IPPROTO_UDP as u32;
const INET: u32 = libc::AF_INET as u32;
/// AF_INET is 2 and AF_INET6 is 10: the bit between them.
const SIX: u32 = (libc::AF_INET6 ^ libc::AF_INET) as u32;

const NETWORK_LINES: &[Line] = lines! {
    allow [socket]
        if [masked(0, !SIX, INET), masked(1, SOCKET_TYPE, STREAM), is(2, 0)]
           [masked(0, !SIX, INET), masked(1, SOCKET_TYPE, STREAM), is(2, TCP)]
           [masked(0, !SIX, INET), masked(1, SOCKET_TYPE, DATAGRAM), is(2, 0)]
           [masked(0, !SIX, INET), masked(1, SOCKET_TYPE, DATAGRAM), is(2, UDP)]
        else EAFNOSUPPORT => "TCP and UDP",
            safe "not MPTCP, SCTP and SMC, which pass by Landlock's rules for TCP, and no raw sockets. UDP passes by them too: \
                  it is the network namespace and its link that decide whom a program reaches";
    allow [setsockopt]
        if [is(1, SOCKET), is(2, libc::SO_REUSEADDR as u32)] [is(1, SOCKET), is(2, libc::SO_KEEPALIVE as u32)]
           [is(1, TCP), is(2, libc::TCP_NODELAY as u32)]
           [is(1, TCP), at_least(2, libc::TCP_KEEPIDLE as u32), at_most(2, libc::TCP_KEEPCNT as u32)]
           [is(1, TCP), is(2, libc::TCP_USER_TIMEOUT as u32)]
           [is(1, libc::IPPROTO_IPV6 as u32), is(2, libc::IPV6_V6ONLY as u32)]
        else EPERM => "latency and keep-alive of connections",
            safe "not TCP_FASTOPEN_CONNECT, TCP_ULP, TCP_REPAIR and IP_TRANSPARENT, nor SO_LINGER, which would make whoever \
                  gets the descriptor last wait at its close";
};

/// Accepting connections. Landlock does not see a listen without bind, which takes a port of the kernel's choice; so with
/// the network, this is asked for by itself.
pub const LISTEN: Profile = Profile { name: "listen", purpose: "programs that accept connections", lines: LISTEN_LINES };

const LISTEN_LINES: &[Line] = lines! {
    allow [listen]
        => "accepting connections",
            safe "on Unix sockets where Landlock lets them be made, on others only beside the profile `network`";
    allow [accept accept4] => "from a socket that listens";
};

/// Code made at run time. Not with PR_SET_MDWE, which would refuse it.
pub const JIT: Profile = Profile { name: "jit", purpose: "programs that compile while they run", lines: JIT_LINES };

const PROT_WRITE: u32 = libc::PROT_WRITE as u32;

const JIT_LINES: &[Line] = lines! {
    allow [mmap mprotect]
        if [without(2, PROT_WRITE)]
        else EPERM => "code that is written first and executable then", safe "never both at once";
};
