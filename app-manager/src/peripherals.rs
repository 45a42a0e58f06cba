//! The board's peripherals: opened here, passed as descriptors, one holder each.
//!
//! What the board file names is found before confinement; afterwards nothing else can be opened. A descriptor is the right to
//! one line, one address or one file: what else its driver could do is settled before it is passed, and the app's filter
//! refuses to change that.

use linux::{
    bus,
    files::{self, FileError},
    gpio::{self, ChipError, Direction},
    sysfs::{self, LookupError},
};
use manifest::{
    board::{
        Board, Device, Entry, GpioDirection, GpioLine,
        device::{Access, DeviceFile},
    },
    names::PeripheralName,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::OFlags,
    termios::{ControlModes, InputModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// What the board has, as far as it was there when app-manager started.
#[derive(Debug, Default)]
pub struct Peripherals {
    /// GPIO chips by label, open.
    chips: BTreeMap<String, OwnedFd>,
    /// By its own name, what the kernel calls an entry that had to be looked up.
    found: BTreeMap<PeripheralName, String>,
}

/// What of the board was not there.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// A GPIO chip.
    #[error(transparent)]
    Chip(#[from] ChipError),
    /// An entry that has to be looked up.
    #[error("${name}")]
    Entry {
        /// Its name.
        name: PeripheralName,
        /// Why it was not found.
        source: LookupError,
    },
}

/// Why a peripheral was not given.
#[derive(Debug, thiserror::Error)]
pub enum PeripheralError {
    /// It was not there when app-manager started.
    #[error("${name} is {place}, which was not there when app-manager started")]
    NotThere {
        /// Its name.
        name: PeripheralName,
        /// What it is.
        place: String,
    },
    /// The kernel refused to open it.
    #[error("${name}")]
    Open {
        /// Its name.
        name: PeripheralName,
        /// Why.
        source: FileError,
    },
    /// The kernel refused the line, address, mode or speed.
    #[error("${name}: cannot have {place}")]
    Settle {
        /// Its name.
        name: PeripheralName,
        /// What it is.
        place: String,
        /// Why.
        source: io::Error,
    },
}

impl Peripherals {
    /// Finds everything that the board names. What is missing is told, and stops only the apps that want it.
    pub fn find(board: &Board, devices: &Path) -> (Self, Vec<Missing>) {
        let (mut all, mut missing) = (Self::default(), Vec::new());
        for line in &board.gpio {
            if all.chips.contains_key(&line.chip) {
                continue;
            }
            match gpio::open_chip(devices, &line.chip) {
                Ok(chip) => drop(all.chips.insert(line.chip.clone(), chip)),
                Err(e) => missing.push(e.into()),
            }
        }
        for device in board.devices() {
            let Some(lookup) = device.lookup() else { continue };
            match sysfs::entry(Path::new(lookup.folder), lookup.attribute, &lookup.value) {
                Ok(entry) => drop(all.found.insert(device.name, entry)),
                Err(source) => missing.push(Missing::Entry { name: device.name, source }),
            }
        }
        (all, missing)
    }

    /// The files that are opened later, with what is done with each.
    pub fn files(&self, board: &Board) -> Vec<(PathBuf, Access)> {
        let files = board.devices().flat_map(|device| device.files().into_iter().map(move |file| (device.clone(), file)));
        files.filter_map(|(device, file)| Some((self.path(&device, &file)?, file.access))).collect()
    }

    /// Opens a peripheral: its descriptors by their names. They do not block.
    pub fn open(&self, device: &Device) -> Result<Vec<(String, OwnedFd)>, PeripheralError> {
        if let Entry::Gpio(line) = &device.entry {
            return Ok(vec![(device.name.to_string(), self.line(device, line)?)]);
        }
        let mut opened = Vec::new();
        for file in device.files() {
            let Some(path) = self.path(device, &file) else {
                if file.optional {
                    continue;
                }
                return Err(not_there(device));
            };
            let flags = match file.access {
                Access::Node => OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK,
                Access::Write => OFlags::RDWR,
                Access::Read => OFlags::RDONLY,
            };
            let open = files::open(path, flags).map_err(|source| PeripheralError::Open { name: device.name.clone(), source })?;
            settle(&device.entry, &open).map_err(|source| refused(device, source))?;
            opened.push((file.descriptor, open));
        }
        Ok(opened)
    }

    fn line(&self, device: &Device, line: &GpioLine) -> Result<OwnedFd, PeripheralError> {
        let chip = self.chips.get(&line.chip).ok_or_else(|| not_there(device))?;
        let direction = match line.direction {
            GpioDirection::Input => Direction::Input,
            GpioDirection::Output => Direction::Output,
        };
        gpio::request_line(chip, line.line, direction, line.active_low, CONSUMER).map_err(|e| refused(device, e.into()))
    }

    /// Where a file is, if it is.
    fn path(&self, device: &Device, file: &DeviceFile) -> Option<PathBuf> {
        let own = device.entry.name();
        let entry = if device.lookup().is_some() { self.found.get(own)?.as_str() } else { "" };
        file.paths.iter().map(|path| PathBuf::from(path.replace('*', entry))).find(|path| path.exists())
    }
}

/// What the kernel shows as a line's user.
const CONSUMER: &str = "holdfast-app";
/// What a serial port is set to before an app gets it.
const BAUD: u32 = 115_200;

/// What is chosen by the board before anybody else has the descriptor.
fn settle(entry: &Entry, open: &OwnedFd) -> io::Result<()> {
    match entry {
        Entry::Uart(_) => make_raw(open).and_then(|()| Ok(bus::reset_modem_lines(open)?)),
        Entry::I2c(device) => Ok(bus::set_i2c_address(open, device.address.number())?),
        Entry::Spi(device) => Ok(bus::set_spi(open, device.mode, device.max_hz)?),
        _ => Ok(()),
    }
}

/// Bytes as they are, 8 bits without parity, no modem lines; nothing is left of what somebody else sent or did not read.
fn make_raw(port: impl AsFd) -> io::Result<()> {
    let mut settings = tcgetattr(&port)?;
    settings.make_raw();
    settings.input_modes = InputModes::empty();
    settings.control_modes.insert(ControlModes::CLOCAL | ControlModes::CREAD);
    settings.control_modes.remove(ControlModes::CRTSCTS | ControlModes::CSTOPB);
    settings.set_speed(BAUD)?;
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    Ok(tcflush(&port, QueueSelector::IOFlush)?)
}

fn not_there(device: &Device) -> PeripheralError {
    PeripheralError::NotThere { name: device.name.clone(), place: device.entry.places().join(", ") }
}

fn refused(device: &Device, source: io::Error) -> PeripheralError {
    PeripheralError::Settle { name: device.name.clone(), place: device.entry.places().join(", "), source }
}

/// The first thing that both want, whatever either calls it.
pub fn conflict<'a>(wanted: &'a [Device], held: &[Device]) -> Option<&'a Device> {
    let held: Vec<String> = held.iter().flat_map(|device| device.entry.exclusive()).collect();
    wanted.iter().find(|device| device.entry.exclusive().iter().any(|place| held.contains(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::termios::LocalModes;

    fn board() -> Board {
        Board::parse(
            br#"{"name":"T","gpio":[{"name":"$A","chip":"c","line":1,"direction":"input"},{"name":"$B","chip":"c","line":2,"direction":"output"}],
            "uart":[{"name":"$PORT","device":"ttyNONE9"}],"pwm":[{"name":"$P","chip":"none","channels":[0,1]}],"aliases":{"$KEY":"$B"}}"#,
        )
        .unwrap()
    }

    fn devices(names: &[&str]) -> Vec<Device> {
        names.iter().map(|name| board().device(&name.parse().unwrap()).unwrap()).collect()
    }

    #[test]
    fn two_that_want_one_thing_are_in_conflict_whatever_they_call_it() {
        assert_eq!(conflict(&devices(&["$A", "$B"]), &devices(&["$KEY"])).unwrap().name.as_str(), "B");
        assert!(conflict(&devices(&["$A", "$PORT"]), &devices(&["$B", "$P"])).is_none());
    }

    #[test]
    fn an_spi_bus_belongs_to_one_app() {
        let spi = br#"{"name":"T","spi":[{"name":"$A","bus":0,"select":0,"max_hz":1},{"name":"$B","bus":0,"select":1,"max_hz":1},
            {"name":"$C","bus":1,"select":0,"max_hz":1}]}"#;
        let all: Vec<Device> = Board::parse(spi).unwrap().devices().collect();
        assert!(conflict(&all[..1], &all[1..2]).is_some() && conflict(&all[..1], &all[2..]).is_none());
    }

    #[test]
    fn a_channel_that_two_names_share_is_in_conflict() {
        let other = Board::parse(br#"{"name":"T","pwm":[{"name":"$Q","chip":"none","channels":[1]}]}"#).unwrap();
        let other: Vec<Device> = other.devices().collect();
        assert!(conflict(&devices(&["$P"]), &other).is_some());
    }

    #[test]
    fn what_is_missing_stops_only_what_wants_it_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (all, missing) = Peripherals::find(&board(), folder.path());
        assert_eq!(missing.len(), 3, "a chip for each line, and the PWM chip: {missing:?}");
        assert!(all.files(&board()).is_empty());
        for device in devices(&["$A", "$PORT", "$P"]) {
            assert!(all.open(&device).unwrap_err().to_string().contains("was not there"), "{device:?}");
        }
    }

    /// A pseudoterminal stands for a port.
    #[test]
    fn a_port_is_raw_before_an_app_gets_it() {
        let Ok(master) = files::open("/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY) else { return };
        make_raw(&master).unwrap();
        let settings = tcgetattr(&master).unwrap();
        let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(!settings.local_modes.intersects(cooked) && settings.output_speed() == BAUD, "{settings:?}");
    }
}
