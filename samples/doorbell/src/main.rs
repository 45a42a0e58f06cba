//! The smart doorbell: counts presses of a button, rings louder with each press of a series, and never forgets.
//!
//! It holds what `app_manifest.json` beside it names and nothing more: one GPIO line and 64 KiB of storage. The flow:
//! take the line, read the count, say READY, then wait for edges, SIGTERM or the end of a series.
//!
//! - [`press`]: which edges are a press of a finger.
//! - [`series`]: how loud the next ring is.
//! - [`count`]: the number of presses, kept over restarts and power cuts.
//!
//! Invariant: a press is on storage before anybody is told of it, so that no count anybody saw is ever taken back.
#![forbid(unsafe_code)]

mod count;
mod press;
mod series;

use count::Count;
use press::Debouncer;
use sdk::{
    descriptors::Granted,
    gpio::{BATCH, InputLine},
    log,
    ready::Manager,
    signals::Termination,
    storage::Storage,
    wait,
};
use series::Series;
use std::{error::Error, process::ExitCode, time::Instant};

fn main() -> ExitCode {
    log::finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let manager = Manager::from_environment();
    let termination = Termination::watch()?;
    let button = Granted::take().gpio("DOORBELL_BUTTON")?;
    let bell = Doorbell { count: Count::load(Storage::open()?)?, series: Series::default(), manager };
    bell.serve(&button, &termination)
}

struct Doorbell {
    count: Count,
    series: Series,
    manager: Manager,
}

/// Positions in the list of what is waited for.
const TERMINATION: usize = 0;
const BUTTON: usize = 1;

impl Doorbell {
    fn serve(mut self, button: &InputLine, termination: &Termination) -> Result<(), Box<dyn Error>> {
        let mut debouncer = Debouncer::default();
        log::info(format_args!("doorbell counts from {}", self.count.presses()));
        self.show();
        self.manager.ready();
        loop {
            let longest = [self.manager.ping_interval(), self.series.time_left(Instant::now())].into_iter().flatten().min();
            let readable = wait::readable(&[termination, button], longest)?;
            if readable.contains(&BUTTON) {
                for edge in button.edges(BATCH)? {
                    if debouncer.is_press(edge) {
                        self.ring();
                    }
                }
            }
            if self.series.end_if_quiet(Instant::now()) {
                log::info("quiet again");
                self.show();
            }
            if readable.contains(&TERMINATION) {
                self.manager.stopping();
                log::info(format_args!("doorbell stops at {}", self.count.presses()));
                return Ok(());
            }
            self.manager.alive();
        }
    }

    fn ring(&mut self) {
        let level = self.series.press(Instant::now());
        // Storage that fails must not silence the bell: whoever is at the door cannot wait for a repair.
        if let Err(e) = self.count.increase() {
            let cause = e.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            log::error(format_args!("this press will be forgotten at the next start: {e}{cause}"));
        }
        log::alert(format_args!("doorbell rang: press {}, level {level}", self.count.presses()));
        self.show();
    }

    fn show(&self) {
        let presses = self.count.presses();
        let noun = if presses == 1 { "press" } else { "presses" };
        self.manager.status(&format!("{presses} {noun}, level {}", self.series.level()));
    }
}
