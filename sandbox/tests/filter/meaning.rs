//! What a check says, in plain arithmetic: what the compiler's programs are held against, here and in the fuzz target.

use sandbox::seccomp::rule::Check;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp};

/// Whether these arguments of a call satisfy the check.
pub fn holds(check: &Check, arguments: [u64; 6]) -> bool {
    let mask = if check.length == SeccompCmpArgLen::Dword { 0xffff_ffff } else { u64::MAX };
    let (value, with) = (arguments[usize::from(check.argument)] & mask, check.value & mask);
    match check.operator {
        SeccompCmpOp::Eq => value == with,
        SeccompCmpOp::Ne => value != with,
        SeccompCmpOp::Ge => value >= with,
        SeccompCmpOp::Gt => value > with,
        SeccompCmpOp::Le => value <= with,
        SeccompCmpOp::Lt => value < with,
        SeccompCmpOp::MaskedEq(bits) => value & bits == with & bits,
    }
}
