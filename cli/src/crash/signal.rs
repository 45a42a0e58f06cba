//! Signals and their codes in words (signal(7), sigaction(2)).

use super::dump::Crash;

/// A signal's name.
pub fn name(signal: u32) -> String {
    let index = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    index.and_then(|index| NAMES.get(index)).map_or_else(|| format!("signal {signal}"), |name| (*name).to_owned())
}

/// Why a signal came: the code's name, and what it means.
pub fn reason(crash: &Crash) -> Option<(&'static str, &'static str)> {
    let row = |(_, code, name, meaning): &(u32, i32, _, _)| (*code == crash.code).then_some((*name, *meaning));
    CODES.iter().filter(|(signal, ..)| [crash.signal, ANY].contains(signal)).find_map(row)
}

/// The address that failed: faults that the kernel found have one.
pub fn address(crash: &Crash) -> Option<u64> {
    (FAULTS.contains(&crash.signal) && (1..SI_KERNEL).contains(&crash.code)).then_some(crash.address)
}

/// The numbers of x86-64 and aarch64, from 1 on.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;
const SIGSYS: u32 = 31;
const FAULTS: [u32; 5] = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV];
/// Codes that all signals have.
const ANY: u32 = 0;
const SI_KERNEL: i32 = 0x80;

/// Signal, code, its name, its meaning (include/uapi/asm-generic/siginfo.h).
#[rustfmt::skip]
const CODES: &[(u32, i32, &str, &str)] = &[
    (SIGSEGV, 1, "SEGV_MAPERR", "address not mapped"),
    (SIGSEGV, 2, "SEGV_ACCERR", "address mapped, and not for this kind of access"),
    (SIGSEGV, 3, "SEGV_BNDERR", "outside the bounds that were checked"),
    (SIGSEGV, 4, "SEGV_PKUERR", "access refused by protection keys"),
    (SIGSEGV, 8, "SEGV_MTEAERR", "memory tag does not match, found later"),
    (SIGSEGV, 9, "SEGV_MTESERR", "memory tag does not match"),
    (SIGSEGV, SI_KERNEL, "SI_KERNEL", "general protection: an address that no program can have, or a privileged instruction"),
    (SIGBUS, 1, "BUS_ADRALN", "address not aligned"),
    (SIGBUS, 2, "BUS_ADRERR", "no such memory: behind the end of a mapped file, or no memory left"),
    (SIGBUS, 3, "BUS_OBJERR", "hardware error"),
    (SIGBUS, 4, "BUS_MCEERR_AR", "memory error in what was read"),
    (SIGBUS, 5, "BUS_MCEERR_AO", "memory error elsewhere in the program"),
    (SIGILL, 1, "ILL_ILLOPC", "no such instruction"),
    (SIGILL, 2, "ILL_ILLOPN", "no such operand; compilers end a path that cannot be with such an instruction"),
    (SIGILL, 3, "ILL_ILLADR", "no such addressing mode"),
    (SIGILL, 4, "ILL_ILLTRP", "no such trap"),
    (SIGILL, 5, "ILL_PRVOPC", "privileged instruction"),
    (SIGILL, 6, "ILL_PRVREG", "privileged register"),
    (SIGILL, 7, "ILL_COPROC", "coprocessor error"),
    (SIGILL, 8, "ILL_BADSTK", "stack error"),
    (SIGFPE, 1, "FPE_INTDIV", "integer divided by zero, or its result does not fit"),
    (SIGFPE, 2, "FPE_INTOVF", "integer overflow"),
    (SIGFPE, 3, "FPE_FLTDIV", "floating-point number divided by zero"),
    (SIGFPE, 4, "FPE_FLTOVF", "floating-point overflow"),
    (SIGFPE, 5, "FPE_FLTUND", "floating-point underflow"),
    (SIGFPE, 6, "FPE_FLTRES", "floating-point result not exact"),
    (SIGFPE, 7, "FPE_FLTINV", "floating-point operation without a result"),
    (SIGFPE, 8, "FPE_FLTSUB", "subscript out of range"),
    (SIGTRAP, 1, "TRAP_BRKPT", "breakpoint instruction"),
    (SIGTRAP, 2, "TRAP_TRACE", "single step"),
    (SIGTRAP, 3, "TRAP_BRANCH", "branch that was traced"),
    (SIGTRAP, 4, "TRAP_HWBKPT", "hardware breakpoint or watchpoint"),
    (SIGSYS, 1, "SYS_SECCOMP", "system call that the app's filter ends it for"),
    (SIGSYS, 2, "SYS_USER_DISPATCH", "system call outside the range that the program allowed itself"),
    (ANY, 0, "SI_USER", "sent by a process, with kill()"),
    (ANY, SI_KERNEL, "SI_KERNEL", "sent by the kernel"),
    (ANY, -1, "SI_QUEUE", "sent by a process, with sigqueue()"),
    (ANY, -2, "SI_TIMER", "sent by a timer"),
    (ANY, -6, "SI_TKILL", "sent by a thread, as abort() and raise() do"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(signal: u32, code: i32) -> Crash {
        Crash { thread: 1, signal, code, address: 0x40 }
    }

    #[test]
    fn codes_are_those_of_their_signal_and_only_faults_have_an_address() {
        assert_eq!(reason(&crash(SIGSEGV, 1)), Some(("SEGV_MAPERR", "address not mapped")));
        assert_eq!(reason(&crash(SIGSEGV, SI_KERNEL)).unwrap().0, "SI_KERNEL");
        assert_eq!(reason(&crash(6, -6)).unwrap().0, "SI_TKILL");
        assert_eq!(reason(&crash(6, 1)), None);
        assert_eq!((address(&crash(SIGSEGV, 1)), address(&crash(SIGSEGV, SI_KERNEL))), (Some(0x40), None));
        assert_eq!((address(&crash(6, -6)), address(&crash(SIGSEGV, 0))), (None, None));
    }

    #[test]
    fn any_number_has_a_name() {
        assert_eq!([1, 6, 7, 11, 31].map(name), ["SIGHUP", "SIGABRT", "SIGBUS", "SIGSEGV", "SIGSYS"]);
        assert_eq!((name(0).as_str(), name(u32::MAX).as_str()), ("signal 0", "signal 4294967295"));
    }
}
