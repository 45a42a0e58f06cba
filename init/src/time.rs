//! The clock floor: a clock that is plainly wrong is put right before anything looks at it.
//!
//! The image cannot run before it was built, and a device does not run one image for [`LIFETIME`]: a clock before the
//! first or after the second is a dead battery's. Within these bounds the time last seen, which init saves every hour and
//! on the way down, is the better floor. Both are only floors: a time server may set the clock to any time later.

use crate::{phases::Boot, problem::Problem, say};
use linux::{clock, files};
use manifest::{api::EventKind, places};
use rustix::time::{ClockId, Timespec, clock_settime};
use std::time::Duration;

/// Longer than any image runs without an update: a clock further from its build is wrong.
const LIFETIME: Duration = Duration::from_secs(15 * 366 * 24 * 3600);

/// Where the clock starts.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// As it is.
    Kept,
    /// Put to this time, in seconds since 1970.
    SetTo(u64),
}

fn start(now: u64, built: u64, last_seen: Option<u64>) -> Start {
    let latest = built.saturating_add(LIFETIME.as_secs());
    let floor = last_seen.filter(|seen| (built..=latest).contains(seen)).unwrap_or(built);
    if (floor..=latest).contains(&now) { Start::Kept } else { Start::SetTo(floor) }
}

/// First phase: before the first file is written.
pub fn raise_to_build_time(boot: &mut Boot) -> Result<(), Problem> {
    raise(boot, None)
}

/// Second phase: once the data partition is there.
pub fn raise_to_last_seen(boot: &mut Boot) -> Result<(), Problem> {
    let path = file();
    let seen = match files::read_line(&path) {
        Ok(text) => text.parse().ok(),
        Err(e) if e.is_missing() => None,
        Err(e) => return Err(e.into()),
    };
    raise(boot, seen)
}

fn raise(boot: &mut Boot, last_seen: Option<u64>) -> Result<(), Problem> {
    let built = boot.image.as_ref().map_or(0, |image| image.build_time);
    let now = now();
    if let Start::SetTo(floor) = start(now, built, last_seen) {
        let time = Timespec { tv_sec: i64::try_from(floor).unwrap_or(i64::MAX), tv_nsec: 0 };
        clock_settime(ClockId::Realtime, time).map_err(Problem::kernel("set the clock"))?;
        match last_seen {
            Some(seen) if seen == floor => {
                say::notice(format_args!("the clock starts at {floor} s after 1970, when this device was last up"))
            }
            _ => boot.event(
                EventKind::Boot,
                "clock",
                format!("stood at {now} s after 1970, which cannot be; it starts at {floor}, when the image was built"),
            ),
        }
    }
    Ok(())
}

/// Saves the time, for a device whose clock stops without power.
pub fn save() -> Result<(), Problem> {
    Ok(files::write_durably(file(), format!("{}\n", now()).as_bytes(), 0o600)?)
}

/// How often it is saved.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(3600);

fn now() -> u64 {
    clock::wall_ms() / 1000
}

fn file() -> String {
    format!("{}/clock", places::SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: u64 = 1_764_000_000; // November 2025

    #[test]
    fn a_clock_before_the_floor_or_after_the_images_lifetime_is_put_to_the_floor() {
        assert_eq!(start(0, BUILT, None), Start::SetTo(BUILT));
        assert_eq!(start(2_366_841_600, BUILT, None), Start::SetTo(BUILT)); // 2045
        assert_eq!(start(BUILT + 10, BUILT, None), Start::Kept);
        assert_eq!(start(BUILT + 10, BUILT, Some(BUILT + 100)), Start::SetTo(BUILT + 100));
        assert_eq!(start(BUILT + 1000, BUILT, Some(BUILT + 100)), Start::Kept);
    }

    #[test]
    fn a_time_last_seen_that_cannot_be_is_no_floor() {
        assert_eq!(start(BUILT + 10, BUILT, Some(2_366_841_600)), Start::Kept);
        assert_eq!(start(BUILT + 10, BUILT, Some(3)), Start::Kept);
        assert_eq!(start(u64::MAX, u64::MAX, Some(u64::MAX)), Start::Kept);
    }
}
