//! `holdfast app debug`

use super::which::App;
use crate::{
    crash::store::DEV,
    dispatch::Context,
    failure::{Failure, Result},
    output::Style,
};
use clap::Args;
use manifest::api::ErrorClass;
use serde::Serialize;
use std::net::{Ipv4Addr, TcpListener};

pub(super) const HELP: &str = "\
The app is stopped and started again under gdbserver, inside its own sandbox, and waits at its first instruction. This command \
prints how to connect gdb, carries its connection to the device, and ends with it; the app is then started again without. Neither \
its watchdog nor its time to become ready counts meanwhile. What it prints is in its log.

Only where the image lets apps be debugged: `\"debug\": \"developer\"` in its description.

Examples:
  holdfast app debug doorbell
  holdfast app debug doorbell --port 3333";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Port of this machine that gdb connects to [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Which app
    #[command(flatten)]
    app: App,
}

/// What a program that starts gdb must know.
#[derive(Serialize)]
struct Waiting {
    /// Where gdb connects to.
    address: String,
    /// The whole command.
    command: Vec<String>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).map_err(|e| {
        Failure::new(ErrorClass::Conflict, format!("cannot listen on port {} of this machine: {e}", arguments.port))
            .hint("give another one with --port, or none")
    })?;
    let address = listener.local_addr()?.to_string();
    // Loaded by build id, from where `app build` and `app dev` keep them.
    let folder = context.places.symbols();
    let symbols = format!("set debug-file-directory {}:{}", folder.display(), folder.join(DEV).display());
    let target = format!("target remote {address}");
    let command = ["gdb", "-ex", &symbols, "-ex", &target].map(str::to_owned).to_vec();
    client.debug(&id, listener, || {
        context.output.result(&Waiting { address, command }, |out| {
            let gdb = out.paint(Style::Bold, &format!("gdb -ex '{symbols}' -ex '{target}'"));
            format!("The app waits at its first instruction. In another terminal:\n  {gdb}\nIt is started again without a debugger when gdb goes.")
        });
    })?;
    context.output.note("The debugger's session is over; the app is started again.");
    Ok(())
}
