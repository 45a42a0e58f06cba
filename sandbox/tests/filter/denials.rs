//! Filters that tell of what they refuse: the same verdicts, and an answer that is the filter's own.

use crate::{
    interpreter::{Seen, run},
    tables::{ALLOWED, expected, failed, filters, holds, lines_of, tried},
};
use sandbox::{
    denials::{Denial, TOLD},
    seccomp::{Architecture, Profile, compile, profiles},
};

const NATIVE: Architecture = Architecture::NATIVE;

fn apps() -> impl Iterator<Item = (String, Vec<&'static Profile>)> {
    filters().into_iter().filter(|(name, _)| name.starts_with("app "))
}

/// Every number, and what each rule allows and just misses, with and without something in the high halves.
fn calls(profiles: &[&'static Profile]) -> Vec<(u32, [u64; 6])> {
    let mut calls: Vec<(u32, [u64; 6])> = (0..1200).flat_map(|number| [(number, [0; 6]), (number, [u64::MAX; 6])]).collect();
    for tried in tried(profiles) {
        let Some(number) = tried.call.number(NATIVE) else { continue };
        let all = tried.allowed.into_iter().chain(tried.missed.into_iter().flat_map(|(_, all)| all));
        calls.extend(all.flat_map(|all| [(number, all), (number, all.map(|one| one & 0xffff_ffff | 0x5a5a_5a5a << 32))]));
    }
    calls
}

#[test]
fn a_call_is_told_if_it_is_refused_and_its_answer_is_what_the_filter_would_have_said() {
    let mut told = 0;
    for (name, profiles) in apps() {
        let plain = compile(NATIVE, &profiles, &[]).unwrap();
        let telling = plain.clone().telling();
        assert_eq!(plain.program.len(), telling.program.len());
        for (number, arguments) in calls(profiles::APPS) {
            let seen = Seen { number, architecture: NATIVE.audit(), arguments };
            let [before, after] = [&plain, &telling].map(|filter| run(&filter.program, &seen).unwrap());
            let denial = Denial { thread: 1, number, arguments };
            if TOLD.map(failed).contains(&before) {
                assert_eq!(after, libc::SECCOMP_RET_USER_NOTIF, "{name}: {denial:?}");
                assert_eq!(failed(denial.errno()), before, "{name}: {denial:?}");
                assert!(denial.line().is_some() && !denial.name().starts_with("call"), "{name}: {denial:?}");
                told += 1;
            } else {
                assert_eq!(after, before, "{name}: {denial:?}");
            }
        }
    }
    assert!(told > 1000, "only {told} calls were told");
}

/// By the tests' own reading of the tables.
#[test]
fn the_missing_profile_is_one_that_allows_the_call_and_none_is_missed() {
    for (number, arguments) in calls(profiles::APPS) {
        let denial = Denial { thread: 1, number, arguments };
        let allows = |profile: &&'static Profile| expected(NATIVE, &[*profile], number, arguments) == ALLOWED;
        let found = denial.missing_profile().map(|profile| profile.name);
        assert_eq!(
            found,
            profiles::APPS.iter().copied().find(|profile| allows(profile)).map(|profile| profile.name),
            "{denial:?}"
        );
    }
}

#[test]
fn what_is_looked_at_decides_alone() {
    for (number, arguments) in calls(profiles::APPS) {
        let denial = Denial { thread: 1, number, arguments };
        let looked_at = denial.looked_at();
        for line in lines_of(NATIVE, &[&profiles::ALWAYS[..], profiles::APPS].concat(), number) {
            for check in line.alternatives().iter().copied().flatten() {
                assert_eq!(holds(check, arguments), holds(check, looked_at), "{denial:?} {check:?}");
                assert_eq!(holds(check, arguments), check.holds(&arguments), "{denial:?} {check:?}");
            }
        }
    }
}

#[test]
fn what_libraries_probe_is_not_told() {
    for (_, profiles) in apps() {
        let telling = compile(NATIVE, &profiles, &[]).unwrap().telling();
        for number in [libc::SYS_clone3, libc::SYS_futex_waitv, libc::SYS_setxattr, libc::SYS_wait4, 999].map(|one| one as u32) {
            let seen = Seen { number, architecture: NATIVE.audit(), arguments: [0; 6] };
            assert_ne!(run(&telling.program, &seen), Ok(libc::SECCOMP_RET_USER_NOTIF), "{number}");
        }
    }
}
