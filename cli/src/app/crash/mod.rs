//! `holdfast app crashes` and `holdfast app crash`: what crashed apps left on a device, and what it tells.
//!
//! A report is sealed to the owner's key by the device. [`sealed`] opens one; [`show`] puts it into words, by
//! [`crate::crash`]; `list`, `get` and `delete` need no key.

mod delete;
mod get;
mod list;
mod sealed;
mod show;
mod words;

use crate::{
    crash::{dump::DumpError, find::FindError, symbols::SymbolsError},
    dispatch::Context,
    failure::{Failure, Result},
};
use clap::Subcommand;
use crash_report::OpenError;
use manifest::api::ErrorClass;

pub(super) use list::{Arguments as ListArguments, HELP as LIST_HELP, act as list};

/// What to do with crash reports.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show why an app crashed and where, with function, file and line where there are symbols
    #[command(after_help = show::HELP)]
    Show(show::Arguments),
    /// Fetch a crash report into a file, sealed as it is or as a plain minidump
    #[command(after_help = get::HELP)]
    Get(get::Arguments),
    /// Delete a crash report from the device
    Delete(delete::Arguments),
}

/// Acts.
pub(super) fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Show(arguments) => show::act(context, &arguments),
        Verb::Get(arguments) => get::act(context, &arguments),
        Verb::Delete(arguments) => delete::act(context, &arguments),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let class = match &error {
            OpenError::OtherKey { .. } | OpenError::ForgedHeader | OpenError::Damaged => ErrorClass::Untrusted,
            OpenError::NoReport | OpenError::Version(_) | OpenError::Cut | OpenError::HeaderTooLong(_) | OpenError::Header(_) => {
                ErrorClass::BadInput
            }
        };
        let failure = Self::of(class, &error);
        match error {
            OpenError::OtherKey { .. } => failure.hint("give the key with --key FILE, or the folder that has it with --keys DIR"),
            _ => failure,
        }
    }
}

impl From<DumpError> for Failure {
    fn from(error: DumpError) -> Self {
        Self::of(ErrorClass::BadInput, &error)
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Io(error) => error.into(),
            FindError::NoBuildId(_) => Self::of(ErrorClass::BadInput, &error)
                .hint("link with -Wl,--build-id; `holdfast app build` does, and keeps the symbols in build/symbols"),
            FindError::OtherBuild { .. } => Self::of(ErrorClass::BadInput, &error)
                .hint("give the unstripped program of the very build that the device has, or the folder that holds it"),
        }
    }
}

impl From<SymbolsError> for Failure {
    fn from(error: SymbolsError) -> Self {
        Self::of(ErrorClass::BadInput, &error)
    }
}
