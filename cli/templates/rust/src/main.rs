//! {{name}}: an app of Holdfast.

use sdk::{log, ready::Manager, signals::Termination, wait};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let termination = Termination::watch()?;
    let manager = Manager::from_environment();
    log::info("{{name}} started");
    manager.ready();
    while !wait::readable(&[&termination], manager.ping_interval())?.contains(&0) {
        manager.alive();
    }
    manager.stopping();
    Ok(())
}
