//! `holdfast app logs`

use super::which::App;
use crate::{
    device::logs::{self, Extent, PAGE},
    dispatch::Context,
    failure::Result,
};
use clap::Args;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How much
    #[command(flatten)]
    extent: Extent,
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    logs::show(context.output, &arguments.extent, |after| client.app_log(&id, after, PAGE))
}
