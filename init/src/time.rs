//! The clock floor: a clock that is plainly wrong is put right before anything looks at it.
//!
//! The image cannot run before it was built, and a device does not run one image for fifteen years: a clock before the
//! first or after the second is a dead battery's. Within these bounds the time last seen, which init saves every hour and
//! on the way down, is the better floor. Both are only floors: a time server may set the clock to any time later.

use crate::{phases::Boot, problem::Problem, say};
use linux::{clock, files};
use manifest::{api::EventKind, image::DeviceImage, places};
use rustix::time::{ClockId, Timespec, clock_settime};
use std::{ops::RangeInclusive, time::Duration};

/// Where the clock starts.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// As it is.
    Kept,
    /// Put to this time, in seconds since 1970.
    SetTo(u64),
}

fn start(now: u64, plausible: &RangeInclusive<u64>, last_seen: Option<u64>) -> Start {
    let floor = last_seen.filter(|seen| plausible.contains(seen)).unwrap_or(*plausible.start());
    if plausible.contains(&now) && now >= floor { Start::Kept } else { Start::SetTo(floor) }
}

/// First phase: before the first file is written.
pub fn raise_to_build_time(boot: &mut Boot) -> Result<(), Problem> {
    raise(boot, None)
}

/// Second phase: once the data partition is there.
pub fn raise_to_last_seen(boot: &mut Boot) -> Result<(), Problem> {
    raise(boot, say::read(files::read_line(file())).and_then(|text| text.parse().ok()))
}

fn raise(boot: &mut Boot, last_seen: Option<u64>) -> Result<(), Problem> {
    let plausible = boot.image.as_ref().map_or(0..=u64::MAX, DeviceImage::plausible_times);
    let now = now();
    if let Start::SetTo(floor) = start(now, &plausible, last_seen) {
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

    fn plausible(built: u64) -> RangeInclusive<u64> {
        let text = format!(r#"{{"name":"T","version":"1","build_time":{built},"platform_abi":1}}"#);
        DeviceImage::parse(text.as_bytes()).unwrap().plausible_times()
    }

    #[test]
    fn a_clock_before_the_floor_or_after_the_images_lifetime_is_put_to_the_floor() {
        assert_eq!(start(0, &plausible(BUILT), None), Start::SetTo(BUILT));
        assert_eq!(start(2_366_841_600, &plausible(BUILT), None), Start::SetTo(BUILT)); // 2045
        assert_eq!(start(BUILT + 10, &plausible(BUILT), None), Start::Kept);
        assert_eq!(start(BUILT + 10, &plausible(BUILT), Some(BUILT + 100)), Start::SetTo(BUILT + 100));
        assert_eq!(start(BUILT + 1000, &plausible(BUILT), Some(BUILT + 100)), Start::Kept);
    }

    #[test]
    fn a_time_last_seen_that_cannot_be_is_no_floor() {
        assert_eq!(start(BUILT + 10, &plausible(BUILT), Some(2_366_841_600)), Start::Kept);
        assert_eq!(start(BUILT + 10, &plausible(BUILT), Some(3)), Start::Kept);
        assert_eq!(start(u64::MAX, &plausible(u64::MAX), Some(u64::MAX)), Start::Kept);
    }
}
