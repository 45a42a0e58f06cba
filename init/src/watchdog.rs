//! The hardware watchdog (Documentation/watchdog/watchdog-api.rst): opened as early as there is a device node, fed only
//! while health holds, never disarmed.

use crate::{life::State, problem::Problem};
use linux::files;
use rustix::{fd::OwnedFd, fs::OFlags};
use std::{mem::ManuallyDrop, time::Duration};

/// The first one of the machine.
const DEVICE: &str = "/dev/watchdog0";
/// Why the machine started, as flags.
const BOOT_STATUS: &str = "/sys/class/watchdog/watchdog0/bootstatus";
/// While the device boots: laying and growing a new data partition included.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// While services run. Long beside the loop's turns, short beside a person's patience.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(30);
/// Beyond the limit of a step on the way down, before the watchdog acts.
pub const DOWN_MARGIN: Duration = Duration::from_secs(30);
/// How often it is fed: several times within each time-out.
pub const FEED_INTERVAL: Duration = Duration::from_secs(5);

/// An armed watchdog. Nothing closes it, whatever becomes of the values around it: a driver may take that for the end of
/// the watch.
pub struct Watchdog {
    device: ManuallyDrop<OwnedFd>,
}

impl Watchdog {
    /// Opens, which arms it.
    pub fn arm() -> Result<Self, Problem> {
        let watchdog = Self { device: ManuallyDrop::new(files::open(DEVICE, OFlags::WRONLY)?) };
        watchdog.set_timeout(BOOT_TIMEOUT)?;
        Ok(watchdog)
    }

    /// Whether it was the watchdog that reset the machine before this boot, as far as its hardware knows.
    pub fn caused_this_boot() -> bool {
        let status = files::read_line(BOOT_STATUS).ok().and_then(|text| text.parse::<u32>().ok());
        status.is_some_and(|status| status & CARD_RESET != 0)
    }

    /// Sets how long it waits, and feeds it.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Problem> {
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        crate::sys::watchdog_set_timeout(&*self.device, seconds)
            .map_err(Problem::kernel(format!("set {DEVICE} to {seconds} s")))?;
        self.feed();
        Ok(())
    }

    /// Says that all is well. Any byte but `V` does.
    pub fn feed(&self) {
        let _ = rustix::io::write(&*self.device, b"\0");
    }
}

/// `WDIOF_CARDRESET`.
const CARD_RESET: u32 = 0x20;

/// Whether the watchdog may be fed: no service that health depends on is silent. One that has ended is being started
/// again, and how often that may fail is decided elsewhere.
pub fn is_healthy(vital: impl IntoIterator<Item = State>) -> bool {
    !vital.into_iter().any(|state| matches!(state, State::Silent { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_of_a_vital_service_starves_the_watchdog() {
        let since = Duration::ZERO;
        let ready = State::Ready { since, ping_by: None };
        assert!(is_healthy([ready, State::BackOff { until: since }, State::Waiting]));
        assert!(!is_healthy([ready, State::Silent { since }]));
        assert!(is_healthy([]));
    }
}
