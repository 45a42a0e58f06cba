//! An app manifest: what is read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::app::AppManifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = AppManifest::parse(bytes) else { return };
    let written = serde_json::to_vec(&read).unwrap();
    // What is written may be longer than what was read (defaults are spelt out), and then be refused for that alone.
    if written.len() <= manifest::app::MANIFEST_LIMIT {
        assert_eq!(AppManifest::parse(&written).unwrap(), read);
    }
});
