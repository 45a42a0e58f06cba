//! Call frame information: from a function's registers to its caller's, as `.eh_frame` says (DWARF 5, 6.4; LSB 10.6).
//!
//! gimli reads the tables; applying a row is done here, where each number is checked: registers and stack come from whoever
//! wrote the minidump. Whatever cannot be worked out is told as such: how a frame was found is part of the report.

use super::registers::{Machine, Registers, Stack};
use gimli::{
    AArch64, BaseAddresses, CfaRule, EhFrame, EhFrameOffset, Encoding, EndianSlice, Evaluation, EvaluationResult,
    FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Value,
    X86_64,
};
use std::ops::Range;

/// Bytes of a section.
pub type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The call frame information of a program. Addresses are those of its file.
#[derive(Debug)]
pub struct CallFrames<'a> {
    section: EhFrame<Slice<'a>>,
    bases: BaseAddresses,
    /// Which functions it covers, by address.
    functions: Vec<(Range<u64>, EhFrameOffset)>,
}

/// What there is above a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Its caller.
    Called(Registers),
    /// What a signal interrupted: it stands at an instruction that was not carried out, not behind a call.
    Interrupted(Registers),
    /// Nothing: this is the outermost.
    None,
}

impl<'a> CallFrames<'a> {
    /// Those of `.eh_frame`. What is wrong in it ends it: functions behind that are not covered.
    pub fn new(eh_frame: &'a [u8], bases: BaseAddresses) -> Self {
        let section = EhFrame::new(eh_frame, LittleEndian);
        let mut functions = Vec::new();
        let mut entries = section.entries(&bases);
        while let Ok(Some(entry)) = entries.next() {
            let gimli::CieOrFde::Fde(partial) = entry else { continue };
            let Ok(function) = partial.parse(EhFrame::cie_from_offset) else { continue };
            let start = function.initial_address();
            if let Some(end) = start.checked_add(function.len()) {
                functions.push((start..end, EhFrameOffset(function.offset())));
            }
        }
        functions.sort_by_key(|(range, _)| range.start);
        Self { section, bases, functions }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// What is above the frame with these registers, whose function has `address` in it. None where that is not known.
    pub fn caller(&self, address: u64, registers: &Registers, stack: &Stack<'_>) -> Option<Caller> {
        let function = self.function(address)?;
        let mut context = UnwindContext::new();
        let row = function.unwind_info_for_address(&self.section, &self.bases, &mut context, address).ok()?;
        let frame = Frame { frames: self, encoding: function.cie().encoding(), registers, stack };
        let canonical = frame.canonical(row.cfa())?;

        let mut above = kept_over_calls(registers);
        above.set(registers.machine.stack_pointer(), Some(canonical));
        for (register, rule) in row.registers() {
            above.set(*register, frame.apply(*register, rule, canonical));
        }
        let holds_return = function.cie().return_address_register();
        let returns_to = match row.register(holds_return) {
            Some(RegisterRule::Undefined) => return Some(Caller::None),
            // On aarch64 a function that calls nothing leaves it where it is.
            None | Some(RegisterRule::SameValue) => {
                if registers.machine == Machine::X86_64 {
                    return Some(Caller::None);
                }
                registers.get(holds_return)
            }
            Some(_) => above.get(holds_return),
        };
        above.set(registers.machine.counter(), Some(without_signature(registers.machine, returns_to?)));
        Some(if function.is_signal_trampoline() { Caller::Interrupted(above) } else { Caller::Called(above) })
    }

    fn function(&self, address: u64) -> Option<FrameDescriptionEntry<Slice<'a>>> {
        let behind = self.functions.partition_point(|(range, _)| range.start <= address);
        let (range, offset) = self.functions.get(..behind)?.last()?;
        if !range.contains(&address) {
            return None;
        }
        self.section.fde_from_offset(&self.bases, *offset, EhFrame::cie_from_offset).ok()
    }
}

/// Registers that a function leaves to its caller as they were: the others are lost with the frame.
fn kept_over_calls(registers: &Registers) -> Registers {
    let mut kept = Registers::unknown(registers.machine);
    let numbers = match registers.machine {
        Machine::X86_64 => [3..=3, 6..=6, 12..=15],
        Machine::Aarch64 => [19..=29, 29..=29, 29..=29],
    };
    for register in numbers.into_iter().flatten().map(Register) {
        kept.set(register, registers.get(register));
    }
    kept
}

/// Programs of aarch64 may sign return addresses in their upper bits, which no address of a program has.
pub fn without_signature(machine: Machine, address: u64) -> u64 {
    if machine == Machine::Aarch64 { address & (u64::MAX >> 16) } else { address }
}

/// A frame whose caller is looked for.
struct Frame<'a, 'f> {
    frames: &'f CallFrames<'a>,
    encoding: Encoding,
    registers: &'f Registers,
    stack: &'f Stack<'f>,
}

impl Frame<'_, '_> {
    /// The canonical frame address, which the places of all saved registers are counted from.
    fn canonical(&self, rule: &CfaRule<usize>) -> Option<u64> {
        match rule {
            CfaRule::RegisterAndOffset { register, offset } => self.registers.get(*register)?.checked_add_signed(*offset),
            CfaRule::Expression(expression) => self.evaluate(expression, None),
        }
    }

    /// What a register held in the caller.
    fn apply(&self, register: Register, rule: &RegisterRule<usize>, canonical: u64) -> Option<u64> {
        match rule {
            RegisterRule::SameValue => self.registers.get(register),
            RegisterRule::Offset(offset) => self.stack.word(canonical.checked_add_signed(*offset)?),
            RegisterRule::ValOffset(offset) => canonical.checked_add_signed(*offset),
            RegisterRule::Register(other) => self.registers.get(*other),
            RegisterRule::Expression(expression) => self.stack.word(self.evaluate(expression, Some(canonical))?),
            RegisterRule::ValExpression(expression) => self.evaluate(expression, Some(canonical)),
            _ => None,
        }
    }

    /// Works an expression out that needs nothing but registers and stack.
    fn evaluate(&self, expression: &UnwindExpression<usize>, initial: Option<u64>) -> Option<u64> {
        let expression = expression.get(&self.frames.section).ok()?;
        let mut evaluation = Evaluation::new(expression.0, self.encoding);
        evaluation.set_max_iterations(STEPS_LIMIT);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(self.registers.get(register)?)).ok()?
                }
                EvaluationResult::RequiresMemory { address, size: 8, space: None, .. } => {
                    evaluation.resume_with_memory(Value::Generic(self.stack.word(address)?)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result() {
            [piece] => match piece.location {
                Location::Address { address } => Some(address),
                Location::Value { value: Value::Generic(value) } => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Steps of an expression: those of compilers and C libraries have a dozen.
const STEPS_LIMIT: u32 = 1000;

/// The register that a call leaves its return address in, where there is one.
pub fn link_register(machine: Machine) -> Option<Register> {
    match machine {
        Machine::X86_64 => None,
        Machine::Aarch64 => Some(AArch64::X30),
    }
}

const _: () = assert!(X86_64::RA.0 == 16 && AArch64::PC.0 == 32);
