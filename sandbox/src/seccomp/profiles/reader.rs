//! What a copy of a daemon does that reads what somebody forged: compute, and say what came of it.

use crate::seccomp::rule::{Line, Profile, lines, masked, without};
use libc::EPERM;

/// A copy of a daemon that reads what somebody forged.
pub const READER: Profile =
    Profile { name: "reader", purpose: "a copy of crash-reporter that reads what an app forged", lines: LINES };

const ANONYMOUS: u32 = libc::MAP_ANONYMOUS as u32;

const LINES: &[Line] = lines! {
    allow [pread64] => "the file that it reads";
    allow [write] => "what it makes of it";
    allow [close] => "what it opened to confine itself";
    allow [mmap]
        if [without(2, libc::PROT_EXEC as u32), masked(3, ANONYMOUS, ANONYMOUS)]
        else EPERM => "memory", safe "of no file, and nothing executable";
    allow [brk munmap mremap madvise] => "memory";
    allow [getrandom] => "a key to seal with";
    allow [getpid gettid rt_sigprocmask rt_sigaction] => "abort(3), so that its end tells a fault of ours from an attack";
    allow [tgkill] => "abort(3)", safe "by Landlock's scope it signals itself alone";
    allow [exit_group] => "ending with its status";
    allow [rt_sigreturn restart_syscall] => "the kernel's own way back from a signal";
};
