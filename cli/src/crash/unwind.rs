//! Walks a stack from the innermost frame outwards.
//!
//! Where a file with the module's build id has call frame information, callers are found by it. Elsewhere it is guessed,
//! and each frame says how: by what lies where a call would have left it, by the frame pointer, or by looking for anything
//! that could be a return address, which may be left over from calls that have returned. A guess has to point behind a
//! call instruction where the instructions are known.

use super::{
    cfi::{Caller, link_register, without_signature},
    registers::{Machine, Registers, Stack},
    symbols::{Place, Symbols},
};
use serde::Serialize;
use std::ops::Range;

/// Frames of the crashed thread.
pub const CRASHED_FRAMES_LIMIT: usize = 128;
/// Frames of another thread.
pub const FRAMES_LIMIT: usize = 32;
/// Words of a stack that are looked through for one return address.
const SCAN_LIMIT: u64 = 512;
const WORD: u64 = 8;
/// Bytes of the longest call instruction.
const CALL_LENGTH: usize = 7;

/// How a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// By the registers: the innermost frame.
    Registers,
    /// By call frame information.
    CallFrameInformation,
    /// By where a call leaves its return address, taking the function to have saved nothing yet.
    Call,
    /// By the frame pointer.
    FramePointer,
    /// By looking through the stack for anything that could be a return address.
    Scan,
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where its function goes on.
    pub address: u64,
    /// An address in the instruction that it stands at: of a call, the one before the return address.
    pub instruction: u64,
    /// How it was found.
    pub how: How,
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// At the outermost function.
    Outermost,
    /// Nothing on the stack looks like a caller.
    Lost,
    /// There are more frames than are shown.
    Limit,
}

/// A module, and the files that have its build id.
pub struct Loaded<'a> {
    /// Where it lies.
    pub range: Range<u64>,
    /// What is known of it.
    pub symbols: Vec<&'a Symbols<'a>>,
}

/// What a stack is walked by.
pub struct Walker<'a> {
    /// The modules.
    pub modules: Vec<Loaded<'a>>,
    /// What could be executed; nothing where that is not known.
    pub executable: &'a [Range<u64>],
}

impl<'a> Loaded<'a> {
    fn in_file(&self, symbols: &Symbols<'_>, address: u64) -> u64 {
        (address - self.range.start).saturating_add(symbols.base)
    }

    /// Where in the source an address of it is.
    pub fn places(&self, address: u64) -> Vec<Place> {
        let of = |symbols: &&'a Symbols<'a>| symbols.places(self.in_file(symbols, address));
        let with_lines = self.symbols.iter().filter(|symbols| symbols.has_lines()).map(of).find(|places| !places.is_empty());
        with_lines.or_else(|| self.symbols.iter().map(of).find(|places| !places.is_empty())).unwrap_or_default()
    }

    fn function(&self, address: u64) -> Option<String> {
        self.symbols.iter().find_map(|symbols| symbols.function(self.in_file(symbols, address)))
    }

    fn caller(&self, address: u64, registers: &Registers, stack: &Stack<'_>) -> Option<Caller> {
        self.symbols.iter().find_map(|symbols| symbols.frames.caller(self.in_file(symbols, address), registers, stack))
    }

    /// Whether a call stands before an address; none where the instructions are not known.
    fn is_behind_call(&self, machine: Machine, address: u64) -> Option<bool> {
        let symbols = self.symbols.iter().find(|symbols| symbols.has_code())?;
        let before = symbols.code_before(self.in_file(symbols, address), CALL_LENGTH).unwrap_or_default();
        Some(ends_with_call(machine, before))
    }
}

impl<'a> Walker<'a> {
    /// The module that an address is in.
    pub fn module(&self, address: u64) -> Option<&Loaded<'a>> {
        self.modules.iter().find(|module| module.range.contains(&address))
    }

    /// The frames of a thread, at most so many, the innermost first.
    pub fn walk(&self, registers: &Registers, stack: &Stack<'_>, limit: usize) -> (Vec<Frame>, End) {
        let Some(address) = registers.counter() else { return (Vec::new(), End::Lost) };
        let mut frames = vec![Frame { address, instruction: address, how: How::Registers }];
        let mut registers = *registers;
        while let Some(inner) = frames.last().copied() {
            if frames.len() >= limit {
                return (frames, End::Limit);
            }
            match self.above(&inner, &registers, stack) {
                Ok((outer, above)) => {
                    frames.push(outer);
                    registers = above;
                }
                Err(end) => return (frames, end),
            }
        }
        (frames, End::Lost)
    }

    fn above(&self, inner: &Frame, registers: &Registers, stack: &Stack<'_>) -> Result<(Frame, Registers), End> {
        let known = self.module(inner.instruction).and_then(|module| module.caller(inner.instruction, registers, stack));
        match known {
            Some(Caller::None) => return Err(End::Outermost),
            Some(Caller::Called(above)) if advances(registers, &above, inner.how == How::Registers) => {
                let address = above.counter().filter(|address| *address != 0).ok_or(End::Outermost)?;
                return Ok((called(address, How::CallFrameInformation), above));
            }
            Some(Caller::Interrupted(above)) => {
                let address = above.counter().ok_or(End::Lost)?;
                return Ok((Frame { address, instruction: address, how: How::CallFrameInformation }, above));
            }
            _ => {}
        }
        self.guess(inner, registers, stack).ok_or(End::Lost)
    }

    fn guess(&self, inner: &Frame, registers: &Registers, stack: &Stack<'_>) -> Option<(Frame, Registers)> {
        let from_call = || if inner.how == How::Registers { self.by_call(inner, registers, stack) } else { None };
        let by_pointer = || self.by_frame_pointer(registers, stack);
        from_call().or_else(by_pointer).or_else(|| self.by_scan(registers, stack))
    }

    /// Where a call leaves its return address: what a function finds before it does anything, and what is left of a call to
    /// an address that has no code.
    fn by_call(&self, inner: &Frame, registers: &Registers, stack: &Stack<'_>) -> Option<(Frame, Registers)> {
        let mut above = *registers;
        let pointer = registers.stack_pointer()?;
        let address = match link_register(registers.machine) {
            Some(link) => {
                above.set(link, None);
                without_signature(registers.machine, registers.get(link)?)
            }
            None => {
                above.set(registers.machine.stack_pointer(), Some(pointer.checked_add(WORD)?));
                stack.word(pointer)?
            }
        };
        // A function that has called another has its own return address elsewhere.
        let function = |address| self.module(address).and_then(|module| module.function(address));
        let elsewhere = function(address).is_some_and(|name| function(inner.instruction) == Some(name));
        let certain = self.module(address).is_some_and(|module| module.is_behind_call(registers.machine, address) == Some(true));
        if elsewhere || !certain {
            return None;
        }
        above.set(registers.machine.counter(), Some(address));
        Some((called(address, How::Call), above))
    }

    fn by_frame_pointer(&self, registers: &Registers, stack: &Stack<'_>) -> Option<(Frame, Registers)> {
        let machine = registers.machine;
        let pointer = registers.get(machine.frame_pointer())?;
        if !pointer.is_multiple_of(WORD) || registers.stack_pointer().is_none_or(|stack| pointer < stack) {
            return None;
        }
        let address = without_signature(machine, stack.word(pointer.checked_add(WORD)?)?);
        if !self.may_return_to(machine, address) {
            return None;
        }
        let mut above = Registers::unknown(machine);
        above.set(machine.frame_pointer(), stack.word(pointer));
        above.set(machine.stack_pointer(), Some(pointer.checked_add(2 * WORD)?));
        above.set(machine.counter(), Some(address));
        Some((called(address, How::FramePointer), above))
    }

    fn by_scan(&self, registers: &Registers, stack: &Stack<'_>) -> Option<(Frame, Registers)> {
        let machine = registers.machine;
        let from = registers.stack_pointer()?.checked_next_multiple_of(WORD)?;
        let places = (0..SCAN_LIMIT).map_while(|word| from.checked_add(word * WORD));
        let mut words = places.filter_map(|place| Some((place, without_signature(machine, stack.word(place)?))));
        let (place, address) = words.find(|(_, address)| self.may_return_to(machine, *address))?;
        let mut above = Registers::unknown(machine);
        let pointer = registers.get(machine.frame_pointer()).filter(|pointer| *pointer > place);
        above.set(machine.frame_pointer(), pointer);
        above.set(machine.stack_pointer(), Some(place.checked_add(WORD)?));
        above.set(machine.counter(), Some(address));
        Some((called(address, How::Scan), above))
    }

    fn may_return_to(&self, machine: Machine, address: u64) -> bool {
        let Some(instruction) = address.checked_sub(1) else { return false };
        let executable = self.executable.is_empty() || self.executable.iter().any(|range| range.contains(&instruction));
        let module = self.module(instruction).filter(|_| executable);
        module.is_some_and(|module| module.is_behind_call(machine, address).unwrap_or(true))
    }
}

/// A frame that called another.
fn called(address: u64, how: How) -> Frame {
    Frame { address, instruction: address.saturating_sub(1), how }
}

/// Whether a caller's stack lies above: only the innermost function of a processor with a link register may have none.
fn advances(inner: &Registers, outer: &Registers, innermost: bool) -> bool {
    let (Some(below), Some(above)) = (inner.stack_pointer(), outer.stack_pointer()) else { return false };
    above > below || (innermost && above == below && inner.machine == Machine::Aarch64)
}

/// Whether the last of these instructions is a call.
fn ends_with_call(machine: Machine, before: &[u8]) -> bool {
    match machine {
        Machine::X86_64 => {
            let relative = before.len() >= 5 && before.get(before.len() - 5) == Some(&0xe8);
            relative || (2..=before.len()).any(|length| before.get(before.len() - length..).is_some_and(is_indirect_call))
        }
        // BL, BLR, and BLR with the address's signature checked.
        Machine::Aarch64 => before.last_chunk().is_some_and(|word| {
            let word = u32::from_le_bytes(*word);
            word & 0xfc00_0000 == 0x9400_0000 || word & 0xfeff_f000 == 0xd63f_0000
        }),
    }
}

/// `FF /2` with exactly the bytes that its ModRM byte asks for (Intel's manual, volume 2, 2.1.5).
fn is_indirect_call(bytes: &[u8]) -> bool {
    let [0xff, modrm, rest @ ..] = bytes else { return false };
    let (mode, operation, operand) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
    let index = usize::from(mode < 3 && operand == 4);
    let displacement = match (mode, operand) {
        (0, 5) | (2, _) => 4,
        (0, 4) if rest.first().is_some_and(|index| index & 7 == 5) => 4,
        (1, _) => 1,
        _ => 0,
    };
    operation == 2 && rest.len() == index + displacement
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimli::X86_64;

    #[test]
    fn calls_are_told_from_other_instructions() {
        let call = |bytes: &[u8]| ends_with_call(Machine::X86_64, bytes);
        // call rel32; call *%rax; call *8(%rbx); call *x(%rip); call *(%rax,%rbx,8); call *0x1000(%rsp)
        for bytes in [
            &[0x90, 0x90, 0xe8, 1, 2, 3, 4][..],
            &[0x90, 0xff, 0xd0],
            &[0xff, 0x53, 0x08],
            &[0x90, 0xff, 0x15, 1, 2, 3, 4],
            &[0xff, 0x14, 0xd8],
            &[0xff, 0x94, 0x24, 0, 0x10, 0, 0],
        ] {
            assert!(call(bytes), "{bytes:x?}");
        }
        // jmp *%rax; push; nothing; a call that has ended before.
        for bytes in [&[0x90, 0xff, 0xe0][..], &[0xff, 0x30], &[], &[0xe8, 1, 2, 3, 4, 0x90], &[0xff, 0xd0, 0x90]] {
            assert!(!call(bytes), "{bytes:x?}");
        }
        let word = |word: u32| ends_with_call(Machine::Aarch64, &word.to_le_bytes());
        assert!(word(0x9400_0010) && word(0xd63f_0100) && word(0xd73f_0911), "bl, blr x8, blraa x8, x17");
        assert!(!word(0x1400_0010) && !word(0xd61f_0100) && !word(0xd65f_03c0), "b, br x8, ret");
    }

    #[test]
    fn without_symbols_frame_pointers_are_followed_and_then_the_stack_is_looked_through() {
        let walker = Walker {
            modules: vec![Loaded { range: 0x1000..0x3000, symbols: vec![] }],
            executable: &[Range { start: 0x1000, end: 0x2000 }],
        };
        // A frame whose pointer leads on, and one whose does not; 0x2500 is in the module and no code.
        let words: [u64; 8] = [0, 0x7030, 0x1500, 0x2500, 0, 0x1600, 1, 0x1700];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let stack = Stack::new(0x7000, &bytes);
        let mut registers = Registers::unknown(Machine::X86_64);
        for (register, value) in [(X86_64::RA, 0x1234), (X86_64::RSP, 0x7000), (X86_64::RBP, 0x7008)] {
            registers.set(register, Some(value));
        }
        let (frames, end) = walker.walk(&registers, &stack, 10);
        let found: Vec<(u64, How)> = frames.iter().map(|frame| (frame.address, frame.how)).collect();
        let expected = [(0x1234, How::Registers), (0x1500, How::FramePointer), (0x1700, How::FramePointer)];
        assert_eq!((found.as_slice(), end), (&expected[..], End::Lost));
        registers.set(X86_64::RBP, Some(0));
        let (frames, _) = walker.walk(&registers, &stack, 10);
        let found: Vec<(u64, How)> = frames.iter().map(|frame| (frame.address, frame.how)).collect();
        assert_eq!(found, [(0x1234, How::Registers), (0x1500, How::Scan), (0x1600, How::Scan), (0x1700, How::Scan)]);
        assert_eq!(walker.walk(&registers, &stack, 2).1, End::Limit);
    }
}
