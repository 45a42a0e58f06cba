//! The board's hardware: who may open what the board file names. The rest of `/dev` and `/sys` stays root's.

use crate::{
    phases::Boot,
    problem::{self, Problem},
    say, simulator,
};
use linux::{bus, files, gpio, sysfs};
use manifest::board::{
    Board, Device, Entry,
    device::{Access, DeviceFile},
};
use rustix::{
    fs::{CWD, Gid, Mode, OFlags, Uid, chmodat, chown, fchmod, fchown},
    io::Errno,
};
use std::path::{Path, PathBuf};

/// Whose the board's devices are.
const OWNER: &str = "app-manager";

/// uid and gid of [`OWNER`].
type Owner = (Option<Uid>, Option<Gid>);

/// Makes what is simulated, then gives everything that the board file names to its owner.
pub fn prepare(boot: &mut Boot) -> Result<(), Problem> {
    let Some(board) = &boot.board else { return Ok(()) };
    let simulated = board.simulator.as_ref().map_or(Ok(()), |simulator| simulator::make(board, simulator));
    let Some(owner) = boot.table()?.services.iter().find(|service| service.name.as_str() == OWNER) else { return simulated };
    let owner = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
    // What failed of one thing takes nothing from the others: only the apps that want it are refused.
    problem::all([simulated, give_chips(board, owner), problem::all(board.devices(), |device| give(&device, owner))], |done| done)
}

fn give_chips(board: &Board, owner: Owner) -> Result<(), Problem> {
    let mut labels: Vec<&str> = board.gpio.iter().map(|line| line.chip.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    problem::all(labels, |label| {
        let chip = gpio::open_chip(Path::new("/dev"), label).map_err(|e| Problem::Missing(format!("chip for the board: {e}")))?;
        let what = || format!("give chip `{label}` to {OWNER}");
        fchown(&chip, owner.0, owner.1).map_err(Problem::kernel(what()))?;
        fchmod(&chip, Mode::RUSR | Mode::WUSR).map_err(Problem::kernel(what()))
    })
}

fn give(device: &Device, owner: Owner) -> Result<(), Problem> {
    let entry = device.lookup().map(|lookup| sysfs::entry(lookup.folder.as_ref(), lookup.attribute, &lookup.value));
    let entry = entry.transpose().map_err(|e| Problem::Missing(format!("${}: {e}", device.name)))?.unwrap_or_default();
    if let Entry::Pwm(chip) = &device.entry {
        for channel in &chip.channels {
            // Without it the channel has no folder. A second time it would be refused.
            if !Path::new("/sys/class/pwm").join(&entry).join(format!("pwm{channel}")).exists() {
                files::write_existing(format!("/sys/class/pwm/{entry}/export"), channel.to_string())?;
            }
        }
    }
    if let Entry::Uart(port) = &device.entry {
        close_at_once(&format!("/dev/{}", port.device))?;
    }
    problem::all(device.files().into_iter().filter(|file| file.access != Access::Read), |file| give_file(&file, &entry, owner))
}

/// An app can stop its port's output and leave the last close to whoever it sends the descriptor to: without this, the kernel
/// would hold app-manager there for half a minute, until its watchdog resets the device. So a port is given with this, or not.
fn close_at_once(path: &str) -> Result<(), Problem> {
    let port = files::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK)?;
    match bus::close_without_waiting(&port) {
        Err(Errno::NOTTY) => say::warning(format_args!("{path}: its driver decides how long closing it takes")),
        done => done.map_err(Problem::kernel(format!("have {path} close at once")))?,
    }
    Ok(())
}

fn give_file(file: &DeviceFile, entry: &str, owner: Owner) -> Result<(), Problem> {
    let paths: Vec<PathBuf> = file.paths.iter().map(|path| PathBuf::from(path.replace('*', entry))).collect();
    let Some(path) = paths.iter().find(|path| path.exists()) else {
        return Err(Problem::Missing(format!(
            "{} for {}",
            paths.first().cloned().unwrap_or_default().display(),
            file.descriptor
        )));
    };
    // By name: to open a watchdog is to start it.
    let what = || format!("give {} to {OWNER}", path.display());
    chown(path, owner.0, owner.1).map_err(Problem::kernel(what()))?;
    chmodat(CWD, path, Mode::RUSR | Mode::WUSR, rustix::fs::AtFlags::empty()).map_err(Problem::kernel(what()))
}
