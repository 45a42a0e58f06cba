//! `holdfast app crash delete`

use crate::{device::connect::Target, dispatch::Context, failure::Result};
use clap::Args;
use serde::Serialize;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which report, as `holdfast app crashes` numbers them
    #[arg(value_name = "NUMBER")]
    number: u64,
    /// Which device
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Deleted {
    number: u64,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    arguments.target.client(context)?.delete_crash(arguments.number)?;
    let deleted = Deleted { number: arguments.number };
    context.output.result(&deleted, |_| format!("Deleted crash report {}", deleted.number));
    Ok(())
}
