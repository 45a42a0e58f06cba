//! Presses the simulated buttons of the QEMU board: the finger, on a device that has none.
//!
//! It is a daemon of that board's image only. init makes the simulated GPIO chip and passes what this process works with
//! as open descriptors: `buttons`, the virtio-serial port `holdfast.buttons`, and one `pull-<NAME>` per line, its file in
//! sysfs (Documentation/admin-guide/gpio/gpio-sim.rst). It opens nothing itself and keeps no capability.
//!
//! - [`command`]: the lines a person or a test sends, and what they mean.
//! - [`port`]: the port as lines, bounded, without spinning while nobody is connected.
//! - [`lines`]: the simulated lines by name.
//!
//! What it trusts: the host, which owns the machine anyway. Still every line is bounded and every unknown word answered.
#![forbid(unsafe_code)]

mod command;
mod lines;
mod port;

use command::Command;
use lines::Lines;
use linux::{descriptors, files, log, notify::Notifier};
use port::Port;
use sandbox::{Confinement, confine_self};
use std::process::ExitCode;

fn main() -> ExitCode {
    match serve() {
        Ok(never) => match never {},
        Err(e) => {
            log::error(files::chain(e.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    let mut passed = descriptors::take();
    let mut port = Port::new(passed.take("buttons")?);
    let lines = Lines::new(passed.take_all("pull-"));
    let manager = Notifier::from_environment();
    for layer in confine_self(&Confinement::new())? {
        log::info(format_args!("confined by {layer}"));
    }
    log::info(format_args!("the simulated lines are {}", lines.names()));
    manager.ready();
    loop {
        let answer = match port.line()? {
            Ok(line) => answer(&line, &lines),
            Err(too_long) => format!("error {too_long}"),
        };
        port.answer(&answer)?;
    }
}

fn answer(line: &str, lines: &Lines) -> String {
    match line.parse::<Command>().map_err(|e| e.to_string()).and_then(|c| lines.execute(&c).map_err(|e| files::chain(&e))) {
        Ok(()) => "ok".to_owned(),
        Err(e) => format!("error {e}"),
    }
}
