//! Core files that are cut, or that an app forged: each gives an error with words, or a minidump that can be read.

use crate::{
    REAL, Read,
    cores::{CoreFile, Machine, PROGRAM, STACKS, Segment},
};
use crash_report::{CoreError, MINIDUMP_LIMIT, minidump};
use minidump::Minidump;
use proptest::prelude::*;

/// What must hold for any bytes.
fn judge(core: &[u8]) -> Result<usize, String> {
    match minidump(&core) {
        Err(e) if e.to_string().is_empty() => panic!("no words for {e:?}"),
        Err(e) => Err(e.to_string()),
        Ok(bytes) => {
            assert!(bytes.len() <= MINIDUMP_LIMIT, "{} bytes", bytes.len());
            let dump = Minidump::read(bytes).unwrap();
            Ok(Read::of(&dump).threads.threads.len())
        }
    }
}

#[test]
fn a_real_core_may_end_anywhere() {
    let mut threads = Vec::new();
    for cut in (0..REAL.len()).filter(|cut| *cut < 0x3000 || cut % 97 == 0) {
        threads.push(judge(&REAL[..cut]).unwrap_or(0));
    }
    assert!(threads.is_sorted(), "more of a core never tells less");
    assert_eq!((threads.first(), threads.last()), (Some(&0), Some(&2)));
    assert!(matches!(minidump(&&REAL[..0x300]), Err(CoreError::Cut)));
}

#[test]
fn what_is_no_core_is_said_to_be_none() {
    let core = CoreFile::new(Machine::X86_64, 1);
    assert!(matches!(minidump(&&b""[..]), Err(CoreError::Cut)));
    assert!(matches!(minidump(&&[0; 4096][..]), Err(CoreError::NoCore)));
    let other = CoreFile { machine_number: Some(243), ..core.clone() };
    assert!(matches!(minidump(&other.bytes().as_slice()), Err(CoreError::Machine(243))));
    let none = CoreFile { threads: Vec::new(), ..core };
    assert!(matches!(minidump(&none.bytes().as_slice()), Err(CoreError::NoThread)));
}

#[test]
fn counts_and_sizes_that_are_not_there_are_not_believed() {
    let core = CoreFile::new(Machine::X86_64, 2);
    for count in [0, 1, u64::MAX, u64::MAX / 24 + 1, 1 << 32, 7] {
        assert_eq!(judge(&CoreFile { file_count: Some(count), ..core.clone() }.bytes()), Ok(2), "{count} files");
    }
    for count in [2, 0x7fff, 0xffff] {
        assert_eq!(judge(&CoreFile { header_count: Some(count), ..core.clone() }.bytes()), Ok(2), "{count} headers");
    }
    assert!(judge(&CoreFile { header_count: Some(0), ..core.clone() }.bytes()).is_err());
    for size in [u64::MAX, 1 << 40] {
        assert!(judge(&CoreFile { notes_size: Some(size), ..core.clone() }.bytes()).is_ok(), "{size} bytes of notes");
    }
}

#[test]
fn segments_that_wrap_around_or_lie_nowhere_have_no_memory() {
    for forged in [(u64::MAX, u64::MAX), (1 << 63, 4096), (0, u64::MAX), (1 << 40, 4096)] {
        let mut core = CoreFile::new(Machine::X86_64, 1);
        core.segments.last_mut().unwrap().forged = Some(forged);
        assert_eq!(judge(&core.bytes()), Ok(1), "{forged:?}");
    }
    for (start, size) in [(u64::MAX, 2), (u64::MAX - 4096, 4096), (0, u64::MAX), (STACKS, u64::MAX)] {
        let mut core = CoreFile::new(Machine::X86_64, 1);
        core.segments.push(Segment::new(start, vec![1; 4096], 7).sized(size));
        core.files.push((start, start.saturating_add(size), 0, "/lib/huge".into()));
        for pointer in [0, 1, start, u64::MAX] {
            core.threads[0].1 = pointer;
            assert_eq!(judge(&core.bytes()), Ok(1), "{start:x} {size:x} {pointer:x}");
        }
    }
}

#[test]
fn a_path_says_nothing_to_who_reads_the_mappings() {
    let mut core = CoreFile::new(Machine::X86_64, 1);
    for (index, path) in
        ["/SYSV", "[stack:x]", "a\nb", "/x\n7f-80 r--p 0 00:00 0 /y", &"é".repeat(5000), "\u{fffd}\u{202e}"].iter().enumerate()
    {
        let start = 0x1000_0000 + 0x2000 * index as u64;
        core.segments.push(Segment::new(start, vec![2; 16], 5).sized(0x1000));
        core.files.push((start, start + 0x1000, 0, (*path).to_owned()));
    }
    core.files.sort();
    assert_eq!(judge(&core.bytes()), Ok(1));
}

#[test]
fn everything_at_its_limit_leaves_room_for_the_crashed_threads_stack() {
    let mut core = CoreFile::new(Machine::X86_64, 70);
    let stack = Segment::new(STACKS - 0x100_0000, vec![9; 1 << 18], 6);
    core.threads[0].1 = stack.start + 128;
    core.segments.push(stack);
    core.files.clear();
    for index in 0..500 {
        let start = 0x1000_0000 + 0x2000 * index;
        core.segments.push(Segment::new(start, crate::cores::elf_page(&[3; 64]), 5));
        core.files.push((start, start + 0x1000, 0, format!("/{index}{}", "\u{1f514}".repeat(254))));
    }
    let dump = Minidump::read(minidump(&core.bytes().as_slice()).unwrap()).unwrap();
    let read = Read::of(&dump);
    assert_eq!(read.stack(0).1.len(), crash_report::dump::CRASHED_STACK_LIMIT);
    assert_eq!(read.modules.iter().count(), crash_report::modules::MODULES_LIMIT);
    judge(&core.bytes()).unwrap();
}

proptest! {
    #[test]
    fn any_bytes_give_an_error_or_a_minidump(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = judge(&bytes);
    }

    /// A core of either processor, some of its bytes replaced: numbers that look like addresses and sizes among them.
    #[test]
    fn a_forged_core_gives_an_error_or_a_minidump(
        arm in any::<bool>(),
        real in any::<bool>(),
        changes in prop::collection::vec((0usize..0x3000, prop_oneof![
            Just(0u64), Just(u64::MAX), Just(1 << 63), Just(u64::MAX - 4095), Just(PROGRAM), Just(STACKS), any::<u64>(),
        ], 1usize..=8), 1..12),
        cut in proptest::option::of(0usize..0x8000),
    ) {
        let machine = if arm { Machine::Aarch64 } else { Machine::X86_64 };
        let mut bytes = if real { REAL.to_vec() } else { CoreFile::new(machine, 3).bytes() };
        for (at, value, length) in changes {
            if let Some(room) = bytes.get_mut(at..at + length) {
                room.copy_from_slice(&value.to_le_bytes()[..length]);
            }
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let _ = judge(&bytes);
    }
}
