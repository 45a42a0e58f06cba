//! Makes single system calls of a launch fail, from outside: nothing of the code under test knows of it.
//!
//! A thread loads a filter that asks a supervisor about every call (seccomp_unotify(2)) and then launches; what it clones
//! inherits the filter. The supervisor lets every call go on but one, which fails with an errno of its choice.

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::{
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Which process of a launch made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The caller of spawn, between the two marks.
    Caller,
    /// The first process: PID 1 of the sandbox.
    First,
    /// The second: the program beside the reaping init.
    Second,
}

/// One call: who, as which of its calls, its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub who: Who,
    pub index: usize,
    pub number: i64,
    /// Its first argument where that says what is done, as with prctl.
    pub option: u64,
}

/// The call that is to fail, and how.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub who: Who,
    pub index: usize,
    pub errno: i32,
}

/// What a supervised run brought.
pub struct Run<T> {
    pub result: T,
    /// Every call that was asked about.
    pub calls: Vec<Seen>,
    /// Process ids of what was cloned, as this process counts.
    pub processes: Vec<u32>,
}

/// Longest run.
const PATIENCE: Duration = Duration::from_secs(60);
/// include/uapi/linux/seccomp.h
const NOTIF_RECV: u64 = 0xc050_2100;
const NOTIF_SEND: u64 = 0xc018_2101;
/// A priority nobody asks for: it marks begin and end of what is looked at in the caller.
const MARK: u64 = 0x5eed;

/// Marks where calls of the caller begin or end to count; only inside of a supervised run.
pub fn mark() {
    // SAFETY: getpriority(2) of a group that is none; nothing but an errno comes of it.
    unsafe { libc::syscall(libc::SYS_getpriority, MARK, MARK) };
}

/// Runs `body` in a thread whose calls, and those of everything it starts, are supervised.
pub fn supervised<T: Send>(fault: Option<Fault>, body: impl FnOnce() -> T + Send) -> Run<T> {
    let listener = AtomicI32::new(-1);
    thread::scope(|scope| {
        let launcher = scope.spawn(|| {
            let own = rustix::thread::gettid().as_raw_nonzero().get();
            // SAFETY: see load_filter. Stored without a system call, because the next one waits for the supervisor.
            listener.store(unsafe { load_filter() }, Ordering::SeqCst);
            (own, body())
        });
        let deadline = Instant::now() + PATIENCE;
        while listener.load(Ordering::SeqCst) == -1 {
            assert!(Instant::now() < deadline && !launcher.is_finished(), "no filter was loaded");
            thread::yield_now();
        }
        // SAFETY: the kernel has just made this descriptor, and nothing else knows its number.
        let listener = unsafe { OwnedFd::from_raw_fd(listener.load(Ordering::SeqCst)) };
        let mut supervisor =
            Supervisor { listener, fault, caller: None, counting: false, counts: [0; 3], run: Vec::new(), processes: Vec::new() };
        while !launcher.is_finished() {
            assert!(
                Instant::now() < deadline,
                "the launch hangs; last calls: {:?}",
                supervisor.run.iter().rev().take(5).collect::<Vec<_>>()
            );
            supervisor.answer_one();
        }
        // Whoever still waits gets ENOSYS, which the end of a thread does not mind.
        drop(supervisor.listener);
        let (_, result) = launcher.join().unwrap();
        Run { result, calls: supervisor.run, processes: supervisor.processes }
    })
}

/// Asks about everything but the ends of processes, which nobody may hold up, and futexes, which are no system's business.
///
/// # Safety
///
/// The calling thread must be supervised from here on.
unsafe fn load_filter() -> i32 {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let free = [libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn, libc::SYS_futex];
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (left, number) in free.iter().enumerate().map(|(index, number)| (free.len() - index, number)) {
        program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, left as u8, 0, *number as u32));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    let header = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the header names the program, which outlives the call.
    let listener = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, &raw const header)
    };
    // The program is freed by the supervised thread later, or never.
    std::mem::forget(program);
    if listener < 0 { -2 } else { listener as i32 }
}

/// Calls that no failure can be injected into: those that cannot fail, as libraries know; the end of a descriptor, which
/// is gone whatever is answered, with the look at it that the standard library takes before where it is built for tests.
fn is_exempt(number: i64, second: u64) -> bool {
    let infallible = [libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_umask];
    infallible.contains(&number) || number == libc::SYS_close || (number == libc::SYS_fcntl && second == libc::F_GETFD as u64)
}

struct Supervisor {
    listener: OwnedFd,
    fault: Option<Fault>,
    caller: Option<u32>,
    /// Whether the caller is between the marks.
    counting: bool,
    counts: [usize; 3],
    run: Vec<Seen>,
    processes: Vec<u32>,
}

impl Supervisor {
    /// Waits a little for a call and answers it.
    fn answer_one(&mut self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let wait = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        if poll(&mut [PollFd::new(&self.listener.as_fd(), PollFlags::IN)], Some(&wait)).unwrap_or(0) == 0 {
            return;
        }
        // SAFETY: plain integers, for which zero is a value, and which the kernel wants zeroed.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one seccomp_notif.
        if unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_RECV, &raw mut asked) } != 0 {
            return; // the caller was killed while it waited
        }
        let error = self.judge(&asked);
        let answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: -error.unwrap_or(0),
            flags: if error.is_none() { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 } else { 0 },
        };
        // SAFETY: the kernel reads one seccomp_notif_resp; whoever is gone meanwhile needs no answer.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_SEND, &raw const answer) };
    }

    /// Counts the call; the errno that it is to fail with, if it is the one.
    fn judge(&mut self, asked: &libc::seccomp_notif) -> Option<i32> {
        let number = i64::from(asked.data.nr);
        let caller = *self.caller.get_or_insert(asked.pid);
        if asked.pid == caller && number == libc::SYS_getpriority && asked.data.args[0] == MARK {
            self.counting = !self.counting;
            return None;
        }
        let who = if asked.pid == caller {
            Who::Caller
        } else {
            if !self.processes.contains(&asked.pid) {
                self.processes.push(asked.pid);
            }
            if self.processes.first() == Some(&asked.pid) { Who::First } else { Who::Second }
        };
        if (who == Who::Caller && !self.counting) || is_exempt(number, asked.data.args[1]) {
            return None;
        }
        let index = self.counts[who as usize];
        self.counts[who as usize] += 1;
        let option = if number == libc::SYS_prctl { asked.data.args[0] } else { 0 };
        self.run.push(Seen { who, index, number, option });
        self.fault.filter(|fault| fault.who == who && fault.index == index).map(|fault| fault.errno)
    }
}
