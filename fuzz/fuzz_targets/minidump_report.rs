//! A minidump that somebody sends to whoever looks into crashes: it is refused, or reported within the bounds. Its first
//! module with a build id is taken for a program that is at hand, whatever addresses the minidump gives it.
#![no_main]

use holdfast_cli::crash::{
    dump::{Dump, MODULES_LIMIT, THREADS_LIMIT},
    find::Found,
    report::Report,
    unwind::{CRASHED_FRAMES_LIMIT, FRAMES_LIMIT},
};
use libfuzzer_sys::fuzz_target;

const PROGRAM: &[u8] = include_bytes!("../../cli/tests/data/crash");

fuzz_target!(|bytes: &[u8]| {
    let Ok(dump) = Dump::read(bytes) else { return };
    assert!((1..=THREADS_LIMIT).contains(&dump.threads.len()) && dump.modules.len() <= MODULES_LIMIT);
    let module = dump.modules.iter().position(|module| module.build_id.is_some());
    let found = module.map(|module| Found { module, path: "program".into(), bytes: PROGRAM.to_vec() });
    let report = Report::new(&dump, found.as_slice()).unwrap();
    for thread in &report.threads {
        let limit = if thread.crashed { CRASHED_FRAMES_LIMIT } else { FRAMES_LIMIT };
        assert!(thread.frames.len() <= limit);
        for frame in &thread.frames {
            assert_eq!(frame.module.is_some(), frame.offset.is_some());
            // A frame's last place is the function that holds the others.
            assert!(frame.places.iter().rev().skip(1).all(|place| place.inlined));
            assert!(frame.places.last().is_none_or(|place| !place.inlined));
        }
    }
    serde_json::to_vec(&report).unwrap();
});
