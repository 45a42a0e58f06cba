//! An ELF core file as Linux 6.12 writes it (fs/binfmt_elf.c, core(5)): program headers, notes, memory.
//!
//! The kernel stops where RLIMIT_CORE ends, and an app may forge all of it. So every count and size has a limit here, and
//! what is missing at the end, or is nonsense, is left out as long as one thread's registers are there.

use crate::{
    memory::{Memory, Segment},
    notes::Notes,
    read_at::{ReadAt, read_up_to},
};
use object::{
    LittleEndian, elf,
    elf::{FileHeader64, ProgramHeader64},
    pod,
};
use std::io;

/// Program headers that are read. Each mapping has one, smallest first (kernel.core_sort_vma): a program with more threads
/// than a report holds has some hundred.
pub const PROGRAM_HEADERS_LIMIT: usize = 4096;
/// Bytes of notes that are read. The crashed thread's come first, then the mapped files, then a few KiB of each other thread.
pub const NOTES_LIMIT: usize = 1 << 20;

/// Why no minidump can be made of a core file.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Not what the kernel writes.
    #[error("the core file is no 64-bit little-endian ELF core")]
    NoCore,
    /// A processor that no device has.
    #[error("the core file is of a processor that is not known (ELF machine {0})")]
    Machine(u16),
    /// It ends before there is anything of use.
    #[error("the core file is cut before its notes")]
    Cut,
    /// Its notes are there, and no thread is in them.
    #[error("the core file's notes hold no thread's registers")]
    NoThread,
    /// The file cannot be read.
    #[error("cannot read the core file: {0}")]
    Read(#[from] io::Error),
    /// A fault of ours.
    #[error("cannot write the minidump: {0}")]
    Write(#[from] scroll::Error),
}

/// Whose registers the notes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

/// A core file, read as far as a minidump needs it.
pub(crate) struct Core<'a, R> {
    pub(crate) machine: Machine,
    pub(crate) notes: Notes,
    pub(crate) memory: Memory<'a, R>,
}

impl<'a, R: ReadAt> Core<'a, R> {
    pub(crate) fn read(file: &'a R) -> Result<Self, CoreError> {
        let (machine, headers) = headers(file)?;
        let note = headers.iter().find(|header| header.p_type.get(LittleEndian) == elf::PT_NOTE).ok_or(CoreError::Cut)?;
        let length = usize::try_from(note.p_filesz.get(LittleEndian)).unwrap_or(usize::MAX).min(NOTES_LIMIT);
        let notes = read_up_to(file, note.p_offset.get(LittleEndian), length)?;
        let cut = notes.len() < length;
        let notes = Notes::read(machine, &notes);
        if notes.threads.is_empty() {
            return Err(if cut { CoreError::Cut } else { CoreError::NoThread });
        }
        let segments = headers.iter().filter_map(segment).collect();
        Ok(Self { machine, notes, memory: Memory::new(file, segments) })
    }
}

fn headers(file: &impl ReadAt) -> Result<(Machine, Vec<ProgramHeader64<LittleEndian>>), CoreError> {
    let bytes = read_up_to(file, 0, size_of::<FileHeader64<LittleEndian>>())?;
    let (header, _) = pod::from_bytes::<FileHeader64<LittleEndian>>(&bytes).map_err(|()| CoreError::Cut)?;
    let ident = &header.e_ident;
    let is_core = ident.magic == elf::ELFMAG
        && (ident.class, ident.data) == (elf::ELFCLASS64, elf::ELFDATA2LSB)
        && header.e_type.get(LittleEndian) == elf::ET_CORE
        && usize::from(header.e_phentsize.get(LittleEndian)) == size_of::<ProgramHeader64<LittleEndian>>();
    if !is_core {
        return Err(CoreError::NoCore);
    }
    let machine = match header.e_machine.get(LittleEndian) {
        elf::EM_X86_64 => Machine::X86_64,
        elf::EM_AARCH64 => Machine::Aarch64,
        other => return Err(CoreError::Machine(other)),
    };
    // PN_XNUM, which stands for 65,535 or more, is beyond the limit like any other large number.
    let count = usize::from(header.e_phnum.get(LittleEndian)).min(PROGRAM_HEADERS_LIMIT);
    let size = size_of::<ProgramHeader64<LittleEndian>>();
    let bytes = read_up_to(file, header.e_phoff.get(LittleEndian), count * size)?;
    let (headers, _) = pod::slice_from_bytes(&bytes, bytes.len() / size).map_err(|()| CoreError::Cut)?;
    Ok((machine, headers.to_vec()))
}

fn segment(header: &ProgramHeader64<LittleEndian>) -> Option<Segment> {
    if header.p_type.get(LittleEndian) != elf::PT_LOAD {
        return None;
    }
    let (start, offset) = (header.p_vaddr.get(LittleEndian), header.p_offset.get(LittleEndian));
    let size = header.p_memsz.get(LittleEndian);
    let dumped = header.p_filesz.get(LittleEndian).min(size);
    Segment::new(start, size, offset, dumped, header.p_flags.get(LittleEndian))
}
