//! A disk that forgets what was not flushed when its power goes: nbdkit keeps writes in memory until the guest flushes, and is
//! killed together with QEMU. Killing QEMU alone loses nothing that it has written.
//!
//! nbdkit writes a log of requests, by which a test knows where a cut fell.

use crate::{machine::Machine, wait::wait_until};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How often the log is looked at by who waits for the moment to cut.
const LOOK: Duration = Duration::from_millis(1);

/// A disk that forgets. Killed when dropped.
#[derive(Debug)]
pub struct Disk {
    nbdkit: Child,
    log: PathBuf,
    _socket: tempfile::TempDir,
}

/// What a disk was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Writes that began.
    pub writes: usize,
    /// Flushes that ended.
    pub flushes: usize,
    /// Whether the last write came after the last flush that ended.
    pub unflushed: bool,
}

/// A place in the log of requests.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

impl Disk {
    /// Serves the machine's disk from the next time it is switched on.
    pub fn serve(machine: &mut Machine) -> Result<Self> {
        // A short path: a socket's has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("cut-").tempdir()?;
        let (socket, log) = (folder.path().join("nbd"), machine.folder().file("nbd.log"));
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
        let disk = Self { nbdkit, log, _socket: folder };
        wait_until("nbdkit's socket", Duration::from_secs(20), || Ok(socket.exists()))?;
        machine.options.nbd = Some(socket);
        Ok(disk)
    }

    /// The end of the log up to now.
    pub fn mark(&self) -> Result<Mark> {
        let metadata = fs::metadata(&self.log).with_context(|| format!("cannot look at {}", self.log.display()))?;
        Ok(Mark(metadata.len()))
    }

    /// What was asked for after a mark.
    pub fn since(&self, mark: Mark) -> Result<Traffic> {
        Ok(traffic(&self.text(mark)?))
    }

    /// What was asked for since the machine was switched on.
    pub fn traffic(&self) -> Result<Traffic> {
        self.since(Mark(0))
    }

    /// Waits for a moment to cut, and no longer than `limit`: the device may have written all that it has to.
    pub fn wait_until(&self, limit: Duration, mut moment: impl FnMut() -> Result<bool>) -> Result<()> {
        let until = Instant::now() + limit;
        while Instant::now() < until && !moment()? {
            sleep(LOOK);
        }
        Ok(())
    }

    /// Cuts the power.
    pub fn cut(&mut self, machine: &mut Machine) -> Result<()> {
        // A processor that stands still hears of no disk that fails before its power does.
        let qemu = i32::try_from(machine.running()?.process().pid)?;
        kill_process(Pid::from_raw(qemu).context("QEMU has no process id")?, Signal::STOP)?;
        self.kill()?;
        machine.switch_off()
    }

    /// Ends it after the machine has switched itself off.
    pub fn end_in_order(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.nbdkit), Signal::TERM)?;
        self.nbdkit.wait()?;
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.nbdkit.kill()?;
        self.nbdkit.wait()?;
        Ok(())
    }

    fn text(&self, mark: Mark) -> Result<String> {
        let mut file = File::open(&self.log).with_context(|| format!("cannot open {}", self.log.display()))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(mark.0))?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads the log of nbdkit-log-filter(1), in which `... Flush id=N ...` begins a request and `...Flush id=N return=0` ends it.
fn traffic(log: &str) -> Traffic {
    let mut traffic = Traffic::default();
    for line in log.lines() {
        if line.contains(" Write ") {
            traffic.writes += 1;
            traffic.unflushed |= !line.contains("fua=1");
        } else if line.contains("...Flush ") && line.contains("return=0") {
            traffic.flushes += 1;
            traffic.unflushed = false;
        }
    }
    traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = "2026-01-01 10:00:00 connection=1 Write id=7 offset=0x0 count=0x1000 fua=0 ...\n\
        2026-01-01 10:00:00 connection=1 ...Write id=7 return=0 (Success)\n";
    const FLUSH: &str = "2026-01-01 10:00:00 connection=1 Flush id=8 ...\n\
        2026-01-01 10:00:00 connection=1 ...Flush id=8 return=0 (Success)\n";

    #[test]
    fn the_log_tells_a_cut_between_a_write_and_its_flush_from_one_after_it() {
        assert_eq!(traffic(WRITE), Traffic { writes: 1, flushes: 0, unflushed: true });
        assert_eq!(traffic(&[WRITE, FLUSH].concat()), Traffic { writes: 1, flushes: 1, unflushed: false });
        assert_eq!(traffic(&[FLUSH, WRITE, WRITE].concat()), Traffic { writes: 2, flushes: 1, unflushed: true });
        assert_eq!(traffic(""), Traffic::default());
    }

    #[test]
    fn a_flush_that_has_not_ended_has_kept_nothing() {
        let begun = FLUSH.lines().next().unwrap_or_default();
        assert!(traffic(&[WRITE, begun].concat()).unflushed);
    }
}
