//! `holdfast app deploy`

use super::{settle, words};
use crate::{
    device::connect::Target,
    dispatch::Context,
    failure::{Failure, Result},
    output::{Output, size},
};
use clap::{Args, ValueHint};
use manifest::api::{AppStatus, Downgrade, ErrorClass, When};
use serde::Serialize;
use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

pub(super) const HELP: &str = "\
Sends the bundle, which the device judges; then waits until the app runs (and has said READY, where its manifest asks for \
that), or tells why it does not, with the last lines of its log. A new version that does not get ready gives way to the one \
before it, by itself.

Apps with the right to it may put an update off, as long as the device's image lets them: then this command says how long, and the version that is there runs on. --now installs it at once; `holdfast app update-now` does it later.

An older version than the one that was installed before is refused. --allow-downgrade goes back on purpose, where the image \
description names a role that may (`\"downgrade\": \"developer\"`).

Examples:
  holdfast app deploy my-app.bundle
  holdfast app deploy my-app.bundle --no-wait
  holdfast app deploy my-app.bundle --now
  holdfast app deploy my-app-1.bundle --allow-downgrade";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bundle
    #[arg(value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    bundle: PathBuf,
    /// Return as soon as it is installed
    #[arg(long)]
    no_wait: bool,
    /// Install it at once, whatever apps put it off
    #[arg(long)]
    now: bool,
    /// Install it even if it is older than the version that is there; only where the device's image lets your role
    #[arg(long)]
    allow_downgrade: bool,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Which device
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct Deployed {
    app: AppStatus,
    replaced: Option<u64>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let file = fs_err::File::open(&arguments.bundle)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(Failure::new(ErrorClass::BadInput, format!("{} is no regular file", arguments.bundle.display())));
    }
    let client = arguments.target.client(context)?;
    let mut bar = Bar::new(context.output, data.len());
    let (file, size, progress) = (file.into_file(), data.len(), move |sent| bar.show(sent));
    let downgrade = if arguments.allow_downgrade { Downgrade::Allowed } else { Downgrade::Refused };
    let when = if arguments.now { When::Now } else { When::Convenient };
    let installed = client
        .install_with(downgrade, when, file, size, progress)
        .map_err(|e| Failure::from(e).while_doing(format!("{} was not installed", arguments.bundle.display())))?;
    if let Some(waiting) = &installed.app.waiting_update {
        let id = &installed.app.component_id;
        context.output.result(&Deployed { app: installed.app.clone(), replaced: None }, |out| {
            let words = words::status(*out, &installed.app);
            format!("version {} is on the device and waits\n{words}\n  next: holdfast app update-now {id}", waiting.version)
        });
        return Ok(());
    }
    let app = if arguments.no_wait {
        installed.app
    } else {
        settle::until_deployed(context.output, &client, &installed.app, Duration::from_secs(arguments.timeout))?
    };
    let deployed = Deployed { app, replaced: installed.replaced };
    context.output.result(&deployed, |out| {
        let replaced = deployed.replaced.map(|version| format!("\n  replaced   version {version}")).unwrap_or_default();
        format!("{}{replaced}\n  next: holdfast app logs {} -f", words::status(*out, &deployed.app), deployed.app.component_id)
    });
    Ok(())
}

/// A progress bar on a terminal; nothing elsewhere.
struct Bar {
    output: Output,
    size: u64,
    drawn: Option<Instant>,
}

/// Width of the bar in characters.
const WIDTH: u64 = 30;
/// Time between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

impl Bar {
    fn new(output: Output, size: u64) -> Self {
        Self { output, size, drawn: None }
    }

    fn show(&mut self, sent: u64) {
        let early = self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) && sent < self.size;
        if !self.output.draws() || early {
            return;
        }
        self.drawn = Some(Instant::now());
        let full = sent.saturating_mul(WIDTH) / self.size.max(1);
        let bar: String = (0..WIDTH).map(|at| if at < full { '=' } else { ' ' }).collect();
        draw(&format!("\r  [{bar}] {} of {}", size(sent), size(self.size)));
        if sent >= self.size {
            draw("\r\x1b[K");
        }
    }
}

/// A terminal that has gone is no error of ours.
fn draw(text: &str) {
    let mut to = std::io::stderr().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
