//! `holdfast image verify`

use crate::{dispatch::Context, failure::Result, output::Style, places::Places};
use clap::{Args, ValueHint};
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Example:
  holdfast image verify build/image/qemu";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image's folder
    #[arg(value_name = "IMAGE", value_hint = ValueHint::DirPath)]
    image: PathBuf,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let report = image_builder::verify(&arguments.image)?;
    context.output.result(&report, |out| {
        let mut lines: Vec<String> = report.checks.iter().map(|check| format!("  {check}")).collect();
        let head = format!("{}: {} {}", Places::shown(&arguments.image), report.manifest.product, report.manifest.version);
        lines.insert(0, format!("{} {head}", out.paint(Style::Good, "whole")));
        lines.join("\n")
    });
    Ok(())
}
