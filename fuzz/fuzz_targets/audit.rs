//! A message of the audit subsystem.
#![no_main]

use libfuzzer_sys::fuzz_target;
use security_monitor::audit;

fuzz_target!(|bytes: &[u8]| {
    let seen = audit::message(bytes).or_else(|| audit::record(1326, &String::from_utf8_lossy(bytes)));
    if let Some(seen) = seen {
        assert!(["uid ", "domain "].iter().any(|word| seen.subject.starts_with(word)) && !seen.detail.chars().any(char::is_control));
    }
});
