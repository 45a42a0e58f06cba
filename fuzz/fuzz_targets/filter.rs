//! The compiler of system call filters: any table must come out as a program that says what the table says.
//!
//! The bytes are taken apart to a table and to calls; interpreter.rs of sandbox/tests/filter/ runs the program, meaning.rs says
//! what was to come.
#![no_main]

#[path = "../../sandbox/tests/filter/interpreter.rs"]
mod interpreter;
#[path = "../../sandbox/tests/filter/meaning.rs"]
mod meaning;

use interpreter::{Seen, run};
use libfuzzer_sys::fuzz_target;
use meaning::holds;
use sandbox::seccomp::{
    Architecture,
    compile::{Verdict, Verdicts, X32, assemble},
    rule::{Check, rule},
};
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp};
use std::collections::BTreeMap;

/// A verdict whose checks can be read: rules, and the errno where none holds; or without rules, allowed or not.
struct Said {
    rules: Vec<Vec<Check>>,
    otherwise: u32,
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let architecture = if bytes.next() % 2 == 0 { Architecture::X86_64 } else { Architecture::Aarch64 };
    let table = table(&mut bytes);
    let verdicts: Verdicts = table.iter().map(|(number, said)| (*number, said.verdict())).collect();
    let filter = match assemble(architecture, &verdicts) {
        Ok(filter) => filter,
        Err(BackendError::FilterTooLarge(length)) => return assert!(length > 4096),
        Err(error) => panic!("{error}"),
    };
    for _ in 0..16 {
        let number = bytes.number();
        let arguments = std::array::from_fn(|_| bytes.value());
        for (number, audited) in [(number, architecture.audit()), (number ^ 1, architecture.audit()), (number, 0x4000_0003)] {
            let expected = match table.get(&number) {
                _ if number >= X32 || audited != architecture.audit() => libc::SECCOMP_RET_KILL_PROCESS,
                Some(said) => said.answer(arguments),
                None => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
            };
            let seen = Seen { number, architecture: audited, arguments };
            assert_eq!(run(&filter.program, &seen), Ok(expected), "{seen:x?}");
        }
    }
});

impl Said {
    fn verdict(&self) -> Verdict {
        let errno = (self.otherwise & 0xffff) as i32;
        match self.otherwise {
            libc::SECCOMP_RET_ALLOW => Verdict::Allow,
            _ if self.rules.is_empty() => Verdict::Fail(errno),
            _ => Verdict::Rules(self.rules.iter().map(|checks| rule(checks).unwrap()).collect(), errno),
        }
    }

    fn answer(&self, arguments: [u64; 6]) -> u32 {
        let allowed = self.rules.iter().any(|checks| checks.iter().all(|check| holds(check, arguments)));
        if allowed { libc::SECCOMP_RET_ALLOW } else { self.otherwise }
    }
}

fn table(bytes: &mut Bytes) -> BTreeMap<u32, Said> {
    let mut table = BTreeMap::new();
    for _ in 0..bytes.next() {
        let number = bytes.number();
        let kind = bytes.next();
        let rules = if kind % 4 == 0 { (0..kind / 32).map(|_| checks(bytes)).collect() } else { Vec::new() };
        let allow = kind % 4 == 1;
        let otherwise = if allow { libc::SECCOMP_RET_ALLOW } else { libc::SECCOMP_RET_ERRNO | u32::from(kind / 4) };
        table.insert(number, Said { rules, otherwise });
    }
    table
}

fn checks(bytes: &mut Bytes) -> Vec<Check> {
    (0..=bytes.next() % 8).map(|_| check(bytes)).collect()
}

fn check(bytes: &mut Bytes) -> Check {
    let kind = bytes.next();
    let operator = match kind / 16 % 7 {
        0 => SeccompCmpOp::Eq,
        1 => SeccompCmpOp::Ne,
        2 => SeccompCmpOp::Ge,
        3 => SeccompCmpOp::Gt,
        4 => SeccompCmpOp::Le,
        5 => SeccompCmpOp::Lt,
        _ => SeccompCmpOp::MaskedEq(bytes.value()),
    };
    let length = if kind & 8 == 0 { SeccompCmpArgLen::Dword } else { SeccompCmpArgLen::Qword };
    Check { argument: kind % 6, length, operator, value: bytes.value() }
}

/// The input, and zeros without end behind it.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Mostly small, so that numbers meet again; now and then around the x32 table and the end.
    fn number(&mut self) -> u32 {
        let (high, low) = (self.next(), u32::from(self.next()));
        match high {
            0..200 => u32::from(high % 2) << 8 | low,
            200..220 => X32.wrapping_add(low).wrapping_sub(128),
            220..230 => u32::MAX - low,
            _ => low << 24 | u32::from(self.next()),
        }
    }

    /// Mostly small, or with one bit in either half.
    fn value(&mut self) -> u64 {
        let (kind, low) = (self.next(), u64::from(self.next()));
        match kind {
            0..100 => low % 8,
            100..164 => 1 << (low % 64),
            164..200 => u64::MAX - low % 4,
            _ => low << 32 | low % 4,
        }
    }
}
