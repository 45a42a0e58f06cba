//! How loud the bell rings: louder with each press of a series, until nobody has pressed for a while.

use std::time::{Duration, Instant};

/// A series ends when nobody has pressed for this long.
pub const QUIET: Duration = Duration::from_secs(10);
/// The loudest level.
pub const LOUDEST: u32 = 10;

/// The running series of presses; level 0 is silence.
#[derive(Debug, Default)]
pub struct Series {
    level: u32,
    ends: Option<Instant>,
}

impl Series {
    /// A press: returns the level to ring at.
    pub fn press(&mut self, now: Instant) -> u32 {
        self.end_if_quiet(now);
        self.level = (self.level + 1).min(LOUDEST);
        self.ends = Some(now + QUIET);
        self.level
    }

    /// Ends the series if its quiet time is over; tells whether one ended.
    pub fn end_if_quiet(&mut self, now: Instant) -> bool {
        let over = self.ends.is_some_and(|end| now >= end);
        if over {
            *self = Self::default();
        }
        over
    }

    /// Time until the series ends, if there is one.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        self.ends.map(|end| end.saturating_duration_since(now))
    }

    /// The level of the last ring, 0 between series.
    pub fn level(&self) -> u32 {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_press_of_a_series_is_louder_up_to_the_loudest() {
        let (mut series, now) = (Series::default(), Instant::now());
        let levels: Vec<u32> = (0..12).map(|_| series.press(now)).collect();
        assert_eq!(levels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
    }

    #[test]
    fn a_press_after_a_quiet_time_begins_a_new_series() {
        let (mut series, now) = (Series::default(), Instant::now());
        series.press(now);
        assert_eq!(series.press(now + QUIET), 1);
        assert!(series.end_if_quiet(now + QUIET + QUIET));
        assert_eq!(series.level(), 0);
        assert_eq!(series.time_left(now), None);
    }
}
