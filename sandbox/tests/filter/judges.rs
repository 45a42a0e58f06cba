//! Other compilers of the same tables: seccompiler whole, and libseccomp.

use crate::tables::holds;
use libc::sock_filter;
use sandbox::seccomp::{
    Architecture, Profile,
    compile::{self, Verdict},
    rule::{Check, When},
};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompFilter, TargetArch};
use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    path::Path,
    process::{Command, Stdio},
};

/// What seccompiler makes of it. It knows one errno per filter, EPERM here.
pub fn seccompiler(architecture: Architecture, profiles: &[&Profile]) -> Vec<sock_filter> {
    let rules = compile::verdicts(architecture, profiles).unwrap().into_iter().filter_map(|(number, verdict)| match verdict {
        Verdict::Allow => Some((i64::from(number), Vec::new())),
        Verdict::Rules(rules, _) => Some((i64::from(number), rules)),
        Verdict::Fail(_) => None,
    });
    let target = match architecture {
        Architecture::X86_64 => TargetArch::x86_64,
        Architecture::Aarch64 => TargetArch::aarch64,
    };
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules.collect(), refused, SeccompAction::Allow, target).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    program.into_iter().map(|one| sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect()
}

/// What libseccomp makes of it, and the names that it does not know; None, said loudly, where it is not installed.
///
/// Its default is ENOSYS, and so is what it answers where no rule of a call holds.
pub fn libseccomp(architecture: Architecture, profiles: &[&Profile]) -> Option<(Vec<sock_filter>, Vec<String>)> {
    let work = tempfile::tempdir().unwrap();
    let program = work.path().join("libseccomp");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filter/libseccomp.c");
    let built = Command::new("cc").arg("-o").arg(&program).arg(source).arg("-lseccomp").output();
    if !built.as_ref().is_ok_and(|built| built.status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: libseccomp is no judge here, install cc and Debian's `libseccomp-dev`: {built:?}"
        );
        return None;
    }
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script(architecture, profiles).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "libseccomp.c: {told}");
    let mut bytes = output.stdout.as_slice();
    let mut program = Vec::new();
    let mut one = [0; 8];
    while bytes.read_exact(&mut one).is_ok() {
        let [c0, c1, jt, jf, k @ ..] = one;
        program.push(sock_filter { code: u16::from_le_bytes([c0, c1]), jt, jf, k: u32::from_le_bytes(k) });
    }
    Some((program, told.lines().filter_map(|line| line.strip_prefix("unknown ").map(str::to_owned)).collect()))
}

/// The tables in libseccomp.c's words. A call that one line allows always gets no other word.
fn script(architecture: Architecture, profiles: &[&Profile]) -> String {
    let mut text = match architecture {
        Architecture::X86_64 => "x86_64\n".to_owned(),
        Architecture::Aarch64 => "aarch64\n".to_owned(),
    };
    let lines = || profiles.iter().flat_map(|profile| profile.lines);
    for call in sandbox::seccomp::call::KNOWN.iter().filter(|call| call.number(architecture).is_some()) {
        let of_it: Vec<_> = lines().filter(|line| line.calls.contains(call)).collect();
        if of_it.iter().any(|line| matches!(line.when, When::Always)) {
            writeln!(text, "allow {}", call.name).unwrap();
            continue;
        }
        let alternatives: Vec<_> =
            of_it.iter().filter_map(|line| if let When::Only(all, _) = line.when { Some(all) } else { None }).flatten().collect();
        for checks in &alternatives {
            for conditions in conditions(checks) {
                writeln!(text, "allow {}{conditions}", call.name).unwrap();
            }
        }
        // libseccomp takes no rule that says what its default says.
        let refused = of_it.first().map(|line| &line.when).filter(|_| alternatives.is_empty());
        if let Some(When::Never(errno)) = refused
            && *errno != libc::ENOSYS
        {
            writeln!(text, "fail {} {errno}", call.name).unwrap();
        }
    }
    text
}

/// libseccomp compares 64 bits, or some of them with a value; so 32 bits are masked, and short ranges written out. It takes
/// one condition per argument.
fn conditions(checks: &[Check]) -> Vec<String> {
    let mut all = vec![String::new()];
    for argument in 0..6 {
        let of_it: Vec<&Check> = checks.iter().filter(|check| check.argument == argument).collect();
        let written: Vec<String> = match of_it.as_slice() {
            [] => continue,
            [Check { operator: SeccompCmpOp::MaskedEq(mask), value, .. }] => vec![format!(" {argument} {mask} {value}")],
            [Check { operator: SeccompCmpOp::Eq, length, value, .. }] => {
                let mask = if *length == SeccompCmpArgLen::Dword { u64::from(u32::MAX) } else { u64::MAX };
                vec![format!(" {argument} {mask} {value}")]
            }
            range => {
                let inside = |value: &u64| range.iter().all(|check| holds(check, [*value; 6]));
                assert!(!(4096..8192).any(|value| inside(&value)), "a range that is too long to be written out");
                (0..4096).filter(inside).map(|value| format!(" {argument} {} {value}", u32::MAX)).collect()
            }
        };
        all = all.iter().flat_map(|before| written.iter().map(move |one| format!("{before}{one}"))).collect();
    }
    all
}
