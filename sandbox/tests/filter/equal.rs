//! The compiled program says what the tables say, and what other compilers make of them.

use crate::{
    interpreter::{Seen, run},
    judges,
    tables::{ALLOWED, ARCHITECTURES, expected, failed, filters, tried},
};
use libc::sock_filter;
use sandbox::seccomp::{
    Architecture, Profile, call, compile,
    compile::X32,
    profiles::{self, forbidden},
    rule::{is, is_pointer, rule},
};
use std::collections::BTreeMap;

/// AUDIT_ARCH_I386, _ARM, _X86_64 and _AARCH64, and none.
const AUDITED: [u32; 5] = [0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, 0];

fn program(architecture: Architecture, profiles: &[&Profile]) -> Vec<sock_filter> {
    compile(architecture, profiles, &[]).unwrap().program
}

fn answer(program: &[sock_filter], architecture: Architecture, number: u32, arguments: [u64; 6]) -> u32 {
    run(program, &Seen { number, architecture: architecture.audit(), arguments }).unwrap()
}

/// All numbers up to well past the last call, those around the x32 table, and both sides of each number that one of the
/// programs compares with: between two of those no program can change its mind.
fn numbers(programs: &[&[sock_filter]]) -> Vec<u32> {
    let compared = programs.iter().flat_map(|program| program.iter()).map(|one| one.k);
    let beside = compared.flat_map(|k| [k.wrapping_sub(1), k, k.wrapping_add(1)]);
    (0..2048).chain(X32 - 8..X32 + 2048).chain([u32::MAX]).chain(beside).collect()
}

/// Arguments to try a call with: what its rules allow, what they just miss, and nothing in particular.
struct Arguments(BTreeMap<u32, Vec<[u64; 6]>>);

impl Arguments {
    fn of(profiles: &[&'static Profile], architecture: Architecture) -> Self {
        let mut all = BTreeMap::<u32, Vec<[u64; 6]>>::new();
        for tried in tried(profiles) {
            let Some(number) = tried.call.number(architecture) else { continue };
            let missed = tried.missed.into_iter().flat_map(|(_, arguments)| arguments);
            all.entry(number).or_default().extend(tried.allowed.into_iter().chain(missed));
        }
        Self(all)
    }

    fn are_checked(&self, number: u32) -> bool {
        self.0.contains_key(&number)
    }

    fn of_call(&self, number: u32) -> impl Iterator<Item = [u64; 6]> {
        self.0.get(&number).into_iter().flatten().copied().chain([[0; 6], [u64::MAX; 6]])
    }
}

/// The calls to compare two filters by: native ones with all arguments, others with none.
fn compared(programs: &[&[sock_filter]], arguments: &Arguments, native: Architecture) -> Vec<Seen> {
    let mut all = Vec::new();
    for number in numbers(programs) {
        all.extend(arguments.of_call(number).map(|arguments| Seen { number, architecture: native.audit(), arguments }));
        all.extend(AUDITED.map(|architecture| Seen { number, architecture, arguments: [0; 6] }));
    }
    all
}

#[test]
fn the_program_says_what_the_tables_say_to_every_number_and_argument() {
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let program = program(architecture, &profiles);
            let arguments = Arguments::of(&profiles, architecture);
            for number in numbers(&[&program]) {
                for arguments in arguments.of_call(number) {
                    let expected = match number {
                        X32.. => libc::SECCOMP_RET_KILL_PROCESS,
                        _ => expected(architecture, &profiles, number, arguments),
                    };
                    let found = answer(&program, architecture, number, arguments);
                    assert_eq!(found, expected, "{name}, {architecture:?}, call {number}, {arguments:x?}");
                }
            }
        }
    }
}

#[test]
fn whoever_comes_by_another_architecture_or_the_x32_table_is_killed() {
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let program = program(architecture, &profiles);
            for number in numbers(&[&program]) {
                for audited in AUDITED {
                    let found = run(&program, &Seen { number, architecture: audited, arguments: [0; 6] }).unwrap();
                    let killed = found == libc::SECCOMP_RET_KILL_PROCESS;
                    let foreign = audited != architecture.audit() || number >= X32;
                    assert_eq!(killed, foreign, "{name}, {architecture:?}, call {number:#x} by {audited:#x}");
                }
            }
        }
    }
}

#[test]
fn what_seccompiler_allows_is_allowed_and_nothing_else() {
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let (ours, theirs) = (program(architecture, &profiles), judges::seccompiler(architecture, &profiles));
            for seen in compared(&[&ours, &theirs], &Arguments::of(&profiles, architecture), architecture) {
                let (ours, theirs) = (run(&ours, &seen).unwrap(), run(&theirs, &seen).unwrap());
                assert_eq!(ours == ALLOWED, theirs == ALLOWED, "{name}, {architecture:?}, {seen:x?}");
            }
        }
    }
}

#[test]
fn libseccomp_says_the_same() {
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let ours = program(architecture, &profiles);
            let Some((theirs, unknown)) = judges::libseccomp(architecture, &profiles) else { return };
            let newer: Vec<u32> = call::KNOWN
                .iter()
                .filter(|c| unknown.iter().any(|u| u == c.name))
                .filter_map(|c| c.number(architecture))
                .collect();
            assert!(newer.iter().all(|number| *number >= 449 || *number == 335), "libseccomp does not know {unknown:?}");
            let arguments = Arguments::of(&profiles, architecture);
            for seen in compared(&[&ours, &theirs], &arguments, architecture) {
                // It answers -1, by which a tracer says "no call at all", as any unknown number.
                if newer.contains(&seen.number) || seen.number == u32::MAX {
                    continue;
                }
                let (ours, theirs) = (run(&ours, &seen).unwrap(), run(&theirs, &seen).unwrap());
                // Where no rule of a call holds, it knows no errno but its default. Its x32 check is for x86_64 alone.
                let no_table = architecture == Architecture::Aarch64 && seen.number >= X32;
                let by_word = !arguments.are_checked(seen.number) && !no_table;
                let equal = if by_word { ours == theirs } else { (ours == ALLOWED) == (theirs == ALLOWED) };
                assert!(equal, "{name}, {architecture:?}, {seen:x?}: {ours:#x}, libseccomp says {theirs:#x}");
            }
        }
    }
}

/// CVE-2019-10063: an `int` is compared as one.
#[test]
fn a_high_half_changes_no_verdict() {
    let halves = [1, 0x8000_0000, 0xffff_ffff, 0x5a5a_5a5a].map(|half: u64| half << 32);
    for (name, profiles) in filters() {
        for architecture in ARCHITECTURES {
            let program = program(architecture, &profiles);
            let arguments = Arguments::of(&profiles, architecture);
            for number in call::KNOWN.iter().filter_map(|call| call.number(architecture)) {
                for arguments in arguments.of_call(number) {
                    let plain = answer(&program, architecture, number, arguments.map(|argument| argument & 0xffff_ffff));
                    for half in halves {
                        let changed = arguments.map(|argument| argument & 0xffff_ffff | half);
                        let found = answer(&program, architecture, number, changed);
                        assert_eq!(found, plain, "{name}, {architecture:?}, call {number}, {changed:x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_one_exec_needs_both_halves_of_its_pointer() {
    let number = call::execveat.number(Architecture::NATIVE).unwrap();
    let once = rule(&[is_pointer(1, 0xf000), is(4, 0x1000)]).unwrap();
    let program = compile(Architecture::NATIVE, &[&forbidden::FORBIDDEN], &[(call::execveat, once)]).unwrap().program;
    let verdict = |pointer, flags| answer(&program, Architecture::NATIVE, number, [3, pointer, 0, 0, flags, 0]);
    assert_eq!(verdict(0xf000, 0x1000), ALLOWED);
    assert_eq!(verdict(0xf000, 0x1_0000_1000), ALLOWED, "flags are an int");
    for (pointer, flags) in [(0x1_0000_f000, 0x1000), (0xf000 | 1 << 63, 0x1000), (0xf000, 0), (0, 0x1000)] {
        assert_eq!(verdict(pointer, flags), failed(libc::EPERM));
    }
}

#[test]
fn the_base_filter_has_at_most_300_instructions_and_the_largest_fits() {
    for architecture in ARCHITECTURES {
        let length = program(architecture, &profiles::ALWAYS).len();
        assert!(length <= 300, "{architecture:?}: {length} instructions");
        let everything = [&profiles::ALWAYS[..], profiles::APPS, profiles::DAEMONS].concat();
        assert!(program(architecture, &everything).len() < 1000);
    }
}
