//! The two clocks: time since the kernel started, and the wall clock.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since the kernel started, suspended time included (CLOCK_BOOTTIME).
pub fn since_boot() -> Duration {
    duration(clock_gettime(ClockId::Boottime))
}

/// Milliseconds since 1970 by this device's clock, which may be wrong before the first time server was heard.
pub fn wall_ms() -> u64 {
    u64::try_from(duration(clock_gettime(ClockId::Realtime)).as_millis()).unwrap_or(u64::MAX)
}

fn duration(time: rustix::time::Timespec) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
