//! The command line as types. Parsing never acts.

use crate::failure::{RUN_FAILED, TABLE};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// Runs a program so confined that it can do nothing its policy does not grant
#[derive(Debug, Parser)]
#[command(name = "holdfast-sandbox", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
pub struct HoldfastSandbox {
    /// Write one JSON object to standard output, on failure too; `run` writes it to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  holdfast-sandbox check
  holdfast-sandbox explain sandbox-cli/policies/shell.json
  holdfast-sandbox learn -- /usr/bin/env > env.json
  holdfast-sandbox run sandbox-cli/policies/shell.json -- /bin/sh -c 'id; ls /'

docs/sandbox.md tells what a policy is made of.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a program in a sandbox
    Run(Run),
    /// Run a program without a sandbox and propose the smallest policy for it
    Learn {
        /// The program and its arguments; its standard output goes to standard error
        #[arg(required = true, last = true, value_name = "PROGRAM")]
        program: Vec<String>,
    },
    /// Say in plain words what a policy lets a program do
    Explain {
        /// The policy file
        policy: PathBuf,
    },
    /// Say what this kernel can enforce
    Check,
    /// Print the JSON Schema of policies
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages, one per command
    Man {
        /// Folder to write to; made if it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print the command reference that docs/sandbox-cli.md holds
    #[command(hide = true)]
    Reference,
}

/// What `run` is told.
#[derive(Debug, Args)]
pub struct Run {
    /// Say on standard error what is in force, a line per layer
    #[arg(long)]
    pub in_force: bool,
    /// Folder of control groups below which one is made for the program
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/cgroup/holdfast-sandbox")]
    pub cgroup_parent: PathBuf,
    /// The policy file
    pub policy: PathBuf,
    /// The program, by its path inside the sandbox, and its arguments
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    pub program: Vec<String>,
}

/// The command for clap, with the table of exit codes.
pub fn command() -> clap::Command {
    let mut codes = String::from("Exit codes:\n   0  success\n");
    for row in &TABLE {
        codes.push_str(&format!("  {:>2}  {}: {}\n", row.code, row.name, row.meaning));
    }
    let run = format!(
        "`run` exits as the program does, with 128 + N when signal N killed it, and with {RUN_FAILED} when it did not run."
    );
    HoldfastSandbox::command().after_long_help(format!("{EXAMPLES}\n\n{codes}\n{run}"))
}
