//! Step 3 of the README's path: the loop. Everything that happens to the device after its boot arrives here, one
//! thing at a time: a service that ended or spoke, a request, a signal, a key, and time.
//!
//! Nothing in a turn waits for a service: its exit is told by a pidfd, its readiness by a socket, its program's start by a
//! pipe; requests of peers that do not read their answers are given up by `ipc::Server`.

use crate::{
    answers, boots,
    down::{Down, Kind},
    entropy,
    life::{Effect, Event, State},
    phases::Boot,
    power,
    problem::Problem,
    reports::Reports,
    say,
    service::{self, Service},
    time,
    watchdog::{self, FEED_INTERVAL, Watchdog},
};
use ipc::Server;
use linux::{pidfd, poll::Poller, signals};
use manifest::{
    api::{BootPhase, EventKind},
    board::Board,
    names::ServiceName,
    service::OnExit,
};
use rustix::fd::OwnedFd;
use std::time::Duration;

/// Failures in a row of a vital service, outside safe mode, after which the boot counts as failed.
const VITAL_FAILURES_LIMIT: u32 = 6;

/// Everything that init holds while the device runs.
pub struct Supervisor {
    /// Services in an order in which each comes after what it needs.
    pub services: Vec<Service>,
    /// The hardware watchdog.
    pub watchdog: Option<Watchdog>,
    /// Boot counters.
    pub counters: Option<boots::Counters>,
    /// Reports to the monitor.
    pub reports: Reports,
    /// Phases of this boot.
    pub trace: Vec<BootPhase>,
    /// Why and how the device is to go down, once somebody wants that.
    pub wanted: Option<Down>,
    /// Whether it goes down already: nothing is started any more.
    pub going_down: bool,
    board: Board,
    poller: Poller,
    server: Option<Server>,
    signals: OwnedFd,
    power_keys: Vec<OwnedFd>,
    vital: Vital,
    fed: Duration,
    clock_saved: Duration,
}

/// Whom reports go to.
const MONITOR_NAME: &str = "security-monitor";

/// What has been counted of this boot's vital services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vital {
    NotYetReady,
    ReadySince(Duration),
    Healthy,
}

const SIGNALS: u64 = 1;
const MONITOR: u64 = 2;
const POWER_KEYS: u64 = 1 << 8;
const NOTIFY: u64 = 1 << 16;
const ENDED: u64 = 1 << 17;
const ASKED: u64 = 1 << 18;

impl Supervisor {
    /// Takes over from the phases.
    pub fn new(boot: Boot) -> Result<Self, Problem> {
        let poller = Poller::new().map_err(Problem::io("make an epoll set"))?;
        let table = boot.services.ok_or_else(|| Problem::Missing("service table".into()))?;
        let safe_mode = boot.counters.as_ref().is_some_and(|counters| counters.safe_mode);
        let order =
            table.start_order().map_err(|e| Problem::Document { path: manifest::places::SERVICES, reason: e.to_string() })?;
        let services = order.into_iter().map(|row| Service::new(row.clone(), safe_mode)).collect::<Result<Vec<_>, _>>()?;
        let signals = signals::receive(&[libc::SIGCHLD, libc::SIGINT, libc::SIGPWR, libc::SIGTERM, libc::SIGHUP])
            .map_err(Problem::io("take signals"))?;
        let watch = |fd: &OwnedFd, token| poller.add(fd, token).map_err(Problem::io("watch a descriptor"));
        watch(&signals, SIGNALS)?;
        for (key, token) in boot.power_keys.iter().zip(POWER_KEYS..) {
            watch(key, token)?;
        }
        for (service, token) in services.iter().zip(NOTIFY..) {
            watch(&service.notify, token)?;
        }
        for (service, token) in services.iter().zip(ASKED..) {
            if let Some(listener) = service.listener().filter(|_| service.row.on_demand) {
                watch(listener, token)?;
            }
        }
        let server = answers::listen(table, &poller)?;
        let mut reports = Reports::default();
        for (kind, subject, detail) in boot.events {
            reports.add(kind, subject, detail);
        }
        if let Some(watchdog) = &boot.watchdog {
            watchdog.set_timeout(watchdog::RUN_TIMEOUT)?;
        }
        Ok(Self {
            services,
            watchdog: boot.watchdog,
            counters: boot.counters,
            reports,
            trace: boot.trace,
            wanted: None,
            going_down: false,
            board: boot.board.ok_or_else(|| Problem::Missing("board file".into()))?,
            poller,
            server: Some(server),
            signals,
            power_keys: boot.power_keys,
            vital: Vital::NotYetReady,
            fed: Duration::ZERO,
            clock_saved: service::now(),
        })
    }

    /// Runs until somebody wants the device to go down.
    pub fn run(&mut self) -> Down {
        self.time_passes();
        loop {
            self.turn(FEED_INTERVAL);
            if let Some(down) = self.wanted.take() {
                return down;
            }
        }
    }

    /// One turn of the loop: waits for `longest` at most, or until a service's time has come.
    pub fn turn(&mut self, longest: Duration) {
        let now = service::now();
        let next = self.services.iter().filter_map(|service| service.state.deadline()).min();
        let pause = next.map_or(longest, |at| at.saturating_sub(now).min(longest));
        match self.poller.wait(Some(pause)) {
            Ok(tokens) => tokens.into_iter().for_each(|token| self.handle(token)),
            Err(e) => {
                // Cannot happen with a valid set; without this pause it would spin.
                say::error(format_args!("cannot wait for events: {e}"));
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        self.time_passes();
        self.send_reports();
    }

    fn handle(&mut self, token: u64) {
        match token {
            SIGNALS => self.signals_came(),
            MONITOR => self.reports.answered(),
            token if Server::owns(token) => {
                // Taken out for the call, which needs the rest of this struct.
                if let Some(mut server) = self.server.take() {
                    answers::answer(self, &mut server, token);
                    self.server = Some(server);
                }
            }
            token if token >= ASKED => self.asked(token - ASKED),
            token if token >= ENDED => self.reap(),
            token if token >= NOTIFY => self.service_spoke(token - NOTIFY),
            token => {
                let key = usize::try_from(token.saturating_sub(POWER_KEYS)).ok().and_then(|i| self.power_keys.get(i));
                if key.is_some_and(power::was_pressed) {
                    self.want(Kind::PowerOff, "the power button was pressed");
                }
            }
        }
    }

    /// The poller, for the server's connections.
    pub fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Somebody wants the device to go down. The first one counts.
    pub fn want(&mut self, kind: Kind, reason: impl Into<String>) {
        if self.wanted.is_none() && !self.going_down {
            self.wanted = Some(Down { kind, reason: reason.into(), failed: false });
        }
    }

    /// The device restarts, and the boot counts as failed: it cannot go on, or an app had it restarted too soon.
    pub fn give_up(&mut self, reason: String) {
        if self.wanted.is_none() && !self.going_down {
            self.wanted = Some(Down { kind: Kind::Restart, reason, failed: true });
        }
    }

    /// Whether vital services have stayed ready for long enough in this boot.
    pub fn is_healthy(&self) -> bool {
        self.vital == Vital::Healthy
    }

    fn signals_came(&mut self) {
        while let Some(signal) = signals::next(&self.signals) {
            match signal {
                libc::SIGCHLD => self.reap(),
                libc::SIGINT => self.want(Kind::Restart, "ctrl-alt-del was pressed"),
                libc::SIGPWR => self.want(Kind::PowerOff, "the power supply said so"),
                other => say::warning(format_args!("signal {other} is ignored: ask by ipc")),
            }
        }
    }

    /// The one owner of reaping: services and orphans alike.
    fn reap(&mut self) {
        while let Ok(Some((pid, exit))) = pidfd::reap_any() {
            let found =
                self.services.iter().position(|service| service.process.as_ref().is_some_and(|process| process.pid == pid));
            let Some(index) = found else { continue };
            let now = service::now();
            let Some(service) = self.services.get_mut(index) else { continue };
            let (event, why) = service.ended(exit, now);
            self.happen(index, event, &why);
        }
    }

    /// Somebody connected to a service that runs on demand. It accepts the connection itself; until it waits again, others
    /// are not looked for.
    fn asked(&mut self, index: u64) {
        let Some(service) = usize::try_from(index).ok().and_then(|index| self.services.get_mut(index)) else { return };
        service.asked = true;
        if let Some(listener) = service.listener() {
            told(self.poller.remove(listener).map_err(Problem::io("watch a socket no longer")));
        }
    }

    /// A service on demand waits again: for the next connection, which may have come already.
    fn wait_for_callers(&mut self, index: usize) {
        let Some(service) = self.services.get_mut(index).filter(|service| service.row.on_demand) else { return };
        service.asked = false;
        if let (Some(listener), Ok(token)) = (service.listener(), u64::try_from(index)) {
            told(self.poller.add(listener, ASKED + token).map_err(Problem::io("watch a socket")));
        }
    }

    fn service_spoke(&mut self, index: u64) {
        let Ok(index) = usize::try_from(index) else { return };
        let Some(service) = self.services.get_mut(index) else { return };
        for event in service.said() {
            self.happen(index, event, "");
        }
    }

    fn time_passes(&mut self) {
        for index in 0..self.services.len() {
            self.happen(index, Event::Tick, "");
            if !self.going_down && self.needs_are_ready(index) {
                self.happen(index, Event::NeedsReady, "");
            }
        }
        self.judge_health();
        self.feed();
        if service::now().saturating_sub(self.clock_saved) >= time::SAVE_INTERVAL {
            self.clock_saved = service::now();
            told(time::save().and_then(|()| entropy::save()));
        }
    }

    fn needs_are_ready(&self, index: usize) -> bool {
        let met = |name: &ServiceName| {
            let state = self.services.iter().find(|service| service.row.name == *name).map(|service| service.state);
            matches!(state, Some(State::Ready { .. } | State::Disabled))
        };
        self.services.get(index).is_some_and(|service| {
            let asked = service.asked || !service.row.on_demand;
            service.state == State::Waiting && asked && service.row.needs.iter().all(met)
        })
    }

    /// Lets an event happen to a service and carries out what follows. `why`: for an end, in words.
    pub fn happen(&mut self, index: usize, event: Event, why: &str) {
        let (now, has_watchdog) = (service::now(), self.watchdog.is_some());
        let Some(service) = self.services.get_mut(index) else { return };
        let before = service.state;
        let effect = service.happen(event, now, has_watchdog);
        if matches!(before, State::Starting { .. }) && matches!(service.state, State::Ready { .. }) {
            say::info(format_args!("{} is ready", service.row.name));
        }
        if matches!(before, State::Silent { .. }) && matches!(service.state, State::Ready { .. }) {
            say::notice(format_args!("{} answers again", service.row.name));
            told(self.counters.as_mut().filter(|_| !self.going_down).map_or(Ok(()), boots::Counters::going_on));
        }
        let waits_again = before != State::Waiting && service.state == State::Waiting;
        match effect {
            Effect::None if waits_again => self.wait_for_callers(index),
            Effect::None => {}
            Effect::Spawn => self.spawn(index),
            Effect::Terminate => service.terminate(),
            Effect::Kill(reason) => {
                say::error(format_args!("{} is killed: {reason}", service.row.name));
                service.kill(reason);
            }
            Effect::TellSilence => {
                let text =
                    format!("{} does not answer its watchdog: the hardware watchdog is not fed any more", service.row.name);
                say::error(&text);
                told(self.counters.as_mut().filter(|_| !self.going_down).map_or(Ok(()), |counters| counters.failed(&text)));
            }
            Effect::Failed => self.failed(index, why),
        }
    }

    fn spawn(&mut self, index: usize) {
        let others: Vec<(String, OwnedFd)> = self
            .services
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .filter_map(|(_, service)| Some((service.row.name.to_string(), service.log().try_clone().ok()?)))
            .collect();
        let Some(service) = self.services.get_mut(index) else { return };
        let logs = others.iter().map(|(name, log)| (name.clone(), log)).collect();
        let boot = self.counters.as_ref().map_or(0, |counters| counters.boot);
        match service.start(&self.board, boot, logs) {
            Ok(()) => {
                let watched = service.process.as_ref().map(|process| self.poller.add(&process.pidfd, ENDED));
                if let Some(Err(e)) = watched {
                    // SIGCHLD tells its end as well.
                    say::warning(format_args!("cannot watch {}: {e}", service.row.name));
                }
            }
            Err(problem) => {
                let why = service.fail(format!("could not be started: {problem}"), service::now());
                self.happen(index, Event::StartFailed, &why);
            }
        }
    }

    fn failed(&mut self, index: usize, why: &str) {
        let Some(service) = self.services.get(index) else { return };
        let (name, row) = (service.row.name.clone(), &service.row);
        let failures = service.failures();
        let (on_exit, vital) = (row.on_exit, row.health);
        let safe_mode = self.counters.as_ref().is_some_and(|counters| counters.safe_mode);
        say::warning(format_args!("{name}: {why}; failure {failures} in a row"));
        self.reports.add(EventKind::ServiceExit, name.as_str(), why);
        if name.as_str() == MONITOR_NAME {
            self.reports.forget_connection();
        }
        if vital && self.vital != Vital::Healthy {
            self.vital = Vital::NotYetReady;
        }
        if on_exit == OnExit::Reboot {
            self.give_up(format!("{name}: {why}"));
        } else if vital && failures >= VITAL_FAILURES_LIMIT && !safe_mode {
            self.give_up(format!("{name} failed {failures} times in a row: {why}"));
        }
    }

    /// Counts this boot as ready, and later as healthy. On the way down no more: what is written of how it ended stays, however
    /// long apps take to end.
    fn judge_health(&mut self) {
        let now = service::now();
        let all_ready = self
            .services
            .iter()
            .filter(|service| service.row.health)
            .all(|service| matches!(service.state, State::Ready { .. } | State::Disabled));
        let Some(counters) = self.counters.as_mut().filter(|_| !self.going_down) else { return };
        match self.vital {
            Vital::NotYetReady if all_ready => {
                say::notice(format_args!("vital services are ready {} ms after the kernel's start", now.as_millis()));
                self.vital = Vital::ReadySince(now);
                told(counters.ready());
            }
            Vital::ReadySince(since) if now.saturating_sub(since) >= boots::HEALTHY_AFTER => {
                self.vital = Vital::Healthy;
                told(counters.healthy());
            }
            _ => {}
        }
    }

    /// Feeds the hardware watchdog while health holds. On the way down [`crate::down`] does.
    fn feed(&mut self) {
        let now = service::now();
        let Some(watchdog) = &self.watchdog else { return };
        let vital = self.services.iter().filter(|service| service.row.health).map(|service| service.state);
        if !self.going_down && now.saturating_sub(self.fed) >= FEED_INTERVAL && watchdog::is_healthy(vital) {
            watchdog.feed();
            self.fed = now;
        }
    }

    /// Whether there is a monitor to report to.
    pub fn monitor_listens(&self) -> bool {
        self.services
            .iter()
            .any(|service| service.row.name.as_str() == MONITOR_NAME && matches!(service.state, State::Ready { .. }))
    }

    fn send_reports(&mut self) {
        if !self.monitor_listens() {
            return;
        }
        if let Some(connection) = self.reports.send()
            && let Err(e) = self.poller.add(connection, MONITOR)
        {
            say::warning(format_args!("cannot watch the connection to the monitor: {e}"));
        }
    }
}

/// Says a problem that the device goes on with.
pub fn told(result: Result<(), Problem>) {
    if let Err(problem) = result {
        say::warning(problem);
    }
}
