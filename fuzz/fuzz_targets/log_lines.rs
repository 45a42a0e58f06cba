//! What a daemon writes to its log, in two parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use security_monitor::lines::{LINE_LIMIT, Splitter};

fuzz_target!(|parts: (&[u8], &[u8])| {
    let mut splitter = Splitter::default();
    let lines = splitter.push(parts.0).into_iter().chain(splitter.push(parts.1));
    for line in lines.collect::<Vec<_>>() {
        assert!(line.priority < 8 && line.text.chars().count() <= LINE_LIMIT && !line.text.chars().any(|c| !text::is_shown(c)));
    }
});
