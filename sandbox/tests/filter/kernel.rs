//! The kernel's own word: a child loads the filter and makes the calls.
#![expect(unsafe_code, reason = "forks, and makes calls with any number and argument")]

use crate::tables::{ALLOWED, expected, failed, filters, tried};
use libc::{c_long, sock_filter};
use sandbox::seccomp::{Architecture, compile, compile::X32, profiles};
use std::sync::atomic::{AtomicI64, Ordering};

/// A call: its number and its arguments.
type Made = (u32, [u64; 6]);

/// How the child fared.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It made all calls: what each returned, or the errno as a negative number.
    Returned(Vec<i64>),
    /// A signal ended it.
    Killed(i32),
}

/// Makes these calls in a child behind this filter.
fn behind(program: &[sock_filter], calls: &[Made]) -> Fate {
    let answers = Shared::new(calls.len() + 1);
    let (done, answers) = answers.cells().split_last().unwrap();
    // SAFETY: the child allocates nothing and takes no lock: it makes raw system calls, writes to memory that was mapped
    // before, and spins until it is killed.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        load(program);
        for ((number, arguments), answer) in calls.iter().zip(answers) {
            answer.store(call(*number, *arguments), Ordering::Relaxed);
        }
        done.store(1, Ordering::Release);
        loop {
            std::hint::spin_loop();
        }
    }
    assert!(pid > 0);
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one int.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            assert!(libc::WIFSIGNALED(status), "the child could not load the filter: status {status:#x}");
            return Fate::Killed(libc::WTERMSIG(status));
        }
        if done.load(Ordering::Acquire) == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: the child is ours and not reaped yet, so the number is still its own.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, &raw mut status, 0);
    }
    Fate::Returned(answers.iter().map(|answer| answer.load(Ordering::Relaxed)).collect())
}

/// Loads the filter, or ends this child.
fn load(program: &[sock_filter]) {
    let header = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the header names instructions that live during the call, which only reads them.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const header) != 0 {
            libc::_exit(1);
        }
    }
}

fn call(number: u32, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the filters here let through nothing that writes to memory, but where a test says so.
    let answer = unsafe { libc::syscall(number as c_long, a, b, c, d, e, f) };
    // SAFETY: errno of this thread.
    if answer == -1 { -i64::from(unsafe { *libc::__errno_location() }) } else { answer }
}

/// Memory that parent and child share.
struct Shared {
    at: *mut AtomicI64,
    count: usize,
}

impl Shared {
    fn new(count: usize) -> Self {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), count * 8, protection, flags, -1, 0) };
        assert!(at != libc::MAP_FAILED);
        Self { at: at.cast(), count }
    }

    fn cells(&self) -> &[AtomicI64] {
        // SAFETY: the mapping holds `count` zeroed numbers as long as `self` lives, and is only used as atomics.
        unsafe { std::slice::from_raw_parts(self.at, self.count) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this size, and no reference outlives `self`.
        unsafe { libc::munmap(self.at.cast(), self.count * 8) };
    }
}

/// The same program with other last words: "allowed" becomes an errno that no call has, and so does each errno. So any call
/// can be made, exit and fork among them, and nothing happens but the kernel's run of the filter.
fn harmless(program: &[sock_filter]) -> Vec<sock_filter> {
    let word = |answer: u32| match answer {
        ALLOWED => failed(LET_THROUGH),
        errno if errno & 0xffff_0000 == libc::SECCOMP_RET_ERRNO => errno + REFUSED as u32,
        other => other,
    };
    let last = |one: &sock_filter| u32::from(one.code) == libc::BPF_RET;
    program.iter().map(|one| if last(one) { sock_filter { k: word(one.k), ..*one } } else { *one }).collect()
}

/// The errno that stands for "allowed".
const LET_THROUGH: i32 = 4000;
/// Added to each errno of the filter.
const REFUSED: i32 = 2000;

/// uretprobe and uprobe, which the kernel's own probes put into a program: from Linux 6.14 on no filter is asked.
const NOT_FILTERED: [u32; 2] = [335, 336];

#[test]
fn the_kernel_judges_every_number_and_every_rule_as_the_tables_say() {
    let native = Architecture::NATIVE;
    for (name, profiles) in filters() {
        let numbers = (0..1200).filter(|number| !cfg!(target_arch = "x86_64") || !NOT_FILTERED.contains(number));
        let mut calls: Vec<Made> = numbers.map(|number| (number, [u64::MAX; 6])).collect();
        for tried in tried(&profiles) {
            let Some(number) = tried.call.number(native) else { continue };
            let all = tried.allowed.into_iter().chain(tried.missed.into_iter().flat_map(|(_, all)| all));
            // Each with and without something in the high halves (CVE-2019-10063).
            calls.extend(
                all.flat_map(|arguments| [(number, arguments), (number, arguments.map(|a| a & 0xffff_ffff | 0x5a5a_5a5a << 32))]),
            );
        }
        let program = harmless(&compile(native, &profiles, &[]).unwrap().program);
        let Fate::Returned(answers) = behind(&program, &calls) else { panic!("{name}: killed") };
        for ((number, arguments), found) in calls.iter().zip(answers) {
            let expected = match expected(native, &profiles, *number, *arguments) {
                ALLOWED => LET_THROUGH,
                errno => (errno & 0xffff) as i32 + REFUSED,
            };
            assert_eq!(found, -i64::from(expected), "{name}, call {number}, {arguments:x?}");
        }
    }
}

#[test]
fn behind_the_base_filter_calls_work_are_refused_or_are_unknown() {
    let (unshare, mprotect) = (libc::SYS_unshare as u32, libc::SYS_mprotect as u32);
    let calls = [
        (libc::SYS_getppid as u32, [0; 6]),
        (unshare, [0; 6]),
        (mprotect, [0, 0, libc::PROT_READ as u64, 0, 0, 0]),
        (mprotect, [0, 0, libc::PROT_EXEC as u64, 0, 0, 0]),
        (mprotect, [0, 0, libc::PROT_EXEC as u64 | 1 << 32, 0, 0, 0]),
        (libc::SYS_ioctl as u32, [0, libc::TIOCSTI | 1 << 32, 0, 0, 0, 0]),
        (libc::SYS_clone3 as u32, [0; 6]),
        (999, [0; 6]),
    ];
    let errno = |errno: i32| -i64::from(errno);
    let own = i64::from(std::process::id());
    let refused = errno(libc::EPERM);
    let expected = [own, refused, 0, refused, refused, refused, errno(libc::ENOSYS), errno(libc::ENOSYS)];
    let program = compile(Architecture::NATIVE, &profiles::ALWAYS, &[]).unwrap().program;
    assert_eq!(behind(&program, &calls), Fate::Returned(expected.to_vec()));

    // Without it the same calls reach the kernel: unshare(0), mprotect and the number that there is none of.
    let allow_all = [sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: ALLOWED }];
    let Fate::Returned(free) = behind(&allow_all, &calls) else { panic!("killed") };
    assert_eq!(free[1..5], [0, 0, 0, 0]);
    assert_ne!(free[5], refused);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn whoever_makes_calls_by_another_table_is_killed() {
    let filtered = compile(Architecture::NATIVE, &profiles::ALWAYS, &[]).unwrap().program;
    let getpid = [(X32 | libc::SYS_getpid as u32, [0; 6])];
    assert_eq!(behind(&filtered, &getpid), Fate::Killed(libc::SIGSYS));
    assert_eq!(i386_getpid(&filtered), libc::SIGSYS, "by int $0x80");
    // A kernel without the 32-bit entry would kill by SIGSEGV, whatever the filter says.
    let allow_all = [sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: ALLOWED }];
    assert!([0, libc::SIGSEGV].contains(&i386_getpid(&allow_all)));
}

/// The signal that ends a child which asks for its number by the 32-bit entry, or 0.
#[cfg(target_arch = "x86_64")]
fn i386_getpid(program: &[sock_filter]) -> i32 {
    // SAFETY: as in `behind`; the asm makes a call that takes nothing, and writes eax alone.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            load(program);
            std::arch::asm!("int 0x80", inlateout("eax") 20 => _);
            libc::_exit(0);
        }
        let mut status = 0;
        libc::waitpid(pid, &raw mut status, 0);
        if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 }
    }
}
