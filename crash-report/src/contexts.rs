//! Registers as minidumps have them. Those of vectors and floating point stay behind: a copied secret may be in them, and no
//! stack is walked by them.

use minidump_common::format::{CONTEXT_AMD64, CONTEXT_ARM64, ContextFlagsAmd64, ContextFlagsArm64};

pub(crate) fn amd64(registers: &[u64; 27]) -> CONTEXT_AMD64 {
    let [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        _orig_rax,
        rip,
        cs,
        eflags,
        rsp,
        ss,
        _fs_base,
        _gs_base,
        ds,
        es,
        fs,
        gs,
    ] = *registers;
    let kept = ContextFlagsAmd64::CONTEXT_AMD64_CONTROL
        | ContextFlagsAmd64::CONTEXT_AMD64_INTEGER
        | ContextFlagsAmd64::CONTEXT_AMD64_SEGMENTS;
    CONTEXT_AMD64 {
        context_flags: kept.bits(),
        cs: low16(cs),
        ds: low16(ds),
        es: low16(es),
        fs: low16(fs),
        gs: low16(gs),
        ss: low16(ss),
        eflags: low32(eflags),
        rax,
        rcx,
        rdx,
        rbx,
        rsp,
        rbp,
        rsi,
        rdi,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        ..CONTEXT_AMD64::default()
    }
}

pub(crate) fn arm64(registers: &[u64; 34]) -> CONTEXT_ARM64 {
    let [general @ .., sp, pc, pstate] = *registers;
    let kept = ContextFlagsArm64::CONTEXT_ARM64_CONTROL
        | ContextFlagsArm64::CONTEXT_ARM64_INTEGER
        | ContextFlagsArm64::CONTEXT_ARM64_X18;
    CONTEXT_ARM64 { context_flags: kept.bits(), cpsr: low32(pstate), iregs: general, sp, pc, ..CONTEXT_ARM64::default() }
}

fn low32(register: u64) -> u32 {
    (register & u64::from(u32::MAX)) as u32
}

fn low16(register: u64) -> u16 {
    (register & u64::from(u16::MAX)) as u16
}
