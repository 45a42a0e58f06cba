//! Step 2 of the README's path: the boot, as a list of named phases with what a failure of each means.
//!
//! Nothing here waits for the network, the clock or a peer; the one wait, for the data partition's device, is bounded.
//! Each phase's time and problem are kept for the boot trace. The hardware watchdog is armed from the third phase on and
//! fed between phases.

use crate::{
    board, boots, cgroups, data, documents, entropy, folders, identity, mounts, network, power, problem::Problem, pstore, say,
    sysctl, time, watchdog::Watchdog,
};
use linux::clock;
use manifest::{
    api::{BootPhase, EventKind},
    board::Board,
    image::DeviceImage,
    service::ServiceTable,
};
use rustix::fd::OwnedFd;

/// One phase.
struct Phase {
    name: &'static str,
    run: fn(&mut Boot) -> Result<(), Problem>,
    on_failure: OnFailure,
}

/// What a failure of a phase means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    /// The device is of no use or not safe without it: restart.
    Restart,
    /// The boot goes on; the problem stands in the boot trace and on the console.
    GoOn,
}

use OnFailure::{GoOn, Restart};

/// The boot, in order.
const PHASES: &[Phase] = &[
    Phase { name: "console", run: mounts::leave_the_console, on_failure: GoOn },
    Phase { name: "kernel file systems", run: mounts::mount_kernel_file_systems, on_failure: Restart },
    Phase { name: "hardware watchdog", run: arm_watchdog, on_failure: GoOn },
    Phase { name: "documents of the image", run: documents::read, on_failure: Restart },
    Phase { name: "kernel settings", run: sysctl::apply, on_failure: GoOn },
    Phase { name: "clock at build time", run: time::raise_to_build_time, on_failure: GoOn },
    Phase { name: "loopback", run: network::loopback_up, on_failure: GoOn },
    Phase { name: "control groups", run: cgroups::make_tree, on_failure: Restart },
    Phase { name: "data partition", run: data::mount, on_failure: Restart },
    Phase { name: "random seed", run: entropy::use_seed, on_failure: GoOn },
    Phase { name: "clock as last seen", run: time::raise_to_last_seen, on_failure: GoOn },
    Phase { name: "machine id and host name", run: identity::establish, on_failure: GoOn },
    Phase { name: "what a crash left", run: pstore::keep, on_failure: GoOn },
    Phase { name: "boot counters", run: boots::count, on_failure: GoOn },
    Phase { name: "board", run: board::prepare, on_failure: GoOn },
    Phase { name: "folders of services", run: folders::make, on_failure: Restart },
    Phase { name: "power button and keys", run: power::listen, on_failure: GoOn },
];

/// What the phases find out and open, for those after them and for the supervisor.
#[derive(Default)]
pub struct Boot {
    /// `image.json`.
    pub image: Option<DeviceImage>,
    /// `services.json`.
    pub services: Option<ServiceTable>,
    /// `board.json`.
    pub board: Option<Board>,
    /// The hardware watchdog, where there is one.
    pub watchdog: Option<Watchdog>,
    /// Boot counters; none before the data partition is there.
    pub counters: Option<boots::Counters>,
    /// Number of crash records that were kept: this boot follows a crash.
    pub crash_records: usize,
    /// Whether the watchdog reset the machine before this boot.
    pub watchdog_reset: bool,
    /// Input devices with a power key.
    pub power_keys: Vec<OwnedFd>,
    /// What happened, for the event log, once the monitor listens.
    pub events: Vec<(EventKind, &'static str, String)>,
    /// The trace.
    pub trace: Vec<BootPhase>,
}

impl Boot {
    /// Keeps an event for the monitor.
    pub fn event(&mut self, kind: EventKind, subject: &'static str, detail: String) {
        say::notice(format_args!("{subject}: {detail}"));
        self.events.push((kind, subject, detail));
    }

    /// The service table; an error before it was read.
    pub fn table(&self) -> Result<&ServiceTable, Problem> {
        self.services.as_ref().ok_or_else(|| Problem::Missing("service table".into()))
    }
}

/// A phase without which there is no device.
#[derive(Debug, thiserror::Error)]
#[error("{phase}: {problem}")]
pub struct BootFailed {
    phase: &'static str,
    problem: Problem,
}

/// Runs the list.
pub fn run() -> Result<Boot, BootFailed> {
    let mut boot = Boot::default();
    for phase in PHASES {
        let began = clock::since_boot();
        let result = (phase.run)(&mut boot);
        let took = clock::since_boot().saturating_sub(began);
        let problem = result.as_ref().err().map(ToString::to_string);
        boot.trace.push(BootPhase {
            name: phase.name.into(),
            began_ms: u64::try_from(began.as_millis()).unwrap_or(u64::MAX),
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            problem,
        });
        if let Some(watchdog) = &boot.watchdog {
            watchdog.feed();
        }
        match (result, phase.on_failure) {
            (Ok(()), _) => say::info(format_args!("{}: {} ms", phase.name, took.as_millis())),
            (Err(problem), GoOn) => say::warning(format_args!("{}: {problem}", phase.name)),
            (Err(problem), Restart) => return Err(BootFailed { phase: phase.name, problem }),
        }
    }
    Ok(boot)
}

fn arm_watchdog(boot: &mut Boot) -> Result<(), Problem> {
    boot.watchdog = Some(Watchdog::arm()?);
    boot.watchdog_reset = Watchdog::caused_this_boot();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_named_once_each() {
        for (i, phase) in PHASES.iter().enumerate() {
            assert!(PHASES.iter().skip(i + 1).all(|other| other.name != phase.name), "{}", phase.name);
        }
    }
}
