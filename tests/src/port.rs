//! A virtio-serial port on the host: a Unix socket of QEMU, spoken to in lines of any length.

use crate::wait::wait_for;
use anyhow::{Context, Result, bail};
use qemu_runner::{MachineFolder, folder::port_socket};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

/// One open port.
#[derive(Debug)]
pub struct Port {
    stream: BufReader<UnixStream>,
}

impl Port {
    /// Connects to the port called `name`, waiting for QEMU to have made the socket.
    pub fn connect(folder: &MachineFolder, name: &str) -> Result<Self> {
        let stream = wait_for(format_args!("QEMU's socket of {name}"), Duration::from_secs(20), || {
            Ok(Some(folder.connect(&port_socket(name))?))
        })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) -> Result<()> {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes()).context("cannot write to the port")
    }

    /// Sends a line and waits for the line that answers it.
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<String> {
        self.stream.get_ref().set_read_timeout(Some(limit))?;
        self.send(line)?;
        let mut answer = String::new();
        match self.stream.read_line(&mut answer) {
            Ok(0) => bail!("the port was closed: has the machine ended?"),
            Ok(_) => Ok(answer.trim_end().to_owned()),
            Err(e) => Err(e).with_context(|| format!("no answer within {} s", limit.as_secs())),
        }
    }
}
