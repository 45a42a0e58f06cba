//! QEMU's control socket (docs/interop/qmp-spec.rst): one command, one answer.

use crate::{
    error::RunnerError,
    folder::{self, MachineFolder},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

/// Longest answer that is read.
const LIMIT: u64 = 4 * 1024 * 1024;
/// QEMU answers at once, or hangs.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that has been greeted.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<std::io::Take<UnixStream>>,
    writer: UnixStream,
}

impl Qmp {
    /// Connects.
    pub fn connect(folder: &MachineFolder) -> Result<Self, RunnerError> {
        let writer = folder.connect(folder::QMP)?;
        writer.set_read_timeout(Some(TIMEOUT))?;
        writer.set_write_timeout(Some(TIMEOUT))?;
        let mut qmp = Self { reader: BufReader::new(writer.try_clone()?.take(LIMIT)), writer };
        qmp.read("greeting")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Carries out one command and gives what it returned. Events that come between are passed over.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, RunnerError> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{request}")?;
        loop {
            let mut answer = self.read(command)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(RunnerError::Qmp { command: command.to_owned(), answer: error.to_string() });
            }
        }
    }

    /// A command of the human monitor, for what QMP lacks.
    pub fn human(&mut self, line: &str) -> Result<String, RunnerError> {
        let value = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    fn read(&mut self, command: &str) -> Result<Value, RunnerError> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        serde_json::from_str(&line)
            .map_err(|_| RunnerError::Qmp { command: command.to_owned(), answer: "nothing more: it has ended".into() })
    }
}
