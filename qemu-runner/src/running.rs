//! A machine that runs.

use crate::{
    command_line,
    console::Console,
    error::RunnerError,
    folder::{self, MachineFolder},
    machine::{Boot, Machine},
    process::ProcessId,
    qmp::Qmp,
    tpm,
};
use rustix::process::Signal;
use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long QEMU may take to make its control socket.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long QEMU may take to end when told to.
const QUIT_LIMIT: Duration = Duration::from_secs(10);

/// Whether a machine lives on when whoever started it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It is part of the caller's process group: Ctrl-C ends both, like a power cut.
    WithCaller,
    /// It has a process group of its own and lives on.
    Detached,
}

/// A machine that was started, here or by another process.
#[derive(Debug)]
pub struct Running {
    folder: MachineFolder,
    process: ProcessId,
    /// Kept to reap it; absent when another process started it.
    child: Option<Child>,
}

impl Running {
    /// Starts a machine in its folder. The console begins anew.
    pub fn start(machine: &Machine, folder: &MachineFolder, lifetime: Lifetime) -> Result<Self, RunnerError> {
        for leftover in [folder::QMP, folder::CONSOLE]
            .map(str::to_owned)
            .into_iter()
            .chain(machine.ports.iter().map(|p| folder::port_socket(p)))
        {
            let _ = fs_err::remove_file(folder.file(&leftover)); // of a run before
        }
        if matches!(machine.boot, Boot::Firmware(_)) {
            tpm::start(folder)?;
        }
        let log = fs_err::File::create(folder.file(folder::QEMU_LOG))?;
        let mut command = Command::new(command_line::PROGRAM);
        command.args(command_line::arguments(machine)).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?.into_file()).stderr(log.into_file());
        if lifetime == Lifetime::Detached {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RunnerError::Missing { program: command_line::PROGRAM, package: command_line::PACKAGE },
            _ => error.into(),
        })?;
        let process = ProcessId::of(child.id())?;
        let mut running = Self { folder: folder.clone(), process, child: Some(child) };
        running.wait_for_control()?;
        Ok(running)
    }

    /// A machine that another process started.
    pub fn adopt(folder: &MachineFolder, process: ProcessId) -> Self {
        Self { folder: folder.clone(), process, child: None }
    }

    fn wait_for_control(&mut self) -> Result<(), RunnerError> {
        let until = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                let output = fs_err::read_to_string(self.folder.file(folder::QEMU_LOG)).unwrap_or_default();
                return Err(RunnerError::Ended {
                    program: command_line::PROGRAM,
                    status: status.to_string(),
                    output: output.trim().to_owned(),
                });
            }
            if self.folder.file(folder::QMP).exists() && Qmp::connect(&self.folder).is_ok() {
                return Ok(());
            }
            if Instant::now() >= until {
                self.kill()?;
                return Err(RunnerError::TimedOut { what: "QEMU's control socket".into(), limit: START_LIMIT });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &MachineFolder {
        &self.folder
    }

    /// QEMU's process.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Its console, from power-on.
    pub fn console(&self) -> Console {
        Console::new(&self.folder.file(folder::CONSOLE))
    }

    /// Port of 127.0.0.1 that leads to the device API: asked of QEMU, which may have chosen it.
    pub fn api_port(&self) -> Result<u16, RunnerError> {
        let text = Qmp::connect(&self.folder)?.human("info usernet")?;
        forwarded_port(&text).ok_or(RunnerError::Qmp { command: "info usernet".into(), answer: text })
    }

    /// Waits for its end; whether it came in time.
    pub fn wait(&mut self, limit: Duration) -> Result<bool, RunnerError> {
        let ended = self.process.wait(limit)?;
        if ended && let Some(child) = &mut self.child {
            child.wait()?;
        }
        Ok(ended)
    }

    /// Presses the power button: the guest goes down in order, if it can.
    pub fn press_power_button(&self) -> Result<(), RunnerError> {
        Qmp::connect(&self.folder)?.execute("system_powerdown", serde_json::json!({})).map(drop)
    }

    /// Presses reset.
    pub fn reset(&self) -> Result<(), RunnerError> {
        Qmp::connect(&self.folder)?.execute("system_reset", serde_json::json!({})).map(drop)
    }

    /// Ends QEMU, which still writes out what the guest has written: for the guest it is a power cut.
    pub fn quit(&mut self) -> Result<(), RunnerError> {
        // QEMU may end before it answers.
        let _ = Qmp::connect(&self.folder).and_then(|mut qmp| qmp.execute("quit", serde_json::json!({})));
        if self.wait(QUIT_LIMIT)? { Ok(()) } else { self.kill() }
    }

    /// Kills QEMU.
    pub fn kill(&mut self) -> Result<(), RunnerError> {
        self.process.signal(Signal::KILL)?;
        if self.wait(QUIT_LIMIT)? { Ok(()) } else { Err(RunnerError::TimedOut { what: "QEMU's end".into(), limit: QUIT_LIMIT }) }
    }

    /// Goes down in order, or by force after `limit`; whether it was in order.
    pub fn stop(&mut self, limit: Duration) -> Result<bool, RunnerError> {
        if !self.is_alive() {
            return Ok(true);
        }
        let asked = self.press_power_button();
        if asked.is_ok() && self.wait(limit)? {
            return Ok(true);
        }
        self.quit()?;
        Ok(false)
    }
}

/// Finds the host's port in `info usernet`: `TCP[HOST_FORWARD]  12  127.0.0.1 34567  10.0.2.15  8443  0  0`.
fn forwarded_port(text: &str) -> Option<u16> {
    let line = text.lines().find(|line| line.contains("HOST_FORWARD"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "127.0.0.1");
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accelerator, Disk};

    #[test]
    fn the_forwarded_port_is_found_in_what_qemu_says() {
        let text = "Hub -1 (net):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  \
                    TCP[HOST_FORWARD]  15       127.0.0.1 45217       10.0.2.15  8443     0     0\n";
        assert_eq!(forwarded_port(text), Some(45217));
    }

    #[test]
    fn a_machine_starts_tells_its_port_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(120));
        let disk = folder.path().join("disk.img");
        fs_err::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
        let kernel = folder.path().join("kernel");
        fs_err::write(&kernel, "too short for a kernel").unwrap();
        let boot = Boot::Direct { kernel: kernel.clone(), command_line: String::new() };
        let mut machine = Machine::new(Accelerator::Tcg, Disk::raw(&disk), boot);
        let place = MachineFolder::make(&deep).unwrap();
        let refused = Running::start(&machine, &place, Lifetime::Detached);
        assert!(matches!(refused, Err(RunnerError::Ended { .. })), "{refused:?}");

        // What no kernel needs is enough for a machine that stays stopped at its first instruction.
        fs_err::write(&kernel, vec![0; 64 * 1024]).unwrap();
        machine.extra = vec!["-S".into()];
        let mut running = Running::start(&machine, &place, Lifetime::Detached).unwrap();
        assert_ne!(running.api_port().unwrap(), 0);
        running.kill().unwrap();
        assert!(!running.is_alive());
    }
}
