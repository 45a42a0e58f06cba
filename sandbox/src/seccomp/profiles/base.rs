//! What every program needs, app or daemon.

use crate::seccomp::rule::{Line, Profile, at_least, at_most, is, lines, without};
use libc::{EAFNOSUPPORT, EINVAL, ENOSYS, EPERM};

const WRITE: u32 = libc::PROT_WRITE as u32;
const EXEC: u32 = libc::PROT_EXEC as u32;
const ANONYMOUS: u32 = libc::MAP_ANONYMOUS as u32;
/// S_ISUID and S_ISGID.
const SET_ID: u32 = 0o6000;
const FAST_OPEN: u32 = libc::MSG_FASTOPEN as u32;
/// Reads the vector that the kernel gave this process at exec (Linux 6.4).
const PR_GET_AUXV: u32 = 0x4155_5856;
const SOCKET: u32 = libc::SOL_SOCKET as u32;

/// What every program needs.
pub const BASE: Profile = Profile { name: "base", purpose: "every program", lines: LINES };

const LINES: &[Line] = lines! {
    allow [read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup3]
        => "use of open descriptors: what may be opened is decided elsewhere";
    allow [openat openat2 newfstatat fstat statx faccessat faccessat2 readlinkat getdents64 statfs fstatfs getcwd chdir fchdir
        umask]
        => "opening and looking at files: own root and Landlock decide which";
    allow [mkdirat unlinkat renameat renameat2 linkat symlinkat ftruncate truncate fallocate fadvise64 utimensat flock
        sendfile copy_file_range]
        => "changing files where the mounts are writable and Landlock agrees";
    allow [fsync fdatasync] => "making own data durable; sync(2) and syncfs(2) are left out, they flush everybody's";
    allow [fchmod]
        if [without(1, SET_ID)]
        else EPERM => "modes of own files", safe "no set-id bits, and the mounts are nosuid";
    allow [fchmodat fchmodat2]
        if [without(2, SET_ID)]
        else EPERM => "modes of own files", safe "as fchmod";
    allow [fcntl]
        // From F_DUPFD, which is 0.
        if [at_most(1, libc::F_SETLKW as u32)] [is(1, libc::F_DUPFD_CLOEXEC as u32)]
           [at_least(1, libc::F_OFD_GETLK as u32), at_most(1, libc::F_OFD_SETLKW as u32)]
        else EPERM => "flags and locks of descriptors",
            safe "not F_SETOWN and F_SETSIG, which aim signals at other processes, nor F_NOTIFY and F_SETLEASE";
    allow [ioctl]
        if [is(1, libc::TCGETS as u32)] [is(1, libc::TIOCGWINSZ as u32)] [is(1, libc::FIONREAD as u32)]
           [is(1, libc::FIONBIO as u32)] [is(1, libc::FIOCLEX as u32)] [is(1, libc::FIONCLEX as u32)]
        else EPERM => "asking whether something is a terminal, and descriptor flags",
            safe "a list, not a ban: FS_IOC_FSSETXATTR (project ids) would lead out of a quota, FS_IOC_SETFLAGS keep a file \
                  from being removed, TIOCSTI type for others";
    allow [mmap]
        if [without(2, EXEC)] [without(2, WRITE), without(3, ANONYMOUS)]
        else EPERM => "memory",
            safe "writable or executable but not both, and executable only from a file: no code that was not signed, for what \
                  can be written is mounted noexec";
    allow [mprotect]
        if [without(2, EXEC)]
        else EPERM => "protections of memory", safe "nothing becomes executable that was not mapped so";
    allow [munmap mremap madvise brk msync membarrier] => "memory";
    allow [rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigpending rt_sigtimedwait sigaltstack restart_syscall
        signalfd4]
        => "own signals";
    allow [kill tgkill tkill]
        => "abort(3) and own children", safe "pid namespace, uid and Landlock's signal scope decide whom it reaches";
    allow [exit exit_group futex set_robust_list rseq set_tid_address sched_yield] => "start, locks and end of a thread";
    allow [clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday timer_create timer_settime timer_gettime
        timer_getoverrun timer_delete setitimer getitimer timerfd_create timerfd_settime timerfd_gettime]
        => "reading clocks and waiting";
    allow [ppoll pselect6 epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 eventfd2 pipe2] => "waiting for descriptors";
    allow [getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getsid capget]
        => "who am I";
    allow [uname sysinfo getrusage times getcpu getrandom getpriority sched_get_priority_max sched_get_priority_min]
        => "harmless facts, and randomness";
    allow [sched_getaffinity]
        => "C libraries ask by the thread's number, not by 0, when they look for the end of its stack",
            safe "only reads, and only of processes that its pid namespace holds";
    allow [prlimit64 sched_getscheduler sched_getparam]
        if [is(0, 0)]
        else EPERM => "own limits and own scheduling", safe "nobody else's, and limits can only fall without a capability";
    allow [prctl]
        if [is(0, libc::PR_SET_NAME as u32)] [is(0, libc::PR_GET_NAME as u32)] [is(0, libc::PR_GET_DUMPABLE as u32)]
           [is(0, libc::PR_SET_PDEATHSIG as u32)] [is(0, libc::PR_GET_PDEATHSIG as u32)]
           [is(0, libc::PR_SET_NO_NEW_PRIVS as u32)] [is(0, libc::PR_GET_NO_NEW_PRIVS as u32)]
           [is(0, libc::PR_GET_SECCOMP as u32)] [is(0, libc::PR_GET_SECUREBITS as u32)] [is(0, libc::PR_CAPBSET_READ as u32)]
           [is(0, libc::PR_GET_MDWE as u32)] [is(0, libc::PR_SET_VMA as u32)] [is(0, PR_GET_AUXV)]
           [is(0, libc::PR_SET_DUMPABLE as u32), is(1, 0)]
           [is(0, libc::PR_CAP_AMBIENT as u32), is(1, libc::PR_CAP_AMBIENT_IS_SET as u32)]
        else EPERM => "names of threads and memory, and reading what is in force",
            safe "nothing that loosens: no PR_SET_MM, no speculation switches, dumpable only off";
    allow [socket socketpair]
        if [is(0, libc::AF_UNIX as u32)]
        else EAFNOSUPPORT => "sockets inside the machine",
            safe "no other family; the errno is that of a kernel without it, which libraries know";
    allow [connect bind shutdown getsockname getpeername getsockopt recvfrom recvmsg recvmmsg]
        => "use of sockets: which families there are, socket decides";
    allow [sendto sendmmsg]
        if [without(3, FAST_OPEN)]
        else EPERM => "sending", safe "no MSG_FASTOPEN, which connects without asking Landlock";
    allow [sendmsg]
        if [without(2, FAST_OPEN)]
        else EPERM => "sending", safe "as sendto";
    allow [setsockopt]
        if [is(1, SOCKET), is(2, libc::SO_PASSCRED as u32)]
           [is(1, SOCKET), at_least(2, libc::SO_SNDBUF as u32), at_most(2, libc::SO_RCVBUF as u32)]
           // SO_RCVTIMEO and SO_SNDTIMEO, and the same with 64-bit seconds everywhere.
           [is(1, SOCKET), at_least(2, 20), at_most(2, 21)] [is(1, SOCKET), at_least(2, 66), at_most(2, 67)]
        else EPERM => "time-outs and buffers, and credentials of who sends",
            safe "not SO_BINDTODEVICE, SO_MARK, SO_ATTACH_BPF and whatever comes next";
    allow [landlock_create_ruleset landlock_add_rule landlock_restrict_self]
        => "a program may confine itself further; rulesets can only tighten";
    refuse [clone3] else ENOSYS => "a filter cannot look into its arguments; with ENOSYS libraries fall back to clone";
    allow x86_64 [open creat stat lstat access readlink mkdir rmdir unlink rename link symlink dup2 pipe poll select
        epoll_create epoll_wait alarm pause time getpgrp]
        => "older forms of the calls above, which C libraries of this architecture still use";
    allow x86_64 [chmod]
        if [without(1, SET_ID)]
        else EPERM => "modes of own files", safe "as fchmod";
    allow x86_64 [arch_prctl]
        if [is(0, 0x1002)] [is(0, 0x1003)]
        else EINVAL => "ARCH_SET_FS and ARCH_GET_FS: a thread's own storage",
            safe "no others; the errno is that of a kernel without them, which C libraries expect when they ask for shadow \
                  stacks";
};
