//! `holdfast device reboot` and `poweroff`

use super::{
    connect::Target,
    presence::{Asking, absent},
};
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
};
use clap::Args;
use manifest::api::ErrorClass;
use std::time::{Duration, Instant};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Wait until it has happened
    #[arg(long)]
    wait: bool,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// How often a device is asked whether it is there.
const LOOK: Duration = Duration::from_millis(250);

/// Reboots.
pub(super) fn reboot(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.target.client(context)?;
    let before = client.device()?.boot;
    client.reboot()?;
    let mut boot = None;
    if arguments.wait {
        let mut asking = Asking::new(client);
        let done = || match asking.device() {
            Ok(info) if info.boot > before => Ok(Some(info.boot)),
            Ok(_) => Ok(None),
            Err(error) => absent(error).map(|()| None),
        };
        boot = Some(until(arguments, "the device did not come back", done)?);
    }
    let told = serde_json::json!({ "rebooting": true, "boot": boot });
    context.output.result(&told, |_| match boot {
        Some(boot) => format!("the device is back; boot number {boot}"),
        None => "the device goes down and starts again".into(),
    });
    Ok(())
}

/// Powers off.
pub(super) fn off(context: &Context, arguments: &Arguments) -> Result<()> {
    let machine = arguments.target.local_if_any(context);
    let client = arguments.target.client(context)?;
    client.power_off()?;
    if arguments.wait {
        let mut asking = Asking::new(client);
        let done = || match &machine {
            Some(state) => Ok((!state.is_running()).then_some(())),
            None => match asking.device() {
                Ok(_) => Ok(None),
                Err(error) => absent(error).map(Some),
            },
        };
        until(arguments, "the device did not go down", done)?;
    }
    let told = serde_json::json!({ "powered_off": arguments.wait });
    context.output.result(&told, |_| if arguments.wait { "the device is off".into() } else { "the device goes down".into() });
    Ok(())
}

fn until<T>(arguments: &Arguments, otherwise: &str, mut done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    loop {
        if let Some(value) = done()? {
            return Ok(value);
        }
        if Instant::now() >= end {
            return Err(Failure::new(ErrorClass::Unavailable, format!("{otherwise} within {} s", arguments.timeout)));
        }
        std::thread::sleep(LOOK);
    }
}
