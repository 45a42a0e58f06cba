//! The thermometer: has the sensor, and tells what it reads to the apps that its manifest names.
//!
//! Half of a sample; `../display` is the other one. The sensor is a thermocouple of type S, some 10 microvolts a degree.
#![forbid(unsafe_code)]

use sdk::{
    attributes::Voltage,
    descriptors::Granted,
    log,
    ready::Manager,
    services::{Connection, Services},
    signals::Termination,
    wait,
};
use std::{error::Error, os::fd::AsFd, process::ExitCode};

/// Apps that are answered at the same time.
const CONNECTIONS: usize = 4;
const VOLTS_PER_DEGREE: f64 = 0.000_01;

fn main() -> ExitCode {
    log::finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let manager = Manager::from_environment();
    let termination = Termination::watch()?;
    let sensor = Granted::take().voltage("VOLTMETER", 0)?;
    let services = Services::from_environment();
    let mut arriving = services.accept()?;
    let mut connections: Vec<Connection> = Vec::new();
    manager.ready();
    loop {
        let mut sources: Vec<&dyn AsFd> = vec![&termination, &arriving];
        sources.extend(connections.iter().map(|connection| connection as &dyn AsFd));
        let readable = wait::readable(&sources, manager.ping_interval())?;
        if readable.contains(&0) {
            manager.stopping();
            return Ok(());
        }
        // From the last one, so that those before keep their places.
        for at in readable.iter().rev().filter_map(|at| at.checked_sub(2)) {
            if !connections.get(at).is_some_and(|connection| answer(connection, &sensor)) {
                let gone = connections.remove(at);
                log::info(format_args!("{} has gone", gone.app()));
            }
        }
        if readable.contains(&1) {
            // app-services may have been started again: then it is asked anew.
            let arrived = std::mem::replace(&mut arriving, services.accept()?).take();
            if let Ok(connection) = arrived
                && connections.len() < CONNECTIONS
            {
                log::info(format_args!("{} is there", connection.app()));
                connections.push(connection);
            }
        }
        manager.alive();
    }
}

/// Answers one message; false once the other app is gone.
fn answer(connection: &Connection, sensor: &Voltage) -> bool {
    let Ok(Some(message)) = connection.receive() else { return false };
    let reply = match (message.as_slice(), sensor.volts()) {
        (b"read", Ok(Some(volts))) => format!("{:.1} C", volts / VOLTS_PER_DEGREE),
        (b"read", _) => "the sensor does not answer".to_owned(),
        _ => "?".to_owned(),
    };
    connection.send(reply.as_bytes()).is_ok()
}
