//! The manager's part in the apps' lives: feeding events, doing what they want done, and hearing what apps say.

use crate::{
    app::{App, End, Live, PROBLEM_LIMIT, Watched},
    debug,
    denials::{LATE, News},
    fault::Fault,
    launch::{self, Around},
    life::{Action, Event},
    manager::{Manager, Mode, Source},
    notify::{self, Heard},
};
use ipc::messages::Instance;
use linux::{clock, log::printable};
use manifest::{
    api::{ErrorClass, EventKind},
    names::ComponentId,
    notify::Notification,
};
use rustix::fd::OwnedFd;
use sandbox::denials;
use std::time::Duration;

/// Bytes read from one pipe at once.
const READ_SIZE: usize = 16 * 1024;
/// Pause of a pipe whose lines are being dropped: until then the app itself waits, not the manager.
const PAUSE: Duration = Duration::from_millis(100);

impl Manager {
    /// Feeds an event to an app's life and does what follows.
    pub fn feed(&mut self, id: &ComponentId, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(app) = self.apps.get_mut(id) else { return };
            let action = match app.life.on(event, &app.rules(), clock::since_boot(), random()) {
                Ok(action) => action,
                Err(impossible) => return linux::log::warning(format!("{id}: {impossible}")),
            };
            next = action.and_then(|action| self.act(id, action));
            if let Some(app) = self.apps.get_mut(id) {
                app.note_life();
            }
        }
    }

    /// Does an action; what came of it is the next event.
    fn act(&mut self, id: &ComponentId, action: Action) -> Option<Event> {
        let now = clock::since_boot();
        match action {
            Action::Launch => return Some(self.launch(id)),
            Action::Return => self.go_back(id),
            _ => {}
        }
        let app = self.apps.get_mut(id)?;
        match action {
            Action::Launch | Action::Return => {}
            Action::Terminate => {
                let live = app.live.as_ref()?;
                if let Err(fault) = self.launcher.terminate(&live.instance) {
                    linux::log::warning(format!("{}: cannot send SIGTERM, killing it: {fault}", live.instance));
                    kill(live);
                }
            }
            Action::KillLate => app.kill("killed: it did not end in time after SIGTERM", now),
            Action::KillNotReady => app.kill("killed: it did not say READY=1 in time", now),
            Action::KillHung => app.kill("killed: its watchdog was late twice", now),
            Action::TellLate => {
                app.say("degraded: its watchdog is late; it is killed if it stays silent as long again", now);
                linux::log::warning(format!("{id}: its watchdog is late"));
            }
            Action::TellHeard => app.say("its watchdog was heard again", now),
            Action::Keep => app.keep(now),
            Action::GiveUp => {
                app.say("given up: it failed too often; start it by hand or install another version", now);
                let why = app.run.last_exit.as_deref().unwrap_or_default();
                let words = format!("given up after {} failures, the last: {why}", app.life.failures);
                linux::log::error(format!("{id}: {words}"));
                self.monitor.report(EventKind::AppFailed, id.as_str(), &words);
            }
        }
        None
    }

    fn launch(&mut self, id: &ComponentId) -> Event {
        let now = clock::since_boot();
        if self.subscription.is_none() || self.mode != Mode::Normal {
            return Event::LaunchDeferred;
        }
        let Some(app) = self.apps.get_mut(id).filter(|app| app.live.is_none()) else { return Event::LaunchFailed };
        if app.verdict_due {
            return Event::LaunchDeferred;
        }
        app.run.generation += 1;
        app.run.starts += 1;
        app.run.debugged = app.debugger.is_some();
        app.run.version = app.installed.as_ref().map_or(0, |installed| installed.verdict.version);
        (app.run.ready_at_ms, app.run.status, app.run_changed) = (None, None, true);
        // Known to whoever comes after us before anything runs under it.
        app.store_run();
        let instance = Instance { component: id.clone(), generation: app.run.generation };
        let reply_to = app.debugger.take();
        let launched = self.launch_instance(id, instance, reply_to.is_some());
        let (launched, debugger) = match launched {
            Ok((live, debugger)) => (Ok(live), debugger.map(Ok)),
            Err(fault) => (Err(fault.clone()), Some(Err(fault))),
        };
        if let (Some(reply_to), Some(debugger)) = (reply_to, debugger) {
            self.answer_debugger(reply_to, debugger);
        }
        let Some(app) = self.apps.get_mut(id) else { return Event::LaunchFailed };
        match launched {
            Ok(live) => {
                app.say(&format!("started as {} with pid {}", live.instance, live.pid.unwrap_or(0)), now);
                linux::log::info(format!("{} started", live.instance));
                self.take_over(id, live);
                Event::Launched
            }
            Err(fault) => {
                let words = format!("could not be started: {fault}");
                app.say(&words, now);
                linux::log::warning(format!("{id}: {words}"));
                match fault.class() {
                    // launcher is away: that is not the app's failure.
                    ErrorClass::Unavailable => Event::LaunchDeferred,
                    // launcher keeps a bounded number of verdicts, and has forgotten this one.
                    ErrorClass::Untrusted => {
                        app.verdict_due = true;
                        Event::LaunchDeferred
                    }
                    _ => {
                        app.run.last_exit = Some(printable(&words, PROBLEM_LIMIT));
                        Event::LaunchFailed
                    }
                }
            }
        }
    }

    /// Launches, and makes the socket between the owner's debugger and the one that starts the app, if one does.
    fn launch_instance(&mut self, id: &ComponentId, instance: Instance, debug: bool) -> Result<(Live, Option<OwnedFd>), Fault> {
        let Some(app) = self.apps.get(id) else { return Err(Fault::new(ErrorClass::NotFound, "the app is gone")) };
        let (owners, own) = if debug { Some(debug::socket()?) } else { None }.unzip();
        let around = Around { peripherals: &self.peripherals, disk: self.disk.as_ref(), time_zone: self.time_zone.as_ref() };
        let live = launch::launch(app, instance, around, own.as_ref(), &mut self.monitor, &mut self.launcher)?;
        Ok((Live { session: own.map(Watched::from), ..live }, owners))
    }

    /// Gives pipes, notify socket and refused calls of an instance their places in the loop.
    pub fn take_over(&mut self, id: &ComponentId, mut live: Live) {
        for (watched, source) in live.watched() {
            match self.watch(&watched.fd, source) {
                Ok(token) => watched.token = token,
                Err(e) => linux::log::warning(format!("{id}: it cannot be heard: {e}")),
            }
        }
        if let Some(session) = &mut live.session {
            match self.watch_hangup(&session.fd, Source::Debugger(id.clone())) {
                Ok(token) => session.token = token,
                Err(e) => linux::log::warning(format!("{id}: the end of its debugger's session will not be seen: {e}")),
            }
        }
        if let Some(app) = self.apps.get_mut(id) {
            app.live = Some(live);
        }
        self.begin_serving(id);
    }

    /// Time passed for every app.
    pub fn tick(&mut self, now: Duration) {
        let due: Vec<ComponentId> =
            self.apps.values().filter(|app| app.life.deadline().is_some_and(|at| at <= now)).map(|app| app.id.clone()).collect();
        for id in due {
            self.feed(&id, Event::Tick);
        }
    }

    /// Stops every app, without changing what the owner wants of it.
    pub fn stop_all(&mut self) {
        let ids: Vec<ComponentId> = self.apps.keys().cloned().collect();
        for id in ids {
            self.feed(&id, Event::Stop);
        }
    }

    /// Instances whose first process ended are over when their control group is empty.
    pub fn end_instances(&mut self, now: Duration) {
        let ended = self.apps.values().filter(|app| app.live.as_ref().is_some_and(|live| live.ended.is_some()));
        let ids: Vec<ComponentId> = ended.map(|app| app.id.clone()).collect();
        for id in ids {
            self.end_instance(&id, now);
        }
    }

    fn end_instance(&mut self, id: &ComponentId, now: Duration) {
        let Some(live) = self.apps.get(id).and_then(|app| app.live.as_ref()) else { return };
        // A group that cannot be read is gone.
        if live.cgroup.is_populated().unwrap_or(false) {
            return kill(live);
        }
        let tokens: Vec<u64> = live.pipes.iter().map(|pipe| pipe.end.token).collect();
        for token in tokens {
            self.empty_pipe(id, token);
        }
        let Some(mut live) = self.apps.get_mut(id).and_then(|app| app.live.take()) else { return };
        for watched in live.notify.iter().chain(&live.calls) {
            self.unwatch(&watched.fd, watched.token);
        }
        if let Some(session) = &live.session {
            self.unwatch(&session.fd, session.token);
        }
        if live.services.is_some() {
            self.end_serving(&live.instance);
        }
        let ended = live.ended.take();
        let (Some(app), Some(end)) = (self.apps.get_mut(id), ended) else { return };
        let memory = app.installed.as_ref().map_or_else(String::new, |installed| installed.granted.limits.memory.to_string());
        let words = live.killed.map_or_else(|| end.words(&live.cgroup, memory), str::to_owned);
        app.tell_loss(now);
        if live.killed.is_none() {
            app.say(&words, now);
        }
        app.run.last_exit = Some(words);
        app.run_changed = true;
        if let Err(e) = live.cgroup.remove() {
            linux::log::warning(linux::files::chain(&e));
        }
        // What ends with a debugger's session is started again without, however it ended.
        let event = if live.debugged { Event::Lost } else { end.event() };
        if let End::Told(ended) = end {
            self.report_crash(&live, ended);
            if let Err(fault) = self.launcher.acknowledge(&live.instance) {
                linux::log::warning(format!("{}: cannot acknowledge its end: {fault}", live.instance));
            }
        }
        self.forget_wishes(id);
        self.feed(id, event);
        self.go_on_removing(id);
    }

    /// An app's notify socket is readable.
    pub fn heard(&mut self, id: &ComponentId) {
        for _ in 0..notify::BATCH {
            let Some(app) = self.apps.get_mut(id) else { return };
            let Some(notify) = app.live.as_ref().and_then(|live| live.notify.as_ref()) else { return };
            let said = match notify::look(&notify.fd, app.uid) {
                Heard::Own(said) => said,
                Heard::Stranger(uid) => {
                    linux::log::warning(format!("{id}: uid {uid} tried to speak for it"));
                    Notification::default()
                }
                Heard::Nothing => return,
            };
            if said.ready && app.run.ready_at_ms.is_none() {
                let now = clock::since_boot();
                app.run.ready_at_ms = Some(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                app.run_changed = true;
                app.say("ready", now);
                linux::log::notice(format!("{id} is ready, {} ms after the kernel's start", now.as_millis()));
            }
            if said.status.is_some() && said.status != app.run.status {
                (app.run.status, app.run_changed) = (said.status, true);
            }
            for (happened, event) in [(said.ready, Event::Ready), (said.watchdog, Event::Ping)] {
                if happened {
                    self.feed(id, event);
                }
            }
            if said.ready {
                self.store_runs();
            }
            let live = self.apps.get(id).and_then(|app| app.live.as_ref());
            live.and_then(|live| live.notify.as_ref()).iter().for_each(|notify| notify::take(&notify.fd));
        }
    }

    /// stdout or stderr of an app is readable.
    pub fn read_pipe(&mut self, id: &ComponentId, token: u64) {
        let now = clock::since_boot();
        let Some(app) = self.apps.get_mut(id) else { return };
        match app.read_once(token, now) {
            Read::Lines if app.meter.is_dropping() => {
                let Some(pipe) = app.pipe(token) else { return };
                pipe.end.pause(&self.poller, now + PAUSE);
            }
            Read::Lines | Read::Nothing => {}
            Read::End => self.close_pipe(id, token),
        }
    }

    /// A call of an app waits to be refused.
    pub fn refuse_call(&mut self, id: &ComponentId) {
        let now = clock::since_boot();
        let Some(app) = self.apps.get_mut(id) else { return };
        let Some(calls) = app.live.as_mut().and_then(|live| live.calls.as_mut()) else { return };
        let refused = denials::answer(&calls.fd);
        // Without a call nobody waits any more, or nobody is left: that is told again and again, until the app's end is.
        if app.minute.is_used_up(now) || refused.is_err() {
            calls.pause(&self.poller, now + LATE);
        }
        let Ok(denial) = refused else { return };
        let news = app.run.denials.note(&denial, app.run.generation, clock::wall_ms(), &mut app.minute);
        if let News::Kind(words) | News::Event(words) = &news {
            app.say(&format!("refused: {words}"), now);
            app.run_changed = true;
        }
        if let News::Event(words) = news {
            self.monitor.report(EventKind::CallRefused, id.as_str(), &words);
        }
    }

    /// What had a pause is waited for again, once that is over.
    pub fn resume(&mut self, now: Duration) {
        for live in self.apps.values_mut().filter_map(|app| app.live.as_mut()) {
            live.watched().for_each(|(watched, _)| watched.resume(&self.poller, now));
        }
    }

    /// Reads what is left of a pipe and closes it.
    fn empty_pipe(&mut self, id: &ComponentId, token: u64) {
        let now = clock::since_boot();
        for _ in 0..PIPE_READS {
            let Some(app) = self.apps.get_mut(id) else { return };
            if !matches!(app.read_once(token, now), Read::Lines) {
                break;
            }
        }
        self.close_pipe(id, token);
    }

    fn close_pipe(&mut self, id: &ComponentId, token: u64) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let Some(live) = &mut app.live else { return };
        let Some(at) = live.pipes.iter().position(|pipe| pipe.end.token == token) else { return };
        let mut pipe = live.pipes.swap_remove(at);
        let rest = pipe.partial.rest();
        app.hear(pipe.stream, rest.as_slice(), clock::since_boot());
        self.unwatch(&pipe.end.fd, token);
    }
}

/// More than a pipe holds by default (pipe(7)).
const PIPE_READS: usize = 8;

/// What one read of a pipe brought.
enum Read {
    Lines,
    Nothing,
    End,
}

impl App {
    fn pipe(&mut self, token: u64) -> Option<&mut crate::app::Pipe> {
        self.live.as_mut()?.pipes.iter_mut().find(|pipe| pipe.end.token == token)
    }

    fn read_once(&mut self, token: u64, now: Duration) -> Read {
        let mut bytes = [0; READ_SIZE];
        let Some(pipe) = self.pipe(token) else { return Read::Nothing };
        match rustix::io::read(&pipe.end.fd, &mut bytes) {
            Ok(0) => Read::End,
            Ok(count) => {
                let (stream, lines) = (pipe.stream, pipe.partial.lines(bytes.get(..count).unwrap_or_default()));
                self.hear(stream, &lines, now);
                Read::Lines
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Read::Nothing,
            Err(_) => Read::End,
        }
    }

    fn kill(&mut self, why: &'static str, now: Duration) {
        self.say(why, now);
        linux::log::warning(format!("{} {why}", self.id));
        if let Some(live) = &mut self.live {
            live.killed = Some(why);
            kill(live);
        }
    }
}

/// Kills every process of an instance.
pub fn kill(live: &Live) {
    if let Err(e) = live.cgroup.kill()
        && !e.is_missing()
    {
        linux::log::error(format!("{} cannot be killed: {}", live.instance, linux::files::chain(&e)));
    }
}

/// Moves pauses; what the kernel does not give is no reason to stop.
fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
    u32::from_ne_bytes(bytes)
}
