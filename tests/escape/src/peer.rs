//! One attack inside another project's sandbox, for comparison, and what the probe said in it.
//!
//! The harness (tests/src/peers.rs) lays out `/peers/NAME/`: `command`, a line each for the user and the words, and for a
//! container `config.json`. In both `@TOKEN@`, `@OUTSIDER@`, `@ATTACK@` and `@SERIAL@` stand for what differs per launch.

use crate::{
    arm::{self, LIMIT},
    machine::{self, Machine},
};
use anyhow::{Context, Result, bail};
use rustix::pipe::{PipeFlags, pipe_with};
use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where a container's configuration is written for a launch: a folder that can be written.
const BUNDLE: &str = "/run/peer";

/// A line of the plan.
pub struct Launch {
    attack: String,
    peer: String,
    settings: Vec<(String, String)>,
    serial: usize,
}

impl Launch {
    /// Reads `ATTACK PEER peer - NAME=VALUE,…`; none if the line is for one of our own arms.
    pub fn parse(line: &str, serial: usize) -> Result<Option<Self>> {
        let words: Vec<&str> = line.split(' ').collect();
        let [attack, peer, "peer", "-", settings] = words[..] else { return Ok(None) };
        let settings = arm::settings(settings)?;
        Ok(Some(Self { attack: attack.to_owned(), peer: peer.to_owned(), settings, serial }))
    }

    /// Which attack, in which sandbox.
    pub fn name(&self) -> String {
        format!("{} {}", self.attack, self.peer)
    }

    /// Runs it. What the probe said: `worked`, the errno's name, or the signal that ended it.
    pub fn run(&self, machine: &Machine) -> Result<String> {
        for (name, value) in &self.settings {
            machine::set(name, value)?;
        }
        let said = self.said(machine);
        machine.clean()?;
        arm::outcome(&said?, machine, &self.attack)
    }

    fn said(&self, machine: &Machine) -> Result<String> {
        let folder = Path::new("/peers").join(&self.peer);
        let filled = |name: &str| -> Result<String> {
            let text = fs::read_to_string(folder.join(name)).with_context(|| format!("{name} of {}", self.peer))?;
            let text = text.replace("@TOKEN@", &machine.token).replace("@OUTSIDER@", &machine.outsider.to_string());
            Ok(text.replace("@ATTACK@", &self.attack).replace("@SERIAL@", &self.serial.to_string()))
        };
        if folder.join("config.json").exists() {
            fs::create_dir_all(BUNDLE)?;
            fs::write(format!("{BUNDLE}/config.json"), filled("config.json")?)?;
        }
        let text = filled("command")?;
        let mut words = text.lines();
        let user: u32 = words.next().context("no user")?.parse()?;
        let (output, output_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new(words.next().context("no program")?);
        command.args(words).env_clear().env("PATH", "/bin").stdin(Stdio::null()).uid(user).gid(user);
        let mut child = command.stdout(output_end.try_clone()?).stderr(output_end).spawn()?;
        // The command holds ends of the pipe, too.
        drop(command);
        let said = arm::read_until_closed(&output, None);
        if said.is_err() {
            child.kill()?;
        }
        let began = Instant::now();
        while child.try_wait()?.is_none() {
            if began.elapsed() > LIMIT {
                bail!("{} does not end", self.peer);
            }
            thread::sleep(Duration::from_millis(1));
        }
        said
    }
}
