//! The simulated buttons of the QEMU board, from the host's side.

use crate::port::Port;
use anyhow::{Result, bail};
use qemu_runner::MachineFolder;
use std::time::Duration;

/// The virtio-serial port of the board simulator.
pub const PORT: &str = "holdfast.buttons";

/// The doorbell's button as manifests call it.
pub const DOORBELL: &str = "DOORBELL_BUTTON";

/// The buttons of one machine. Each call connects anew, so that a reboot in between does no harm.
#[derive(Debug, Clone)]
pub struct Buttons {
    folder: MachineFolder,
}

impl Buttons {
    /// The buttons of the machine in this folder.
    pub fn new(folder: &MachineFolder) -> Self {
        Self { folder: folder.clone() }
    }

    /// Presses a button and waits until it is up again.
    pub fn press(&self, name: &str) -> Result<()> {
        match self.say(&format!("press {name}"))?.as_str() {
            "ok" => Ok(()),
            refused => bail!("the board simulator says: {refused}"),
        }
    }

    /// Presses a button some times.
    pub fn press_times(&self, name: &str, times: u32) -> Result<()> {
        (0..times).try_for_each(|_| self.press(name))
    }

    /// Sends a line and waits for no answer.
    pub fn send(&self, line: &str) -> Result<()> {
        Port::connect(&self.folder, PORT)?.send(line)
    }

    /// Sends any line and returns the answer.
    pub fn say(&self, line: &str) -> Result<String> {
        Port::connect(&self.folder, PORT)?.ask(line, Duration::from_secs(20))
    }
}
