//! `holdfast image`: building device images.

mod build;
mod errors;
mod plan;
pub mod progress;
mod verify;

use crate::{dispatch::Context, failure::Result};
use clap::Subcommand;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build a signed image from an image description
    #[command(after_help = build::HELP)]
    Build(build::Arguments),
    /// Show the steps of a build and the files each reads and writes, without building
    #[command(after_help = plan::HELP)]
    Plan(plan::Arguments),
    /// Check the files of an image against its manifest and its hash tree
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
}

/// Acts.
pub fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Build(arguments) => build::act(context, &arguments),
        Verb::Plan(arguments) => plan::act(context, &arguments),
        Verb::Verify(arguments) => verify::act(context, &arguments),
    }
}
