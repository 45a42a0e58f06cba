//! `holdfast app crash show`

use super::{
    sealed::{Key, Which, without_minidump},
    words,
};
use crate::{
    crash::{dump::Dump, find, report::Report},
    device::connect::Target,
    dispatch::Context,
    failure::{Failure, Result},
    places::Places,
};
use clap::{Args, ValueHint};
use manifest::api::CrashReport;
use minidump_common::format::MINIDUMP_SIGNATURE;
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Takes a report of a device by its number, a file that `holdfast app crash get` wrote, or any minidump of a Linux program on \
x86-64 or aarch64. Functions, files and lines come from unstripped programs whose build id is that of the program that crashed: \
those that `holdfast app build` keeps in build/symbols here, in the folder above or in the project, and this machine's own \
libraries. A frame that no such file leads to is found by the frame pointer, or by looking through the stack, and says so.

Examples:
  holdfast app crash show 7
  holdfast app crash show crash-7.sealed --key /media/owner/crash-report.key
  holdfast app crash show doorbell.dmp --symbols releases/1.4/symbols --json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A report's number on the device, or a file: sealed, or a plain minidump
    #[arg(value_name = "NUMBER|FILE", value_parser = Which::parse, value_hint = ValueHint::FilePath)]
    which: Which,
    /// Unstripped program, or folder that is searched for it by build id; may be given more than once
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    symbols: Vec<PathBuf>,
    /// What opens it
    #[command(flatten)]
    key: Key,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// What the device knew; nothing of a plain minidump.
    pub(super) report: Option<CrashReport>,
    /// What the minidump tells.
    pub(super) crash: Report,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let reading = |failure: Failure| failure.while_doing(arguments.which.shown());
    let bytes = arguments.which.read(context, &arguments.target)?;
    let (report, minidump) = if bytes.starts_with(&MINIDUMP_SIGNATURE.to_le_bytes()) {
        (None, bytes)
    } else {
        let (report, minidump) = arguments.key.open(context, &bytes).map_err(reading)?;
        if minidump.is_empty() {
            return Err(without_minidump(&report).context(words::head(context.output, &report)));
        }
        (Some(report), minidump)
    };
    let dump = Dump::read(&minidump).map_err(|e| reading(e.into()))?;
    let found = find::find(&dump.modules, &search(&context.places, arguments))?;
    let shown = Shown { report, crash: Report::new(&dump, &found)? };
    context.output.result(&shown, |out| words::all(*out, &shown));
    Ok(())
}

/// What was named, then what builds keep, then the libraries that dynamic programs were packed with.
fn search(places: &Places, arguments: &Arguments) -> find::Search {
    let mut stores = vec![places.symbols()];
    for folder in [".", ".."] {
        stores.push(PathBuf::from(folder).join("build/symbols"));
    }
    find::Search { given: arguments.symbols.clone(), stores, system: true }
}
