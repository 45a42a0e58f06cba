//! `holdfast image plan`

use super::build::Source;
use crate::{dispatch::Context, failure::Result, output::Style, places::Places};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
Reads the description and the files it names, so it is also the quickest check of a description.

Example:
  holdfast image plan boards/images/qemu.json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What would be built
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Plan {
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    name: &'static str,
    text: &'static str,
    inputs: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let steps = image_builder::plan(&arguments.source.options(context))?;
    let steps = steps.into_iter().map(|s| Step { name: s.name, text: s.text, inputs: s.inputs, outputs: s.outputs }).collect();
    let plan = Plan { steps };
    context.output.result(&plan, |out| {
        let mut lines = Vec::new();
        for (at, step) in plan.steps.iter().enumerate() {
            lines.push(format!("{} {}", out.paint(Style::Bold, &format!("{}. {}:", at + 1, step.name)), step.text));
            lines.extend(step.inputs.iter().map(|path| format!("     reads  {}", Places::shown(path))));
            lines.extend(step.outputs.iter().map(|path| format!("     writes {}", Places::shown(path))));
        }
        lines.join("\n")
    });
    Ok(())
}
