//! The daemons' logs: each writes to a pipe of its own, and here it is read, thinned out, kept, and the important part
//! repeated on the console.

use crate::{
    lines::{Line, Splitter},
    log_ring::LogRing,
};
use linux::{
    files::{self, FileError},
    poll::Poller,
};
use manifest::{
    api::{LogLine, LogStream},
    names::ServiceName,
};
use rustix::{
    fd::OwnedFd,
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// Lines that a daemon may write at once.
const BURST: u32 = 200;
/// Lines per second beyond that.
const PER_SECOND: u32 = 20;
/// Priority up to which a line is repeated on the console (notice).
const ON_CONSOLE: u8 = 5;
/// Bytes read from a pipe before another descriptor gets its turn.
const TURN: usize = 16 * 1024;

/// All daemons' logs.
pub struct DaemonLogs {
    daemons: BTreeMap<ServiceName, Daemon>,
    by_token: BTreeMap<u64, ServiceName>,
}

struct Daemon {
    pipe: OwnedFd,
    splitter: Splitter,
    /// None where it cannot be opened; the console still gets what is important.
    ring: Option<LogRing>,
    left: u32,
    filled: Duration,
    lost: u64,
    /// Whether the last line could not be kept.
    failing: bool,
}

impl DaemonLogs {
    /// Opens the rings in `folder` and waits for the pipes, with tokens from `first` on.
    pub fn open(folder: &Path, pipes: Vec<(ServiceName, OwnedFd)>, poller: &Poller, first: u64) -> Result<Self, FileError> {
        let mut logs = Self { daemons: BTreeMap::new(), by_token: BTreeMap::new() };
        for (token, (name, pipe)) in (first..).zip(pipes) {
            let pipe_error = |e: io::Error| FileError::new("wait for the pipe of", name.as_str(), e);
            let flags = fcntl_getfl(&pipe).map_err(|e| pipe_error(e.into()))?;
            fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).map_err(|e| pipe_error(e.into()))?;
            poller.add(&pipe, token).map_err(pipe_error)?;
            let ring = LogRing::open(folder, name.as_str()).inspect_err(|error| linux::log::error(files::chain(error))).ok();
            let daemon = Daemon {
                pipe,
                splitter: Splitter::default(),
                ring,
                left: BURST,
                filled: Duration::ZERO,
                lost: 0,
                failing: false,
            };
            logs.by_token.insert(token, name.clone());
            logs.daemons.insert(name, daemon);
        }
        Ok(logs)
    }

    /// Reads what a pipe has, and hands what belongs on the console to `console`.
    pub fn receive(&mut self, token: u64, now: Duration, poller: &Poller, mut console: impl FnMut(u8, &str)) {
        let Some(name) = self.by_token.get(&token) else { return };
        let Some(daemon) = self.daemons.get_mut(name) else { return };
        let mut bytes = vec![0; TURN];
        match rustix::io::read(&daemon.pipe, bytes.as_mut_slice()) {
            Ok(0) => {
                // init keeps the writing end of a service that is to be started again; this one has none any more.
                let _ = poller.remove(&daemon.pipe);
            }
            Ok(length) => {
                for line in daemon.splitter.push(bytes.get(..length).unwrap_or_default()) {
                    daemon.take(name, now, line, &mut console);
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                linux::log::error(format!("cannot read the log of {name}: {error}"));
                let _ = poller.remove(&daemon.pipe);
            }
        }
    }

    /// Lines of a daemon after a number, oldest first; none if its log is not kept here.
    pub fn after(&self, service: &ServiceName, after: u64) -> Option<Result<Vec<LogLine>, FileError>> {
        self.daemons.get(service).map(|daemon| daemon.ring.as_ref().map_or(Ok(Vec::new()), |ring| ring.after(after)))
    }
}

impl Daemon {
    fn take(&mut self, name: &ServiceName, now: Duration, line: Line, console: &mut impl FnMut(u8, &str)) {
        self.fill(now);
        if self.left == 0 {
            self.lost += 1;
            return;
        }
        self.left -= 1;
        if self.lost > 0 {
            let told = format!("{} lines were lost: more than {PER_SECOND} per second", self.lost);
            self.lost = 0;
            console(4, &format!("{name}: {told}"));
            self.keep(LogStream::System, told);
        }
        if line.priority <= ON_CONSOLE {
            console(line.priority, &format!("{name}: {}", line.text));
        }
        self.keep(LogStream::Stderr, line.text);
    }

    fn keep(&mut self, stream: LogStream, text: String) {
        let line = LogLine { sequence: 0, time_ms: linux::clock::wall_ms(), stream, text };
        let kept = self.ring.as_mut().map_or(Ok(()), |ring| ring.append(line));
        // Once: what cannot be written now mostly cannot be for long.
        if let Err(error) = &kept
            && !self.failing
        {
            linux::log::error(files::chain(error));
        }
        self.failing = kept.is_err();
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled);
        let more = u32::try_from(passed.as_millis() * u128::from(PER_SECOND) / 1000).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::fd::OwnedFd};

    struct Rig {
        _folder: tempfile::TempDir,
        logs: DaemonLogs,
        writer: io::PipeWriter,
        poller: Poller,
        name: ServiceName,
    }

    fn rig() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let poller = Poller::new().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let name: ServiceName = "launcher".parse().unwrap();
        let logs = DaemonLogs::open(folder.path(), vec![(name.clone(), OwnedFd::from(reader))], &poller, 100).unwrap();
        Rig { _folder: folder, logs, writer, poller, name }
    }

    #[test]
    fn lines_are_kept_and_the_important_ones_repeated_with_the_service_in_front() {
        let mut rig = rig();
        rig.writer.write_all(b"<6>quiet\n<3>it broke\n").unwrap();
        let mut console = Vec::new();
        rig.logs.receive(100, Duration::ZERO, &rig.poller, |priority, text| console.push((priority, text.to_owned())));
        assert_eq!(console, [(3, "launcher: it broke".to_owned())]);
        let kept: Vec<String> = rig.logs.after(&rig.name, 0).unwrap().unwrap().into_iter().map(|line| line.text).collect();
        assert_eq!(kept, ["quiet", "it broke"]);
        assert!(rig.logs.after(&"init".parse().unwrap(), 0).is_none());
    }

    #[test]
    fn a_flood_is_cut_and_told_of_and_a_closed_pipe_is_let_go() {
        let mut rig = rig();
        for _ in 0..3 {
            rig.writer.write_all(&b"<6>x\n".repeat(1000)).unwrap();
            rig.logs.receive(100, Duration::from_millis(1), &rig.poller, |_, _| {});
        }
        assert_eq!(rig.logs.after(&rig.name, 0).unwrap().unwrap().len(), BURST as usize);
        rig.writer.write_all(b"<6>later\n").unwrap();
        rig.logs.receive(100, Duration::from_secs(60), &rig.poller, |_, _| {});
        let lines = rig.logs.after(&rig.name, BURST.into()).unwrap().unwrap();
        assert!(lines[0].text.starts_with("2800 lines were lost") && lines[1].text == "later");
        drop(rig.writer);
        rig.logs.receive(100, Duration::from_secs(61), &rig.poller, |_, _| {});
        assert!(rig.poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
    }
}
