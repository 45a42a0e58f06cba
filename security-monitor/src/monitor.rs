//! The monitor's loop: what it watches, what it is asked, what it is judging.

use crate::{
    answers,
    audit::{self, Received},
    bundle::Judging,
    configurations::Configurations,
    daemon_logs::DaemonLogs,
    event_log::EventLog,
    kernel_log::KernelLog,
    places::Places,
    previous_panic,
    storage_keys::StorageKeys,
    threats::Threats,
    trust_store::{AppKeys, TrustStoreError},
    watch::Sighting,
    weaknesses,
};
use ipc::{CallError, Incoming, Server, messages::monitor::Verdict, server::Caller};
use linux::{
    clock,
    descriptors::{MissingDescriptor, Passed},
    files::{self, FileError},
    log,
    notify::Notifier,
    poll::Poller,
};
use manifest::{
    api::EventKind,
    names::{NameError, ServiceName},
    service::{SERVICE_TABLE_LIMIT, ServiceTable, ServiceTableError},
};
use std::{collections::VecDeque, io, time::Duration};

/// This service's name.
pub const NAME: &str = "security-monitor";
/// Tokens of the poller below [`Server::LISTENER`].
const KERNEL_LOG: u64 = 0;
const AUDIT: u64 = 1;
const LOGS: u64 = 100;
/// Audit messages read before other descriptors get their turn.
const AUDIT_TURN: usize = 64;
/// Audit numbers that are remembered, so that what the kernel tells twice becomes one event.
const SERIALS: usize = 128;
/// Longest wait without a watchdog, so that what was held back is told of in time.
const IDLE: Duration = Duration::from_secs(30);
/// Longest trust store that is read, in bytes.
const TRUST_LIMIT: usize = 256 * 1024;

/// How a verdict reaches launcher.
pub type Deliver = fn(&Verdict) -> Result<(), CallError>;

/// Everything the monitor holds.
pub struct Monitor {
    pub(crate) keys: AppKeys,
    /// None where the data partition cannot be used.
    pub(crate) storage_keys: Option<StorageKeys>,
    pub(crate) configurations: Configurations,
    pub(crate) threats: Threats,
    pub(crate) kernel_log: KernelLog,
    pub(crate) logs: DaemonLogs,
    pub(crate) warnings: Vec<String>,
    pub(crate) deliver: Deliver,
    /// Bundles that are being hashed, the first one now, each with the connection that waits for the answer.
    pub(crate) judging: VecDeque<(u64, Judging)>,
    pub(crate) server: Server,
    audit: audit::Socket,
    poller: Poller,
    serials: VecDeque<String>,
}

/// Which step of the start failed. init reboots the device: it is not safe without its monitor.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A descriptor is missing.
    #[error("the monitor was not given what it needs")]
    Descriptor(#[from] MissingDescriptor),
    /// A log of a service with an impossible name.
    #[error("a log descriptor has a name that is none")]
    LogName(#[from] NameError),
    /// A file cannot be read or written.
    #[error("the monitor cannot use a file")]
    File(#[from] FileError),
    /// No trust store.
    #[error("the trust store was refused")]
    Trust(#[from] TrustStoreError),
    /// No service table.
    #[error("the service table was refused")]
    Services(#[from] ServiceTableError),
    /// A descriptor cannot be waited for.
    #[error("cannot wait for {what}")]
    Poll {
        /// Which.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Monitor {
    /// Takes the descriptors, reads what is in the image, opens the logs. `boot` is the number of this boot.
    pub fn open(mut passed: Passed, places: &Places, boot: u64, deliver: Deliver) -> Result<Self, StartError> {
        let poll = |what| move |source| StartError::Poll { what, source };
        let poller = Poller::new().map_err(poll("anything"))?;

        let keys = AppKeys::parse(&files::read(&places.trust, TRUST_LIMIT)?)?;
        let table = ServiceTable::parse(&files::read(&places.services, SERVICE_TABLE_LIMIT)?)?;

        let mut warnings = weaknesses::found(places);
        let (log, finding) = match EventLog::open(&places.events) {
            Ok((log, finding)) => (Some(log), finding),
            Err(error) => {
                warnings.push(format!("no event log: {}", files::chain(&error)));
                (None, None)
            }
        };
        let storage_keys = StorageKeys::open(&places.storage_keys)
            .map_err(|error| warnings.push(format!("no app has storage: {}", files::chain(&error))))
            .ok();
        let mut threats = Threats::new(log, boot);
        let now = clock::since_boot();
        if let Some(finding) = finding {
            threats.note(now, EventKind::EventLog, NAME, finding);
        }
        match previous_panic::take(&places.pstore, &places.events) {
            Ok(reason) => reason.into_iter().for_each(|reason| threats.note(now, EventKind::PreviousPanic, "kernel", reason)),
            Err(error) => warnings.push(format!("what a crash left cannot be read: {}", files::chain(&error))),
        }

        let kernel_log = KernelLog::new(passed.take("kernel-log")?).map_err(poll("the kernel log"))?;
        poller.add(&kernel_log, KERNEL_LOG).map_err(poll("the kernel log"))?;
        let audit = audit::Socket::new(passed.take("audit")?);
        poller.add(&audit, AUDIT).map_err(poll("audit"))?;
        let pipes = passed.take_all("log-").into_iter().map(|(name, pipe)| Ok((name.parse()?, pipe)));
        let pipes: Vec<(ServiceName, _)> = pipes.collect::<Result<_, NameError>>()?;
        let logs = DaemonLogs::open(&places.daemon_logs, pipes, &poller, LOGS)?;
        let server = Server::new(passed.take("ipc")?, NAME.parse()?, table, &poller).map_err(poll("requests"))?;

        let (judging, serials) = (VecDeque::new(), VecDeque::new());
        let configurations = Configurations::below(&places.config);
        Ok(Self {
            keys,
            storage_keys,
            configurations,
            threats,
            kernel_log,
            logs,
            warnings,
            deliver,
            judging,
            server,
            audit,
            poller,
            serials,
        })
    }

    /// Serves until waiting itself fails.
    pub fn run(mut self, notifier: &Notifier) -> io::Error {
        let interval = notifier.ping_interval().unwrap_or(IDLE).min(IDLE);
        let mut pinged = Duration::ZERO;
        loop {
            let now = clock::since_boot();
            if now.saturating_sub(pinged) >= interval / 2 {
                notifier.watchdog();
                pinged = now;
            }
            if let Err(error) = self.turn(interval / 2) {
                return error;
            }
        }
    }

    /// One turn of the loop: at most `patience` of waiting, and a slice of what is being judged.
    pub fn turn(&mut self, patience: Duration) -> io::Result<()> {
        let patience = if self.judging.is_empty() { patience } else { Duration::ZERO };
        for token in self.poller.wait(Some(patience))? {
            self.receive(token);
        }
        answers::judge_a_slice(self);
        self.threats.settle(clock::since_boot());
        Ok(())
    }

    /// Records what the kernel reported, once.
    pub(crate) fn sighted(&mut self, seen: Sighting) {
        if let Some(serial) = &seen.serial {
            if self.serials.contains(serial) {
                return;
            }
            self.serials.truncate(SERIALS - 1);
            self.serials.push_front(serial.clone());
        }
        self.threats.note(clock::since_boot(), seen.kind, seen.subject, seen.detail);
    }

    fn receive(&mut self, token: u64) {
        match token {
            KERNEL_LOG => self.watch_kernel_log(),
            AUDIT => self.watch_audit(),
            _ if Server::owns(token) => self.serve(token),
            _ => self.logs.receive(token, clock::since_boot(), &self.poller, |priority, text| log::line(priority, text)),
        }
    }

    fn watch_kernel_log(&mut self) {
        match self.kernel_log.watch() {
            Ok(seen) => seen.into_iter().for_each(|seen| self.sighted(seen)),
            Err(error) => {
                let _ = self.poller.remove(&self.kernel_log);
                self.blind(format!("the kernel log can no longer be read: {error}"));
            }
        }
    }

    fn watch_audit(&mut self) {
        for _ in 0..AUDIT_TURN {
            match self.audit.receive() {
                Ok(Received::Message(seen)) => seen.into_iter().for_each(|seen| self.sighted(seen)),
                Ok(Received::Lost) => self.sighted(Sighting::new(
                    EventKind::SeccompKill,
                    "audit",
                    "records were lost: they came faster than they were read",
                )),
                Ok(Received::Empty) => return,
                Err(error) => {
                    let _ = self.poller.remove(&self.audit);
                    return self.blind(format!("audit can no longer be read: {error}"));
                }
            }
        }
    }

    /// Something is not watched any more: said where the owner looks.
    fn blind(&mut self, warning: String) {
        linux::log::error(&warning);
        self.warnings.push(warning);
    }

    fn serve(&mut self, token: u64) {
        match self.server.receive(token, &self.poller) {
            Incoming::Request { caller, request, descriptors } => answers::answer(self, token, &caller, request, descriptors),
            Incoming::Malformed { caller, error } => self.bad_packet(EventKind::MalformedPacket, &caller, files::chain(&error)),
            Incoming::Forbidden { caller, request } => {
                self.bad_packet(EventKind::ForbiddenRequest, &caller, format!("asked {NAME} for `{request}`"));
            }
            Incoming::Closed => self.judging.retain(|(waiting, _)| *waiting != token),
            Incoming::Nothing => {}
        }
    }

    fn bad_packet(&mut self, kind: EventKind, caller: &Caller, detail: String) {
        self.threats.note(clock::since_boot(), kind, caller, detail);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests;
