//! The notes of a core file: threads, signal, mapped files, auxiliary vector, name.
//!
//! Layouts: elf_prstatus and elf_prpsinfo (include/linux/elfcore.h), siginfo_t (sigaction(2)), NT_FILE (fs/binfmt_elf.c,
//! fill_files_note). A note that is too short for its kind is as good as none; of a kind that comes once, the first counts.

use crate::core_file::Machine;
use object::{LittleEndian, elf, elf::FileHeader64, read::elf::NoteIterator};
use scroll::{LE, Pread};

/// Threads that a report holds, the crashed one first.
pub const THREADS_LIMIT: usize = 64;
/// Mapped files that are read, a row for each mapping.
pub const FILES_LIMIT: usize = 4096;
/// Bytes of the auxiliary vector: the kernel's has some twenty entries of 16.
pub const AUXV_LIMIT: usize = 1024;
/// Longest path that is kept, in characters.
pub const PATH_LIMIT: usize = 255;

/// What the notes say.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) threads: Vec<Thread>,
    pub(crate) signal: Option<Signal>,
    /// By address.
    pub(crate) files: Vec<MappedFile>,
    pub(crate) auxv: Vec<u8>,
    pub(crate) process: Option<Process>,
}

/// A thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) id: u32,
    /// What it was about to be told.
    pub(crate) signal: u32,
    pub(crate) registers: Registers,
    /// Where its control block is: C libraries lay it at the top of the stack that they make for a thread.
    pub(crate) pointer: Option<u64>,
}

/// What the processor held for it.
#[derive(Debug)]
pub(crate) enum Registers {
    /// user_regs_struct (arch/x86/include/asm/user_64.h).
    X86_64([u64; 27]),
    /// user_pt_regs (arch/arm64/include/uapi/asm/ptrace.h): x0 to x30, sp, pc, pstate.
    Aarch64([u64; 34]),
}

impl Registers {
    pub(crate) fn stack_pointer(&self) -> u64 {
        match self {
            Self::X86_64([.., pointer, _, _, _, _, _, _, _]) => *pointer,
            Self::Aarch64([.., pointer, _, _]) => *pointer,
        }
    }

    /// What points at the thread's control block, where these registers have it: fs_base.
    fn thread_pointer(&self) -> Option<u64> {
        match self {
            Self::X86_64([.., base, _, _, _, _, _]) => Some(*base),
            Self::Aarch64(_) => None,
        }
    }
}

/// Why the process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signal {
    pub(crate) number: u32,
    pub(crate) code: u32,
    /// Which access failed; 0 for a signal that no access caused.
    pub(crate) address: u64,
}

/// A mapping of a file.
#[derive(Debug, Clone)]
pub(crate) struct MappedFile {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Offset in the file, in bytes.
    pub(crate) offset: u64,
    pub(crate) path: String,
}

/// The process, by its first thread.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) name: String,
}

impl Notes {
    pub(crate) fn read(machine: Machine, bytes: &[u8]) -> Self {
        let mut notes = Self::default();
        let Ok(all) = NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, 4, bytes) else { return notes };
        for note in all.map_while(Result::ok) {
            let data = note.desc();
            match note.n_type(LittleEndian) {
                // Behind the registers of the thread that it belongs to.
                elf::NT_ARM_TLS if note.name() == b"LINUX" && machine == Machine::Aarch64 => {
                    if let Some(thread) = notes.threads.last_mut() {
                        thread.pointer = data.pread_with(0, LE).ok();
                    }
                }
                _ if note.name() != b"CORE" => {}
                elf::NT_PRSTATUS if notes.threads.len() < THREADS_LIMIT => notes.threads.extend(thread(machine, data)),
                elf::NT_SIGINFO if notes.signal.is_none() => notes.signal = signal(data),
                elf::NT_FILE if notes.files.is_empty() => notes.files = files(data).unwrap_or_default(),
                elf::NT_AUXV if notes.auxv.is_empty() => notes.auxv = data.iter().take(AUXV_LIMIT).copied().collect(),
                elf::NT_PRPSINFO if notes.process.is_none() => notes.process = process(data),
                _ => {}
            }
        }
        notes
    }
}

fn thread(machine: Machine, data: &[u8]) -> Option<Thread> {
    const REGISTERS: usize = 112;
    let registers = match machine {
        Machine::X86_64 => Registers::X86_64(data.pread_with(REGISTERS, LE).ok()?),
        Machine::Aarch64 => Registers::Aarch64(data.pread_with(REGISTERS, LE).ok()?),
    };
    let signal: u16 = data.pread_with(12, LE).ok()?;
    let pointer = registers.thread_pointer();
    Some(Thread { id: data.pread_with(32, LE).ok()?, signal: signal.into(), registers, pointer })
}

fn signal(data: &[u8]) -> Option<Signal> {
    let number: u32 = data.pread_with(0, LE).ok()?;
    let code: u32 = data.pread_with(8, LE).ok()?;
    // SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV that the kernel sent: their code is positive, and who sent it no address.
    let is_fault = [4, 5, 7, 8, 11].contains(&number) && (1..0x8000_0000).contains(&code);
    let address = if is_fault { data.pread_with(16, LE).ok()? } else { 0 };
    Some(Signal { number, code, address })
}

fn files(data: &[u8]) -> Option<Vec<MappedFile>> {
    let count: u64 = data.pread_with(0, LE).ok()?;
    let page: u64 = data.pread_with(8, LE).ok()?;
    let rows = data.get(16..)?;
    let names = rows.get(usize::try_from(count).ok()?.checked_mul(24)?..)?;
    let mut found = Vec::new();
    for (row, name) in
        rows.chunks_exact(24).zip(names.split(|byte| *byte == 0)).take(usize::try_from(count).ok()?.min(FILES_LIMIT))
    {
        let [start, end, offset]: [u64; 3] = row.pread_with(0, LE).ok()?;
        if start < end {
            found.push(MappedFile { start, end, offset: offset.saturating_mul(page), path: shown(name, PATH_LIMIT) });
        }
    }
    // They come as the program headers do: by what is dumped of them.
    found.sort_by_key(|file| file.start);
    Some(found)
}

fn process(data: &[u8]) -> Option<Process> {
    const NAME: std::ops::Range<usize> = 40..56;
    let name = data.get(NAME)?.split(|byte| *byte == 0).next()?;
    Some(Process { id: data.pread_with(24, LE).ok()?, name: shown(name, NAME.len()) })
}

/// A text that an app chose, on one line.
fn shown(text: &[u8], limit: usize) -> String {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(text.get(..limit * 4).unwrap_or(text)).chars().take(limit).map(visible).collect()
}
