//! `holdfast app show`

use super::{which::App, words};
use crate::{
    dispatch::Context,
    failure::Result,
    output::{Style, harmless},
};
use clap::Args;
use manifest::api::{AppPolicy, AppStatus};
use serde::Serialize;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show what its manifest grants, and what is in force for the running instance, layer by layer
    #[arg(long)]
    policy: bool,
    /// Which app
    #[command(flatten)]
    app: App,
}

#[derive(Serialize)]
struct Shown {
    app: AppStatus,
    policy: Option<AppPolicy>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    let app = client.app(&id)?;
    let policy = if arguments.policy { Some(client.policy(&id)?) } else { None };
    let shown = Shown { app, policy };
    context.output.result(&shown, |out| {
        let mut lines = vec![words::status(*out, &shown.app)];
        if let Some(policy) = &shown.policy {
            lines.push(out.paint(Style::Bold, "granted by its manifest"));
            lines.extend(policy.grants.iter().map(|line| format!("  {}", harmless(line))));
            lines.push(out.paint(Style::Bold, "in force"));
            if policy.in_force.is_empty() {
                lines.push("  nothing: it does not run".into());
            }
            lines.extend(policy.in_force.iter().map(|line| format!("  {}", harmless(line))));
        }
        lines.join("\n")
    });
    Ok(())
}
