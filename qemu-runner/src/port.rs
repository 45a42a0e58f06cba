//! A line to a virtio-serial port of the guest, a line back.

use crate::{
    error::RunnerError,
    folder::{self, MachineFolder},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

/// Longest line that is read back.
const LIMIT: u64 = 64 * 1024;

/// A connection to a port.
#[derive(Debug)]
pub struct Port {
    name: String,
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Port {
    /// Connects to the port called `name`. QEMU takes one connection at a time.
    pub fn connect(folder: &MachineFolder, name: &str, timeout: Duration) -> Result<Self, RunnerError> {
        let writer = folder.connect(&folder::port_socket(name))?;
        writer.set_read_timeout(Some(timeout))?;
        writer.set_write_timeout(Some(timeout))?;
        Ok(Self { name: name.to_owned(), reader: BufReader::new(writer.try_clone()?), writer })
    }

    /// Sends a line and gives the answer.
    pub fn ask(&mut self, line: &str) -> Result<String, RunnerError> {
        self.writer.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        (&mut self.reader).take(LIMIT).read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    /// Sends a line that has to be answered `ok`.
    pub fn tell(&mut self, line: &str) -> Result<(), RunnerError> {
        match self.ask(line)? {
            answer if answer == "ok" => Ok(()),
            answer => {
                let answer = answer.strip_prefix("error ").unwrap_or(&answer).escape_default().to_string();
                Err(RunnerError::Port { port: self.name.clone(), answer })
            }
        }
    }
}
