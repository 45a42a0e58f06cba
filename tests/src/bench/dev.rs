//! `holdfast app dev`: from the save of a source to the changed words in the app's log, as the person who saved sees them.

use super::Series;
use crate::{
    image::keys_folder,
    machine::{Machine, Options},
    workspace::top,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// What a new app is written in: its template, and the file that is saved.
pub const TEMPLATES: [(&str, &str); 2] = [("rust", "src/main.rs"), ("c", "main.c")];

/// Longest turn: the first one builds what the app depends on.
const LIMIT: Duration = Duration::from_secs(300);
/// What each template says when it starts, and what a turn changes.
const WORDS: &str = "started";

/// Milliseconds of each turn, whole and by its parts.
#[derive(Debug, Default)]
pub struct Turns {
    /// From the save to the words in the log.
    pub whole: Series,
    /// The compiler.
    pub build: Series,
    /// Image, statement and signature.
    pub pack: Series,
    /// Upload, check and installation.
    pub install: Series,
    /// The version before ends, this one gets ready.
    pub start: Series,
    /// What is left: noticing the save, and the line's way back.
    pub notice: Series,
}

/// A device and what a developer has beside it.
pub struct Desk {
    machine: Machine,
    work: tempfile::TempDir,
}

impl Desk {
    /// A device without apps.
    pub fn boot() -> Result<Self> {
        let mut machine = Machine::new("bench-dev", Options::test_image()?)?;
        machine.power_on()?;
        machine.wait_ready()?;
        Ok(Self { machine, work: tempfile::tempdir()? })
    }

    /// Makes an app of this template, lets `holdfast app dev` run, and saves `file` so many times.
    pub fn turns(&self, template: &str, file: &str, rounds: u32) -> Result<Turns> {
        let folder = self.work.path().join(format!("{template}-app"));
        let made = holdfast(&["app", "new", "--template", template]).arg(&folder).stdout(Stdio::null()).status()?;
        ensure!(made.success(), "`holdfast app new` failed");
        let source = folder.join(file);
        let mut dev = Dev::begin(&folder, &self.machine)?;
        dev.wait_for_turn()?;
        let mut turns = Turns::default();
        let text = fs::read_to_string(&source)?;
        for round in 1..=rounds {
            let words = format!("{WORDS} for the {round}. time");
            let (mut parts, began) = (Value::Null, Instant::now());
            fs::write(&source, text.replace(WORDS, &words))?;
            let whole = u64::try_from((dev.wait_for_words(&words, &mut parts)? - began).as_millis())?;
            turns.push(whole, &parts)?;
        }
        Ok(turns)
    }
}

impl Turns {
    fn push(&mut self, whole: u64, parts: &Value) -> Result<()> {
        let mut left = whole;
        let all = [
            ("build_ms", &mut self.build),
            ("pack_ms", &mut self.pack),
            ("install_ms", &mut self.install),
            ("start_ms", &mut self.start),
        ];
        for (name, series) in all {
            let part = parts[name].as_u64().with_context(|| format!("a turn without {name}: {parts}"))?;
            series.push(part);
            left = left.saturating_sub(part);
        }
        self.whole.push(whole);
        self.notice.push(left);
        Ok(())
    }
}

/// `holdfast app dev` while it runs.
struct Dev {
    process: Child,
    /// What it wrote, line by line, and when.
    lines: Receiver<(Instant, Value)>,
}

impl Dev {
    fn begin(folder: &Path, machine: &Machine) -> Result<Self> {
        let mut command = holdfast(&["--json", "app", "dev"]);
        command.arg(folder).args(["--device", &format!("127.0.0.1:{}", machine.api_port()?)]);
        // An app has its own folder for what is built, whoever runs this.
        command.args(["--fingerprint", machine.pin()?.as_str()]).env_remove("CARGO_TARGET_DIR").stdout(Stdio::piped());
        let mut process = command.spawn()?;
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

    /// Waits until the app runs; its parts.
    fn wait_for_turn(&mut self) -> Result<Value> {
        loop {
            let (_, line) = self.next()?;
            if is_turn(&line) {
                return Ok(line);
            }
        }
    }

    /// When a line of the app's log that ends with `words` was there; the parts of the turn before it go into `parts`.
    fn wait_for_words(&mut self, words: &str, parts: &mut Value) -> Result<Instant> {
        loop {
            let (at, line) = self.next()?;
            if is_turn(&line) {
                *parts = line;
            } else if line["text"].as_str().is_some_and(|text| text.ends_with(words)) {
                return Ok(at);
            }
        }
    }

    fn next(&mut self) -> Result<(Instant, Value)> {
        let (at, line) = self.lines.recv_timeout(LIMIT).context("`holdfast app dev` says no more")?;
        ensure!(!line["error"].is_object(), "`holdfast app dev` failed: {line}");
        Ok((at, line))
    }
}

/// Whether a line tells of a turn, with its parts.
fn is_turn(line: &Value) -> bool {
    line["build_ms"].is_u64()
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// This program is `holdfast` too when it is called with words, so both are built alike.
fn holdfast(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")));
    command.arg("--keys").arg(keys_folder()).args(words).current_dir(top());
    command
}
