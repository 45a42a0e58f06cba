//! Programs and libraries of a process that crashed, with the build ids that tell which debug symbols are theirs.

use crate::{memory::Memory, notes::MappedFile, read_at::ReadAt};
use object::{
    LittleEndian, elf,
    elf::FileHeader64,
    read::elf::{FileHeader, ProgramHeader},
};
use std::io;

/// Modules that a report holds.
pub const MODULES_LIMIT: usize = 128;
/// Longest build id that is kept: linkers write 8 to 32 bytes.
pub const BUILD_ID_LIMIT: usize = 64;
/// What the kernel dumps of a file that is mapped: its first page, if it is an ELF file (coredump_filter, bit 4).
const FIRST_PAGE: usize = 4096;

/// A program or library.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) path: String,
    pub(crate) base: u64,
    pub(crate) end: u64,
    pub(crate) build_id: Vec<u8>,
    executable: bool,
}

/// Files of which a part is executable: mappings of one file, one behind the other, from the one of its beginning on.
pub(crate) fn modules<R: ReadAt>(memory: &Memory<'_, R>, files: &[MappedFile]) -> io::Result<Vec<Module>> {
    let mut modules: Vec<Module> = Vec::new();
    let mut reached = 0;
    // No two of the kernel's overlap; one that does cannot be said to belong to anything.
    for file in files {
        if file.start < reached {
            continue;
        }
        reached = file.end;
        let executable = memory.is_executable(file.start);
        match modules.last_mut() {
            Some(last) if last.path == file.path && file.offset != 0 => {
                last.end = file.end;
                last.executable |= executable;
            }
            _ if file.offset == 0 => {
                let path = file.path.clone();
                modules.push(Module { path, base: file.start, end: file.end, build_id: Vec::new(), executable });
            }
            _ => {}
        }
    }
    modules.retain(|module| module.executable);
    modules.truncate(MODULES_LIMIT);
    for module in &mut modules {
        module.build_id = build_id(&memory.read(module.base, FIRST_PAGE)?).unwrap_or_default();
    }
    Ok(modules)
}

/// The GNU build id, if its note lies in the file's first page, where linkers put it.
fn build_id(page: &[u8]) -> Option<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(page).ok()?;
    let headers = header.program_headers(LittleEndian, page).ok()?;
    let notes = headers.iter().filter_map(|header| header.notes(LittleEndian, page).ok().flatten());
    let mut all = notes.flat_map(|notes| notes.map_while(Result::ok));
    let found = all.find(|note| note.name() == b"GNU" && note.n_type(LittleEndian) == elf::NT_GNU_BUILD_ID)?;
    (1..=BUILD_ID_LIMIT).contains(&found.desc().len()).then(|| found.desc().to_vec())
}
