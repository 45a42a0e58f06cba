//! The loop and what it answers.

use crate::{
    image,
    instances::{self, Ended, Instances},
    invariants::Debug,
    refusal::Refusal,
    start,
    storage::{self, Storage},
    verdicts::{Verdict, Verdicts},
};
use ipc::{
    Caller, Incoming, Server,
    client::Answer,
    messages::{
        Instance,
        launcher::{Plan, Request, Started},
        monitor,
    },
};
use linux::{notify::Notifier, pidfd, poll::Poller, signals};
use manifest::{
    api::{Done, EventKind},
    names::ComponentId,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
};
use sandbox::{layers::devices::Devices, ready::Networks};
use serde::Serialize;
use std::{collections::BTreeMap, io, time::Duration};

/// Everything launcher holds.
pub struct Launcher {
    pub poller: Poller,
    pub server: Server,
    pub signals: OwnedFd,
    pub notifier: Notifier,
    pub storage: Storage,
    pub verdicts: Verdicts,
    pub instances: Instances,
    pub devices: Devices,
    pub networks: Networks,
    pub debug: Debug,
    pub watched: Watched,
    pub subscriber: Option<Subscriber>,
}

/// What the poller's tokens below the server's stand for.
#[derive(Default)]
pub struct Watched {
    tokens: BTreeMap<u64, Process>,
    last: u64,
}

/// A process that is waited for.
enum Process {
    Instance(Instance),
    Erasure { component: ComponentId, uid: u32, child: OwnedFd, asked_by: u64 },
}

/// The connection that exits are reported to, and how far its list of running instances got.
pub struct Subscriber {
    connection: u64,
    last: Option<Instance>,
    complete: bool,
}

/// Token of the signals.
pub const SIGNALS: u64 = 0;
/// Network namespaces that lie ready for the next starts: making one takes half as long as all the rest of a start.
pub const READY_NETWORKS: usize = 2;

impl Launcher {
    /// Serves until it is told to end. Its apps end with it.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let idle = if self.networks.lacks() { Some(Duration::ZERO) } else { self.notifier.ping_interval() };
            let tokens = self.poller.wait(idle)?;
            if tokens.is_empty() {
                self.make_ready();
            }
            for token in tokens {
                match token {
                    SIGNALS if signals::next(&self.signals).is_some() => return Ok(()),
                    SIGNALS => {}
                    token if Server::owns(token) => self.serve(token),
                    token => self.ended(token),
                }
            }
            self.notifier.watchdog();
        }
    }

    /// Nobody waits: what the next start takes is made. Where that fails, each start makes its own, and fails with the reason.
    fn make_ready(&mut self) {
        if self.networks.lacks()
            && let Err(e) = self.networks.make()
        {
            linux::log::warning(format!("no network namespace can be made ready: {e}"));
            self.networks = Networks::new(0);
        }
    }

    fn serve(&mut self, token: u64) {
        match self.server.receive::<Request>(token, &self.poller) {
            Incoming::Request { request, descriptors, .. } => self.answer(token, request, descriptors),
            Incoming::Malformed { caller, error } => report(EventKind::MalformedPacket, &caller, &error.to_string()),
            Incoming::Forbidden { caller, request } => {
                report(EventKind::ForbiddenRequest, &caller, &format!("`{request}` to launcher"))
            }
            Incoming::Closed if self.subscriber.as_ref().is_some_and(|one| one.connection == token) => self.subscriber = None,
            Incoming::Closed | Incoming::Nothing => {}
        }
    }

    fn answer(&mut self, token: u64, request: Request, descriptors: Vec<OwnedFd>) {
        match request {
            Request::Verdict { digest, component, version } => {
                self.verdicts.add(Verdict { digest, component, version });
                self.reply(token, Ok(Done {}));
            }
            Request::OpenManifest {} => match self.open_manifest(descriptors) {
                Ok(file) => self.server.answer(token, &Answer::Ok(Done {}), &[file.as_fd()]),
                Err(refusal) => self.reply::<Done>(token, Err(refusal)),
            },
            Request::PrepareStorage { component, uid, size_kib, key } => {
                let prepared = self.not_erasing(&component).and_then(|()| self.storage.prepare(&component, uid, size_kib, &key));
                self.reply(token, prepared.map(|()| Done {}));
            }
            Request::EraseStorage { component, uid } => match self.erase(&component, uid, token) {
                // The answer follows when the child has ended.
                Ok(Erasing::Begun) => {}
                Ok(Erasing::Done) => self.reply(token, Ok(Done {})),
                Err(refusal) => self.reply::<Done>(token, Err(refusal)),
            },
            Request::Start { plan } => self.start(token, *plan, descriptors),
            Request::Terminate { instance } => {
                let done = self.terminate(&instance);
                self.reply(token, done.map(|()| Done {}));
            }
            Request::Subscribe {} => self.subscribe(token),
            Request::Acknowledge { instance } => {
                let known = self.instances.acknowledge(&instance);
                self.reply(token, if known { Ok(Done {}) } else { Err(Refusal::NoInstance(instance.to_string())) });
            }
        }
    }

    fn reply<R: Serialize>(&mut self, token: u64, result: Result<R, Refusal>) {
        let answer = result.map_or_else(
            |refusal| {
                let body = refusal.body();
                linux::log::warning(format!("refused: {}", body.message));
                Answer::Error(body)
            },
            Answer::Ok,
        );
        self.server.answer(token, &answer, &[]);
    }

    fn open_manifest(&self, descriptors: Vec<OwnedFd>) -> Result<OwnedFd, Refusal> {
        let [image] =
            <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| Refusal::Descriptors { expected: "one descriptor, the image" })?;
        image::judged(image.as_fd(), &self.verdicts)?;
        image::manifest(image.as_fd())
    }

    fn start(&mut self, token: u64, plan: Plan, descriptors: Vec<OwnedFd>) {
        match self.try_start(&plan, descriptors) {
            Ok(running) => {
                linux::log::info(format!("started {} as process {}", plan.instance, running.child.pid));
                let started = Started { pid: running.child.pid, in_force: running.child.in_force.clone() };
                let listener = running.child.denials.as_ref().map(AsFd::as_fd);
                self.server.answer(token, &Answer::Ok(started), listener.as_slice());
                self.instances.add(plan.instance, running);
            }
            Err(refusal) => self.reply::<Started>(token, Err(refusal)),
        }
    }

    fn try_start(&mut self, plan: &Plan, descriptors: Vec<OwnedFd>) -> Result<instances::Running, Refusal> {
        let component = &plan.instance.component;
        self.not_erasing(component)?;
        if self.instances.runs(component) {
            return Err(Refusal::Busy { component: component.clone(), state: "runs already" });
        }
        if self.instances.count() >= instances::LIMIT {
            return Err(Refusal::TooMany(self.instances.count()));
        }
        let (devices, network) = (&self.devices, self.networks.take());
        let running = start::start(&self.verdicts, &self.storage, devices, network, self.debug, plan, descriptors)?;
        // If it cannot be watched, dropping it does not end it: kill it.
        match self.watch(running.child.pidfd.as_fd()) {
            Ok(watched) => self.watched.tokens.insert(watched, Process::Instance(plan.instance.clone())),
            Err(refusal) => {
                let _ = pidfd::signal(&running.child.pidfd, linux::process::Signal::KILL);
                return Err(refusal);
            }
        };
        Ok(running)
    }

    fn terminate(&self, instance: &Instance) -> Result<(), Refusal> {
        let running = self.instances.running(instance).ok_or_else(|| Refusal::NoInstance(instance.to_string()))?;
        match pidfd::signal(&running.child.pidfd, linux::process::Signal::TERM) {
            // It has ended; the exit is on its way.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(Refusal::Signal { instance: instance.to_string(), source: e.into() }),
        }
    }

    /// A page of what runs; after the last one, the exits that were not acknowledged.
    fn subscribe(&mut self, token: u64) {
        let last = match self.subscriber.take() {
            Some(one) if one.connection == token && !one.complete => one.last,
            _ => None,
        };
        let (page, descriptors) = self.instances.page(last.as_ref());
        let complete = !page.more;
        let last = page.running.last().map(|(instance, _)| instance.clone());
        self.server.answer(token, &Answer::Ok(page), &descriptors);
        self.subscriber = Some(Subscriber { connection: token, last, complete });
        if complete {
            for ended in self.instances.exited() {
                push(&mut self.server, &mut self.subscriber, ended);
            }
        }
    }

    fn erase(&mut self, component: &ComponentId, uid: u32, token: u64) -> Result<Erasing, Refusal> {
        self.not_erasing(component)?;
        if self.instances.runs(component) {
            return Err(Refusal::Busy { component: component.clone(), state: "still runs" });
        }
        let Some(child) = self.storage.erase(component, uid)? else {
            self.storage.remove(component, uid)?;
            return Ok(Erasing::Done);
        };
        let watched = self.watch(child.as_fd())?;
        self.watched.tokens.insert(watched, Process::Erasure { component: component.clone(), uid, child, asked_by: token });
        Ok(Erasing::Begun)
    }

    fn not_erasing(&self, component: &ComponentId) -> Result<(), Refusal> {
        if self.watched.erases(component) { Err(erasing(component.clone())) } else { Ok(()) }
    }

    /// A token by which the poller will tell that this process has ended.
    fn watch(&mut self, pidfd: BorrowedFd<'_>) -> Result<u64, Refusal> {
        self.watched.last += 1;
        self.poller.add(pidfd, self.watched.last).map_err(|source| Refusal::Process { what: "watch a process", source })?;
        Ok(self.watched.last)
    }

    /// A watched process has ended. Its descriptor leaves the poller by hand: app-manager has a copy, and while one is
    /// open anywhere the kernel would go on telling.
    fn ended(&mut self, token: u64) {
        match self.watched.tokens.get(&token) {
            Some(Process::Instance(instance)) => {
                if let Some((ended, running)) = self.instances.reap(instance) {
                    linux::log::info(format!("{} ended: {:?}", ended.exited.instance, ended.exited.how));
                    push(&mut self.server, &mut self.subscriber, ended);
                    self.watched.tokens.remove(&token);
                    self.forget(running.child.pidfd.as_fd());
                }
            }
            Some(Process::Erasure { .. }) => self.erased(token),
            None => {}
        }
    }

    fn forget(&self, pidfd: BorrowedFd<'_>) {
        if let Err(e) = self.poller.remove(pidfd) {
            linux::log::error(format!("a process that has ended is still watched: {e}"));
        }
    }

    fn erased(&mut self, token: u64) {
        let Some(Process::Erasure { component, uid, child, asked_by }) = self.watched.tokens.remove(&token) else { return };
        self.forget(child.as_fd());
        let removed = match pidfd::reap(&child) {
            Ok(Some(exit)) if exit.ending == pidfd::Ending::Exited(0) => self.storage.remove(&component, uid),
            Ok(Some(exit)) if exit.ending == pidfd::Ending::Exited(storage::MORE.into()) => Err(erasing(component)),
            Ok(Some(exit)) => Err(Refusal::Process {
                what: "erase the storage",
                source: io::Error::other(format!("the child that erases {}", exit.ending)),
            }),
            Ok(None) => {
                Err(Refusal::Process { what: "wait for the child that erases", source: io::Error::other("it has not ended") })
            }
            Err(e) => Err(Refusal::Process { what: "wait for the child that erases", source: e.into() }),
        };
        self.reply(asked_by, removed.map(|()| Done {}));
    }
}

/// Tells the subscriber of an end. One that is gone asks again when it is back.
fn push(server: &mut Server, subscriber: &mut Option<Subscriber>, ended: &Ended) {
    let Some(one) = subscriber.as_ref().filter(|one| one.complete) else { return };
    let core = ended.core.as_ref().map(AsFd::as_fd);
    if !server.push(one.connection, &ended.exited, core.as_slice()) {
        *subscriber = None;
    }
}

/// Not done yet: whoever asked asks again.
fn erasing(component: ComponentId) -> Refusal {
    Refusal::Busy { component, state: "is being erased" }
}

/// Whether an erasure is over.
enum Erasing {
    Begun,
    Done,
}

impl Watched {
    fn erases(&self, asked: &ComponentId) -> bool {
        self.tokens.values().any(|process| matches!(process, Process::Erasure { component, .. } if component == asked))
    }
}

/// Tells the monitor what a caller did that it should not have. Nobody waits: the monitor may be waiting for launcher.
fn report(kind: EventKind, caller: &Caller, detail: &str) {
    linux::log::warning(format!("{caller}: {detail}"));
    let request = monitor::Request::ReportThreat { kind, subject: caller.to_string(), detail: detail.to_owned() };
    if let Err(e) = ipc::client::tell("security-monitor", &request) {
        linux::log::error(format!("security-monitor was not told: {}", linux::files::chain(&e)));
    }
}
