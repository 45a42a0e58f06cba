//! Power cuts, through a disk that forgets what was not flushed: nbdkit keeps writes in memory until the guest flushes, and
//! is killed together with QEMU. Killing QEMU alone loses nothing that it has written.
//!
//! nbdkit writes a log of requests, by which a test knows whether a cut fell between a write and its flush: at least half
//! of them have to, or the campaign has shown nothing.

use anyhow::{Context, Result, ensure};
use harness::programs;
use harness::{
    buttons,
    device::DOORBELL,
    machine::{Machine, Options, run_from_off},
    wait::wait_until,
};
use manifest::api::AppState;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Cuts in one run; the long form has 1,000.
const CUTS: u32 = 20;

#[test]
fn no_power_cut_takes_back_a_press_that_somebody_was_told_of() -> Result<()> {
    let cuts = std::env::var("HOLDFAST_POWER_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(CUTS);
    let mut options = Options::test_image()?.expecting(&["I/O error"]);
    // One processor leaves the other to nbdkit and the test.
    options.processors = 1;
    run_from_off("power-cuts", options, |machine| {
        let first = Disk::serve(machine)?;
        machine.power_on()?;
        machine.wait_ready()?;
        let device = machine.device()?;
        device.install(programs::doorbell(1)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        machine.buttons().press(buttons::DOORBELL)?;
        device.wait_status(DOORBELL, "1 press")?;
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        first.end_in_order()?;

        let (mut told, mut between) = (1, 0);
        for cut in 0..cuts {
            let disk = Disk::serve(machine)?;
            machine.power_on()?;
            machine.wait_ready()?;
            let device = machine.device()?;
            device.wait_app(DOORBELL, AppState::Running)?;
            let kept = presses(machine)?;
            ensure!(kept >= told, "cut {cut}: {told} presses had been told of, {kept} are left");
            told = press_until_cut(machine, kept, cut)?;
            disk.wait_for_a_write()?;
            between += u32::from(disk.cut(machine)?);
        }
        ensure!(between * 2 >= cuts, "only {between} of {cuts} cuts fell between a write and its flush");
        Ok(())
    })
}

/// Presses some times, so that the cut that follows finds writes on their way, and returns the last count that the device
/// told anybody of.
fn press_until_cut(machine: &Machine, kept: u64, cut: u32) -> Result<u64> {
    let mut told = kept;
    // A number of presses that varies, so that cuts fall at different places.
    for _ in 0..=cut % 4 {
        machine.buttons().press(buttons::DOORBELL)?;
        told = told.max(presses(machine)?);
    }
    // One more that nobody waits for: the power goes while the app still writes.
    machine.buttons().send(&format!("press {}", buttons::DOORBELL))?;
    Ok(told)
}

/// The count as the device tells it.
fn presses(machine: &Machine) -> Result<u64> {
    let device = machine.device()?;
    let mut count = 0;
    wait_until("the doorbell's status", Duration::from_secs(60), || {
        let status = device.app(DOORBELL)?.status.unwrap_or_default();
        let number = status.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        count = number.unwrap_or(0);
        Ok(number.is_some())
    })?;
    Ok(count)
}

/// A disk that forgets.
struct Disk {
    nbdkit: Child,
    log: PathBuf,
}

impl Disk {
    /// Serves the machine's disk.
    fn serve(machine: &mut Machine) -> Result<Self> {
        let folder = machine.folder().path().to_owned();
        // Short paths: a socket's has at most 107 bytes.
        let sockets = tempfile::Builder::new().prefix("cut-").tempdir()?.keep();
        let (socket, log) = (sockets.join("nbd"), folder.join("nbd.log"));
        let _ = fs::remove_file(&log);
        let nbdkit = Command::new("nbdkit")
            .args(["--foreground", "--exit-with-parent", "--unix"])
            .arg(&socket)
            // The log sees what the guest asks for; the cache below it forgets.
            // Each write takes a while, as it does on flash: the time between a write and its flush is long enough to be hit.
            .args(["--filter=log", "--filter=delay", "--filter=cache", "file"])
            .arg(machine.disk())
            .arg(format!("logfile={}", log.display()))
            .args(["cache=writeback", "wdelay=15ms"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nbdkit (Debian's package `nbdkit`)")?;
        wait_until("nbdkit's socket", Duration::from_secs(20), || Ok(socket.exists()))?;
        machine.options.nbd = Some(socket);
        Ok(Self { nbdkit, log })
    }

    /// Waits until a write is on its way; not for ever, because the device may have written all that it has to.
    fn wait_for_a_write(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until && !unflushed(&self.log)? {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Cuts the power; tells whether a write was on its way that no flush had followed.
    fn cut(mut self, machine: &mut Machine) -> Result<bool> {
        self.nbdkit.kill()?;
        self.nbdkit.wait()?;
        machine.switch_off()?;
        let between = unflushed(&self.log)?;
        Ok(between)
    }

    fn end_in_order(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.nbdkit);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.nbdkit.wait()?;
        Ok(())
    }
}

/// Whether the last write in the log of nbdkit-log-filter(1) came after the last flush that ended.
fn unflushed(log: &Path) -> Result<bool> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(unflushed_in(&text))
}

fn unflushed_in(text: &str) -> bool {
    let last = |is: &dyn Fn(&str) -> bool| text.lines().enumerate().filter(|(_, line)| is(line)).map(|(at, _)| at).last();
    let write = last(&|line| line.contains(" Write ") && !line.contains("fua=1"));
    // `... Flush id=N` begins, `...Flush id=N return=0` ends.
    let flush = last(&|line| line.contains("...Flush ") && line.contains("return=0"));
    match (write, flush) {
        (Some(write), Some(flush)) => write > flush,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[test]
fn the_log_tells_a_cut_between_a_write_and_its_flush_from_one_after_it() {
    let write = "2026-01-01 10:00:00 connection=1 Write id=7 offset=0x0 count=0x1000 fua=0 ...\n";
    let flush =
        "2026-01-01 10:00:00 connection=1 Flush id=8 ...\n2026-01-01 10:00:00 connection=1 ...Flush id=8 return=0 (Success)\n";
    assert!(unflushed_in(write));
    assert!(!unflushed_in(&format!("{write}{flush}")));
    assert!(unflushed_in(&format!("{flush}{write}")));
    assert!(!unflushed_in(""));
}
