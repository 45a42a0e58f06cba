//! `holdfast board check`

use crate::{
    dispatch::Context,
    failure::Result,
    output::{Style, harmless},
};
use clap::{Args, ValueHint};
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
A board file gives names to what apps can be granted: GPIO lines, serial ports, I2C and SPI devices, PWM, converters, LEDs, \
clocks, watchdogs. docs/boards.md tells how to write one.

Example:
  holdfast board check boards/qemu-q35.json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The board file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

#[derive(Serialize)]
struct Checked {
    file: String,
    board: String,
    peripherals: Vec<Peripheral>,
}

#[derive(Serialize)]
struct Peripheral {
    name: String,
    kind: &'static str,
    place: String,
    /// Names of the descriptors that an app gets.
    descriptors: Vec<String>,
    aliases: Vec<String>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let board = super::read(&arguments.file)?;
    let aliases =
        |name: &str| board.aliases.iter().filter(|(_, own)| own.as_str() == name).map(|(alias, _)| format!("${alias}")).collect();
    let peripherals = board.devices().map(|device| Peripheral {
        name: format!("${}", device.name),
        kind: device.entry.kind().noun(),
        place: device.entry.places().join(", "),
        descriptors: device.descriptors(),
        aliases: aliases(device.name.as_str()),
    });
    let checked =
        Checked { file: arguments.file.display().to_string(), board: board.name.to_string(), peripherals: peripherals.collect() };
    context.output.result(&checked, |out| {
        let mut lines = vec![format!("{} is valid: {}", checked.file, harmless(&checked.board))];
        lines.extend(checked.peripherals.iter().map(|peripheral| {
            let aliases =
                if peripheral.aliases.is_empty() { String::new() } else { format!("; also {}", peripheral.aliases.join(", ")) };
            let name = out.paint(Style::Bold, &peripheral.name);
            format!("  {name}: {}, {}{aliases}", peripheral.kind, harmless(&peripheral.place))
        }));
        lines.join("\n")
    });
    Ok(())
}
