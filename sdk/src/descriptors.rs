//! What the manifest grants arrives as open descriptors with names: the LISTEN_FDS convention (sd_listen_fds(3)).
//!
//! ```no_run
//! use sdk::{descriptors::Granted, log};
//!
//! let mut granted = Granted::take();
//! log::info(format_args!("granted: {}", granted.names().collect::<Vec<_>>().join(", ")));
//! // `"Gpio": ["$DOORBELL_BUTTON"], "Uart": ["$SERIAL_PORT"]` in the manifest's Capabilities.
//! let (button, port) = (granted.gpio("DOORBELL_BUTTON")?, granted.uart("SERIAL_PORT")?);
//! # Ok::<(), sdk::descriptors::NotGranted>(())
//! ```

use crate::{
    attributes::{Led, Pulses, Voltage},
    clock::Clock,
    gpio::{InputLine, OutputLine},
    i2c::I2c,
    spi::Spi,
    sys,
    uart::Port,
    watchdog::Watchdog,
};
use rustix::io::{FdFlags, fcntl_setfd};
use std::{collections::BTreeMap, os::fd::OwnedFd};

/// The descriptors that this app was started with.
#[derive(Debug, Default)]
pub struct Granted(BTreeMap<String, OwnedFd>);

/// The manifest does not grant it, or it was taken before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` was not granted: does `Capabilities` of the app's manifest list it?")]
pub struct NotGranted(pub String);

impl Granted {
    /// Takes the descriptors over, once; a second call finds none.
    ///
    /// ```
    /// let mut granted = sdk::descriptors::Granted::take();
    /// assert!(granted.gpio("DOORBELL_BUTTON").is_err(), "nothing is granted outside of a device");
    /// ```
    pub fn take() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        // Numbers in an environment that was inherited by another process mean that process's descriptors.
        if number("LISTEN_PID").is_some_and(|pid| pid != std::process::id()) {
            return Self::default();
        }
        let Some(count) = number("LISTEN_FDS").and_then(|n| usize::try_from(n).ok()) else {
            return Self::default();
        };
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut granted = BTreeMap::new();
        for (name, descriptor) in names.split(':').zip(sys::passed_descriptors(count)) {
            // So that a program this app starts does not get the app's rights with it.
            let _ = fcntl_setfd(&descriptor, FdFlags::CLOEXEC);
            granted.entry(name.to_owned()).or_insert(descriptor);
        }
        Self(granted)
    }

    /// The GPIO line that the manifest calls `$name`, an input by the board file.
    pub fn gpio(&mut self, name: &str) -> Result<InputLine, NotGranted> {
        self.descriptor(name).map(InputLine::from)
    }

    /// The GPIO line that the manifest calls `$name`, an output by the board file.
    pub fn gpio_output(&mut self, name: &str) -> Result<OutputLine, NotGranted> {
        self.descriptor(name).map(OutputLine::from)
    }

    /// The serial port that the manifest calls `$name`.
    pub fn uart(&mut self, name: &str) -> Result<Port, NotGranted> {
        self.descriptor(name).map(Port::from)
    }

    /// The device on an I2C bus that the manifest calls `$name`.
    pub fn i2c(&mut self, name: &str) -> Result<I2c, NotGranted> {
        self.descriptor(name).map(I2c::new)
    }

    /// The device on an SPI bus that the manifest calls `$name`.
    pub fn spi(&mut self, name: &str) -> Result<Spi, NotGranted> {
        self.descriptor(name).map(Spi::new)
    }

    /// A channel of the PWM chip that the manifest calls `$name`.
    pub fn pulses(&mut self, name: &str, channel: u32) -> Result<Pulses, NotGranted> {
        Pulses::take(self, name, channel)
    }

    /// An input of the converter that the manifest calls `$name`.
    pub fn voltage(&mut self, name: &str, channel: u32) -> Result<Voltage, NotGranted> {
        Voltage::take(self, name, channel)
    }

    /// The LED that the manifest calls `$name`.
    pub fn led(&mut self, name: &str) -> Result<Led, NotGranted> {
        Led::take(self, name)
    }

    /// The real-time clock that the manifest calls `$name`.
    pub fn clock(&mut self, name: &str) -> Result<Clock, NotGranted> {
        self.descriptor(name).map(Clock::new)
    }

    /// The hardware watchdog that the manifest calls `$name`; it runs already.
    pub fn watchdog(&mut self, name: &str) -> Result<Watchdog, NotGranted> {
        self.descriptor(name).map(Watchdog::new)
    }

    /// The descriptor called `name`, as it is.
    pub fn descriptor(&mut self, name: &str) -> Result<OwnedFd, NotGranted> {
        let name = name.strip_prefix('$').unwrap_or(name);
        self.0.remove(name).ok_or_else(|| NotGranted(name.to_owned()))
    }

    /// The names of what is left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_granted_is_named_in_the_error() {
        let error = Granted::default().gpio("$BELL").unwrap_err();
        assert_eq!(error, NotGranted("BELL".to_owned()));
        assert!(error.to_string().contains("Capabilities"));
    }
}
