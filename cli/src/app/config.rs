//! `holdfast app config`: an app's configuration on a device, which may hold secrets and is never shown.

use super::which::App;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
};
use clap::{Args, Subcommand, ValueHint};
use manifest::api::{AppConfig, CONFIG_LIMIT, ErrorClass};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

pub(super) const HELP: &str = "\
A configuration is one document per app and device: text, JSON, a key, whatever the app reads from the descriptor `config`. \
It needs no new bundle, is kept encrypted on the device, and can be replaced and taken away, but not read back. The app's \
manifest says whether it takes one and what a change does: \"Holdfast\": { \"Config\": \"restart\" } or \"notify\".

Examples:
  holdfast app config set doorbell settings.json
  pass show doorbell/token | holdfast app config set doorbell -
  holdfast app config show doorbell
  holdfast app config clear doorbell";

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Give an app a configuration in place of the one before
    Set(SetArguments),
    /// Show whether an app has one; what is in it stays on the device
    Show(Arguments),
    /// Take it away
    Clear(Arguments),
}

/// Arguments of `set`.
#[derive(Debug, Args)]
pub struct SetArguments {
    /// Which app
    #[command(flatten)]
    app: App,
    /// The document, at most 32 KiB; `-` for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// Arguments of `show` and `clear`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Acts.
pub(super) fn act(context: &Context, verb: Verb) -> Result<()> {
    let config = match verb {
        Verb::Set(arguments) => {
            let document = document(&arguments.file)?;
            let client = arguments.app.target.client(context)?;
            client.set_config(&arguments.app.id(&client)?, document)?
        }
        Verb::Show(arguments) => {
            let client = arguments.app.target.client(context)?;
            client.config(&arguments.app.id(&client)?)?
        }
        Verb::Clear(arguments) => {
            let client = arguments.app.target.client(context)?;
            client.clear_config(&arguments.app.id(&client)?)?
        }
    };
    context.output.result(&config, |_| words(&config));
    Ok(())
}

fn words(config: &AppConfig) -> String {
    match config.size {
        Some(size) => format!("a configuration of {size} bytes; only the app can read it"),
        None => "no configuration".to_owned(),
    }
}

fn document(path: &Path) -> Result<Vec<u8>> {
    let limit = CONFIG_LIMIT as u64;
    if path != Path::new("-") {
        return Ok(files::read(path, limit)?);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > CONFIG_LIMIT {
        return Err(Failure::new(ErrorClass::BadInput, format!("standard input has more than {CONFIG_LIMIT} bytes")));
    }
    Ok(bytes)
}
