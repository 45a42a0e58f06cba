//! `holdfast app dev`: from the save of a source to the changed words in the app's log, as the person who saved sees them.

use super::Series;
use crate::{
    develop::{Dev, WORDS, new_app},
    machine::{Machine, Options},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fs, time::Instant};

/// What a new app is written in: its template, and the file that is saved.
pub const TEMPLATES: [(&str, &str); 2] = [("rust", "src/main.rs"), ("c", "main.c")];

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
        new_app(&folder, template)?;
        let source = folder.join(file);
        let dev = Dev::begin(&folder, &self.machine)?;
        dev.wait_for_words(WORDS)?;
        let mut turns = Turns::default();
        let text = fs::read_to_string(&source)?;
        for round in 1..=rounds {
            let words = format!("{WORDS} for the {round}. time");
            let began = Instant::now();
            fs::write(&source, text.replace(WORDS, &words))?;
            let (at, parts) = dev.wait_for_words(&words)?;
            turns.push(u64::try_from((at - began).as_millis())?, &parts.context("words before the app ran")?)?;
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
