//! A sealed crash report as its owner is given it: what is opened is, byte by byte, what a device sealed.
#![no_main]

use crash_report::{envelope, header, open, public_key};
use libfuzzer_sys::fuzz_target;

/// Whose the seeds are.
const SECRET: [u8; 32] = [7; 32];

fuzz_target!(|bytes: &[u8]| {
    let read = envelope(bytes);
    if let Ok((report, minidump)) = open(&SECRET, bytes) {
        let head = header(&public_key(&SECRET), &report).unwrap();
        // Encapsulated key, seal of the header, tag.
        assert_eq!(bytes.len(), head.len() + 32 + 16 + minidump.len() + 16);
        assert!(bytes.starts_with(&head));
        assert_eq!(read.unwrap().report, report);
    }
});
