//! Profiles → what is said to each call → one classic BPF program (seccomp(2), Documentation/userspace-api/seccomp_filter.rst).
//!
//! The kernel runs a new filter once per call number to learn which calls it always allows, and never again for those.
//! So what a filter costs is its load, and a balanced tree over ranges of numbers loads several times faster than the
//! chain that seccompiler would make. Its rules and its compiler of conditions are used for the arguments:
//!
//! | from start to end | |
//! | --- | --- |
//! | foreign architecture, x32 table | the process is killed |
//! | tree over ranges of call numbers | leads to one of the following |
//! | answers | allowed, or failed with an errno |
//! | blocks | for each set of rules: rule 1 → allowed, rule 2 → allowed, …, failed |

use super::{
    call::{Architecture, Call},
    program::{ARCHITECTURE, NUMBER, Place, Program},
    rule::{Profile, When, rule},
};
use crate::denials;
use libc::sock_filter;
use seccompiler::{BackendError, BpfProgram, SeccompRule};
use std::collections::BTreeMap;

/// A compiled filter, ready to be loaded.
#[derive(Clone)]
pub struct Filter {
    /// The program.
    pub program: Vec<sock_filter>,
}

impl Filter {
    /// The same filter, but for what it refuses with an errno of [`denials::TOLD`]: that it has told, and its holder answers.
    pub fn telling(mut self) -> Self {
        let told = denials::TOLD.map(failure);
        for one in self.program.iter_mut().filter(|one| u32::from(one.code) == libc::BPF_RET && told.contains(&one.k)) {
            one.k = libc::SECCOMP_RET_USER_NOTIF;
        }
        self
    }
}

/// What the filter says to one call number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed.
    Allow,
    /// Fails with this errno.
    Fail(i32),
    /// Allowed if one of these rules holds, else fails with this errno.
    Rules(Vec<SeccompRule>, i32),
}

/// Verdicts by call number.
pub type Verdicts = BTreeMap<u32, Verdict>;

/// What nobody has judged: libraries take ENOSYS as "not in this kernel" and use an older call.
const UNKNOWN: Verdict = Verdict::Fail(libc::ENOSYS);

/// Numbers from here on are the x32 table on x86_64, and nothing elsewhere.
pub const X32: u32 = 0x4000_0000;

/// Most instructions that the kernel takes (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// A filter that allows what these profiles allow, and besides each call of `extra` if its rule holds.
pub fn compile(architecture: Architecture, profiles: &[&Profile], extra: &[(Call, SeccompRule)]) -> Result<Filter, BackendError> {
    let mut verdicts = verdicts(architecture, profiles)?;
    for (call, rule) in extra {
        if let Some(number) = call.number(architecture) {
            merge(&mut verdicts, number, Verdict::Rules(vec![rule.clone()], libc::EPERM));
        }
    }
    assemble(architecture, &verdicts)
}

/// Each call's verdict: what one profile allows is allowed; rules add up; a refusal is the weakest word.
pub fn verdicts(architecture: Architecture, profiles: &[&Profile]) -> Result<Verdicts, BackendError> {
    let mut verdicts = Verdicts::new();
    for line in profiles.iter().flat_map(|profile| profile.lines) {
        let verdict = match &line.when {
            When::Always => Verdict::Allow,
            When::Never(errno) => Verdict::Fail(*errno),
            When::Only(alternatives, errno) => {
                Verdict::Rules(alternatives.iter().map(|checks| rule(checks)).collect::<Result<_, _>>()?, *errno)
            }
        };
        for number in line.calls.iter().filter_map(|call| call.number(architecture)) {
            merge(&mut verdicts, number, verdict.clone());
        }
    }
    Ok(verdicts)
}

fn merge(verdicts: &mut Verdicts, number: u32, new: Verdict) {
    let merged = match (verdicts.remove(&number), new) {
        (None, new) => new,
        (Some(Verdict::Allow), _) | (Some(_), Verdict::Allow) => Verdict::Allow,
        (Some(Verdict::Rules(mut all, errno)), Verdict::Rules(more, _)) => {
            all.extend(more);
            Verdict::Rules(all, errno)
        }
        (Some(rules @ Verdict::Rules(..)), Verdict::Fail(_)) | (Some(Verdict::Fail(_)), rules @ Verdict::Rules(..)) => rules,
        (Some(first @ Verdict::Fail(_)), Verdict::Fail(_)) => first,
    };
    verdicts.insert(number, merged);
}

/// The program that says these verdicts, ENOSYS to every other number, and kills whoever comes by another table.
pub fn assemble(architecture: Architecture, verdicts: &Verdicts) -> Result<Filter, BackendError> {
    let mut program = Program::default();
    let ranges = place(&mut program, ranges(verdicts));
    let tree = tree(&mut program, &ranges);
    let kill = program.answer(libc::SECCOMP_RET_KILL_PROCESS);
    program.branch(libc::BPF_JGE, X32, kill, tree);
    let number = program.load(NUMBER);
    program.branch(libc::BPF_JEQ, architecture.audit(), number, kill);
    program.load(ARCHITECTURE);
    let program = program.finish();
    if program.len() > LONGEST { Err(BackendError::FilterTooLarge(program.len())) } else { Ok(Filter { program }) }
}

/// The verdicts as ranges, each from its first number to the next range's, covering all numbers from 0.
fn ranges(verdicts: &Verdicts) -> Vec<(u32, Verdict)> {
    let mut ranges = vec![(0, UNKNOWN)];
    let mut add = |start: u32, verdict: &Verdict| {
        if ranges.last().is_some_and(|(last, _)| *last == start) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, last)| last != verdict) {
            ranges.push((start, verdict.clone()));
        }
    };
    for (number, verdict) in verdicts.range(..X32) {
        add(*number, verdict);
        add(number + 1, &UNKNOWN);
    }
    ranges
}

/// Writes each different verdict once: blocks to the end of the program, and plain answers before them, where the tree
/// reaches them by a jump of its own.
fn place(program: &mut Program, ranges: Vec<(u32, Verdict)>) -> Vec<(u32, Place)> {
    let mut different: Vec<&Verdict> = Vec::new();
    for (_, verdict) in &ranges {
        if !different.contains(&verdict) {
            different.push(verdict);
        }
    }
    different.sort_by_key(|verdict| !matches!(verdict, Verdict::Rules(..)));
    let placed: Vec<(&Verdict, Place)> = different.into_iter().map(|verdict| (verdict, write(program, verdict))).collect();
    let place_of = |verdict: &Verdict| placed.iter().find(|(known, _)| *known == verdict).map(|(_, place)| *place);
    ranges.iter().filter_map(|(start, verdict)| Some((*start, place_of(verdict)?))).collect()
}

fn write(program: &mut Program, verdict: &Verdict) -> Place {
    match verdict {
        Verdict::Allow => program.answer(libc::SECCOMP_RET_ALLOW),
        Verdict::Fail(errno) => program.answer(failure(*errno)),
        Verdict::Rules(rules, errno) => block(program, rules, *errno),
    }
}

/// Rule by rule: seccompiler's code goes on with the next instruction where the rule holds, and else jumps over it.
fn block(program: &mut Program, rules: &[SeccompRule], errno: i32) -> Place {
    let codes: Vec<BpfProgram> = rules.iter().map(|rule| entered(rule.clone().into())).collect();
    let mut start = program.answer(failure(errno));
    for (at, code) in codes.iter().enumerate().rev() {
        program.answer(libc::SECCOMP_RET_ALLOW);
        // Behind a rule that only loaded and compared, what it loaded is still there.
        let before = at.checked_sub(1).and_then(|before| codes.get(before)).map(Vec::as_slice);
        let loaded = matches!((before, code.first()), (Some([load, _]), Some(first)) if load == first);
        for one in code.iter().skip(usize::from(loaded)).rev() {
            start = program.push(sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k });
        }
    }
    start
}

/// A rule's code without the two jumps at its start, the first of which leads over the second, which nothing leads to.
fn entered(mut code: BpfProgram) -> BpfProgram {
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
    if matches!(code.as_slice(), [first, second, ..] if (first.code, first.k, second.code) == (JUMP, 1, JUMP)) {
        code.drain(..2);
    }
    code
}

fn failure(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
}

/// A balanced tree of comparisons over the ranges; the accumulator holds the number.
fn tree(program: &mut Program, ranges: &[(u32, Place)]) -> Place {
    let (left, right) = ranges.split_at(ranges.len() / 2);
    match (left, right) {
        ([], [(_, place), ..]) => *place,
        (left, [(middle, _), ..]) => {
            let above = tree(program, right);
            let below = tree(program, left);
            program.branch(libc::BPF_JGE, *middle, above, below)
        }
        (_, []) => program.answer(failure(libc::ENOSYS)),
    }
}
