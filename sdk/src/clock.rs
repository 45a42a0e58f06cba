//! A granted real-time clock (Documentation/admin-guide/rtc.rst): it goes on while the device is off. Apps read it and are woken by
//! it; setting it is [`crate::services::Services::set_clock`]'s business.
//!
//! ```no_run
//! use sdk::{clock::ClockTime, descriptors::Granted, wait};
//!
//! let clock = Granted::take().clock("CLOCK")?;
//! // Today's last minute.
//! clock.set_alarm(ClockTime { hour: 23, minute: 59, second: 0, ..clock.now()? })?;
//! wait::readable(&[&clock], None)?;
//! clock.take_alarm()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::sys;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A real-time clock.
#[derive(Debug)]
pub struct Clock {
    clock: OwnedFd,
}

/// What it shows. It has no time zone; devices keep UTC in it.
///
/// ```
/// use sdk::clock::ClockTime;
///
/// let noon = ClockTime { year: 2026, month: 11, day: 27, hour: 12, minute: 0, second: 0 };
/// assert!(noon < ClockTime { second: 1, ..noon }, "the earlier one is the lesser");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime {
    /// Such as 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Clock {
    pub(crate) fn new(clock: OwnedFd) -> Self {
        Self { clock }
    }

    /// The time now, to the second. An error (EINVAL) where the clock lost its power and was not set since.
    pub fn now(&self) -> io::Result<ClockTime> {
        sys::rtc_time(self.clock.as_fd())
    }

    /// Has the descriptor become readable at this time: [`crate::wait::readable`] waits for it, [`Clock::take_alarm`] ends it. A
    /// clock has one alarm, and another call moves it. A time that has passed is ETIME, one that no calendar has EINVAL.
    pub fn set_alarm(&self, at: ClockTime) -> io::Result<()> {
        sys::rtc_set_alarm(self.clock.as_fd(), at)
    }

    /// Takes an alarm that has rung; one that has not is `WouldBlock`.
    pub fn take_alarm(&self) -> io::Result<()> {
        rustix::io::read(&self.clock, &mut [0; 8][..])?;
        Ok(())
    }
}

impl AsFd for Clock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.clock.as_fd()
    }
}
