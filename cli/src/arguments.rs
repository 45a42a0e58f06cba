//! The command line as types. Parsing never acts.

use crate::{app, board, device, exit, image, keys, run};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// Builds device images, runs them, and makes and deploys apps.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
pub struct Holdfast {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub noun: Noun,
}

const EXAMPLES: &str = "\
Examples:
  holdfast keys init                            make development keys, once
  holdfast image build boards/images/qemu.json  build a signed image
  holdfast run build/image/qemu --detach        boot it in QEMU
  holdfast app new my-app && holdfast app build my-app
  holdfast app deploy my-app.bundle
  holdfast app logs my-app --follow

`holdfast help COMMAND` tells more; docs/cli.md has everything, with the exit codes.";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Write one JSON object to standard output, on failure too
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Folder with the keys [default: build/keys of the project]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HOLDFAST_KEYS",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub keys: Option<PathBuf>,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Noun {
    /// Make keys
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Look at board files and make them
    #[command(subcommand)]
    Board(board::Verb),
    /// Build device images
    #[command(subcommand)]
    Image(image::Verb),
    /// Boot a device image in QEMU
    Run(Box<run::Arguments>),
    /// Make, deploy and operate apps
    #[command(subcommand)]
    App(app::Verb),
    /// Look at a device and operate it
    #[command(subcommand)]
    Device(device::Verb),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  holdfast completions bash > /etc/bash_completion.d/holdfast")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages, one per command
    #[command(after_help = "Example:\n  holdfast man --out ~/.local/share/man/man1")]
    Man {
        /// Folder to write to; made if it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print the command reference that docs/cli.md holds
    #[command(hide = true)]
    Reference,
}

/// The whole command line for clap, with the exit codes in the long help.
pub fn command() -> clap::Command {
    Holdfast::command().after_long_help(format!("{EXAMPLES}\n\n{}", exit::help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_every_long_option_has_help() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} {} has no help", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }
}
