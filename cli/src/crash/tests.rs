//! Minidumps that are whole, judged by the crate that reads them in the field; and those that are not.

use super::{
    build_id::BuildId,
    dump::{Dump, MODULES_LIMIT, THREADS_LIMIT},
    find::Found,
    registers::Machine,
    report::Report,
    unwind::CRASHED_FRAMES_LIMIT,
};
use minidump::{
    Minidump, MinidumpException, MinidumpModuleList, MinidumpRawContext, MinidumpSystemInfo, MinidumpThreadList,
    MinidumpThreadNames, Module as _, UnifiedMemoryList,
};
use proptest::prelude::*;
use std::path::Path;

/// The program that one of the cores is of.
const PROGRAM: &[u8] = include_bytes!("../../tests/data/crash");
const CORES: [&[u8]; 3] = [
    include_bytes!("../../../fuzz/corpus/core_dump/seed-real"),
    include_bytes!("../../../fuzz/corpus/core_dump/seed-x86-64"),
    include_bytes!("../../../fuzz/corpus/core_dump/seed-aarch64"),
];

/// A minidump of each core.
fn minidumps() -> Vec<Vec<u8>> {
    CORES.iter().map(|core| crash_report::minidump(core).unwrap()).collect()
}

/// Reads and reports, every module with a build id taken for the program.
fn judge(bytes: &[u8]) -> Option<Report> {
    let dump = Dump::read(bytes).ok()?;
    assert!(dump.threads.len() <= THREADS_LIMIT && dump.modules.len() <= MODULES_LIMIT);
    let first = dump.modules.iter().position(|module| module.build_id.is_some());
    let found = first.map(|module| Found { module, path: "crash".into(), bytes: PROGRAM.to_vec() });
    let report = Report::new(&dump, found.as_slice()).unwrap();
    assert!(report.threads.iter().all(|thread| thread.frames.len() <= CRASHED_FRAMES_LIMIT));
    serde_json::to_vec(&report).unwrap();
    Some(report)
}

#[test]
fn a_whole_minidump_is_read_as_others_read_it() {
    for bytes in minidumps() {
        let dump = Dump::read(&bytes).unwrap();
        let judge = Minidump::read(bytes.as_slice()).unwrap();
        let system: MinidumpSystemInfo = judge.get_stream().unwrap();
        let crash: MinidumpException<'_> = judge.get_stream().unwrap();
        let threads: MinidumpThreadList<'_> = judge.get_stream().unwrap();
        let modules: MinidumpModuleList = judge.get_stream().unwrap();
        let names: MinidumpThreadNames = judge.get_stream().unwrap();
        let memory = UnifiedMemoryList::Memory(judge.get_stream().unwrap());

        let found = dump.crash.unwrap();
        let record = &crash.raw.exception_record;
        assert_eq!((found.thread, found.signal), (crash.get_crashing_thread_id(), record.exception_code));
        assert_eq!((found.code.cast_unsigned(), found.address), (record.exception_flags, record.exception_address));
        assert_eq!(dump.threads.len(), threads.threads.len());
        for (ours, theirs) in dump.threads.iter().zip(&threads.threads) {
            assert_eq!((ours.id, ours.name.as_deref()), (theirs.raw.thread_id, names.get_name(ours.id).as_deref()));
            let context = theirs.context(&system, None).unwrap();
            assert_eq!(ours.registers.counter(), Some(context.get_instruction_pointer()));
            assert_eq!(ours.registers.stack_pointer(), Some(context.get_stack_pointer()));
            let machine = if matches!(context.raw, MinidumpRawContext::Amd64(_)) { Machine::X86_64 } else { Machine::Aarch64 };
            assert_eq!(dump.machine, machine);
            for (name, value) in ours.registers.named().filter(|(name, _)| !["x29", "x30"].contains(name)) {
                assert_eq!(context.get_register(name), Some(value), "{name}");
            }
            let stack = theirs.stack_memory(&memory).unwrap().base_address();
            let word = theirs.stack_memory(&memory).unwrap().get_memory_at_address::<u64>(stack);
            assert!(ours.stack.word(stack).is_some() && ours.stack.word(stack) == word);
            assert_eq!(ours.stack.word(stack - 1), None);
        }
        let theirs: Vec<_> =
            modules.by_addr().map(|module| (module.base_address(), module.code_identifier().unwrap().to_string())).collect();
        let ours = dump.modules.iter().map(|module| (module.range.start, module.build_id.as_ref().unwrap().to_string()));
        assert_eq!(ours.collect::<Vec<_>>(), theirs);
        assert!(!dump.executable.is_empty());
    }
}

#[test]
fn a_minidump_may_end_anywhere() {
    for bytes in minidumps() {
        for length in (0..bytes.len()).step_by(41) {
            judge(&bytes[..length]);
        }
        assert!(judge(&bytes).is_some());
    }
}

#[test]
fn the_program_is_the_one_that_crashed() {
    let real = minidumps().swap_remove(0);
    let report = judge(&real).unwrap();
    assert_eq!(report.modules[0].build_id, BuildId::of(PROGRAM));
    let functions = report.threads[0].frames.iter().filter_map(|frame| frame.places.first()?.function.as_deref());
    assert_eq!(functions.collect::<Vec<_>>(), ["broken", "outer", "outer", "outer", "outer", "start"]);
}

/// The fuzz target starts from these; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn seeds_of_the_fuzz_target_are_minidumps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/minidump_report");
    for (name, bytes) in ["seed-real", "seed-x86-64", "seed-aarch64"].iter().zip(minidumps()) {
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs_err::write(folder.join(name), bytes).unwrap();
        }
        assert!(judge(&fs_err::read(folder.join(name)).unwrap()).is_some(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_reported(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        judge(&bytes);
        judge(&[b"MDMP\x93\xa7\0\0", &bytes[..]].concat());
    }

    /// Numbers that look like addresses, sizes and places in the file, wherever they hit.
    #[test]
    fn a_forged_minidump_is_refused_or_reported(
        which in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(0u64), Just(1), Just(u64::MAX), Just(u64::MAX - 7), Just(1 << 63), Just(0x7ff0_2000_c034), Just(0x20), any::<u64>(),
        ], 1usize..=8), 1..24),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = minidumps().swap_remove(which);
        for (at, value, length) in changes {
            let at = at.index(bytes.len() - 8);
            bytes[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        judge(&bytes);
    }
}
