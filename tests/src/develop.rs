//! `holdfast app dev` beside a device, as its developer sees it.

use crate::{command, machine::Machine};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// Longest turn: the first one builds what the app depends on.
const LIMIT: Duration = Duration::from_secs(300);

/// What each new app says when it starts, whatever its template.
pub const WORDS: &str = "started";

/// `holdfast app dev` while it runs.
pub struct Dev {
    process: Child,
    /// What it wrote, line by line, and when.
    lines: Receiver<(Instant, Value)>,
}

/// A line of what it says.
pub enum Said {
    /// The app runs: its status, and what took how long.
    Turn(Value),
    /// The app's own line.
    Log(String),
    /// It did not build, or did not come to run.
    Failed(String),
}

/// Makes a new app of this template.
pub fn new_app(folder: &Path, template: &str) -> Result<()> {
    let said = command::process(&["app", "new", "--template", template]).arg(folder).output()?;
    ensure!(said.status.success(), "`holdfast app new` said {}", String::from_utf8_lossy(&said.stderr));
    Ok(())
}

impl Dev {
    /// Begins to build this folder, for this device.
    pub fn begin(folder: &Path, machine: &Machine) -> Result<Self> {
        let mut command = command::process(&["--json", "app", "dev"]);
        command.arg(folder).args(["--device", &format!("127.0.0.1:{}", machine.api_port()?)]);
        // An app has its own folder for what is built, whoever runs this.
        command.args(["--fingerprint", machine.pin()?.as_str()]).env_remove("CARGO_TARGET_DIR").stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start the holdfast command")?;
        let output = BufReader::new(process.stdout.take().context("no standard output")?);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send((Instant::now(), value)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, lines })
    }

    /// The next line, and when it came.
    pub fn next(&self) -> Result<(Instant, Said)> {
        loop {
            let (at, line) = self.lines.recv_timeout(LIMIT).context("`holdfast app dev` says no more")?;
            if line["build_ms"].is_u64() {
                return Ok((at, Said::Turn(line)));
            } else if line["error"].is_object() {
                return Ok((at, Said::Failed(line["error"].to_string())));
            } else if let Some(text) = line["text"].as_str() {
                return Ok((at, Said::Log(text.to_owned())));
            }
        }
    }

    /// Waits until the app's log ends with `words`; when that was, and the turn before it.
    pub fn wait_for_words(&self, words: &str) -> Result<(Instant, Option<Value>)> {
        let mut turn = None;
        loop {
            match self.next()? {
                (_, Said::Turn(parts)) => turn = Some(parts),
                (at, Said::Log(text)) if text.ends_with(words) => return Ok((at, turn)),
                (_, Said::Log(_)) => (),
                (_, Said::Failed(why)) => anyhow::bail!("`holdfast app dev` failed: {why}"),
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
