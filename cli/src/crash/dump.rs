//! A minidump, read: threads with registers and stacks, modules with build ids, and why it all ended.
//!
//! The structures are those of `minidump-common`, from which devices write them too; what they point at is looked up here,
//! bounded, because whoever sends a minidump chooses every number in it. Programs of Linux on two processors are read, as
//! devices, Breakpad and Crashpad write them; nothing else is guessed.

use super::{
    build_id::BuildId,
    registers::{Machine, Registers, Stack},
};
use gimli::{AArch64, Register};
use minidump_common::format::{
    CONTEXT_AMD64, CONTEXT_ARM64, CvSignature, MINIDUMP_DIRECTORY, MINIDUMP_EXCEPTION_STREAM, MINIDUMP_HEADER,
    MINIDUMP_LOCATION_DESCRIPTOR, MINIDUMP_MEMORY_DESCRIPTOR, MINIDUMP_MODULE, MINIDUMP_SIGNATURE, MINIDUMP_STREAM_TYPE,
    MINIDUMP_SYSTEM_INFO, MINIDUMP_THREAD, MINIDUMP_THREAD_NAME, PlatformId, ProcessorArchitecture,
};
use scroll::{
    Endian, LE, Pread,
    ctx::{SizeWith, TryFromCtx},
};
use std::ops::Range;

/// Largest minidump that is read: devices write a 32nd of it.
pub const DUMP_LIMIT: u64 = 16 << 20;
/// Threads that are read: those after them are only counted.
pub const THREADS_LIMIT: usize = 64;
/// Modules that are read.
pub const MODULES_LIMIT: usize = 512;
/// Streams of which the directory is looked through.
const STREAMS_LIMIT: usize = 64;
/// Mappings that are read.
const MAPPINGS_LIMIT: usize = 8192;
/// Longest name of a thread or module, in characters.
const NAME_LIMIT: usize = 255;

/// Why a file is no minidump that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// Something else.
    #[error("not a minidump")]
    NoMinidump,
    /// The file ends before what it says it has.
    #[error("the minidump's {0} is cut off, or not there")]
    Missing(&'static str),
    /// Of a processor or system that no device has.
    #[error("a minidump of another machine: processor {processor}, system {system:#x}; expected x86-64 or aarch64, Linux")]
    Machine {
        /// The minidump's number of it.
        processor: u16,
        /// The same.
        system: u32,
    },
}

/// A minidump.
#[derive(Debug)]
pub struct Dump<'a> {
    /// Which processor's registers it has.
    pub machine: Machine,
    /// What ended the program.
    pub crash: Option<Crash>,
    /// The threads, in the file's order: devices put the crashed one first.
    pub threads: Vec<Thread<'a>>,
    /// Threads that the file has beyond [`THREADS_LIMIT`].
    pub more_threads: usize,
    /// Programs and libraries, by address.
    pub modules: Vec<Module>,
    /// What could be executed; nothing where the file does not tell.
    pub executable: Vec<Range<u64>>,
}

/// What ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Which thread.
    pub thread: u32,
    /// The signal.
    pub signal: u32,
    /// Why (`si_code`).
    pub code: i32,
    /// Which address failed, where that signal has one.
    pub address: u64,
}

/// A thread.
#[derive(Debug)]
pub struct Thread<'a> {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: Option<String>,
    /// What its registers held.
    pub registers: Registers,
    /// Its stack.
    pub stack: Stack<'a>,
}

/// A program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path on the device.
    pub name: String,
    /// Where it lies.
    pub range: Range<u64>,
    /// Which build of it.
    pub build_id: Option<BuildId>,
}

impl<'a> Dump<'a> {
    /// Reads a minidump.
    pub fn read(bytes: &'a [u8]) -> Result<Self, DumpError> {
        let file = File::open(bytes)?;
        let info: MINIDUMP_SYSTEM_INFO = file.first(MINIDUMP_STREAM_TYPE::SystemInfoStream, "system information")?;
        let machine = machine(&info)?;
        let names = file.rows::<MINIDUMP_THREAD_NAME>(MINIDUMP_STREAM_TYPE::ThreadNamesStream).0;
        let exception: Option<MINIDUMP_EXCEPTION_STREAM> = file.first(MINIDUMP_STREAM_TYPE::ExceptionStream, "exception").ok();
        let memory = file.rows::<MINIDUMP_MEMORY_DESCRIPTOR>(MINIDUMP_STREAM_TYPE::MemoryListStream).0;
        let (rows, count) = file.rows::<MINIDUMP_THREAD>(MINIDUMP_STREAM_TYPE::ThreadListStream);
        let mut threads = Vec::new();
        for row in rows.take(THREADS_LIMIT) {
            // The registers at the crash, not those of a handler that wrote the minidump.
            let at_crash = exception.as_ref().filter(|crash| crash.thread_id == row.thread_id).map(|crash| &crash.thread_context);
            let registers = at_crash.and_then(|context| file.registers(machine, context));
            let registers = registers.or_else(|| file.registers(machine, &row.thread_context));
            let name = names.clone().take(THREADS_LIMIT).find(|name| name.thread_id == row.thread_id);
            threads.push(Thread {
                id: row.thread_id,
                name: name.and_then(|name| file.text(usize::try_from(name.thread_name_rva).ok()?)),
                registers: registers.unwrap_or(Registers::unknown(machine)),
                stack: file.stack(&row.stack, memory.clone()),
            });
        }
        if threads.is_empty() {
            return Err(DumpError::Missing("list of threads"));
        }
        Ok(Self {
            machine,
            crash: exception.map(|stream| crash(&stream)),
            threads,
            more_threads: count.saturating_sub(THREADS_LIMIT),
            modules: file.modules(),
            executable: file.executable(),
        })
    }
}

fn machine(info: &MINIDUMP_SYSTEM_INFO) -> Result<Machine, DumpError> {
    let systems = [PlatformId::Linux as u32, PlatformId::Android as u32];
    match info.processor_architecture {
        x if x == ProcessorArchitecture::PROCESSOR_ARCHITECTURE_AMD64 as u16 && systems.contains(&info.platform_id) => {
            Ok(Machine::X86_64)
        }
        x if x == ProcessorArchitecture::PROCESSOR_ARCHITECTURE_ARM64 as u16 && systems.contains(&info.platform_id) => {
            Ok(Machine::Aarch64)
        }
        processor => Err(DumpError::Machine { processor, system: info.platform_id }),
    }
}

fn crash(stream: &MINIDUMP_EXCEPTION_STREAM) -> Crash {
    let record = &stream.exception_record;
    Crash {
        thread: stream.thread_id,
        signal: record.exception_code,
        code: record.exception_flags.cast_signed(),
        address: record.exception_address,
    }
}

/// Header and directory of a minidump.
struct File<'a> {
    bytes: &'a [u8],
    streams: Vec<MINIDUMP_DIRECTORY>,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, DumpError> {
        let header: MINIDUMP_HEADER = bytes.pread_with(0, LE).map_err(|_| DumpError::NoMinidump)?;
        if header.signature != MINIDUMP_SIGNATURE {
            return Err(DumpError::NoMinidump);
        }
        let directory = usize::try_from(header.stream_directory_rva).ok().and_then(|at| bytes.get(at..));
        let directory = directory.ok_or(DumpError::Missing("directory"))?;
        let count = usize::try_from(header.stream_count).unwrap_or(usize::MAX);
        let streams = Rows::new(directory).take(count.min(STREAMS_LIMIT)).collect();
        Ok(Self { bytes, streams })
    }

    fn at(&self, location: &MINIDUMP_LOCATION_DESCRIPTOR) -> Option<&'a [u8]> {
        let (from, size) = (usize::try_from(location.rva).ok()?, usize::try_from(location.data_size).ok()?);
        self.bytes.get(from..from.checked_add(size)?)
    }

    fn stream(&self, kind: MINIDUMP_STREAM_TYPE) -> Option<&'a [u8]> {
        let row = self.streams.iter().find(|row| row.stream_type == kind as u32)?;
        self.at(&row.location)
    }

    fn first<T: Structure<'a>>(&self, kind: MINIDUMP_STREAM_TYPE, what: &'static str) -> Result<T, DumpError> {
        self.stream(kind).and_then(|bytes| bytes.pread_with(0, LE).ok()).ok_or(DumpError::Missing(what))
    }

    /// The rows of a list that are there, and how many it says it has. Some writers align them to eight bytes.
    fn rows<T: Structure<'a>>(&self, kind: MINIDUMP_STREAM_TYPE) -> (Rows<'a, T>, usize) {
        let list = self.stream(kind).unwrap_or_default();
        let count = list.pread_with::<u32>(0, LE).map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let aligned = count.checked_mul(T::size_with(&LE)).and_then(|size| size.checked_add(8)) == Some(list.len());
        let rows = list.get(if aligned { 8 } else { 4 }..).unwrap_or_default();
        let whole = rows.len().min(count.saturating_mul(T::size_with(&LE)));
        (Rows::new(rows.get(..whole).unwrap_or_default()), count)
    }

    /// A text in UTF-16 behind its length, of which as much is taken as a name may have.
    fn text(&self, at: usize) -> Option<String> {
        let length = usize::try_from(self.bytes.pread_with::<u32>(at, LE).ok()?).ok()?;
        let text = self.bytes.get(at.checked_add(4)?..)?.get(..length)?;
        let units = text.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let decoded = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Some(decoded.take(NAME_LIMIT).collect())
    }

    fn registers(&self, machine: Machine, at: &MINIDUMP_LOCATION_DESCRIPTOR) -> Option<Registers> {
        let bytes = self.at(at)?;
        let mut registers = Registers::unknown(machine);
        match machine {
            Machine::X86_64 => {
                let context: CONTEXT_AMD64 = bytes.pread_with(0, LE).ok()?;
                let CONTEXT_AMD64 { rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, .. } = context;
                let by_number = [rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13];
                let by_number = by_number.into_iter().chain([context.r14, context.r15, context.rip]);
                (0..).zip(by_number).for_each(|(number, value)| registers.set(Register(number), Some(value)));
            }
            Machine::Aarch64 => {
                let context: CONTEXT_ARM64 = bytes.pread_with(0, LE).ok()?;
                (0..).zip(context.iregs).for_each(|(number, value)| registers.set(Register(number), Some(value)));
                registers.set(AArch64::SP, Some(context.sp));
                registers.set(AArch64::PC, Some(context.pc));
            }
        }
        Some(registers)
    }

    /// A thread's stack: where its row says, else where the list of memory has it.
    fn stack(&self, row: &MINIDUMP_MEMORY_DESCRIPTOR, memory: Rows<'a, MINIDUMP_MEMORY_DESCRIPTOR>) -> Stack<'a> {
        let of = |row: &MINIDUMP_MEMORY_DESCRIPTOR| {
            let bytes = self.at(&row.memory).filter(|bytes| !bytes.is_empty())?;
            Some(Stack::new(row.start_of_memory_range, bytes))
        };
        let listed = || {
            let start = row.start_of_memory_range;
            memory.take(MAPPINGS_LIMIT).filter_map(|row| of(&row)).find(|stack| stack.word(start).is_some())
        };
        of(row).or_else(listed).unwrap_or_default()
    }

    fn modules(&self) -> Vec<Module> {
        let rows = self.rows::<MINIDUMP_MODULE>(MINIDUMP_STREAM_TYPE::ModuleListStream).0;
        let mut modules: Vec<Module> = rows.take(MODULES_LIMIT).filter_map(|row| self.module(&row)).collect();
        modules.sort_by_key(|module| module.range.start);
        modules
    }

    fn module(&self, row: &MINIDUMP_MODULE) -> Option<Module> {
        let range = row.base_of_image..row.base_of_image.checked_add(row.size_of_image.into())?;
        let signature = (CvSignature::Elf as u32).to_le_bytes();
        let build_id = self.at(&row.cv_record).and_then(|record| BuildId::new(record.strip_prefix(&signature)?));
        Some(Module { name: self.text(usize::try_from(row.module_name_rva).ok()?)?, range, build_id })
    }

    /// From the lines of /proc/<pid>/maps: `start-end permissions …`.
    fn executable(&self) -> Vec<Range<u64>> {
        let text = self.stream(MINIDUMP_STREAM_TYPE::LinuxMaps).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').take(MAPPINGS_LIMIT);
        let executable = |line: &[u8]| {
            let beginning = String::from_utf8_lossy(line.get(..LINE_BEGINNING).unwrap_or(line));
            let mut words = beginning.split(' ');
            let (start, end) = words.next()?.split_once('-')?;
            let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
            words.next()?.contains('x').then_some(range)
        };
        lines.filter_map(executable).collect()
    }
}

/// Two addresses and the permissions.
const LINE_BEGINNING: usize = 40;

/// Structures, one behind the other.
struct Rows<'a, T> {
    bytes: &'a [u8],
    kind: std::marker::PhantomData<T>,
}

impl<T> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        Self::new(self.bytes)
    }
}

impl<'a, T> Rows<'a, T> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, kind: std::marker::PhantomData }
    }
}

impl<'a, T: Structure<'a>> Iterator for Rows<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (row, rest) = self.bytes.split_at_checked(T::size_with(&LE))?;
        self.bytes = rest;
        row.pread_with(0, LE).ok()
    }
}

/// What a minidump is made of.
trait Structure<'a>: SizeWith<Endian> + TryFromCtx<'a, Endian, Error = scroll::Error> {}
impl<'a, T: SizeWith<Endian> + TryFromCtx<'a, Endian, Error = scroll::Error>> Structure<'a> for T {}
