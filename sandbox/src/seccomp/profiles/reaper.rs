//! What the reaping init of a sandbox does, which is next to nothing.

use crate::seccomp::rule::{Line, Profile, lines};

/// PID 1 of a sandbox.
pub const REAPER: Profile = Profile { name: "reaper", purpose: "PID 1 of a sandbox", lines: LINES };

const LINES: &[Line] = lines! {
    allow [rt_sigtimedwait wait4] => "waiting for signals and children";
    allow [kill] => "passing SIGTERM on", safe "its pid namespace holds nobody else";
    allow [write exit_group] => "telling how the program ended, and ending with it";
    allow [close_range] => "closing what it was forked with, once the filter is loaded";
    allow [rt_sigreturn restart_syscall] => "the kernel's own way back from a signal";
};
