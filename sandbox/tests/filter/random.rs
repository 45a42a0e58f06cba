//! Tables that nobody wrote: the compiler makes of any of them what it says.

use crate::{
    interpreter::{Seen, run},
    meaning::holds,
};
use proptest::prelude::*;
use sandbox::seccomp::{
    Architecture,
    compile::{Verdict, Verdicts, X32, assemble},
    rule::{Check, rule},
};
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp};
use std::collections::BTreeMap;

/// A verdict with its checks still readable, which seccompiler's rules are not.
#[derive(Debug, Clone)]
enum Said {
    Allow,
    Fail(i32),
    Checks(Vec<Vec<Check>>, i32),
}

impl Said {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Fail(errno) => Verdict::Fail(*errno),
            Self::Checks(rules, errno) => Verdict::Rules(rules.iter().map(|checks| rule(checks).unwrap()).collect(), *errno),
        }
    }

    fn answer(&self, arguments: [u64; 6]) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Checks(rules, _) if rules.iter().any(|checks| checks.iter().all(|check| holds(check, arguments))) => {
                libc::SECCOMP_RET_ALLOW
            }
            Self::Fail(errno) | Self::Checks(_, errno) => libc::SECCOMP_RET_ERRNO | *errno as u32,
        }
    }
}

/// Few different values, so that checks hold now and then.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, Just(u64::MAX), Just(1 << 31), Just(1 << 32), any::<u64>()]
}

fn check() -> impl Strategy<Value = Check> {
    let length = prop_oneof![Just(SeccompCmpArgLen::Dword), Just(SeccompCmpArgLen::Qword)];
    let operator = prop_oneof![
        Just(SeccompCmpOp::Eq),
        Just(SeccompCmpOp::Ne),
        Just(SeccompCmpOp::Ge),
        Just(SeccompCmpOp::Gt),
        Just(SeccompCmpOp::Le),
        Just(SeccompCmpOp::Lt),
        value().prop_map(SeccompCmpOp::MaskedEq)
    ];
    (0u8..6, length, operator, value()).prop_map(|(argument, length, operator, value)| Check {
        argument,
        length,
        operator,
        value,
    })
}

fn said() -> impl Strategy<Value = Said> {
    let rules = prop::collection::vec(prop::collection::vec(check(), 1..5), 0..6);
    prop_oneof![
        4 => Just(Said::Allow),
        4 => (1i32..4).prop_map(Said::Fail),
        1 => (rules, 1i32..4).prop_map(|(rules, errno)| Said::Checks(rules, errno)),
    ]
}

fn tables() -> impl Strategy<Value = BTreeMap<u32, Said>> {
    prop_oneof![
        prop::collection::btree_map(0u32..500, said(), 0..200),
        prop::collection::btree_map(prop_oneof![Just(0), Just(X32 - 1), Just(X32), Just(u32::MAX), any::<u32>()], said(), 0..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_table_is_compiled_to_what_it_says(
        tables in tables(),
        arguments in prop::collection::vec(prop::array::uniform6(value()), 4),
    ) {
        let verdicts: Verdicts = tables.iter().map(|(number, said)| (*number, said.verdict())).collect();
        let program = match assemble(Architecture::NATIVE, &verdicts) {
            Ok(filter) => filter.program,
            Err(error) => {
                prop_assert!(matches!(error, BackendError::FilterTooLarge(length) if length > 4096));
                return Ok(());
            }
        };
        let beside = tables.keys().flat_map(|number| [number.wrapping_sub(1), *number, number.wrapping_add(1)]);
        for number in beside.chain([0, X32 - 1, X32, u32::MAX]) {
            for arguments in &arguments {
                let expected = match tables.get(&number) {
                    _ if number >= X32 => libc::SECCOMP_RET_KILL_PROCESS,
                    Some(said) => said.answer(*arguments),
                    None => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
                };
                let seen = Seen { number, architecture: Architecture::NATIVE.audit(), arguments: *arguments };
                prop_assert_eq!(run(&program, &seen), Ok(expected), "call {}", number);
            }
        }
    }
}

#[test]
fn a_table_that_is_too_large_for_the_kernel_is_an_error() {
    let rules =
        |value| vec![vec![Check { argument: 0, length: SeccompCmpArgLen::Qword, operator: SeccompCmpOp::Eq, value }; 6]; 40];
    let verdicts: Verdicts = (0..20).map(|number| (number, Said::Checks(rules(u64::from(number)), 1).verdict())).collect();
    assert!(matches!(assemble(Architecture::NATIVE, &verdicts), Err(BackendError::FilterTooLarge(_))));
}

#[test]
fn a_check_of_a_seventh_argument_and_a_rule_without_checks_are_errors() {
    let seventh = Check { argument: 6, length: SeccompCmpArgLen::Dword, operator: SeccompCmpOp::Eq, value: 0 };
    assert_eq!(rule(&[seventh]).unwrap_err(), BackendError::InvalidArgumentNumber);
    assert_eq!(rule(&[]).unwrap_err(), BackendError::EmptyRule);
}
