//! An entry of a board file as an app gets it.

use super::entries::Entry;
use crate::names::PeripheralName;

/// An entry under the name that was asked for, which may be an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The name; its descriptors are called after it.
    pub name: PeripheralName,
    /// What it is.
    pub entry: Entry,
}

/// A file of the kernel that stands for a device, or for a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFile {
    /// Name of the descriptor that an app gets.
    pub descriptor: String,
    /// Where it is: the first of these that is there. `*` stands for the entry that [`Lookup`] finds.
    pub paths: Vec<String>,
    /// What is done with it.
    pub access: Access,
    /// Whether some drivers do not have it.
    pub optional: bool,
}

/// What is done with a [`DeviceFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A node of `/dev`: read, written and asked by ioctls.
    Node,
    /// A file of sysfs that is read.
    Read,
    /// A file of sysfs that is read and written.
    Write,
}

/// How to find the kernel's name for a device: the entry of `folder` whose `attribute` is `value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// A folder with an entry per device.
    pub folder: &'static str,
    /// A file in each entry, or a link, of which the last part of the target counts.
    pub attribute: &'static str,
    /// What it says.
    pub value: String,
}

/// Attributes of a PWM channel (Documentation/driver-api/pwm.rst).
pub const PWM_ATTRIBUTES: [&str; 4] = ["period", "duty_cycle", "polarity", "enable"];

impl Device {
    /// The files that stand for it. A GPIO line has none: it is asked of its chip.
    pub fn files(&self) -> Vec<DeviceFile> {
        let node = |path: String| vec![self.file("", vec![path], Access::Node)];
        match &self.entry {
            Entry::Gpio(_) => Vec::new(),
            Entry::Uart(port) => node(format!("/dev/{}", port.device)),
            Entry::I2c(device) => node(format!("/dev/i2c-{}", device.bus)),
            Entry::Spi(device) => node(format!("/dev/spidev{}.{}", device.bus, device.select)),
            Entry::Pwm(chip) => chip.channels.iter().flat_map(|channel| self.pulses(*channel)).collect(),
            Entry::Adc(converter) => converter.channels.iter().flat_map(|channel| self.voltage(*channel)).collect(),
            Entry::Led(led) => {
                let folder = format!("/sys/class/leds/{}", led.led);
                vec![
                    self.file("", vec![format!("{folder}/brightness")], Access::Write),
                    self.file(".max", vec![format!("{folder}/max_brightness")], Access::Read),
                ]
            }
            Entry::Rtc(clock) => node(format!("/dev/{}", clock.device)),
            Entry::Watchdog(_) => node("/dev/*".to_owned()),
        }
    }

    /// Names of its descriptors, those included that some drivers do not have.
    pub fn descriptors(&self) -> Vec<String> {
        match self.entry {
            Entry::Gpio(_) => vec![self.name.to_string()],
            _ => self.files().into_iter().map(|file| file.descriptor).collect(),
        }
    }

    /// How to find what `*` stands for in its paths.
    pub fn lookup(&self) -> Option<Lookup> {
        match &self.entry {
            Entry::Pwm(chip) => Some(Lookup { folder: "/sys/class/pwm", attribute: "device", value: chip.chip.to_string() }),
            Entry::Adc(converter) => {
                Some(Lookup { folder: "/sys/bus/iio/devices", attribute: "name", value: converter.device.to_string() })
            }
            Entry::Watchdog(watchdog) => {
                Some(Lookup { folder: "/sys/class/watchdog", attribute: "identity", value: watchdog.identity.to_string() })
            }
            _ => None,
        }
    }

    fn file(&self, suffix: &str, paths: Vec<String>, access: Access) -> DeviceFile {
        DeviceFile { descriptor: format!("{}{suffix}", self.name), paths, access, optional: false }
    }

    fn pulses(&self, channel: u32) -> impl Iterator<Item = DeviceFile> {
        PWM_ATTRIBUTES.into_iter().map(move |attribute| {
            let path = format!("/sys/class/pwm/*/pwm{channel}/{attribute}");
            self.file(&format!(".{channel}.{attribute}"), vec![path], Access::Write)
        })
    }

    /// Documentation/ABI/testing/sysfs-bus-iio: the value, and what it is multiplied with to have millivolts.
    fn voltage(&self, channel: u32) -> [DeviceFile; 2] {
        let path = |name: String| format!("/sys/bus/iio/devices/*/{name}");
        let raw = self.file(&format!(".{channel}.raw"), vec![path(format!("in_voltage{channel}_raw"))], Access::Read);
        let scales = vec![path(format!("in_voltage{channel}_scale")), path("in_voltage_scale".to_owned())];
        let scale = self.file(&format!(".{channel}.scale"), scales, Access::Read);
        [raw, DeviceFile { optional: true, ..scale }]
    }
}
