//! What a board file can name. Each thing is identified by what stays the same from boot to boot where the kernel has that: a label,
//! a driver's name. Buses, clocks and serial ports go by their numbers, which a device tree fixes by its aliases.

use crate::names::{DeviceName, DisplayName, PeripheralName};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One GPIO line by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GpioLine {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Label of the chip, as `GPIO_GET_CHIPINFO_IOCTL` tells it: stable where `/dev/gpiochipN` is not.
    pub chip: String,
    /// Line offset on the chip.
    pub line: u32,
    /// Which way the line goes.
    pub direction: GpioDirection,
    /// Whether a low level means "active".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub active_low: bool,
}

/// Direction of a GPIO line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GpioDirection {
    /// Input with events on both edges.
    Input,
    /// Output, low at start.
    Output,
}

/// A serial port. An app finds it at 115200 baud, 8 bits, no parity, raw, and may change that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Uart {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Its node in `/dev`, such as `ttyS1`; not the console.
    pub device: DeviceName,
}

/// A device on an I2C bus: an app reaches this address and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct I2cDevice {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Number of the bus, as in `/dev/i2c-1`.
    pub bus: u32,
    /// 7-bit address, such as "0x50".
    pub address: I2cAddress,
}

/// A 7-bit I2C address, written as `0x50`. Not one of those that the bus keeps for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct I2cAddress(u8);

impl I2cAddress {
    /// As a number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for I2cAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // 0x00 to 0x07 and 0x78 to 0x7f are reserved (I2C-bus specification, table 4).
        number
            .filter(|number| (0x08..=0x77).contains(number))
            .map(Self)
            .ok_or_else(|| format!("`{}` is not a 7-bit I2C address: expected 0x08 to 0x77", text.escape_default()))
    }
}

impl TryFrom<String> for I2cAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<I2cAddress> for String {
    fn from(address: I2cAddress) -> String {
        address.to_string()
    }
}

impl fmt::Display for I2cAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// A device on an SPI bus, by its chip select. The mode is the board's to choose: a wrong one could drive lines that other devices
/// of the bus listen to. One bus belongs to one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SpiDevice {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Number of the bus, as in `/dev/spidev0.1`.
    pub bus: u32,
    /// Chip select on the bus, from 0.
    pub select: u32,
    /// Clock polarity and phase: 0 to 3.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("maximum" = 3)))]
    pub mode: u8,
    /// Clock, in hertz, of transfers that ask for no other.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 1)))]
    pub max_hz: u32,
}

/// A chip that makes pulses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PwmChip {
    /// As manifests call it.
    pub name: PeripheralName,
    /// The device that has it, such as `fe20c000.pwm`: where the link `device` of its `pwmchip` in sysfs leads.
    pub chip: DeviceName,
    /// Channels that belong to the name.
    pub channels: Vec<u32>,
}

/// A converter from voltage to numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Converter {
    /// As manifests call it.
    pub name: PeripheralName,
    /// What its driver calls it, such as `mcp3008`: the file `name` of its IIO device.
    pub device: DeviceName,
    /// Channels that belong to the name.
    pub channels: Vec<u32>,
}

/// An LED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Led {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Its name in `/sys/class/leds`, such as `board:green:status`.
    pub led: DeviceName,
}

/// A real-time clock: an app reads it and sets its alarm. Setting the clock is no app's right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rtc {
    /// As manifests call it.
    pub name: PeripheralName,
    /// Its node in `/dev`, such as `rtc0`.
    pub device: DeviceName,
}

/// A hardware watchdog. It runs from the app's first start on, and nothing but the app feeds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// As manifests call it.
    pub name: PeripheralName,
    /// What its driver calls it, such as "Software Watchdog": the file `identity` in sysfs.
    pub identity: DisplayName,
}

/// What the kernel emulates on a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Simulator {
    /// Label of a GPIO chip (Documentation/admin-guide/gpio/gpio-sim.rst).
    pub label: String,
    /// Its number of lines, at most 64.
    pub lines: u32,
    /// A PCA9685 whose registers are whatever is at an I2C address, such as a memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pwm: Option<SimulatedPwm>,
    /// A converter that always says the same (the kernel's `iio_simple_dummy`), by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converter: Option<DeviceName>,
    /// LEDs without light (the kernel's `uleds`), by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leds: Vec<DeviceName>,
}

/// Where a simulated PWM chip has its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SimulatedPwm {
    /// Number of the bus.
    pub bus: u32,
    /// Address on it.
    pub address: I2cAddress,
}

/// One entry of a board file, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A GPIO line.
    Gpio(GpioLine),
    /// A serial port.
    Uart(Uart),
    /// A device on an I2C bus.
    I2c(I2cDevice),
    /// A device on an SPI bus.
    Spi(SpiDevice),
    /// A chip that makes pulses.
    Pwm(PwmChip),
    /// A converter.
    Adc(Converter),
    /// An LED.
    Led(Led),
    /// A real-time clock.
    Rtc(Rtc),
    /// A watchdog.
    Watchdog(Watchdog),
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Entry::Gpio`].
    Gpio,
    /// [`Entry::Uart`].
    Uart,
    /// [`Entry::I2c`].
    I2c,
    /// [`Entry::Spi`].
    Spi,
    /// [`Entry::Pwm`].
    Pwm,
    /// [`Entry::Adc`].
    Adc,
    /// [`Entry::Led`].
    Led,
    /// [`Entry::Rtc`].
    Rtc,
    /// [`Entry::Watchdog`].
    Watchdog,
}

/// Whether a node is a serial port's, and neither a virtual terminal, the controlling terminal, nor the kernel's log.
fn is_port(device: &str) -> bool {
    let kind = device.strip_prefix("tty").unwrap_or_default();
    kind.starts_with(|c: char| c.is_ascii_alphabetic()) && !kind.starts_with("printk")
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Gpio, Self::Uart, Self::I2c, Self::Spi, Self::Pwm, Self::Adc, Self::Led, Self::Rtc, Self::Watchdog];

    /// What people call one of it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Gpio => "GPIO line",
            Self::Uart => "serial port",
            Self::I2c => "I2C device",
            Self::Spi => "SPI device",
            Self::Pwm => "PWM chip",
            Self::Adc => "converter",
            Self::Led => "LED",
            Self::Rtc => "real-time clock",
            Self::Watchdog => "watchdog",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

impl Entry {
    /// Its own name.
    pub fn name(&self) -> &PeripheralName {
        match self {
            Self::Gpio(line) => &line.name,
            Self::Uart(port) => &port.name,
            Self::I2c(device) => &device.name,
            Self::Spi(device) => &device.name,
            Self::Pwm(chip) => &chip.name,
            Self::Adc(converter) => &converter.name,
            Self::Led(led) => &led.name,
            Self::Rtc(clock) => &clock.name,
            Self::Watchdog(watchdog) => &watchdog.name,
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gpio(_) => Kind::Gpio,
            Self::Uart(_) => Kind::Uart,
            Self::I2c(_) => Kind::I2c,
            Self::Spi(_) => Kind::Spi,
            Self::Pwm(_) => Kind::Pwm,
            Self::Adc(_) => Kind::Adc,
            Self::Led(_) => Kind::Led,
            Self::Rtc(_) => Kind::Rtc,
            Self::Watchdog(_) => Kind::Watchdog,
        }
    }

    /// What of the hardware it is, in words that are equal only for the same thing. One belongs to one app.
    pub fn places(&self) -> Vec<String> {
        let channels = |what: &str, channels: &[u32]| channels.iter().map(|n| format!("channel {n} of {what}")).collect();
        match self {
            Self::Gpio(line) => vec![format!("line {} of chip {}", line.line, line.chip)],
            Self::Uart(Uart { device, .. }) | Self::Rtc(Rtc { device, .. }) => vec![device.to_string()],
            Self::I2c(device) => vec![format!("address {} of I2C bus {}", device.address, device.bus)],
            Self::Spi(device) => vec![format!("chip select {} of SPI bus {}", device.select, device.bus)],
            Self::Pwm(chip) => channels(&format!("PWM chip {}", chip.chip), &chip.channels),
            Self::Adc(converter) => channels(&format!("converter {}", converter.device), &converter.channels),
            Self::Led(led) => vec![format!("LED {}", led.led)],
            Self::Watchdog(watchdog) => vec![format!("the watchdog called {}", watchdog.identity)],
        }
    }

    /// What of the hardware nobody else may use while an app has it: its places, and for an SPI device the whole bus, because a
    /// transfer can leave the chip selected behind it (`cs_change`), where it hears what is meant for the next one.
    pub fn exclusive(&self) -> Vec<String> {
        let mut places = self.places();
        if let Self::Spi(device) = self {
            places.push(format!("SPI bus {}", device.bus));
        }
        places
    }

    /// A value that its type allows and no board has: what stands there, and what was expected.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        match self {
            Self::Uart(port) if !is_port(port.device.as_str()) => {
                Some((format!("device `{}`", port.device), "a serial port such as ttyS1"))
            }
            Self::Rtc(clock) if !clock.device.as_str().starts_with("rtc") => {
                Some((format!("device `{}`", clock.device), "a clock such as rtc0"))
            }
            Self::Spi(device) if device.mode > 3 => Some((format!("mode {}", device.mode), "0 to 3")),
            Self::Spi(device) if device.max_hz == 0 => Some(("max_hz 0".to_owned(), "1 at least")),
            Self::Pwm(PwmChip { channels, .. }) | Self::Adc(Converter { channels, .. }) if channels.is_empty() => {
                Some(("no channels".to_owned(), "one at least"))
            }
            _ => None,
        }
    }
}
