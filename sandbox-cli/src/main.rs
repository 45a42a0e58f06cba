//! The command `holdfast-sandbox`; everything is in the library of this crate.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(sandbox_cli::dispatch::main(std::env::args_os()))
}
