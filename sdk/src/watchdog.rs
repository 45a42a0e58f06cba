//! A granted hardware watchdog (Documentation/watchdog/watchdog-api.rst). It runs from the moment that the app has it: an app that
//! does not feed it in time takes the device with it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! let watchdog = sdk::descriptors::Granted::take().watchdog("SECOND_WATCHDOG")?;
//! let timeout = watchdog.set_timeout(Duration::from_secs(30))?;
//! loop {
//!     // … the work that has to get done in time …
//!     watchdog.feed()?;
//!     std::thread::sleep(timeout / 3);
//! }
//! # #[expect(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::sys;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// A hardware watchdog.
#[derive(Debug)]
pub struct Watchdog {
    dog: OwnedFd,
}

impl Watchdog {
    pub(crate) fn new(dog: OwnedFd) -> Self {
        Self { dog }
    }

    /// Feeds it: its time begins anew.
    pub fn feed(&self) -> io::Result<()> {
        // Any byte but the one that would switch it off.
        rustix::io::write(&self.dog, b"\0")?;
        Ok(())
    }

    /// Sets how long it waits for the next feeding, in whole seconds; what the hardware makes of that.
    /// A time that it cannot have is EINVAL, and EOPNOTSUPP where its time is fixed.
    pub fn set_timeout(&self, timeout: Duration) -> io::Result<Duration> {
        let seconds = i32::try_from(timeout.as_secs()).map_err(|_| io::ErrorKind::InvalidInput)?;
        sys::watchdog_set_timeout(self.dog.as_fd(), seconds)
    }
}
