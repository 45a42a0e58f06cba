//! `holdfast keys`: the owner's keys.

mod init;

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
};
use clap::Subcommand;
use image_builder::keys::KeysError;
use manifest::api::ErrorClass;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make all keys a developer needs: app signing, Secure Boot, device API, crash reports
    #[command(after_help = init::HELP)]
    Init,
}

/// Acts.
pub fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Init => init::act(context),
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let class = match &error {
            KeysError::Exists(_) => ErrorClass::Conflict,
            KeysError::Missing(_) | KeysError::NoCrashKey { .. } => ErrorClass::NotFound,
            KeysError::Open { .. } => ErrorClass::Untrusted,
            KeysError::Malformed { .. } => ErrorClass::BadInput,
            KeysError::File(_) | KeysError::Command(_) => ErrorClass::Internal,
        };
        let failure = Self::of(class, &error);
        match &error {
            KeysError::Open { path, expected, .. } => {
                failure.hint(format!("if nobody else could have read it: chmod {expected:o} {}", path.display()))
            }
            KeysError::NoCrashKey { commands, .. } if commands.is_empty() => {
                failure.hint("its public part is there: give the private one, wherever it is kept, with --key FILE")
            }
            KeysError::NoCrashKey { commands, .. } => {
                let commands = commands.join("\n");
                failure.hint(format!("make it, or all keys in a new folder with `holdfast keys init --keys DIR`:\n{commands}"))
            }
            KeysError::Malformed { expected, .. } => {
                let kind = if expected.contains("X25519") { "X25519" } else { "ed25519" };
                failure.hint(format!("`openssl genpkey -algorithm {kind}` makes such a key"))
            }
            _ => failure,
        }
    }
}
