//! What a device binary must be, read from its ELF headers: static, position independent, full RELRO, no executable
//! stack, no page both writable and executable.

use object::{
    Endianness, Object, ObjectSection, elf,
    read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _},
};

/// Why a binary does not belong on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not an ELF file that the device can run.
    #[error("not an ELF program for x86-64")]
    NotElf,
    /// Loaded at a fixed address.
    #[error("not position independent (ELF type {0}, expected ET_DYN with DF_1_PIE)")]
    NotPie(u16),
    /// Needs a dynamic loader, which the device does not have.
    #[error("not static: it wants a dynamic loader or shared libraries")]
    Dynamic,
    /// Its relocated data stays writable.
    #[error("no full RELRO: expected a PT_GNU_RELRO segment and DF_BIND_NOW or DF_1_NOW")]
    NoRelro,
    /// Its stack is executable.
    #[error("executable stack: expected a PT_GNU_STACK segment without PF_X")]
    ExecutableStack,
    /// A segment can be written and executed.
    #[error("a segment is both writable and executable")]
    WritableCode,
}

/// What a panic would unwind by. Ours abort, and these tables are a thirteenth of the programs' bytes.
const UNWINDING: [&str; 3] = [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];

/// Fills the tables for unwinding with zeros, which compress to nothing. A header of zeros has no version that an unwinder knows,
/// so a backtrace ends where it begins. They are not taken out: objcopy then drops PT_GNU_RELRO.
pub fn clear_unwinding(bytes: &mut [u8]) -> Result<(), ElfError> {
    let mut ranges = Vec::new();
    let file = ElfFile64::<Endianness>::parse(&*bytes).map_err(|_| ElfError::NotElf)?;
    for section in UNWINDING.into_iter().filter_map(|name| file.section_by_name(name)) {
        ranges.extend(section.file_range());
    }
    for (from, length) in ranges {
        let end = from.checked_add(length).ok_or(ElfError::NotElf)?;
        let range = usize::try_from(from).ok().zip(usize::try_from(end).ok()).map(|(from, end)| from..end);
        range.and_then(|range| bytes.get_mut(range)).ok_or(ElfError::NotElf)?.fill(0);
    }
    Ok(())
}

/// Checks a program's bytes.
pub fn check(bytes: &[u8]) -> Result<(), ElfError> {
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|_| ElfError::NotElf)?;
    let endian = file.endian();
    let header = file.elf_header();
    if header.e_machine(endian) != elf::EM_X86_64 {
        return Err(ElfError::NotElf);
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_DYN {
        return Err(ElfError::NotPie(kind));
    }
    let segments = file.elf_program_headers();
    let find = |wanted: u32| segments.iter().find(|segment| segment.p_type(endian) == wanted);
    let dynamic = find(elf::PT_DYNAMIC).and_then(|segment| segment.dynamic(endian, bytes).ok().flatten());
    let entries = dynamic.unwrap_or_default();
    let value = |tag: u32| entries.iter().find(|entry| entry.tag32(endian) == Some(tag)).map(|entry| entry.d_val(endian));
    let flags = value(elf::DT_FLAGS).unwrap_or(0);
    let flags_1 = value(elf::DT_FLAGS_1).unwrap_or(0);
    if flags_1 & u64::from(elf::DF_1_PIE) == 0 {
        return Err(ElfError::NotPie(kind));
    }
    if find(elf::PT_INTERP).is_some() || value(elf::DT_NEEDED).is_some() {
        return Err(ElfError::Dynamic);
    }
    let bound_now = flags & u64::from(elf::DF_BIND_NOW) != 0 || flags_1 & u64::from(elf::DF_1_NOW) != 0;
    if find(elf::PT_GNU_RELRO).is_none() || !bound_now {
        return Err(ElfError::NoRelro);
    }
    if find(elf::PT_GNU_STACK).is_none_or(|segment| segment.p_flags(endian) & elf::PF_X != 0) {
        return Err(ElfError::ExecutableStack);
    }
    let both = elf::PF_W | elf::PF_X;
    let mut loaded = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    if loaded.any(|segment| segment.p_flags(endian) & both == both) { Err(ElfError::WritableCode) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::Outside, files, progress::Silent};

    fn compiled(flags: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.c");
        files::write(&source, b"int main(void) { return 0; }").unwrap();
        let program = folder.path().join("a");
        Outside::new("gcc", "gcc").arg(&source).args(flags).arg("-o").arg(&program).run(&mut Silent).unwrap();
        files::read(&program).unwrap()
    }

    #[test]
    fn only_static_pie_with_full_relro_passes() {
        assert_eq!(check(&compiled(&["-static-pie", "-fPIE", "-Wl,-z,relro,-z,now"])), Ok(()));
        assert_eq!(check(&compiled(&["-static"])), Err(ElfError::NotPie(elf::ET_EXEC)));
        assert_eq!(check(&compiled(&["-pie", "-fPIE", "-Wl,-z,now"])), Err(ElfError::Dynamic));
        assert_eq!(check(&compiled(&["-static-pie", "-fPIE", "-Wl,-z,norelro"])), Err(ElfError::NoRelro));
        assert_eq!(check(&compiled(&["-static-pie", "-fPIE", "-Wl,-z,now", "-Wl,-z,execstack"])), Err(ElfError::ExecutableStack));
    }

    #[test]
    fn without_its_tables_for_unwinding_a_program_is_as_good_and_runs() {
        let mut bytes = compiled(&["-static-pie", "-fPIE", "-Wl,-z,relro,-z,now"]);
        let before = bytes.clone();
        clear_unwinding(&mut bytes).unwrap();
        assert!(bytes != before && bytes.len() == before.len() && check(&bytes) == Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("a");
        files::write_mode(&program, &bytes, 0o755).unwrap();
        Outside::new(&program, "").run(&mut Silent).unwrap();
    }

    #[test]
    fn bytes_that_are_no_program_are_refused() {
        for bytes in [&b""[..], b"\x7fELF", &[0; 4096]] {
            assert_eq!(check(bytes), Err(ElfError::NotElf));
        }
    }
}
