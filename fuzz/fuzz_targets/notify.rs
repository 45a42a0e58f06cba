//! A datagram of the sd_notify protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::notify::{Notification, STATUS_LIMIT};

fuzz_target!(|bytes: &[u8]| {
    let status = Notification::parse(bytes).status.unwrap_or_default();
    assert!(status.chars().count() <= STATUS_LIMIT && !status.chars().any(|c| !text::is_shown(c)));
});
