//! Minidumps, judged by the crate that reads them in the field.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]

mod cores;
mod forged;

use cores::{BUILD_ID, CoreFile, LIBRARY, Machine, PROGRAM, STACK, STACKS, Segment};
use crash_report::{
    MINIDUMP_LIMIT,
    dump::{CRASHED_STACK_LIMIT, STACK_LIMIT},
    minidump,
    notes::THREADS_LIMIT,
};
use minidump::{
    CpuContext, Minidump, MinidumpException, MinidumpLinuxMaps, MinidumpModuleList, MinidumpRawContext, MinidumpSystemInfo,
    MinidumpThreadList, MinidumpThreadNames, Module, UnifiedMemory, UnifiedMemoryList,
    system_info::{Cpu, Os},
};
use std::{fs, ops::Deref, path::Path};

/// A core of a program that crashed: see `tests/data/crash.c`.
const REAL: &[u8] = include_bytes!("../../../fuzz/corpus/core_dump/seed-real");

/// A minidump, every stream of it read.
struct Read<'a> {
    system: MinidumpSystemInfo,
    exception: MinidumpException<'a>,
    threads: MinidumpThreadList<'a>,
    modules: MinidumpModuleList,
    memory: UnifiedMemoryList<'a>,
    maps: MinidumpLinuxMaps<'a>,
    names: Option<MinidumpThreadNames>,
}

impl<'a> Read<'a> {
    fn of<T: Deref<Target = [u8]> + 'a>(dump: &'a Minidump<'a, T>) -> Self {
        Self {
            system: dump.get_stream().unwrap(),
            exception: dump.get_stream().unwrap(),
            threads: dump.get_stream().unwrap(),
            modules: dump.get_stream().unwrap(),
            memory: UnifiedMemoryList::Memory(dump.get_stream().unwrap()),
            maps: dump.get_stream().unwrap(),
            names: dump.get_stream().ok(),
        }
    }

    /// Registers of a thread by their names.
    fn register(&self, thread: usize, name: &str) -> u64 {
        let context = self.threads.threads[thread].context(&self.system, None).unwrap();
        match &context.raw {
            MinidumpRawContext::Amd64(raw) => raw.get_register_always(name),
            MinidumpRawContext::Arm64(raw) => raw.get_register_always(name),
            other => panic!("{other:?}"),
        }
    }

    fn stack(&self, thread: usize) -> (u64, &'a [u8]) {
        let memory = self.threads.threads[thread].stack_memory(&self.memory).unwrap();
        let UnifiedMemory::Memory(memory) = memory else { panic!("a stack of another kind") };
        (memory.base_address, memory.bytes)
    }
}

fn dump(core: &CoreFile) -> Minidump<'static, Vec<u8>> {
    Minidump::read(minidump(&core.bytes().as_slice()).unwrap()).unwrap()
}

#[test]
fn a_core_of_several_threads_becomes_a_minidump_of_either_processor() {
    for (machine, cpu) in [(Machine::X86_64, Cpu::X86_64), (Machine::Aarch64, Cpu::Arm64)] {
        let file = dump(&CoreFile::new(machine, 3));
        let read = Read::of(&file);
        assert_eq!((read.system.os, read.system.cpu), (Os::Linux, cpu));
        let crash = &read.exception.raw;
        assert_eq!((crash.thread_id, crash.exception_record.exception_code), (100, 11));
        assert_eq!((crash.exception_record.exception_flags, crash.exception_record.exception_address), (1, 0xdead_0000));
        let context = read.exception.context(&read.system, None).unwrap();
        assert_eq!(context.get_instruction_pointer(), PROGRAM + 0x1234);
        let ids: Vec<u32> = read.threads.threads.iter().map(|thread| thread.raw.thread_id).collect();
        assert_eq!(ids, [100, 101, 102]);
        assert_eq!(read.names.as_ref().unwrap().get_name(100).unwrap(), "app");
        for thread in 0..3 {
            let stack = STACKS + thread as u64 * 2 * STACK;
            let pointer = stack + STACK / 2;
            let name = if machine == Machine::X86_64 { "rsp" } else { "sp" };
            assert_eq!(read.register(thread, name), pointer);
            let (start, bytes) = read.stack(thread);
            assert_eq!(start, pointer - 128);
            let limit = if thread == 0 { CRASHED_STACK_LIMIT } else { STACK_LIMIT };
            assert_eq!(bytes.len(), (STACK as usize / 2 + 128).min(limit));
            assert!(bytes.iter().all(|byte| *byte == thread as u8 + 1));
        }
    }
}

#[test]
fn what_lies_above_a_threads_control_block_stays_on_the_device() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let core = CoreFile { control_blocks: Some(0x1000), ..CoreFile::new(machine, 2) };
        let file = dump(&core);
        let read = Read::of(&file);
        for thread in 0..2 {
            assert_eq!(read.stack(thread).1.len(), 128 + 0x1000, "{machine:?}");
        }
    }
}

#[test]
fn each_register_is_where_it_belongs() {
    // In the notes they are numbered from 1000, but for the two pointers.
    let file = dump(&CoreFile::new(Machine::X86_64, 1));
    let read = Read::of(&file);
    let order = ["r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"];
    for (index, name) in order.iter().enumerate() {
        assert_eq!(read.register(0, name), 1000 + index as u64, "{name}");
    }
    let context = read.threads.threads[0].context(&read.system, None).unwrap();
    let MinidumpRawContext::Amd64(raw) = &context.raw else { panic!("{context:?}") };
    assert_eq!((raw.cs, raw.eflags, raw.ss), (1017, 1018, 1020));
    assert_eq!((raw.ds, raw.es, raw.fs, raw.gs), (1023, 1024, 1025, 1026));
    let file = dump(&CoreFile::new(Machine::Aarch64, 1));
    let read = Read::of(&file);
    for index in 0..29 {
        assert_eq!(read.register(0, &format!("x{index}")), 1000 + index);
    }
    assert_eq!((read.register(0, "fp"), read.register(0, "lr")), (1029, 1030));
}

#[test]
fn modules_are_what_is_executable_with_their_build_ids() {
    let file = dump(&CoreFile::new(Machine::X86_64, 1));
    let read = Read::of(&file);
    let modules: Vec<_> =
        read.modules.iter().map(|module| (module.name.as_str(), module.raw.base_of_image, module.size())).collect();
    assert_eq!(modules, [("/bin/app", PROGRAM, 0x4000), ("/lib/libc.so.6", LIBRARY, 0x2000)]);
    let ids: Vec<String> = read.modules.iter().map(|module| module.code_identifier().unwrap().to_string()).collect();
    assert_eq!(ids, ["b1".repeat(BUILD_ID.len()), "aa".repeat(8)]);
}

#[test]
fn mappings_are_told_as_the_kernel_would() {
    let file = dump(&CoreFile::new(Machine::X86_64, 1));
    let text = String::from_utf8(file.get_raw_stream(minidump::format::MINIDUMP_STREAM_TYPE::LinuxMaps as u32).unwrap().to_vec());
    let text = text.unwrap();
    assert!(text.contains("555555551000-555555553000 r-xp 00001000 00:00 0 /bin/app\n"), "{text}");
    assert!(text.contains("60000000-60002328 rw-p 00000000 00:00 0 \n"), "{text}");
    assert_eq!(Read::of(&file).maps.iter().count(), text.lines().count());
}

#[test]
fn nothing_of_the_heap_and_of_vector_registers_leaves() {
    let core = CoreFile::new(Machine::X86_64, 4).bytes();
    assert!(core.windows(6).any(|six| six == b"secret"));
    let dump = minidump(&core.as_slice()).unwrap();
    assert!(!dump.windows(6).any(|six| six == b"secret"));
    assert!(!dump.windows(16).any(|sixteen| sixteen == [0xff; 16]));
}

#[test]
fn a_stack_that_was_overrun_is_found_above_its_guard() {
    let mut core = CoreFile::new(Machine::X86_64, 1);
    core.threads[0].1 = STACKS - 200;
    let file = dump(&core);
    let (start, bytes) = Read::of(&file).stack(0);
    assert_eq!((start, bytes.len()), (STACKS, STACK as usize));
    // Its guard is a mapping too, of which nothing is dumped.
    core.segments.push(Segment::new(STACKS - 0x1000, vec![], 0).sized(0x1000));
    let file = dump(&core);
    assert_eq!(Read::of(&file).stack(0).0, STACKS);
}

#[test]
fn many_threads_share_what_room_there_is_and_the_crashed_one_has_its_own() {
    let mut core = CoreFile::new(Machine::X86_64, 100);
    let whole = Segment::new(STACKS - 0x100_0000, vec![9; 1 << 20], 6);
    core.threads[0].1 = whole.start + 128;
    core.segments.push(whole);
    let file = dump(&core);
    let read = Read::of(&file);
    assert_eq!(read.threads.threads.len(), THREADS_LIMIT);
    assert_eq!(read.stack(0).1.len(), CRASHED_STACK_LIMIT);
    let bytes = minidump(&core.bytes().as_slice()).unwrap();
    assert!((MINIDUMP_LIMIT - 8192..=MINIDUMP_LIMIT).contains(&bytes.len()), "{}", bytes.len());
}

#[test]
fn a_signal_that_was_sent_has_no_address() {
    // abort(3): SI_TKILL, with pid and user id where a fault has its address.
    let core = CoreFile { signal: Some((6, (-6i32) as u32, 0x1234)), ..CoreFile::new(Machine::X86_64, 1) };
    let file = dump(&core);
    let record = &Read::of(&file).exception.raw.exception_record.clone();
    assert_eq!((record.exception_code, record.exception_address), (6, 0));
    // And without the note, the number is the thread's.
    let file = dump(&CoreFile { signal: None, ..core });
    assert_eq!(Read::of(&file).exception.raw.exception_record.exception_code, 11);
}

#[test]
fn a_core_that_the_kernel_wrote_tells_what_happened() {
    let file = Minidump::read(minidump(&REAL).unwrap()).unwrap();
    let read = Read::of(&file);
    let record = &read.exception.raw.exception_record;
    assert_eq!((record.exception_code, record.exception_flags, record.exception_address), (11, 1, 0x40));
    assert_eq!(read.threads.threads.len(), 2);
    assert_eq!((read.register(0, "rip"), read.register(1, "rip")), (0x7ff0_2000_c034, 0x7ff0_2000_c032));
    let module = read.modules.iter().next().unwrap();
    assert_eq!((module.name.as_str(), module.raw.base_of_image), ("/var/tmp/cores/crash", 0x7ff0_2000_b000));
    assert_eq!(module.code_identifier().unwrap().to_string(), "52316a9250035ba9abe8009539c17e72db6c8297");
    // Five calls deep: their return addresses lie on the stack.
    let (_, stack) = read.stack(0);
    let words: Vec<u64> = stack.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    for address in [0x7ff0_2000_c069, 0x7ff0_2000_c054, 0x7ff0_2000_c10c] {
        assert!(words.contains(&address), "{address:x}");
    }
    assert!(!read.stack(1).1.is_empty());
}

/// The fuzz targets start from these; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn seeds_of_the_fuzz_target_are_cores_that_give_minidumps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/core_dump");
    for (name, machine) in [("seed-x86-64", Machine::X86_64), ("seed-aarch64", Machine::Aarch64)] {
        let mut core = CoreFile::new(machine, 2);
        // Small: a fuzzer reads it a thousand times a second.
        for (_, pointer, _) in &mut core.threads {
            *pointer -= STACK / 2 - 0x100;
        }
        core.segments.iter_mut().for_each(|segment| segment.bytes.truncate(0x1000));
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(folder.join(name), core.bytes()).unwrap();
        }
        assert!(fs::read(folder.join(name)).unwrap() == core.bytes(), "{name} is out of date: UPDATE_GENERATED=1");
        assert_eq!(Read::of(&dump(&core)).threads.threads.len(), 2);
    }
}
