//! A packet as each service reads it.
#![no_main]

use ipc::{messages, packet};
use libfuzzer_sys::fuzz_target;
use manifest::api::Done;

fuzz_target!(|bytes: &[u8]| {
    let _ = packet::parse::<messages::init::Request>(bytes);
    let _ = packet::parse::<messages::monitor::Request>(bytes);
    let _ = packet::parse::<messages::launcher::Request>(bytes);
    let _ = packet::parse::<messages::app_manager::Request>(bytes);
    let _ = packet::parse::<messages::app_manager::Serving>(bytes);
    let _ = packet::parse::<messages::network::Request>(bytes);
    let _ = packet::parse::<ipc::client::Answer<Done>>(bytes);
});
