//! `holdfast app crash get`

use super::sealed::{Key, default_name, without_minidump};
use crate::{
    device::connect::Target,
    dispatch::Context,
    failure::Result,
    files,
    output::{Style, size},
    places::Places,
};
use clap::{Args, ValueHint};
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Sealed, a report may be kept and passed on like any other file: only the owner's key opens it. With --minidump it is opened and \
written as a plain minidump, which debuggers read (`lldb -c`, Breakpad's tools); only you can read that file, and it may hold \
what was on the app's stacks: passwords, messages, keys.

Examples:
  holdfast app crash get 7
  holdfast app crash get 7 --minidump -o doorbell.dmp
  holdfast app crash get 7 --minidump --key /media/owner/crash-report.key";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which report, as `holdfast app crashes` numbers them
    #[arg(value_name = "NUMBER")]
    number: u64,
    /// Where to write it [default: crash-NUMBER.sealed or crash-NUMBER.dmp in the current folder]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Open it, and write the plain minidump
    #[arg(long)]
    minidump: bool,
    /// What opens it
    #[command(flatten)]
    key: Key,
    /// Which device
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Written {
    file: String,
    size: u64,
    sealed: bool,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let sealed = arguments.target.client(context)?.crash(arguments.number)?;
    // A broken answer is told here and not when somebody wants to read the file.
    crash_report::envelope(&sealed)?;
    let kind = if arguments.minidump { "dmp" } else { "sealed" };
    let to = arguments.output.clone().unwrap_or_else(|| default_name(arguments.number, kind));
    let length = if arguments.minidump {
        let (report, minidump) = arguments.key.open(context, &sealed)?;
        if minidump.is_empty() {
            return Err(without_minidump(&report));
        }
        files::replace_with_mode(&to, 0o600, |file| file.write_all(&minidump))?;
        minidump.len()
    } else {
        files::replace(&to, |file| file.write_all(&sealed))?;
        sealed.len()
    };
    let written = Written { file: to.display().to_string(), size: length as u64, sealed: !arguments.minidump };
    context.output.result(&written, |out| {
        let how = if written.sealed { "sealed" } else { "not sealed: it may hold secrets of the app" };
        format!("Wrote {} ({}, {how})", out.paint(Style::Bold, &Places::shown(&to)), size(written.size))
    });
    Ok(())
}
