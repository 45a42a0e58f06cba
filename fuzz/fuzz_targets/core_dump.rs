//! A core file, which an app forges as it likes: it gives an error, or a minidump within its limit that can be read.
#![no_main]

use crash_report::{MINIDUMP_LIMIT, minidump};
use libfuzzer_sys::fuzz_target;
use minidump::{
    Minidump, MinidumpException, MinidumpLinuxMaps, MinidumpMemoryList, MinidumpModuleList, MinidumpSystemInfo,
    MinidumpThreadList,
};

fuzz_target!(|core: &[u8]| {
    let Ok(bytes) = minidump(&core) else { return };
    assert!(bytes.len() <= MINIDUMP_LIMIT, "{} bytes", bytes.len());
    let dump = Minidump::read(bytes).unwrap();
    let system: MinidumpSystemInfo = dump.get_stream().unwrap();
    let crash: MinidumpException = dump.get_stream().unwrap();
    assert!(crash.context(&system, None).is_some());
    let threads: MinidumpThreadList = dump.get_stream().unwrap();
    assert!(threads.threads.iter().all(|thread| thread.context(&system, None).is_some()));
    let _: (MinidumpModuleList, MinidumpMemoryList, MinidumpLinuxMaps) =
        (dump.get_stream().unwrap(), dump.get_stream().unwrap(), dump.get_stream().unwrap());
});
