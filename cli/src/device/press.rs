//! `holdfast device press`

use super::connect::Target;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    run::BUTTONS,
};
use clap::Args;
use manifest::{api::ErrorClass, names::PeripheralName};
use qemu_runner::{RunnerError, port::Port};
use std::{io::ErrorKind, time::Duration};

pub(super) const HELP: &str = "\
The QEMU board has no finger: this is it.

Example:
  holdfast device press DOORBELL_BUTTON --times 3";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The button, as manifests call it, with or without `$`
    #[arg(value_name = "BUTTON")]
    button: PeripheralName,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Which machine
    #[command(flatten)]
    target: Target,
}

/// A press takes some 40 ms; a loaded machine needs longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let machine = arguments.target.local(context)?.machine(context)?;
    let mut port = Port::connect(machine.folder(), BUTTONS, PATIENCE)?;
    for _ in 0..arguments.times {
        port.tell(&format!("press {}", arguments.button)).map_err(|error| match error {
            RunnerError::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let text = "nobody on the device answers for its buttons";
                Failure::new(ErrorClass::Unavailable, text)
                    .hint("has its image the service board-simulator? `holdfast device services` tells")
            }
            error => error.into(),
        })?;
    }
    let told = serde_json::json!({ "button": arguments.button, "times": arguments.times });
    context.output.result(&told, |_| match arguments.times {
        1 => format!("pressed ${}", arguments.button),
        n => format!("pressed ${} {n} times", arguments.button),
    });
    Ok(())
}
