//! Runs a filter as the kernel would (Documentation/networking/filter.rst, kernel/seccomp.c): the judge of the compiler.
//!
//! Written without a look at it, and shared with the fuzz target. What no compiler compared here emits is a fault.

use libc::sock_filter;

/// A call as a filter sees it: struct seccomp_data without the instruction pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub number: u32,
    /// AUDIT_ARCH_*.
    pub architecture: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// Why the kernel would not have taken the program.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A jump, or the last instruction, leads past the end.
    PastTheEnd,
    /// Not 32 bits of struct seccomp_data.
    Load(u32),
    /// An instruction that is not known here.
    Instruction(u16),
}

/// What the program answers.
pub fn run(program: &[sock_filter], seen: &Seen) -> Result<u32, Fault> {
    let mut accumulator = 0u32;
    let mut at = 0usize;
    loop {
        let one = program.get(at).ok_or(Fault::PastTheEnd)?;
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { one.jt } else { one.jf });
        match one.code {
            LOAD => accumulator = load(seen, one.k)?,
            AND => accumulator &= one.k,
            JUMP => at += one.k as usize,
            IF_EQUAL => branch(accumulator == one.k),
            IF_GREATER => branch(accumulator > one.k),
            IF_NOT_LESS => branch(accumulator >= one.k),
            IF_ANY_BIT => branch(accumulator & one.k != 0),
            RETURN => return Ok(one.k),
            other => return Err(Fault::Instruction(other)),
        }
    }
}

/// BPF_LD|BPF_W|BPF_ABS and so on, by their numbers in include/uapi/linux/bpf_common.h.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_NOT_LESS: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// A word of struct seccomp_data on a little-endian machine: number, architecture, instruction pointer, arguments.
fn load(seen: &Seen, offset: u32) -> Result<u32, Fault> {
    let word = offset as usize / 4;
    match (offset % 4, word) {
        (0, 0) => Ok(seen.number),
        (0, 1) => Ok(seen.architecture),
        (0, 4..16) => {
            let argument = seen.arguments[(word - 4) / 2];
            Ok(if word.is_multiple_of(2) { argument as u32 } else { (argument >> 32) as u32 })
        }
        _ => Err(Fault::Load(offset)),
    }
}
