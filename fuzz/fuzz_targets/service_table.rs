//! The service table: one that is accepted has an order of starting in which each service comes after what it needs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::service::ServiceTable;

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = ServiceTable::parse(bytes) else { return };
    let order = table.start_order().unwrap();
    assert_eq!(order.len(), table.services.len());
    for (at, service) in order.iter().enumerate() {
        assert!(service.needs.iter().all(|needed| order[..at].iter().any(|before| before.name == *needed)));
    }
});
