//! The sensor logger: keeps readings of a voltage, as many as its storage holds.
//!
//! It holds what `app_manifest.json` beside it names and nothing more: one input of a converter, one LED, 64 KiB of storage. The
//! flow: take both, find the newest reading, say READY, then read at each interval until SIGTERM.
//!
//! - [`ring`]: the readings on storage; the oldest make room.
//!
//! Invariant: the number of a reading is never given twice, but for those that a power cut took.
#![forbid(unsafe_code)]

mod ring;

use ring::Ring;
use sdk::{
    attributes::{Led, Voltage},
    descriptors::Granted,
    log,
    ready::Manager,
    signals::Termination,
    storage::Storage,
    wait,
};
use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    log::finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let interval = std::env::args().nth(1).ok_or("no interval: CmdArgs in the manifest has it, in milliseconds")?;
    let interval = Duration::from_millis(interval.parse().map_err(|_| format!("`{interval}` is no number of milliseconds"))?);
    let manager = Manager::from_environment();
    let termination = Termination::watch()?;
    let mut granted = Granted::take();
    let (voltage, led) = (granted.voltage("VOLTMETER", 0)?, granted.led("STATUS_LED")?);
    let mut ring = Ring::load(Storage::open()?)?;
    log::info(format_args!("sensor logger goes on after reading {}", ring.newest()));
    manager.ready();
    let mut next = Instant::now();
    loop {
        let longest = next.saturating_duration_since(Instant::now());
        let longest = manager.ping_interval().map_or(longest, |ping| ping.min(longest));
        if !wait::readable(&[&termination], Some(longest))?.is_empty() {
            manager.stopping();
            ring.flush()?;
            log::info(format_args!("sensor logger stops after reading {}", ring.newest()));
            return Ok(());
        }
        manager.alive();
        if Instant::now() >= next {
            next += interval;
            let volts = read(&voltage, &led)?;
            let removed = ring.add(volts)?;
            if removed > 0 {
                log::info(format_args!("storage is full: the oldest {removed} readings made room"));
            }
            manager.status(&format!("{} readings, the last {volts:.6} V", ring.newest()));
        }
    }
}

/// A reading, in volts, with the LED on meanwhile.
fn read(voltage: &Voltage, led: &Led) -> Result<f64, Box<dyn Error>> {
    led.switch(true)?;
    let volts = voltage.volts();
    led.switch(false)?;
    Ok(volts?.ok_or("the converter's driver does not say what its numbers mean")?)
}
