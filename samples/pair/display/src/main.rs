//! The display: asks the thermometer once a second, and shows what it says.
//!
//! Half of a sample; `../thermometer` is the other one.
#![forbid(unsafe_code)]

use sdk::{
    log,
    ready::Manager,
    services::{ComponentId, Connection, Services},
    signals::Termination,
    wait,
};
use std::{error::Error, process::ExitCode, time::Duration};

const THERMOMETER: &str = "4c3f2d9b-6a4e-4f1c-9a37-7a1200110001";
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the thermometer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest text that is shown: what another app says is its own affair.
const SHOWN: usize = 64;

fn main() -> ExitCode {
    log::finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let thermometer: ComponentId = THERMOMETER.parse()?;
    let manager = Manager::from_environment();
    let termination = Termination::watch()?;
    let mut services = Services::from_environment();
    let mut connection: Option<Connection> = None;
    manager.ready();
    while wait::readable(&[&termination], Some(INTERVAL))?.is_empty() {
        manager.alive();
        let shown = match connection.take().map_or_else(|| services.connect(thermometer.clone()), Ok) {
            Ok(there) => ask(&there).inspect(|_| connection = Some(there)).unwrap_or_else(|| "the thermometer went".to_owned()),
            Err(why) => format!("no thermometer: {why}"),
        };
        log::info(format_args!("{shown}"));
        manager.status(&shown);
    }
    manager.stopping();
    Ok(())
}

/// What the thermometer says; nothing if it has gone.
fn ask(thermometer: &Connection) -> Option<String> {
    thermometer.send(b"read").ok()?;
    if wait::readable(&[thermometer], Some(PATIENCE)).ok()?.is_empty() {
        return None;
    }
    let message = thermometer.receive().ok()??;
    Some(String::from_utf8_lossy(&message).chars().filter(|c| !c.is_control()).take(SHOWN).collect())
}
