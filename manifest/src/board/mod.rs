//! The board file, `boards/<name>.json`: which physical thing a peripheral's name means.
//!
//! - [`entries`]: what a board file can name, and what of the hardware each is, which belongs to one app.
//! - [`device`]: an entry as an app gets it: its files and its descriptors.

pub mod device;
pub mod entries;

pub use device::Device;
pub use entries::{
    Converter, Entry, GpioDirection, GpioLine, I2cAddress, I2cDevice, Kind, Led, PwmChip, Rtc, Simulator, SpiDevice, Uart,
    Watchdog,
};

use crate::{
    names::{DisplayName, PeripheralName},
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest board file that is read.
pub const BOARD_LIMIT: usize = 256 * 1024;
/// Most names of a board file.
pub const NAMES_LIMIT: usize = 1024;

/// A board. What is not listed, no app of it can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Editors complete and check against it; it means nothing.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The board's name, for people.
    pub name: DisplayName,
    /// GPIO lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpio: Vec<GpioLine>,
    /// Serial ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uart: Vec<Uart>,
    /// Devices on I2C buses, each by its address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub i2c: Vec<I2cDevice>,
    /// Devices on SPI buses, each by its chip select.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spi: Vec<SpiDevice>,
    /// Chips that make pulses of a given width.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pwm: Vec<PwmChip>,
    /// Converters from voltage to numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adc: Vec<Converter>,
    /// LEDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub led: Vec<Led>,
    /// Real-time clocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rtc: Vec<Rtc>,
    /// Hardware watchdogs beside the one that init feeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watchdog: Vec<Watchdog>,
    /// Further names: `{"$SAMPLE_LED": "$LED1_RED"}`. The right-hand side is an entry's own name, not another alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::unique_keys")]
    pub aliases: BTreeMap<PeripheralName, PeripheralName>,
    /// Numbers that programs of the board are compiled with, such as a channel: they are for the C header and grant nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::unique_keys")]
    pub constants: BTreeMap<PeripheralName, u32>,
    /// What the kernel emulates: only boards that are virtual machines have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<Simulator>,
}

impl Board {
    /// Reads a board file: no name twice, nothing under two names but by an alias, values that a board can have.
    pub fn parse(bytes: &[u8]) -> Result<Self, BoardError> {
        let board: Self = read::json("board file", bytes, BOARD_LIMIT)?;
        board.check()?;
        Ok(board)
    }

    /// What [`Board::parse`] checks beside the format.
    pub fn check(&self) -> Result<(), BoardError> {
        let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
        for device in self.devices() {
            if let Some((found, expected)) = device.entry.mistake() {
                return Err(BoardError::Value { name: device.name, found, expected });
            }
            for place in device.entry.places() {
                if !places.insert(place.clone()) {
                    return Err(BoardError::PlaceTwice { name: device.name, place });
                }
            }
            if !names.insert(device.name.clone()) {
                return Err(BoardError::NameTwice(device.name));
            }
        }
        for (alias, name) in &self.aliases {
            if !names.contains(name) {
                return Err(BoardError::Alias { alias: alias.clone(), name: name.clone() });
            }
        }
        for name in self.aliases.keys().chain(self.constants.keys()) {
            if !names.insert(name.clone()) {
                return Err(BoardError::NameTwice(name.clone()));
            }
        }
        let found = names.len();
        if found > NAMES_LIMIT { Err(BoardError::TooMany(found)) } else { Ok(()) }
    }

    /// Everything on the board, without aliases.
    pub fn devices(&self) -> impl Iterator<Item = Device> {
        let gpio = self.gpio.iter().cloned().map(Entry::Gpio);
        let buses = self.i2c.iter().cloned().map(Entry::I2c).chain(self.spi.iter().cloned().map(Entry::Spi));
        let analog = self.pwm.iter().cloned().map(Entry::Pwm).chain(self.adc.iter().cloned().map(Entry::Adc));
        let rest = self.led.iter().cloned().map(Entry::Led).chain(self.rtc.iter().cloned().map(Entry::Rtc));
        gpio.chain(self.uart.iter().cloned().map(Entry::Uart))
            .chain(buses)
            .chain(analog)
            .chain(rest)
            .chain(self.watchdog.iter().cloned().map(Entry::Watchdog))
            .map(|entry| Device { name: entry.name().clone(), entry })
    }

    /// What is called `name`, by its own name or an alias; it keeps the name that was asked for.
    pub fn device(&self, name: &PeripheralName) -> Option<Device> {
        let own = self.aliases.get(name).unwrap_or(name);
        self.devices().find(|device| device.name == *own).map(|device| Device { name: name.clone(), ..device })
    }

    /// Every name for something of this kind, aliases included.
    pub fn names(&self, kind: Kind) -> Vec<PeripheralName> {
        let own: Vec<PeripheralName> =
            self.devices().filter(|device| device.entry.kind() == kind).map(|device| device.name).collect();
        let aliases: Vec<PeripheralName> =
            self.aliases.iter().filter(|(_, name)| own.contains(name)).map(|(alias, _)| alias.clone()).collect();
        own.into_iter().chain(aliases).collect()
    }
}

/// Why a board file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// Not a board file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Two entries with one name.
    #[error("board file: `${0}` stands there twice; each name means one thing, whatever its kind")]
    NameTwice(PeripheralName),
    /// Two names for one thing.
    #[error("board file: `${name}` is {place}, which has another name already; a second name is an alias")]
    PlaceTwice {
        /// The second name.
        name: PeripheralName,
        /// What has two.
        place: String,
    },
    /// A value that no board has.
    #[error("board file, `${name}`: {found}; expected {expected}")]
    Value {
        /// The entry.
        name: PeripheralName,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// An alias that leads nowhere.
    #[error("board file, aliases: `${alias}` stands for `${name}`, which no entry is called")]
    Alias {
        /// The alias.
        alias: PeripheralName,
        /// What it stands for.
        name: PeripheralName,
    },
    /// More names than [`NAMES_LIMIT`].
    #[error("board file: {0} names, at most {NAMES_LIMIT} are allowed")]
    TooMany(usize),
}

#[cfg(test)]
mod tests;
