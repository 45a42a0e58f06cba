//! A segment of the event log: the part that is believed is believed again, and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use security_monitor::segment;

fuzz_target!(|bytes: &[u8]| {
    let scan = segment::scan(bytes);
    assert!(scan.good <= bytes.len() && (scan.fault.is_some() || scan.good == bytes.len()));
    if scan.good > 0 {
        let again = segment::scan(&bytes[..scan.good]);
        assert_eq!((again.last, &again.chain, again.fault), (scan.last, &scan.chain, None));
    }
});
