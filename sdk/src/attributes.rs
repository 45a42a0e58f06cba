//! Peripherals that are files of numbers (Documentation/filesystems/sysfs.rst): pulses, converters, LEDs.
//!
//! A call reads or writes such a file and does not wait. Its errors are those of the peripheral's driver, such as EINVAL for a
//! number that the hardware cannot have; what is no number where one should be is `InvalidData`.

use crate::descriptors::{Granted, NotGranted};
use rustix::io::{pread, pwrite};
use std::{io, os::fd::OwnedFd, time::Duration};

/// A file that holds one value as text. What one write writes is the value, what one read reads too.
#[derive(Debug)]
struct Attribute(OwnedFd);

impl Attribute {
    fn text(&self) -> io::Result<String> {
        let mut bytes = [0; 64];
        let length = pread(&self.0, &mut bytes[..], 0)?;
        let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default());
        Ok(text.map_err(|_| io::ErrorKind::InvalidData)?.trim_end().to_owned())
    }

    fn number<T: std::str::FromStr>(&self) -> io::Result<T> {
        self.text()?.parse().map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn set(&self, value: impl std::fmt::Display) -> io::Result<()> {
        pwrite(&self.0, value.to_string().as_bytes(), 0)?;
        Ok(())
    }
}

/// A channel of a PWM chip (Documentation/driver-api/pwm.rst): pulses of a given width.
///
/// ```no_run
/// use std::time::Duration;
///
/// let dimmer = sdk::descriptors::Granted::take().pulses("DIMMER", 0)?;
/// // A thousand pulses a second, a quarter of the time on.
/// dimmer.set(Duration::from_millis(1), Duration::from_micros(250))?;
/// dimmer.enable(true)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pulses {
    period: Attribute,
    width: Attribute,
    enable: Attribute,
    polarity: Attribute,
}

impl Pulses {
    pub(crate) fn take(granted: &mut Granted, name: &str, channel: u32) -> Result<Self, NotGranted> {
        let mut part = |what: &str| granted.descriptor(&format!("{name}.{channel}.{what}")).map(Attribute);
        Ok(Self { period: part("period")?, width: part("duty_cycle")?, enable: part("enable")?, polarity: part("polarity")? })
    }

    /// Sets time from pulse to pulse and each pulse's width, to the nanosecond, in an order in which no pulse is ever longer than
    /// the time between two; a width that is longer is `InvalidInput`.
    pub fn set(&self, period: Duration, width: Duration) -> io::Result<()> {
        let (period, width) = (period.as_nanos(), width.as_nanos());
        if width > period {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pulse longer than the time from one to the next"));
        }
        // The kernel refuses a period shorter than the width that is set.
        if self.width.number::<u128>()? > period {
            self.width.set(0)?;
        }
        self.period.set(period)?;
        self.width.set(width)
    }

    /// Lets pulses come, or not.
    pub fn enable(&self, on: bool) -> io::Result<()> {
        self.enable.set(u8::from(on))
    }

    /// Whether the line is low during a pulse; only while no pulses come.
    pub fn invert(&self, inverted: bool) -> io::Result<()> {
        self.polarity.set(if inverted { "inversed" } else { "normal" })
    }
}

/// An input of a converter from voltage to numbers (Documentation/ABI/testing/sysfs-bus-iio).
///
/// ```no_run
/// let input = sdk::descriptors::Granted::take().voltage("VOLTMETER", 0)?;
/// match input.volts()? {
///     Some(volts) => sdk::log::info(format_args!("{volts:.3} V")),
///     None => sdk::log::info(format_args!("{} of the converter's steps", input.raw()?)),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Voltage {
    raw: Attribute,
    scale: Option<Attribute>,
}

impl Voltage {
    pub(crate) fn take(granted: &mut Granted, name: &str, channel: u32) -> Result<Self, NotGranted> {
        let raw = granted.descriptor(&format!("{name}.{channel}.raw")).map(Attribute)?;
        // Some drivers do not know what their numbers mean.
        Ok(Self { raw, scale: granted.descriptor(&format!("{name}.{channel}.scale")).map(Attribute).ok() })
    }

    /// The number that the converter has for the voltage now, in its own steps.
    pub fn raw(&self) -> io::Result<i64> {
        self.raw.number()
    }

    /// The voltage now, in volts; none where the driver does not know what its numbers mean.
    pub fn volts(&self) -> io::Result<Option<f64>> {
        let Some(scale) = &self.scale else { return Ok(None) };
        #[expect(clippy::cast_precision_loss, reason = "converters have at most some 32 bits")]
        Ok(Some(self.raw()? as f64 * scale.number::<f64>()? / 1000.0))
    }
}

/// An LED (Documentation/leds/leds-class.rst).
///
/// ```no_run
/// let led = sdk::descriptors::Granted::take().led("STATUS_LED")?;
/// led.set(led.max()? / 2)?;
/// led.switch(false)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Led {
    brightness: Attribute,
    max: Attribute,
}

impl Led {
    pub(crate) fn take(granted: &mut Granted, name: &str) -> Result<Self, NotGranted> {
        let brightness = granted.descriptor(name).map(Attribute)?;
        Ok(Self { brightness, max: granted.descriptor(&format!("{name}.max")).map(Attribute)? })
    }

    /// Its brightest.
    pub fn max(&self) -> io::Result<u32> {
        self.max.number()
    }

    /// Sets its brightness, from 0 (off) to [`Led::max`].
    pub fn set(&self, brightness: u32) -> io::Result<()> {
        self.brightness.set(brightness)
    }

    /// Switches it on as bright as it gets, or off.
    pub fn switch(&self, on: bool) -> io::Result<()> {
        self.set(if on { self.max()? } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn attribute(text: &str) -> Attribute {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Attribute(file.into())
    }

    #[test]
    fn values_are_numbers_or_an_error() {
        assert_eq!(attribute("4096\n").number::<u32>().unwrap(), 4096);
        assert!(attribute("").number::<u32>().is_err() && attribute("x\n").number::<u32>().is_err());
        let volts = |scale: Option<&str>| Voltage { raw: attribute("73\n"), scale: scale.map(attribute) }.volts().unwrap();
        assert_eq!((volts(Some("1000.0\n")), volts(None)), (Some(73.0), None));
    }

    #[test]
    fn a_pulse_is_never_longer_than_the_time_from_one_to_the_next() {
        let pulses = Pulses { period: attribute(""), width: attribute("0\n"), enable: attribute(""), polarity: attribute("") };
        let (two, one) = (Duration::from_micros(2), Duration::from_micros(1));
        assert_eq!(pulses.set(one, two).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        pulses.set(two, one).unwrap();
        assert_eq!((pulses.period.text().unwrap().as_str(), pulses.width.text().unwrap().as_str()), ("2000", "1000"));
    }
}
