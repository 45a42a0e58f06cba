//! The test image's probe from the host's side: a look and a hand inside the device, as root.

use crate::port::Port;
use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use probe::{Answer, Entry, Process, READ_LIMIT, Request};
use qemu_runner::MachineFolder;
use serde_json::Value;
use std::time::Duration;

/// The probe's virtio-serial port.
pub const PORT: &str = "holdfast.probe";

/// How long an answer may take on a slow machine.
const ANSWER: Duration = Duration::from_secs(60);

/// SIGKILL.
pub const KILL: i32 = 9;
/// SIGINT.
pub const INTERRUPT: i32 = 2;
/// SIGSTOP.
pub const STOP: i32 = 19;

/// The inside of one machine. Each call connects anew, so that a reboot in between does no harm.
#[derive(Debug, Clone)]
pub struct Inside {
    folder: MachineFolder,
}

impl Inside {
    /// The probe of the machine in this folder.
    pub fn new(folder: &MachineFolder) -> Self {
        Self { folder: folder.clone() }
    }

    /// Sends a request.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let line = serde_json::to_string(request)?;
        let answer =
            Port::connect(&self.folder, PORT)?.ask(&line, ANSWER).with_context(|| format!("the probe was asked {request:?}"))?;
        serde_json::from_str(&answer).with_context(|| format!("the probe answered {answer:.200}"))
    }

    fn done(&self, request: &Request) -> Result<()> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(request, &other)),
        }
    }

    fn text_of(&self, request: &Request) -> Result<String> {
        match self.ask(request)? {
            Answer::Text(text) => Ok(text),
            other => Err(unexpected(request, &other)),
        }
    }

    /// Whether the probe answers.
    pub fn hello(&self) -> Result<()> {
        self.done(&Request::Hello)
    }

    /// A file's bytes, up to 1 MiB.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let request = Request::Read { path: path.to_owned(), offset: 0, length: READ_LIMIT };
        match self.ask(&request)? {
            Answer::Bytes(bytes) => Ok(STANDARD.decode(bytes)?),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    /// SHA-256 of a file, in hexadecimal digits.
    pub fn sha256(&self, path: &str) -> Result<String> {
        self.text_of(&Request::Sha256 { path: path.to_owned() })
    }

    /// What a folder holds.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let request = Request::List { path: path.to_owned() };
        match self.ask(&request)? {
            Answer::Entries(entries) => Ok(entries),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// All files and folders below one, as paths.
    pub fn tree(&self, path: &str) -> Result<Vec<(String, Entry)>> {
        let mut found = Vec::new();
        for entry in self.list(path)? {
            let path = format!("{path}/{}", entry.name);
            let is_folder = entry.mode & 0o170_000 == 0o040_000;
            found.push((path.clone(), entry));
            if is_folder {
                found.extend(self.tree(&path)?);
            }
        }
        Ok(found)
    }

    /// What a path is; nothing if it is not there.
    pub fn stat(&self, path: &str) -> Result<Option<Entry>> {
        let request = Request::Stat { path: path.to_owned() };
        match self.ask(&request)? {
            Answer::Entries(mut entries) => Ok(entries.pop()),
            Answer::Failed { errno: 2, .. } => Ok(None),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.done(&Request::Write { path: path.to_owned(), bytes: STANDARD.encode(bytes), create: true })
    }

    /// Makes a folder that belongs to this user.
    pub fn make_folder(&self, path: &str, owner: u32) -> Result<()> {
        self.done(&Request::MakeFolder { path: path.to_owned(), owner })
    }

    /// Makes a FIFO in place of what is there.
    pub fn make_fifo(&self, path: &str) -> Result<()> {
        self.done(&Request::MakeFifo { path: path.to_owned() })
    }

    /// Sends a signal.
    pub fn kill(&self, pid: u32, signal: i32) -> Result<()> {
        self.done(&Request::Kill { pid: i32::try_from(pid)?, signal })
    }

    /// Freezes a process by the control group freezer.
    pub fn freeze(&self, pid: u32) -> Result<()> {
        self.done(&Request::Freeze { pid })
    }

    /// Freezes PID 1 in the middle of going down.
    pub fn freeze_init_when_stopped(&self) -> Result<()> {
        self.done(&Request::FreezeInitWhenStopped)
    }

    /// Flushes everything to the disk.
    pub fn sync(&self) -> Result<()> {
        self.done(&Request::Sync)
    }

    /// Bytes and files that are free of the file system at `path`.
    pub fn free(&self, path: &str) -> Result<(u64, u64)> {
        let request = Request::Free { path: path.to_owned() };
        match self.ask(&request)? {
            Answer::Free { bytes, files } => Ok((bytes, files)),
            other => Err(unexpected(&request, &other)),
        }
    }

    fn took(&self, request: &Request) -> Result<Duration> {
        match self.ask(request)? {
            Answer::Took(microseconds) => Ok(Duration::from_micros(microseconds)),
            other => Err(unexpected(request, &other)),
        }
    }

    /// Does one thing, then asks a service again and again until its answer holds `words`: how long that takes, by the
    /// device's clock.
    pub fn until(&self, first: Request, service: &str, packet: &Value, words: &str) -> Result<Duration> {
        let (service, packet, words) = (service.to_owned(), packet.to_string(), words.to_owned());
        self.took(&Request::Until { first: Box::new(first), service, packet, words })
    }

    /// Copies a file and flushes the copy: how long that takes.
    pub fn copy(&self, from: &str, to: &str) -> Result<Duration> {
        self.took(&Request::Copy { from: from.to_owned(), to: to.to_owned() })
    }

    /// Starts a program, confined by nothing, until it says READY=1; then kills it: how long that takes.
    pub fn start(&self, program: &str, argument: &str) -> Result<Duration> {
        self.took(&Request::Start { program: program.to_owned(), argument: argument.to_owned() })
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.done(&Request::Remove { path: path.to_owned() })
    }

    /// Has this packet sent to a service from so many threads for a while.
    pub fn flood(&self, service: &str, packet: &str, threads: u32, seconds: u64) -> Result<()> {
        self.done(&Request::Flood { service: service.to_owned(), packet: packet.to_owned(), threads, seconds })
    }

    /// Sends a raw packet to a service as root; what came back, as JSON.
    pub fn ipc(&self, service: &str, packet: &Value) -> Result<Value> {
        let answer = self.text_of(&Request::Ipc { service: service.to_owned(), packet: packet.to_string() })?;
        serde_json::from_str(&answer).with_context(|| format!("{service} answered {answer:.200}"))
    }

    /// Sends any bytes as one packet; what came back.
    pub fn raw_ipc(&self, service: &str, packet: &str) -> Result<String> {
        self.text_of(&Request::Ipc { service: service.to_owned(), packet: packet.to_owned() })
    }

    /// All sysctls, as sysctl(8) shows them.
    pub fn sysctls(&self) -> Result<String> {
        self.text_of(&Request::Sysctls)
    }

    /// All processes.
    pub fn processes(&self) -> Result<Vec<Process>> {
        match self.ask(&Request::Processes)? {
            Answer::Processes(processes) => Ok(processes),
            other => Err(unexpected(&Request::Processes, &other)),
        }
    }

    /// The one process that runs this daemon.
    pub fn daemon(&self, name: &str) -> Result<Process> {
        let program = format!("/usr/lib/holdfast/{name}");
        let mut found = self.processes()?.into_iter().filter(|process| process.exe == program);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => bail!("no process runs {program}"),
            (Some(_), Some(_)) => bail!("more than one process runs {program}"),
        }
    }
}

fn unexpected(request: &Request, answer: &Answer) -> anyhow::Error {
    match answer {
        Answer::Failed { words, .. } => anyhow!("the probe was asked {request:?} and failed: {words}"),
        other => anyhow!("the probe was asked {request:?} and answered {other:?}"),
    }
}
