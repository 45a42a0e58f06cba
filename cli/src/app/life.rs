//! `holdfast app start`, `stop`, `restart`, `status`, `update-now`, `remove`

use super::{settle, which::App, words};
use crate::{dispatch::Context, failure::Result, output::Output};
use api_client::{Client, ClientError};
use clap::Args;
use manifest::{api::AppStatus, names::ComponentId};
use std::time::Duration;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Wait until it runs; fail with its last log lines if it does not come to that
    #[arg(long)]
    wait_running: bool,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Arguments of `start`, `stop` and `restart`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Return at once, not when it has happened
    #[arg(long)]
    no_wait: bool,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Shows its status.
pub(super) fn status(context: &Context, arguments: &StatusArguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    let app = if arguments.wait_running {
        settle::until_running(context.output, &client, &id, Duration::from_secs(arguments.timeout))?
    } else {
        client.app(&id)?
    };
    context.output.result(&app, |out| words::status(*out, &app));
    Ok(())
}

/// Starts it.
pub(super) fn start(context: &Context, arguments: &Arguments) -> Result<()> {
    change(context, arguments, Client::start, settle::until_running)
}

/// Stops it.
pub(super) fn stop(context: &Context, arguments: &Arguments) -> Result<()> {
    change(context, arguments, Client::stop, settle::until_stopped)
}

/// Stops and starts it.
pub(super) fn restart(context: &Context, arguments: &Arguments) -> Result<()> {
    change(context, arguments, Client::restart, settle::until_running)
}

/// Installs the update that waits, and waits until it runs.
pub(super) fn update_now(context: &Context, arguments: &Arguments) -> Result<()> {
    let update = |client: &Client, id: &ComponentId| client.update_now(id).map(|installed| installed.app);
    change(context, arguments, update, |output, client, id, limit| {
        let version = client.app(id)?;
        settle::until_deployed(output, client, &version, limit)
    })
}

type Change = fn(&Client, &ComponentId) -> std::result::Result<AppStatus, ClientError>;

type Settle = fn(Output, &Client, &ComponentId, Duration) -> Result<AppStatus>;

fn change(context: &Context, arguments: &Arguments, how: Change, settle: Settle) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    let mut app = how(&client, &id)?;
    if !arguments.no_wait {
        app = settle(context.output, &client, &id, Duration::from_secs(arguments.timeout))?;
    }
    context.output.result(&app, |out| words::status(*out, &app));
    Ok(())
}

/// Removes it with its data.
pub(super) fn remove(context: &Context, arguments: &RemoveArguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    client.remove(&id)?;
    let told = serde_json::json!({ "removed": id });
    context.output.result(&told, |_| format!("removed {id} and erased its data"));
    Ok(())
}
