//! What a program file is: ELF for this platform or not, which loader and libraries it names.

use object::{
    LittleEndian as LE, elf,
    read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader},
};

/// The parts of an ELF file that decide whether and with what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path of the loader; absent for a static program.
    pub loader: Option<String>,
    /// Libraries by name, in the program's order.
    pub needed: Vec<String>,
    /// Folders the program wants its libraries looked up in (`DT_RUNPATH`, or `DT_RPATH` where that is absent).
    pub search: Vec<String>,
}

/// Why a file is no program for the device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// A script: the interpreter would have to be in the image and the app would have to be allowed to execute it.
    #[error(
        "is a script for {interpreter:?}; an entry point has to be an ELF program, because the kernel would start the interpreter instead of what was granted"
    )]
    Script {
        /// The line after `#!`.
        interpreter: String,
    },
    /// Not ELF.
    #[error("is not an ELF program{0}")]
    NotElf(&'static str),
    /// Another machine.
    #[error("is built for {found}, the device is {expected}")]
    Machine {
        /// What the file says.
        found: String,
        /// What is needed.
        expected: &'static str,
    },
    /// Neither program nor library.
    #[error("is an ELF file but no program (type {0}): an object file or a core dump")]
    Type(u16),
    /// Damaged.
    #[error("is a damaged ELF file: {0}")]
    Damaged(String),
}

/// Reads a program's or library's headers.
pub fn read(bytes: &[u8]) -> Result<Program, ElfError> {
    if let Some(rest) = bytes.strip_prefix(b"#!") {
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line.get(..line.len().min(128)).unwrap_or_default());
        return Err(ElfError::Script { interpreter: line.trim().to_owned() });
    }
    match bytes {
        [0x7f, b'E', b'L', b'F', elf::ELFCLASS32, ..] => return Err(machine("a 32-bit machine".into())),
        [0x7f, b'E', b'L', b'F', elf::ELFCLASS64, elf::ELFDATA2LSB, ..] => {}
        [0x7f, b'E', b'L', b'F', ..] => return Err(machine("a big-endian machine".into())),
        [b'M', b'Z', ..] => return Err(ElfError::NotElf(": it is a Windows program")),
        [] => return Err(ElfError::NotElf(": it is empty")),
        _ => return Err(ElfError::NotElf("")),
    }
    let damaged = |e: object::Error| ElfError::Damaged(e.to_string());
    let file = ElfFile64::<LE>::parse(bytes).map_err(damaged)?;
    let header = file.elf_header();
    let found = header.e_machine(LE);
    if found != elf::EM_X86_64 {
        return Err(machine(if found == elf::EM_AARCH64 { "aarch64".into() } else { format!("machine {found}") }));
    }
    if !matches!(header.e_type(LE), elf::ET_EXEC | elf::ET_DYN) {
        return Err(ElfError::Type(header.e_type(LE)));
    }
    let segments = header.program_headers(LE, bytes).map_err(damaged)?;
    let mut program = Program { loader: None, needed: Vec::new(), search: Vec::new() };
    let mut rpath = None;
    let mut runpath = None;
    for segment in segments {
        if let Some(loader) = segment.interpreter(LE, bytes).map_err(damaged)? {
            program.loader = Some(text(loader)?);
        }
    }
    // The dynamic section is found through the program headers, as the loader does it: stripped files have no sections.
    let table = segments.iter().find(|s| s.p_type(LE) == elf::PT_DYNAMIC);
    let Some(entries) = table.map(|s| s.dynamic(LE, bytes)).transpose().map_err(damaged)?.flatten() else {
        return Ok(program);
    };
    let value = |tag: u32| entries.iter().find(|d| d.tag32(LE) == Some(tag)).map(|d| d.d_val(LE));
    let names = value(elf::DT_STRTAB).and_then(|address| bytes_at(segments, bytes, address));
    let name = |offset: u64| -> Result<String, ElfError> {
        let missing = || ElfError::Damaged("a library's name lies outside the file".into());
        let from = names.and_then(|all| all.get(usize::try_from(offset).ok()?..)).ok_or_else(missing)?;
        text(from.split(|b| *b == 0).next().unwrap_or_default())
    };
    for entry in entries.iter().take_while(|d| d.tag32(LE) != Some(elf::DT_NULL)) {
        match entry.tag32(LE) {
            Some(elf::DT_NEEDED) => program.needed.push(name(entry.d_val(LE))?),
            Some(elf::DT_RUNPATH) => runpath = Some(name(entry.d_val(LE))?),
            Some(elf::DT_RPATH) => rpath = Some(name(entry.d_val(LE))?),
            _ => {}
        }
    }
    let search = runpath.or(rpath).unwrap_or_default();
    program.search = search.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Ok(program)
}

fn machine(found: String) -> ElfError {
    ElfError::Machine { found, expected: "x86-64" }
}

/// The bytes of the file from a virtual address on, by the loadable segment that holds it.
fn bytes_at<'a>(segments: &[elf::ProgramHeader64<LE>], bytes: &'a [u8], address: u64) -> Option<&'a [u8]> {
    segments.iter().filter(|s| s.p_type(LE) == elf::PT_LOAD).find_map(|s| {
        let into = address.checked_sub(s.p_vaddr(LE))?;
        (into < s.p_filesz(LE)).then_some(())?;
        bytes.get(usize::try_from(s.p_offset(LE).checked_add(into)?).ok()?..)
    })
}

fn text(bytes: &[u8]) -> Result<String, ElfError> {
    let bad = || ElfError::Damaged("a name that is not UTF-8 text".into());
    let text = std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).map_err(|_| bad())?;
    if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) { Err(bad()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader_and_libraries() {
        let program = read(&fs_err::read("/bin/sh").unwrap()).unwrap();
        assert!(program.loader.unwrap().starts_with("/lib"));
        assert!(program.needed.iter().any(|name| name.starts_with("libc.so")), "{:?}", program.needed);
    }

    #[test]
    fn a_script_is_refused_with_its_interpreter() {
        let error = read(b"#! /usr/bin/env python3\nprint()").unwrap_err();
        assert_eq!(error, ElfError::Script { interpreter: "/usr/bin/env python3".into() });
    }

    #[test]
    fn other_files_and_cut_off_or_mutated_programs_are_errors_not_panics() {
        assert!(read(b"").is_err() && read(b"MZ..").is_err() && read(b"\x7fELF\x01\x01").is_err());
        let whole = fs_err::read("/bin/true").unwrap();
        for len in (0..whole.len().min(4096)).step_by(7) {
            let _ = read(&whole[..len]);
        }
        for at in 0..512.min(whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = read(&bytes);
        }
    }
}
