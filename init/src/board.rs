//! The board's hardware: the simulated GPIO chip where the board file has one, and who may open the device nodes.

use crate::{
    mounts,
    phases::Boot,
    problem::{self, Problem},
};
use linux::{files, gpio};
use manifest::{
    board::{Board, GpioSimulator},
    names::PeripheralName,
};
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use std::path::{Path, PathBuf};

/// Whose the board's device nodes are.
const OWNER: &str = "app-manager";
/// gpio-sim's folder below configfs (Documentation/admin-guide/gpio/gpio-sim.rst).
const SIMULATOR: &str = "gpio-sim";
/// Most lines that a bank has.
const LINES_LIMIT: u32 = 64;

/// Makes the simulated chip, then gives the nodes of all chips that the board file names to their owner.
pub fn prepare(boot: &mut Boot) -> Result<(), Problem> {
    let Some(board) = &boot.board else { return Ok(()) };
    if let Some(simulator) = &board.simulator {
        make_simulator(board, simulator)?;
    }
    let Some(owner) = boot.table()?.services.iter().find(|service| service.name.as_str() == OWNER) else { return Ok(()) };
    let mut labels: Vec<&str> = board.gpio.iter().map(|line| line.chip.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    problem::all(labels, |label| {
        let chip = gpio::open_chip(Path::new("/dev"), label).map_err(|e| Problem::Missing(format!("chip for the board: {e}")))?;
        let what = || format!("give chip `{label}` to {OWNER}");
        fchown(&chip, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).map_err(Problem::kernel(what()))?;
        fchmod(&chip, Mode::RUSR | Mode::WUSR).map_err(Problem::kernel(what()))
    })
}

fn make_simulator(board: &Board, simulator: &GpioSimulator) -> Result<(), Problem> {
    let chip = mounts::configfs()?.join(SIMULATOR).join(&simulator.label);
    let bank = chip.join("bank0");
    files::make_folder(&chip, 0o755)?;
    files::make_folder(&bank, 0o755)?;
    files::write_existing(bank.join("num_lines"), simulator.lines.min(LINES_LIMIT).to_string())?;
    files::write_existing(bank.join("label"), &simulator.label)?;
    for line in simulated_lines(board, simulator) {
        let folder = bank.join(format!("line{}", line.1));
        files::make_folder(&folder, 0o755)?;
        files::write_existing(folder.join("name"), line.0.as_str())?;
    }
    Ok(files::write_existing(chip.join("live"), "1")?)
}

fn simulated_lines<'a>(board: &'a Board, simulator: &'a GpioSimulator) -> impl Iterator<Item = (&'a PeripheralName, u32)> {
    board
        .gpio
        .iter()
        .filter(|line| line.chip == simulator.label && line.line < simulator.lines)
        .map(|line| (&line.name, line.line))
}

/// The file that sets the level of each simulated line, by the line's name.
pub fn pull_files(board: &Board) -> Result<Vec<(String, PathBuf)>, Problem> {
    let Some(simulator) = &board.simulator else { return Ok(Vec::new()) };
    let chip = Path::new("/sys/kernel/config").join(SIMULATOR).join(&simulator.label);
    let device = files::read_line(chip.join("dev_name"))?;
    let name = files::read_line(chip.join("bank0/chip_name"))?;
    let folder = Path::new("/sys/devices/platform").join(device).join(name);
    Ok(simulated_lines(board, simulator)
        .map(|(name, line)| (name.as_str().to_owned(), folder.join(format!("sim_gpio{line}/pull"))))
        .collect())
}
