//! What a processor held for a thread: registers, by DWARF's numbers, and a piece of its stack.

use gimli::{AArch64, Register, X86_64};
use scroll::{LE, Pread};
use serde::Serialize;

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Machine {
    /// 64-bit Intel and AMD.
    #[serde(rename = "x86-64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
}

/// Part of a stack.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stack<'a> {
    base: u64,
    bytes: &'a [u8],
}

impl<'a> Stack<'a> {
    /// These bytes from this address on.
    pub fn new(base: u64, bytes: &'a [u8]) -> Self {
        Self { base, bytes }
    }

    /// The eight bytes at an address.
    pub fn word(&self, address: u64) -> Option<u64> {
        self.bytes.pread_with(usize::try_from(address.checked_sub(self.base)?).ok()?, LE).ok()
    }
}

/// Registers by DWARF's numbers; [`Machine::counter`] is the program counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// Whose.
    pub machine: Machine,
    values: [Option<u64>; REGISTERS],
}

/// aarch64's program counter has the highest number that counts here.
const REGISTERS: usize = 33;

impl Machine {
    /// Where the program counter stands among [`Registers`].
    pub fn counter(self) -> Register {
        match self {
            Self::X86_64 => X86_64::RA,
            Self::Aarch64 => AArch64::PC,
        }
    }

    /// The stack pointer.
    pub fn stack_pointer(self) -> Register {
        match self {
            Self::X86_64 => X86_64::RSP,
            Self::Aarch64 => AArch64::SP,
        }
    }

    /// The register that compilers use as frame pointer.
    pub fn frame_pointer(self) -> Register {
        match self {
            Self::X86_64 => X86_64::RBP,
            Self::Aarch64 => AArch64::X29,
        }
    }

    /// Names as people know them, in the order in which they are shown.
    fn names(self) -> &'static [(&'static str, Register)] {
        match self {
            Self::X86_64 => &[
                ("rip", X86_64::RA),
                ("rsp", X86_64::RSP),
                ("rbp", X86_64::RBP),
                ("rax", X86_64::RAX),
                ("rbx", X86_64::RBX),
                ("rcx", X86_64::RCX),
                ("rdx", X86_64::RDX),
                ("rsi", X86_64::RSI),
                ("rdi", X86_64::RDI),
                ("r8", X86_64::R8),
                ("r9", X86_64::R9),
                ("r10", X86_64::R10),
                ("r11", X86_64::R11),
                ("r12", X86_64::R12),
                ("r13", X86_64::R13),
                ("r14", X86_64::R14),
                ("r15", X86_64::R15),
            ],
            Self::Aarch64 => &ARM,
        }
    }
}

macro_rules! arm {
    ($($number:literal)*) => {
        [("pc", AArch64::PC), ("sp", AArch64::SP) $(, (concat!("x", $number), Register($number)))*]
    };
}
const ARM: [(&str, Register); 33] = arm!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30);

impl Registers {
    /// None of them known.
    pub fn unknown(machine: Machine) -> Self {
        Self { machine, values: [None; REGISTERS] }
    }

    /// What a register held, if that is known.
    pub fn get(&self, register: Register) -> Option<u64> {
        self.values.get(usize::from(register.0)).copied().flatten()
    }

    /// Another value; registers that are not kept are not set.
    pub fn set(&mut self, register: Register, value: Option<u64>) {
        if let Some(place) = self.values.get_mut(usize::from(register.0)) {
            *place = value;
        }
    }

    /// The program counter.
    pub fn counter(&self) -> Option<u64> {
        self.get(self.machine.counter())
    }

    /// The stack pointer.
    pub fn stack_pointer(&self) -> Option<u64> {
        self.get(self.machine.stack_pointer())
    }

    /// All that are known, with the names that people know.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.machine.names().iter().filter_map(|(name, register)| Some((*name, self.get(*register)?)))
    }
}
