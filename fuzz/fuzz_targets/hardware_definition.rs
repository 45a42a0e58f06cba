//! A hardware definition of Azure Sphere: what is read is written and read again the same.
#![no_main]

use holdfast_cli::board::hardware_definition::{DEFINITION_LIMIT, HardwareDefinition};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = HardwareDefinition::parse(bytes) else { return };
    let written = serde_json::to_vec(&read).unwrap();
    if written.len() <= DEFINITION_LIMIT {
        assert_eq!(HardwareDefinition::parse(&written).unwrap(), read);
    }
});
