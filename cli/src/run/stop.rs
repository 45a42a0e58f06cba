//! `holdfast run --stop`

use super::state;
use crate::{dispatch::Context, failure::Result};
use serde::Serialize;
use std::time::Duration;

/// How long a device may take to go down in order.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Stopped {
    name: String,
    in_order: bool,
}

/// Acts.
pub(super) fn act(context: &Context, name: Option<&str>) -> Result<()> {
    let state = state::the_running(context, name)?;
    let in_order = state.machine(context)?.stop(LIMIT)?;
    if !in_order {
        context.output.warning("the device did not go down in order and was switched off");
    }
    let stopped = Stopped { name: state.name, in_order };
    context.output.result(&stopped, |_| format!("stopped `{}`", stopped.name));
    Ok(())
}
