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
    /// Make all keys a developer needs: app signing, Secure Boot, device API
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
            KeysError::Missing(_) => ErrorClass::NotFound,
            KeysError::Open { .. } => ErrorClass::Untrusted,
            KeysError::Malformed { .. } => ErrorClass::BadInput,
            KeysError::File(_) | KeysError::Command(_) => ErrorClass::Internal,
        };
        let failure = Self::of(class, &error);
        match &error {
            KeysError::Open { path, expected, .. } => {
                failure.hint(format!("if nobody else could have read it: chmod {expected:o} {}", path.display()))
            }
            KeysError::Malformed { .. } => failure.hint("`openssl genpkey -algorithm ed25519` makes such a key"),
            _ => failure,
        }
    }
}
