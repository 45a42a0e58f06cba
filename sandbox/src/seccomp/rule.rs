//! What a line of a system call profile is.
//!
//! Arguments are compared by seccompiler's conditions. The kernel takes most of them as `int`, while a filter sees 64 bits:
//! comparing all of those lets a caller slip by with a set high half (CVE-2019-10063). So every check here looks at the
//! low half alone ([`SeccompCmpArgLen::Dword`]), but for [`is_pointer`].

use super::call::Call;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// A named set of lines. A filter is made of several; what one of them allows is allowed.
#[derive(Debug)]
pub struct Profile {
    /// As policies and plans name it.
    pub name: &'static str,
    /// Who needs it, for what.
    pub purpose: &'static str,
    /// The lines.
    pub lines: &'static [Line],
}

/// Calls that are judged alike, and why. Made by [`allow`], [`allow_dangerous`] and [`refuse`], as which the tables' lines are read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Line {
    /// The calls.
    pub calls: &'static [Call],
    /// When they are allowed.
    pub when: When,
    /// Why. A line that nobody can give a reason for does not belong into a profile.
    pub reason: &'static str,
    /// For dangerous calls: what keeps the danger away.
    pub justification: Option<&'static str>,
}

impl Line {
    /// Its checks: all of one alternative must hold.
    pub fn alternatives(&self) -> &'static [&'static [Check]] {
        if let When::Only(alternatives, _) = self.when { alternatives } else { &[] }
    }

    /// Whether it allows its calls with these arguments.
    pub fn allows(&self, arguments: &[u64; 6]) -> bool {
        let holds = |checks: &&[Check]| checks.iter().all(|check| check.holds(arguments));
        matches!(self.when, When::Always) || self.alternatives().iter().any(holds)
    }
}

/// When a call is allowed.
#[derive(Debug)]
pub enum When {
    /// Always.
    Always,
    /// If all checks of one alternative hold; else it fails with this errno.
    Only(&'static [&'static [Check]], i32),
    /// Never: it fails with this errno. Another profile of the same filter may still allow it.
    Never(i32),
}

/// Allows calls none of which is dangerous.
pub const fn allow(calls: &'static [Call], when: When, reason: &'static str) -> Line {
    assert!(dangerous(calls) == 0, "a dangerous call needs a justification: safe \"…\"");
    Line { calls, when, reason, justification: None }
}

/// Allows calls each of which is dangerous, with what keeps the danger away.
///
/// Without it a line does not compile:
///
/// ```compile_fail,E0080
/// use sandbox::seccomp::{call, rule::{Line, When, allow}};
///
/// const LINE: Line = allow(&[call::mount], When::Always, "file systems");
/// ```
pub const fn allow_dangerous(calls: &'static [Call], when: When, reason: &'static str, justification: &'static str) -> Line {
    assert!(dangerous(calls) == calls.len(), "a harmless call needs no justification");
    Line { calls, when, reason, justification: Some(justification) }
}

/// Refuses calls with this errno.
pub const fn refuse(calls: &'static [Call], errno: i32, reason: &'static str) -> Line {
    Line { calls, when: When::Never(errno), reason, justification: None }
}

const fn dangerous(calls: &[Call]) -> usize {
    match calls {
        [] => 0,
        [first, rest @ ..] => first.dangerous as usize + dangerous(rest),
    }
}

/// Lines as the tables of profiles have them:
///
/// ```text
/// allow [CALL…] => REASON;
/// allow [CALL…] => REASON, safe JUSTIFICATION;
/// allow [CALL…] if [CHECK, …] [CHECK, …] … else ERRNO => REASON, safe JUSTIFICATION;
/// refuse [CALL…] else ERRNO => REASON;
/// ```
///
/// Checks between brackets must all hold, of several brackets one must. Before calls that only x86_64 has stands `x86_64`.
macro_rules! lines {
    (@calls [$($call:ident)*]) => { &[$($crate::seccomp::call::$call.expect_on_aarch64(true)),*] };
    (@calls x86_64 [$($call:ident)*]) => { &[$($crate::seccomp::call::$call.expect_on_aarch64(false)),*] };
    (@allow $calls:expr, () () $reason:literal ()) => {
        $crate::seccomp::rule::allow($calls, $crate::seccomp::rule::When::Always, $reason)
    };
    (@allow $calls:expr, () () $reason:literal ($safe:literal)) => {
        $crate::seccomp::rule::allow_dangerous($calls, $crate::seccomp::rule::When::Always, $reason, $safe)
    };
    (@allow $calls:expr, ($([$($check:expr),+])+) ($errno:expr) $reason:literal ($safe:literal)) => {
        $crate::seccomp::rule::allow_dangerous(
            $calls,
            $crate::seccomp::rule::When::Only(&[$(&[$($check),+]),+], $errno),
            $reason,
            $safe,
        )
    };
    (@refuse $calls:expr, () ($errno:expr) $reason:literal ()) => { $crate::seccomp::rule::refuse($calls, $errno, $reason) };
    ($($verb:ident $($only:ident)? [$($call:ident)*] $(if $([$($check:expr),+])+)? $(else $errno:expr)?
        => $reason:literal $(, safe $safe:literal)?;)+) => {
        &[$(lines!(@$verb lines!(@calls $($only)? [$($call)*]),
            ($($([$($check),+])+)?) ($($errno)?) $reason ($($safe)?))),+]
    };
}
pub(crate) use lines;

/// A check of one argument: seccompiler's condition as a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which argument, from 0.
    pub argument: u8,
    /// How much of it is looked at.
    pub length: SeccompCmpArgLen,
    /// How it is compared.
    pub operator: SeccompCmpOp,
    /// What with.
    pub value: u64,
}

impl Check {
    /// Whether it holds for these arguments.
    pub fn holds(&self, arguments: &[u64; 6]) -> bool {
        let whole = arguments.get(usize::from(self.argument)).copied().unwrap_or(0);
        let value = if self.length == SeccompCmpArgLen::Dword { whole & 0xffff_ffff } else { whole };
        match self.operator {
            SeccompCmpOp::Eq => value == self.value,
            SeccompCmpOp::Ge => value >= self.value,
            SeccompCmpOp::Le => value <= self.value,
            SeccompCmpOp::MaskedEq(mask) => value & mask == self.value,
            // No function below makes others.
            _ => false,
        }
    }
}

/// The argument, as an `int`, is `value`.
pub const fn is(argument: u8, value: u32) -> Check {
    low_half(argument, SeccompCmpOp::Eq, value)
}

/// The argument, as an unsigned `int`, is at most `value`.
pub const fn at_most(argument: u8, value: u32) -> Check {
    low_half(argument, SeccompCmpOp::Le, value)
}

/// The argument, as an unsigned `int`, is at least `value`.
pub const fn at_least(argument: u8, value: u32) -> Check {
    low_half(argument, SeccompCmpOp::Ge, value)
}

/// None of these bits is set in the argument.
pub const fn without(argument: u8, bits: u32) -> Check {
    masked(argument, bits, 0)
}

/// Of the argument, these bits have this value.
pub const fn masked(argument: u8, mask: u32, value: u32) -> Check {
    low_half(argument, SeccompCmpOp::MaskedEq(mask as u64), value)
}

/// The argument, all 64 bits of it, is `value`.
pub const fn is_pointer(argument: u8, value: u64) -> Check {
    Check { argument, length: SeccompCmpArgLen::Qword, operator: SeccompCmpOp::Eq, value }
}

const fn low_half(argument: u8, operator: SeccompCmpOp, value: u32) -> Check {
    Check { argument, length: SeccompCmpArgLen::Dword, operator, value: value as u64 }
}

/// The rule that holds where all checks hold. An error if there are none, or one is of an argument that no call has.
pub fn rule(checks: &[Check]) -> Result<SeccompRule, BackendError> {
    let condition = |c: &Check| SeccompCondition::new(c.argument, c.length.clone(), c.operator.clone(), c.value);
    SeccompRule::new(checks.iter().map(condition).collect::<Result<_, _>>()?)
}
