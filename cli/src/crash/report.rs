//! What a minidump tells, as data: for people it is put into words, with `--json` it is written as it is.

use super::{
    build_id::BuildId,
    dump::{Crash, Dump},
    find::Found,
    registers::Machine,
    signal,
    symbols::{Elf, Place, Symbols, SymbolsError},
    unwind::{CRASHED_FRAMES_LIMIT, End, FRAMES_LIMIT, How, Loaded, Walker},
};
use serde::{Serialize, Serializer};
use std::{fmt, path::PathBuf};

/// A minidump with symbols.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which processor.
    pub machine: Machine,
    /// Why it ended.
    pub signal: Option<Signal>,
    /// The threads, the crashed one first.
    pub threads: Vec<Thread>,
    /// Threads that are not shown.
    pub more_threads: usize,
    /// Programs and libraries, by address.
    pub modules: Vec<Module>,
}

/// A signal in words.
#[derive(Debug, Serialize)]
pub struct Signal {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Why it came.
    pub code: i32,
    /// The code's name.
    pub code_name: Option<&'static str>,
    /// What the code means.
    pub meaning: Option<&'static str>,
    /// The address that failed.
    pub address: Option<Address>,
}

/// A thread.
#[derive(Debug, Serialize)]
pub struct Thread {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is the one that the signal was for.
    pub crashed: bool,
    /// What its registers held.
    pub registers: Vec<Register>,
    /// Its frames, the innermost first.
    pub frames: Vec<Frame>,
    /// Why there are no more.
    pub end: End,
}

/// A register.
#[derive(Debug, Serialize)]
pub struct Register {
    /// Its name.
    pub name: &'static str,
    /// What it held.
    pub value: Address,
}

/// A frame.
#[derive(Debug, Serialize)]
pub struct Frame {
    /// Where its function goes on.
    pub address: Address,
    /// How it was found.
    pub found_by: How,
    /// The module it is in.
    pub module: Option<String>,
    /// How far into the module.
    pub offset: Option<Address>,
    /// Where in the source: inlined functions first, the one that holds them last.
    pub places: Vec<Place>,
}

/// A module.
#[derive(Debug, Serialize)]
pub struct Module {
    /// Its path on the device.
    pub name: String,
    /// Where it begins.
    pub base: Address,
    /// Where it ends.
    pub end: Address,
    /// Which build.
    pub build_id: Option<BuildId>,
    /// Files with that build id.
    pub symbols: Vec<PathBuf>,
    /// Whether one of them has lines of the source.
    pub lines: bool,
    /// Whether a frame that is shown is in it.
    pub in_use: bool,
}

/// An address, which JSON's numbers cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Report {
    /// Puts a minidump and the files of its modules together.
    pub fn new(dump: &Dump<'_>, found: &[Found]) -> Result<Self, SymbolsError> {
        let elfs: Vec<Elf<'_>> = found.iter().map(|found| Elf::parse(&found.path, &found.bytes)).collect::<Result<_, _>>()?;
        let symbols: Vec<Symbols<'_>> = elfs.iter().map(Symbols::of).collect();
        let of_module = |module| found.iter().zip(&symbols).filter(move |(found, _)| found.module == module);
        let loaded = dump.modules.iter().enumerate().map(|(index, module)| Loaded {
            range: module.range.clone(),
            symbols: of_module(index).map(|(_, symbols)| symbols).collect(),
        });
        let walker = Walker { modules: loaded.collect(), executable: &dump.executable };

        let crashed = dump.crash.map(|crash| crash.thread);
        let mut threads: Vec<Thread> = dump.threads.iter().map(|one| thread(one, crashed, dump, &walker)).collect();
        threads.sort_by_key(|thread| !thread.crashed);
        let modules = dump.modules.iter().enumerate().map(|(index, module)| Module {
            name: module.name.clone(),
            base: Address(module.range.start),
            end: Address(module.range.end),
            build_id: module.build_id.clone(),
            symbols: of_module(index).map(|(found, _)| found.path.clone()).collect(),
            lines: of_module(index).any(|(_, symbols)| symbols.has_lines()),
            in_use: threads
                .iter()
                .flat_map(|thread| &thread.frames)
                .any(|frame| frame.module.is_some() && module.range.contains(&frame.address.0)),
        });
        let modules = modules.collect();
        let signal = dump.crash.as_ref().map(signal);
        Ok(Self { machine: dump.machine, signal, threads, more_threads: dump.more_threads, modules })
    }
}

fn signal(crash: &Crash) -> Signal {
    let (code_name, meaning) = signal::reason(crash).unzip();
    let address = signal::address(crash).map(Address);
    Signal { number: crash.signal, name: signal::name(crash.signal), code: crash.code, code_name, meaning, address }
}

fn thread(thread: &super::dump::Thread<'_>, crashed: Option<u32>, dump: &Dump<'_>, walker: &Walker<'_>) -> Thread {
    let crashed = crashed == Some(thread.id);
    let limit = if crashed { CRASHED_FRAMES_LIMIT } else { FRAMES_LIMIT };
    let (frames, end) = walker.walk(&thread.registers, &thread.stack, limit);
    let frames = frames.into_iter().map(|frame| {
        let module = dump.modules.iter().find(|module| module.range.contains(&frame.instruction));
        let places = walker.module(frame.instruction).map(|module| module.places(frame.instruction)).unwrap_or_default();
        Frame {
            address: Address(frame.address),
            found_by: frame.how,
            module: module.map(|module| module.name.clone()),
            offset: module.map(|module| Address(frame.address.wrapping_sub(module.range.start))),
            places,
        }
    });
    let registers = thread.registers.named().map(|(name, value)| Register { name, value: Address(value) }).collect();
    Thread { id: thread.id, name: thread.name.clone(), crashed, registers, frames: frames.collect(), end }
}
