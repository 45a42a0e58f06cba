//! The process: take what init passed, open, confine, loop, and end when nobody wants anything.

use crate::{
    fault::Fault,
    reader::Make,
    reporter::{Answered, Reporter},
    store::Store,
};
use ipc::{
    Incoming, Server,
    client::Answer,
    messages::{crash_reporter::Request, monitor},
};
use linux::{
    clock,
    clone::OneThread,
    descriptors::{MissingDescriptor, Passed},
    files::{self, FileError, chain},
    log,
    notify::Notifier,
    poll::Poller,
};
use manifest::{
    api::{Done, EventKind},
    names::ServiceName,
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable, ServiceTableError},
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use sandbox::{ConfineError, Confinement, confine_self, seccomp::profiles::daemon};
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Without a connection and without a core for this long, there is nothing to stay for: init starts it again when it is asked.
pub const IDLE: Duration = Duration::from_secs(10);
/// Token of the core that is being read.
const READING: u64 = 1;
/// Its name in the service table.
const NAME: &str = "crash-reporter";

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Places {
    /// The owner's public key.
    pub key: PathBuf,
    /// The service table.
    pub services: PathBuf,
    /// The reports.
    pub crashes: PathBuf,
}

impl Places {
    /// Below this folder, which is `/` on a device.
    pub fn below(root: &Path) -> Self {
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        Self { key: below(places::CRASH_KEY), services: below(places::SERVICES), crashes: below(places::CRASHES) }
    }
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// init passed no socket.
    #[error(transparent)]
    Descriptor(#[from] MissingDescriptor),
    /// A file or the folder is not there or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key is none.
    #[error("the owner's key in {} has {found} bytes, not 32: make the image anew", path.display())]
    Key {
        /// Where.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
    /// The service table is none.
    #[error(transparent)]
    Services(#[from] ServiceTableError),
    /// It could not give up what it does not need.
    #[error("cannot confine itself")]
    Confine(#[from] ConfineError),
    /// The kernel refused.
    #[error("the loop failed")]
    Loop(#[from] io::Error),
}

/// Serves until nobody wants anything; `make` reads the cores.
pub fn run(mut passed: Passed, places: &Places, make: Make, patience: Duration) -> Result<(), RunError> {
    let notifier = Notifier::from_environment();
    let table = ServiceTable::parse(&files::read(&places.services, SERVICE_TABLE_LIMIT)?)?;
    let key = key(&places.key)?;
    let poller = Poller::new()?;
    let server = Server::new(passed.take("ipc")?, name(), table, &poller)?;
    let alone = OneThread::check()?;
    let kept = Confinement::new().profile(&daemon::COPIES).profile(&daemon::SEALED).write(&places.crashes);
    for layer in confine_self(&kept)? {
        log::info(format!("confined: {layer}"));
    }
    // Confined before it looks at what it kept: somebody may have changed that, with the disk in his hands.
    let reporter = Reporter::new(key, Store::open(&places.crashes)?, alone, make, patience);
    notifier.ready();
    Daemon { server, poller, reporter, notifier }.serve()
}

fn name() -> ServiceName {
    NAME.parse().expect("it stands in the service table")
}

fn key(path: &Path) -> Result<[u8; 32], RunError> {
    let bytes = files::read(path, 4096)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| RunError::Key { path: path.to_owned(), found })
}

struct Daemon {
    server: Server,
    poller: Poller,
    reporter: Reporter,
    notifier: Notifier,
}

impl Daemon {
    fn serve(mut self) -> Result<(), RunError> {
        let mut busy = clock::since_boot();
        loop {
            let now = clock::since_boot();
            self.notifier.watchdog();
            while let Some(Answered { asked, answer }) = self.reporter.tend(&self.poller, READING, now) {
                self.answer(asked, answer);
            }
            if self.server.connections() > 0 || self.reporter.is_busy() {
                busy = now;
            } else if now.saturating_sub(busy) >= IDLE {
                return Ok(());
            }
            let due = self.reporter.deadline().unwrap_or(busy + IDLE).saturating_sub(now);
            let sleep = self.notifier.ping_interval().map_or(due, |ping| due.min(ping));
            for token in self.poller.wait(Some(sleep))?.into_iter().filter(|token| Server::owns(*token)) {
                self.receive(token);
            }
        }
    }

    fn receive(&mut self, token: u64) {
        match self.server.receive::<Request>(token, &self.poller) {
            Incoming::Request { request, descriptors, .. } => self.request(token, request, descriptors),
            Incoming::Malformed { caller, error } => report(EventKind::MalformedPacket, caller.to_string(), chain(&error)),
            Incoming::Forbidden { caller, request } => {
                report(EventKind::ForbiddenRequest, caller.to_string(), format!("asked {NAME} for `{request}`"));
            }
            Incoming::Nothing | Incoming::Closed => {}
        }
    }

    fn request(&mut self, token: u64, request: Request, descriptors: Vec<OwnedFd>) {
        match request {
            Request::Report { crash } => {
                if let Err(fault) = self.reporter.report(token, crash, descriptors) {
                    self.answer::<Done>(token, Err(fault));
                }
            }
            Request::Forget { component } => {
                let done = self.reporter.forget(&component);
                self.answer(token, done);
            }
            Request::List {} => self.answer(token, Ok(self.reporter.list())),
            Request::Open { number } => match self.reporter.open(number) {
                Ok(file) => self.answer_with(token, Ok(Done {}), &[file.as_fd()]),
                Err(fault) => self.answer::<Done>(token, Err(fault)),
            },
            Request::Delete { number } => {
                let done = self.reporter.delete(number);
                self.answer(token, done);
            }
        }
    }

    fn answer<T: Serialize>(&mut self, token: u64, result: Result<T, Fault>) {
        self.answer_with(token, result, &[]);
    }

    fn answer_with<T: Serialize>(&mut self, token: u64, result: Result<T, Fault>, descriptors: &[BorrowedFd<'_>]) {
        let answer = result.map_or_else(|Fault(body)| Answer::Error(body), Answer::Ok);
        self.server.answer(token, &answer, descriptors);
    }
}

/// Tells security-monitor. If it cannot be told, our own log has it.
fn report(kind: EventKind, subject: String, detail: String) {
    log::warning(format!("{subject}: {detail}"));
    let threat = monitor::Request::ReportThreat { kind, subject, detail };
    if let Err(error) = ipc::client::tell("security-monitor", &threat) {
        log::error(chain(&error));
    }
}
