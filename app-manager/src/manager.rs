//! The manager: everything this daemon holds, and its one loop.
//!
//! The loop waits for whatever comes first (a request, an event of launcher, words or log lines of an app, a verdict,
//! SIGTERM, a deadline), handles it without waiting for anybody longer than a call's time-out, and looks at all deadlines
//! after each round.

use crate::{
    app::{App, Live},
    crashes::Crashes,
    disk::Disk,
    installs::Pending,
    launcher::{Launcher, Subscription},
    monitor::Monitor,
    peripherals::Peripherals,
    services::Telling,
    state::Table,
    updates::Told,
    uploads::Uploads,
};
use ipc::{Incoming, Server, messages::app_manager::Request};
use linux::{clock, notify::Notifier, poll::Poller, signals};
use manifest::{
    api::EventKind,
    board::Board,
    image::Role,
    names::{ComponentId, TimeZone},
};
use rustix::fd::{AsFd, OwnedFd};
use std::{collections::BTreeMap, io, time::Duration};

/// Everything app-manager holds.
pub struct Manager {
    /// What is waited for.
    pub poller: Poller,
    /// Requests of other daemons.
    pub server: Server,
    /// SIGTERM.
    pub signals: OwnedFd,
    /// init.
    pub notifier: Notifier,
    /// What a token of the poller stands for; the server's tokens are its own.
    pub sources: BTreeMap<u64, Source>,
    /// The next free token.
    pub next_token: u64,
    /// The durable table.
    pub table: Table,
    /// The installed apps.
    pub apps: BTreeMap<ComponentId, App>,
    /// The board file.
    pub board: Board,
    /// What of it is there.
    pub peripherals: Peripherals,
    /// The disk below /data.
    pub disk: Option<Disk>,
    /// Link to the monitor.
    pub monitor: Monitor,
    /// Link to launcher.
    pub launcher: Launcher,
    /// launcher's events; none while launcher is not there.
    pub subscription: Option<Subscription>,
    /// Whether it was told already that launcher is not there.
    pub misses_launcher: bool,
    /// app-services' connection, while it is there.
    pub served_by: Option<u64>,
    /// How far it was told of those that run.
    pub telling: Telling,
    /// What it was told of updates.
    pub told: Told,
    /// When to try again what launcher or the monitor could not do: subscription, verdict, erasure.
    pub retry_at: Duration,
    /// Bundles on their way in.
    pub uploads: Uploads,
    /// Bundles that are judged or sealed.
    pub pending: BTreeMap<u64, Pending>,
    /// Crash reports that are being made.
    pub crashes: Crashes,
    /// Installed apps are not started in safe mode.
    pub mode: Mode,
    /// Who may go back to older versions, as the image says.
    pub downgrades: Option<Role>,
    /// Whether apps may be debugged, as the image says.
    pub debug: bool,
    /// How long apps may put updates off.
    pub defer_updates: Duration,
    /// The time zone of apps that are started; none: UTC.
    pub time_zone: Option<TimeZone>,
    /// When init must hear from this loop again.
    pub ping_at: Duration,
}

/// What the device is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Apps run.
    Normal,
    /// No app runs; installing and removing works.
    Safe,
    /// init wants this daemon to end: apps end first.
    GoingDown,
}

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// SIGTERM.
    Signals,
    /// launcher's events.
    Launcher,
    /// A verdict on an upload, or the end of its sealing.
    Installation,
    /// An answer of crash-reporter.
    CrashReporter,
    /// The end of a debugger's session.
    Debugger(ComponentId),
    /// A piece of an upload.
    Upload(u64),
    /// Words of an app.
    Notify(ComponentId),
    /// stdout or stderr of an app.
    Pipe(ComponentId),
    /// Refused calls of an app.
    Calls(ComponentId),
}

/// Longest sleep of the loop.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

impl Manager {
    /// Runs until init says SIGTERM and the last app has ended.
    pub fn run(&mut self) -> io::Result<()> {
        self.listen_to_signals()?;
        while !(self.mode == Mode::GoingDown && self.nothing_lives()) {
            let now = clock::since_boot();
            if now >= self.ping_at {
                self.notifier.watchdog();
                self.ping_at = now + self.notifier.ping_interval().unwrap_or(LONGEST_SLEEP);
            }
            self.look_at_deadlines(now);
            let sleep = self.next_deadline().saturating_sub(clock::since_boot()).min(LONGEST_SLEEP);
            for token in self.poller.wait(Some(sleep))? {
                self.handle(token);
            }
        }
        self.flush_logs(None);
        Ok(())
    }

    /// Waits for `fd` as `source`. A descriptor that others hold too must be taken out by [`Manager::unwatch`].
    pub fn watch(&mut self, fd: impl AsFd, source: Source) -> io::Result<u64> {
        let token = self.next_token;
        self.poller.add(fd, token)?;
        self.next_token += 1;
        self.sources.insert(token, source);
        Ok(token)
    }

    /// Waits for the other end to be closed.
    pub fn watch_hangup(&mut self, fd: impl AsFd, source: Source) -> io::Result<u64> {
        let token = self.next_token;
        self.poller.add_hangup(fd, token)?;
        self.next_token += 1;
        self.sources.insert(token, source);
        Ok(token)
    }

    /// Waits for it no longer.
    pub fn unwatch(&mut self, fd: impl AsFd, token: u64) {
        let _ = self.poller.remove(fd);
        self.sources.remove(&token);
    }

    fn listen_to_signals(&mut self) -> io::Result<()> {
        self.poller.add(&self.signals, self.next_token)?;
        self.sources.insert(self.next_token, Source::Signals);
        self.next_token += 1;
        Ok(())
    }

    fn handle(&mut self, token: u64) {
        if Server::owns(token) {
            return self.request(token);
        }
        // A source may be gone by an event before this one in the same round.
        match self.sources.get(&token).cloned() {
            None => {}
            Some(Source::Signals) => self.signal(),
            Some(Source::Launcher) => self.launcher_event(token),
            Some(Source::Installation) => self.go_on_installing(token),
            Some(Source::CrashReporter) => self.crash_reporter_spoke(token),
            Some(Source::Debugger(id)) => self.debugger_left(&id),
            Some(Source::Upload(upload)) => self.receive_upload(upload),
            Some(Source::Notify(id)) => self.heard(&id),
            Some(Source::Pipe(id)) => self.read_pipe(&id, token),
            Some(Source::Calls(id)) => self.refuse_call(&id),
        }
    }

    fn request(&mut self, token: u64) {
        match self.server.receive::<Request>(token, &self.poller) {
            Incoming::Request { request, .. } => self.answer(token, request),
            Incoming::Malformed { caller, error } => {
                let detail = linux::files::chain(&error);
                self.monitor.report(EventKind::MalformedPacket, &caller.to_string(), &detail);
            }
            Incoming::Forbidden { caller, request } => {
                let detail = format!("asked app-manager for `{request}`");
                self.monitor.report(EventKind::ForbiddenRequest, &caller.to_string(), &detail);
            }
            Incoming::Closed if self.served_by == Some(token) => self.served_by = None,
            Incoming::Closed => self.forget_caller(token),
            Incoming::Nothing => {}
        }
    }

    fn signal(&mut self) {
        if signals::next(&self.signals).is_none() || self.mode == Mode::GoingDown {
            return;
        }
        linux::log::notice("stopping all apps");
        self.mode = Mode::GoingDown;
        self.stop_all();
    }

    fn look_at_deadlines(&mut self, now: Duration) {
        self.follow_launcher(now);
        self.complete_serving();
        self.end_instances(now);
        self.end_waiting(now);
        self.tick(now);
        self.resume(now);
        self.flush_logs(Some(now));
        self.store_runs();
        self.uploads.expire(now);
        self.expire_verifications(now);
        self.tend_crashes(now);
        self.tell_updates();
    }

    fn next_deadline(&self) -> Duration {
        let mut next = self.ping_at;
        if self.subscription.is_none() || self.waits() {
            next = next.min(self.retry_at);
        }
        if !self.uploads.is_empty() || !self.pending.is_empty() {
            next = next.min(clock::since_boot() + UPLOADS_LOOKED_AT);
        }
        next = self.crashes.deadline().into_iter().fold(next, Duration::min);
        for app in self.apps.values() {
            let dying = app.live.as_ref().is_some_and(|live| live.ended.is_some()).then(|| clock::since_boot() + DYING_LOOKED_AT);
            let paused = app.live.as_ref().and_then(Live::deadline);
            let update = app.waiting_until().filter(|_| self.mode != Mode::GoingDown);
            let deadlines = [dying, paused, update, app.life.deadline(), app.log.deadline()];
            next = deadlines.into_iter().flatten().fold(next, Duration::min);
        }
        next
    }

    fn nothing_lives(&self) -> bool {
        self.apps.values().all(|app| app.live.is_none())
    }

    /// Writes the logs that are due, or all of them.
    fn flush_logs(&mut self, now: Option<Duration>) {
        for app in self.apps.values_mut() {
            let due = app.log.deadline().is_some_and(|at| now.is_none_or(|now| at <= now));
            if due && let Err(e) = app.log.flush() {
                linux::log::warning(format!("{}: lines of its log are lost: {}", app.id, linux::files::chain(&e)));
            }
        }
    }

    /// Writes down what changed of what a restarted app-manager must know.
    pub fn store_runs(&mut self) {
        for app in self.apps.values_mut().filter(|app| app.run_changed) {
            app.run_changed = false;
            app.store_run();
        }
    }
}

/// How often abandoned uploads are looked for.
const UPLOADS_LOOKED_AT: Duration = Duration::from_secs(5);
/// How often a control group is looked at that should be empty soon.
const DYING_LOOKED_AT: Duration = Duration::from_millis(10);
