//! PID 1 of a sandbox: reaps orphans, passes SIGTERM on, and ends with the program, telling how that ended.
//!
//! It runs as the program's user, in a Landlock domain and behind a filter of its own, undumpable: the program can
//! neither signal nor trace it, and a way through it leads to a process that may do less than the program itself.

use crate::{
    arms::layer,
    child::Ends,
    plan::Plan,
    policy::Denials,
    step::{Failure, InStep, Step},
    sys,
};
use rustix::{fd::AsFd, io::Errno};
use std::convert::Infallible;

/// Signals that are passed on to the program.
const PASSED_ON: [i32; 6] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
/// Its own status where the program's is not known.
const GONE: i32 = 255;
/// Where it keeps the descriptor that it tells the ending by; it has no other.
const ENDING: i32 = 0;

/// Confines itself, then reaps until the program ends.
pub(crate) fn confine_and_run(plan: &Plan, ends: &Ends, program: i32) -> Result<Infallible, Failure> {
    if let Some(address) = plan.exec_once {
        sys::unmap_empty_path(address).in_step(Step::ReaperDomain)?;
    }
    layer!(Landlock, sys::landlock_restrict_self(plan.reaper_ruleset.as_fd(), 0).in_step(Step::ReaperDomain)?);
    sys::place(ends.ending.as_fd(), ENDING).in_step(Step::ReaperDomain)?;
    layer!(Filter, sys::load_filter(&plan.reaper_filter.program, Denials::Logged).in_step(Step::ReaperDomain)?);
    // With this the socket that failures are told by has one holder left, the program, until its exec.
    sys::close_from(ENDING + 1).in_step(Step::ReaperDomain)?;
    reap_until_end(program)
}

fn reap_until_end(program: i32) -> ! {
    let bit = |signal: i32| 1u64 << (signal - 1);
    let set = PASSED_ON.iter().fold(bit(libc::SIGCHLD), |set, signal| set | bit(*signal));
    loop {
        match sys::wait_for_signal(set).map(i32::try_from) {
            Ok(Ok(libc::SIGCHLD)) => reap_all(program),
            Ok(Ok(signal)) => {
                let _ = sys::kill(program, signal);
            }
            _ => {}
        }
    }
}

fn reap_all(program: i32) {
    loop {
        match sys::reap() {
            Ok((0, _)) => return,
            Ok((pid, status)) if pid == program => end(status),
            Ok(_) | Err(Errno::INTR) => {}
            // No child at all: the program is gone and was not seen to go. Nothing can run here any more.
            Err(_) => sys::exit(GONE),
        }
    }
}

/// Ends as the program did. PID 1 cannot die by a signal of its own, so the whole status goes over the pipe, and the
/// exit status is the shell's convention for whoever looks at that alone.
fn end(status: i32) -> ! {
    sys::tell(ENDING, status);
    if libc::WIFEXITED(status) { sys::exit(libc::WEXITSTATUS(status)) } else { sys::exit(128 + libc::WTERMSIG(status)) }
}
