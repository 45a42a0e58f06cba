//! A record of the kernel's log, and what the monitor makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linux::kernel_log;

fuzz_target!(|bytes: &[u8]| {
    let Some(record) = kernel_log::parse(bytes) else { return };
    assert!(!record.text.chars().any(|c| !text::is_shown(c)));
    if let Some(seen) = security_monitor::watch::kernel_record(&record) {
        assert_eq!(record.facility, kernel_log::KERNEL);
        assert!(!seen.subject.chars().chain(seen.detail.chars()).any(|c| !text::is_shown(c)));
    }
});
