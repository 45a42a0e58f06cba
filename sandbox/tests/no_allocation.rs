//! Between clone and exec nothing is allocated: another thread of the caller may have held the heap's lock. The allocator
//! of this test program ends any process but the one that it started in.
//!
//! Needs root, as tests/sandbox.rs does.

#[expect(dead_code, clippy::disallowed_methods, reason = "one stage for several test programs; test set-up")]
mod stage;

use linux::{
    clone::{Namespaces, Side, clone},
    pidfd::{self, Ending},
};
use sandbox::{Denials, Processes, SpawnError, step::Step};
use stage::{End, Stage, Start};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

/// Allocates in the first process that asked, and ends every other.
struct FirstProcessOnly;

static FIRST: AtomicI32 = AtomicI32::new(0);
/// Exit status of a process that allocated though it must not.
const ALLOCATED: i32 = 99;

fn check() {
    // SAFETY: reads a number of this process.
    let own = unsafe { libc::getpid() };
    if FIRST.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed).is_err_and(|first| first != own) {
        // SAFETY: ends the process without running anything of it.
        unsafe { libc::_exit(ALLOCATED) }
    }
}

// SAFETY: both functions do what System's do, with the same arguments, or never return.
unsafe impl GlobalAlloc for FirstProcessOnly {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check();
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static HEAP: FirstProcessOnly = FirstProcessOnly;

#[test]
fn the_allocator_here_ends_a_child_that_allocates() {
    // SAFETY: whatever the child does, it ends in _exit.
    match unsafe { clone(Namespaces::NONE, None) }.unwrap() {
        Side::Child => {
            drop(std::hint::black_box(Box::new(1)));
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        Side::Parent { pidfd, .. } => {
            assert!(pidfd::ended(&pidfd, Duration::from_secs(10)).unwrap());
            assert_eq!(pidfd::reap(&pidfd).unwrap().unwrap().ending, Ending::Exited(ALLOCATED));
        }
    }
}

#[test]
fn nothing_is_allocated_between_clone_and_exec() {
    let stage = Stage::new();
    let (_read, write) = rustix::pipe::pipe().unwrap();
    for processes in [Processes::Single, Processes::Fork, Processes::Exec] {
        let start = Start::of(&["nothing", "with", "arguments"]).with(|start| {
            start.processes = processes;
            start.denials = Denials::Told;
            start.environment = vec!["A=1".to_owned(), "B=2".to_owned()];
            start.passed = vec![("PASSED", &write)];
        });
        assert_eq!(stage.start(start).unwrap().end(), End::Exited(0), "{processes:?}");
    }
}

#[test]
fn nothing_is_allocated_where_a_step_fails_either() {
    let stage = Stage::new();
    for (program, failed) in [("/bin/absent", Step::OpenProgram), ("/bin/script", Step::LookAtProgram)] {
        let error = stage.start(Start::of(&[]).with(|start| start.program = program)).map(|running| running.end()).unwrap_err();
        assert!(matches!(error, SpawnError::Step { step, .. } if step == failed), "{}", linux::files::chain(&error));
    }
}
