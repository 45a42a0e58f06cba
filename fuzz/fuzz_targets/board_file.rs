//! A board file: what is read is written and read again the same, and no file of a device lies anywhere but in /dev and /sys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::board::{BOARD_LIMIT, Board};

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = Board::parse(bytes) else { return };
    for path in read.devices().flat_map(|device| device.files()).flat_map(|file| file.paths) {
        assert!(path.starts_with("/dev/") || path.starts_with("/sys/"), "{path}");
        assert!(path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."), "{path}");
    }
    let written = serde_json::to_vec(&read).unwrap();
    // What is written may be longer than what was read, and then be refused for that alone.
    if written.len() <= BOARD_LIMIT {
        assert_eq!(Board::parse(&written).unwrap(), read);
    }
});
