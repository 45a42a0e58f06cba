//! What a virtual machine lacks and the kernel emulates: GPIO lines, a PWM chip, a converter, LEDs.

use crate::{
    mounts,
    problem::{self, Problem},
};
use linux::files;
use manifest::{
    board::{Board, Simulator, entries::SimulatedPwm},
    names::{DeviceName, PeripheralName},
};
use rustix::fs::OFlags;
use std::{
    os::fd::IntoRawFd,
    path::{Path, PathBuf},
};

/// gpio-sim's folder below configfs (Documentation/admin-guide/gpio/gpio-sim.rst).
const LINES: &str = "gpio-sim";
/// The folder below configfs where the kernel's converter without hardware is made (Documentation/iio/iio_configfs.rst).
const CONVERTERS: &str = "iio/devices/dummy";
/// Most lines that a bank has.
const LINES_LIMIT: u32 = 64;

/// Makes all that the board file asks for; what fails is told, and the rest is there all the same.
pub fn make(board: &Board, simulator: &Simulator) -> Result<(), Problem> {
    let configfs = mounts::configfs()?;
    let pwm = simulator.pwm.as_ref().map_or(Ok(()), make_pwm);
    let converter = simulator.converter.as_ref().map_or(Ok(()), |name| make_converter(configfs, name));
    let leds = problem::all(&simulator.leds, make_led);
    problem::all([make_lines(configfs, board, simulator), pwm, converter, leds], |made| made)
}

fn make_lines(configfs: &Path, board: &Board, simulator: &Simulator) -> Result<(), Problem> {
    let chip = configfs.join(LINES).join(&simulator.label);
    let bank = chip.join("bank0");
    files::make_folder(&chip, 0o755)?;
    files::make_folder(&bank, 0o755)?;
    files::write_existing(bank.join("num_lines"), simulator.lines.min(LINES_LIMIT).to_string())?;
    files::write_existing(bank.join("label"), &simulator.label)?;
    for line in lines(board, simulator) {
        let folder = bank.join(format!("line{}", line.1));
        files::make_folder(&folder, 0o755)?;
        files::write_existing(folder.join("name"), line.0.as_str())?;
    }
    Ok(files::write_existing(chip.join("live"), "1")?)
}

/// Documentation/i2c/instantiating-devices.rst, method 4.
fn make_pwm(pwm: &SimulatedPwm) -> Result<(), Problem> {
    let bus = format!("/sys/bus/i2c/devices/i2c-{}/new_device", pwm.bus);
    Ok(files::write_existing(bus, format!("pca9685 {}", pwm.address))?)
}

fn make_converter(configfs: &Path, name: &DeviceName) -> Result<(), Problem> {
    Ok(files::make_folder(configfs.join(CONVERTERS).join(name.as_str()), 0o755)?)
}

/// Documentation/leds/uleds.rst: `struct uleds_user_dev`, a name of 64 bytes and the greatest brightness.
fn make_led(name: &DeviceName) -> Result<(), Problem> {
    const NAME_SIZE: usize = 64;
    const BRIGHTEST: i32 = 255;
    let led = files::open("/dev/uleds", OFlags::RDWR)?;
    let mut record = name.as_str().as_bytes().to_vec();
    record.resize(NAME_SIZE, 0);
    record.extend(BRIGHTEST.to_ne_bytes());
    rustix::io::write(&led, &record).map_err(Problem::kernel(format!("make LED `{name}`")))?;
    // It lasts as long as its descriptor, and it shall last as long as the board: nobody closes this one.
    let _ = led.into_raw_fd();
    Ok(())
}

fn lines<'a>(board: &'a Board, simulator: &'a Simulator) -> impl Iterator<Item = (&'a PeripheralName, u32)> {
    board
        .gpio
        .iter()
        .filter(|line| line.chip == simulator.label && line.line < simulator.lines)
        .map(|line| (&line.name, line.line))
}

/// The file that sets the level of each simulated line, by the line's name.
pub fn pull_files(board: &Board) -> Result<Vec<(String, PathBuf)>, Problem> {
    let Some(simulator) = &board.simulator else { return Ok(Vec::new()) };
    let chip = Path::new("/sys/kernel/config").join(LINES).join(&simulator.label);
    let device = files::read_line(chip.join("dev_name"))?;
    let name = files::read_line(chip.join("bank0/chip_name"))?;
    let folder = Path::new("/sys/devices/platform").join(device).join(name);
    Ok(lines(board, simulator)
        .map(|(name, line)| (name.as_str().to_owned(), folder.join(format!("sim_gpio{line}/pull"))))
        .collect())
}
