//! Every system call that a launch makes in the new process fails once, in every way that is likely, and each time the
//! launch fails as a whole, names the step, and leaves nothing behind.
//!
//! Needs root, as tests/sandbox.rs does.

mod injection;
#[expect(dead_code, clippy::disallowed_methods, reason = "one stage for several test programs; test set-up")]
mod stage;

use injection::{Fault, Run, Seen, Who, mark, supervised};
use linux::files::chain;
use sandbox::{Processes, SpawnError, ready::Networks, step::Step};
use stage::{End, Stage, Start};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// What a call fails with: interrupted, refused, no memory.
const ERRNOS: [i32; 3] = [libc::EINTR, libc::EPERM, libc::ENOMEM];

/// How a supervised launch went: the program's end, or why it was not started.
type Outcome = Result<End, SpawnError>;

fn launch(stage: &Stage, processes: Processes, fault: Option<Fault>) -> Run<Outcome> {
    let mut networks = Networks::new(1);
    networks.make().unwrap();
    supervised(fault, || {
        let start = Start::of(&["nothing"]).with(|start| {
            start.processes = processes;
            // One way joins a network that is ready, the other makes its own.
            start.network = if processes == Processes::Single { networks.take() } else { None };
            start.around_spawn = mark;
        });
        stage.start(start).map(|running| running.end())
    })
}

/// The first and the last call of each row of equal calls: the third of forty equal ones fails as the first does.
fn worth_failing(calls: &[Seen], who: Who) -> Vec<Seen> {
    let own: Vec<Seen> = calls.iter().filter(|call| call.who == who).copied().collect();
    let differs =
        |other: Option<&Seen>, call: &Seen| other.is_none_or(|other| (other.number, other.option) != (call.number, call.option));
    let edge = |at: usize| differs(at.checked_sub(1).and_then(|at| own.get(at)), &own[at]) || differs(own.get(at + 1), &own[at]);
    (0..own.len()).filter(|at| edge(*at)).map(|at| own[at]).collect()
}

/// The calls of a process up to and with this one.
fn until(calls: Vec<Seen>, last: i64) -> Vec<Seen> {
    let end = calls.iter().position(|call| call.number == last).expect("the call is made");
    calls.into_iter().take(end + 1).collect()
}

fn nothing_is_left(run: &Run<Outcome>) {
    for pid in &run.processes {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    }
}

fn mounts() -> usize {
    linux::files::read_line("/proc/self/mountinfo").unwrap().lines().count()
}

/// One launch at a time: a process that another test starts would keep this one's descriptors open until its exec, a file of a
/// mount that is about to become read-only among them. Callers of the library have one thread.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn every_failing_call_of_the_new_process_fails_the_launch_names_its_step_and_leaves_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = Stage::new();
    let before = mounts();
    let mut named = BTreeSet::new();
    for (processes, whose) in [(Processes::Fork, [Who::First, Who::Second].as_slice()), (Processes::Single, &[Who::First])] {
        let whole = launch(&stage, processes, None);
        assert_eq!(whole.result.unwrap(), End::Exited(0));
        for who in whose {
            let calls = worth_failing(&whole.calls, *who);
            // What it does after it has become the program, or the reaping init, is no launch any more.
            let last =
                if *who == Who::First && processes == Processes::Fork { libc::SYS_close_range } else { libc::SYS_execveat };
            for (call, errno) in until(calls, last).iter().flat_map(|call| ERRNOS.map(|errno| (call, errno))) {
                let run = launch(&stage, processes, Some(Fault { who: *who, index: call.index, errno }));
                match &run.result {
                    Err(SpawnError::Step { step, source }) => {
                        assert_eq!(source.raw_os_error(), errno, "{call:?} {step}");
                        named.insert(step.to_string());
                    }
                    Err(error) => panic!("{call:?} with {errno}: {}", chain(error)),
                    Ok(end) => panic!("{call:?} failed with {errno} and the program ran all the same: {end:?}"),
                }
                nothing_is_left(&run);
            }
        }
    }
    let expected: BTreeSet<String> =
        Step::ALL.iter().filter(|step| **step != Step::LookAtProgram).map(ToString::to_string).collect();
    assert_eq!(named, expected, "each step failed at least once, but the one that makes no call of its own");
    assert_eq!(mounts(), before);
}

#[test]
fn an_interrupted_call_of_the_caller_fails_the_launch_wholly_or_not_at_all() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = Stage::new();
    let before = mounts();
    let whole = launch(&stage, Processes::Fork, None);
    // Closing cannot be undone by whoever is told that it failed; memory that is not there is the allocator's business.
    let exempt = [libc::SYS_close, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_brk, libc::SYS_mremap, libc::SYS_madvise];
    let calls = worth_failing(&whole.calls, Who::Caller);
    let mut refused = 0;
    for call in calls.iter().filter(|call| !exempt.contains(&call.number)) {
        let run = launch(&stage, Processes::Fork, Some(Fault { who: Who::Caller, index: call.index, errno: libc::EINTR }));
        match &run.result {
            Ok(end) => assert_eq!(*end, End::Exited(0), "{call:?}"),
            Err(_) => refused += 1,
        }
        nothing_is_left(&run);
    }
    assert!(refused > 5, "only {refused} of {} calls were noticed", calls.len());
    assert_eq!(mounts(), before);
}
