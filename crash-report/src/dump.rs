//! The minidump: which streams it has, and what of a core file goes into them.
//!
//! System, crash, threads with registers and stacks, modules with build ids, mappings, auxiliary vector, the first thread's
//! name. Of memory there is nothing but what stack pointers point at: heap and data stay on the device. Stacks come last and
//! get what room is left, the crashed thread's first.

use crate::{
    contexts,
    core_file::{Core, CoreError, Machine},
    memory::{Memory, Segment},
    minidump_file::MinidumpFile,
    modules::{BUILD_ID_LIMIT, MODULES_LIMIT, Module, modules},
    notes::{AUXV_LIMIT, MappedFile, Notes, PATH_LIMIT, Registers, Signal, THREADS_LIMIT, Thread},
    read_at::ReadAt,
};
use minidump_common::format::{
    CPU_INFORMATION, CvSignature, MINIDUMP_EXCEPTION, MINIDUMP_EXCEPTION_STREAM, MINIDUMP_LOCATION_DESCRIPTOR,
    MINIDUMP_MEMORY_DESCRIPTOR, MINIDUMP_MODULE, MINIDUMP_STREAM_TYPE, MINIDUMP_SYSTEM_INFO, MINIDUMP_THREAD,
    MINIDUMP_THREAD_NAME, PlatformId, ProcessorArchitecture,
};
use std::fmt::Write;

/// Largest minidump, in bytes.
pub const MINIDUMP_LIMIT: usize = 512 * 1024;
/// Stack of the crashed thread that is kept, from its pointer on: some thousand frames.
pub const CRASHED_STACK_LIMIT: usize = 128 * 1024;
/// Stack of another thread that is kept: what it was doing.
pub const STACK_LIMIT: usize = 32 * 1024;
/// Text of the mappings that is kept, in bytes: some thousand lines.
pub const MAPS_LIMIT: usize = 64 * 1024;

/// Bytes of a thread's registers.
const CONTEXT: usize = 1232;
/// Bytes of a thread's rows in two lists, and what aligns its stack.
const ROWS: usize = 48 + 16 + 8;
/// Bytes of a module: its row, build id and path.
const MODULE: usize = 108 + (4 + BUILD_ID_LIMIT) + (4 + 4 * PATH_LIMIT + 2) + 24;
/// Bytes of all else: directory, system, crash, a name.
const REST: usize = 4096;
/// Whatever an app forges, there is room for the crashed thread's stack.
const _: () = assert!(
    REST + THREADS_LIMIT * (CONTEXT + ROWS) + MODULES_LIMIT * MODULE + MAPS_LIMIT + AUXV_LIMIT + CRASHED_STACK_LIMIT
        <= MINIDUMP_LIMIT
);

/// Makes a minidump of an ELF core.
pub fn minidump(core: &impl ReadAt) -> Result<Vec<u8>, CoreError> {
    let core = Core::read(core)?;
    let modules = modules(&core.memory, &core.notes.files)?;
    let mut file = MinidumpFile::new();
    system(&mut file, core.machine)?;
    auxiliary(&mut file, &core.notes)?;
    mappings(&mut file, &core.memory, &core.notes.files)?;
    module_list(&mut file, &modules)?;
    threads(&mut file, &core)?;
    Ok(file.finish()?)
}

fn system(file: &mut MinidumpFile, machine: Machine) -> Result<(), CoreError> {
    let processor = match machine {
        Machine::X86_64 => ProcessorArchitecture::PROCESSOR_ARCHITECTURE_AMD64,
        Machine::Aarch64 => ProcessorArchitecture::PROCESSOR_ARCHITECTURE_ARM64,
    };
    let info = MINIDUMP_SYSTEM_INFO {
        processor_architecture: processor as u16,
        processor_level: 0,
        processor_revision: 0,
        number_of_processors: 0,
        product_type: 0,
        major_version: 0,
        minor_version: 0,
        build_number: 0,
        platform_id: PlatformId::Linux as u32,
        csd_version_rva: file.put_text("")?,
        suite_mask: 0,
        reserved2: 0,
        cpu: CPU_INFORMATION { data: [0; 24] },
    };
    let at = file.put(info)?;
    file.stream(MINIDUMP_STREAM_TYPE::SystemInfoStream, at);
    Ok(())
}

fn auxiliary(file: &mut MinidumpFile, notes: &Notes) -> Result<(), CoreError> {
    let at = file.put_bytes(&notes.auxv);
    file.stream(MINIDUMP_STREAM_TYPE::LinuxAuxv, at);
    if let Some(process) = &notes.process {
        let name = file.put_text(&process.name)?;
        let at = file.put_list([MINIDUMP_THREAD_NAME { thread_id: process.id, thread_name_rva: name.into() }])?;
        file.stream(MINIDUMP_STREAM_TYPE::ThreadNamesStream, at);
    }
    Ok(())
}

/// As /proc/<pid>/maps has them, with zeros for what a core does not tell: device and inode.
fn mappings<R: ReadAt>(file: &mut MinidumpFile, memory: &Memory<'_, R>, files: &[MappedFile]) -> Result<(), CoreError> {
    let mut text = String::new();
    for segment in memory.segments() {
        let line = mapping(segment, files.iter().find(|file| file.start == segment.start));
        if text.len() + line.len() > MAPS_LIMIT {
            break;
        }
        text += &line;
    }
    let at = file.put_bytes(text.as_bytes());
    file.stream(MINIDUMP_STREAM_TYPE::LinuxMaps, at);
    Ok(())
}

fn mapping(segment: &Segment, file: Option<&MappedFile>) -> String {
    // Readers take `[…]` and `/SYSV…` for the kernel's own words, and not all of them look twice.
    let path = file.map(|file| file.path.as_str()).filter(|path| path.starts_with('/') && !path.starts_with("/SYSV"));
    let mut line = String::new();
    let (start, end, permissions) = (segment.start, segment.end(), segment.permissions());
    let _ = writeln!(
        line,
        "{start:x}-{end:x} {permissions} {:08x} 00:00 0 {}",
        file.map_or(0, |file| file.offset),
        path.unwrap_or_default()
    );
    line
}

fn module_list(file: &mut MinidumpFile, modules: &[Module]) -> Result<(), CoreError> {
    let mut list = Vec::new();
    for module in modules {
        let build_id = if module.build_id.is_empty() {
            MINIDUMP_LOCATION_DESCRIPTOR::default()
        } else {
            file.put_bytes(&[&(CvSignature::Elf as u32).to_le_bytes()[..], &module.build_id].concat())
        };
        list.push(MINIDUMP_MODULE {
            base_of_image: module.base,
            size_of_image: u32::try_from(module.end - module.base).unwrap_or(u32::MAX),
            module_name_rva: file.put_text(&module.path)?,
            cv_record: build_id,
            ..MINIDUMP_MODULE::default()
        });
    }
    let at = file.put_list(list)?;
    file.stream(MINIDUMP_STREAM_TYPE::ModuleListStream, at);
    Ok(())
}

fn threads<R: ReadAt>(file: &mut MinidumpFile, core: &Core<'_, R>) -> Result<(), CoreError> {
    let mut contexts = Vec::new();
    for thread in &core.notes.threads {
        contexts.push(match &thread.registers {
            Registers::X86_64(registers) => file.put(contexts::amd64(registers))?,
            Registers::Aarch64(registers) => file.put(contexts::arm64(registers))?,
        });
    }
    if let Some((crashed, context)) = core.notes.threads.first().zip(contexts.first()) {
        let at = file.put(crash(crashed, core.notes.signal, *context))?;
        file.stream(MINIDUMP_STREAM_TYPE::ExceptionStream, at);
    }
    let lists = REST + core.notes.threads.len() * ROWS;
    let mut room = MINIDUMP_LIMIT.saturating_sub(file.length() + lists);
    let (mut list, mut stacks) = (Vec::new(), Vec::new());
    let limits = std::iter::once(CRASHED_STACK_LIMIT).chain(std::iter::repeat(STACK_LIMIT));
    for ((thread, context), limit) in core.notes.threads.iter().zip(contexts).zip(limits) {
        let (start, bytes) = core.memory.stack(thread.registers.stack_pointer(), thread.pointer, limit.min(room))?;
        room -= bytes.len();
        let stack = MINIDUMP_MEMORY_DESCRIPTOR { start_of_memory_range: start, memory: file.put_bytes(&bytes) };
        list.push(MINIDUMP_THREAD {
            thread_id: thread.id,
            suspend_count: 0,
            priority_class: 0,
            priority: 0,
            teb: 0,
            stack,
            thread_context: context,
        });
        stacks.extend((!bytes.is_empty()).then_some(stack));
    }
    let at = file.put_list(list)?;
    file.stream(MINIDUMP_STREAM_TYPE::ThreadListStream, at);
    let at = file.put_list(stacks)?;
    file.stream(MINIDUMP_STREAM_TYPE::MemoryListStream, at);
    Ok(())
}

/// Breakpad's way to put a signal into an exception: number, code, address.
fn crash(thread: &Thread, signal: Option<Signal>, context: MINIDUMP_LOCATION_DESCRIPTOR) -> MINIDUMP_EXCEPTION_STREAM {
    let signal = signal.unwrap_or(Signal { number: thread.signal, code: 0, address: 0 });
    MINIDUMP_EXCEPTION_STREAM {
        thread_id: thread.id,
        __align: 0,
        exception_record: MINIDUMP_EXCEPTION {
            exception_code: signal.number,
            exception_flags: signal.code,
            exception_address: signal.address,
            ..MINIDUMP_EXCEPTION::default()
        },
        thread_context: context,
    }
}
