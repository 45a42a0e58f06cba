//! Coming together with what runs already: at this daemon's start, after launcher died, after the monitor was away.
//!
//! launcher keeps instances over a restart of app-manager, and none over its own. So a subscription that begins tells
//! everything: what it names is adopted, what it does not name is gone, and what nobody knows is killed.

use crate::{
    app::{self, App, End, Installed, Live},
    denials::Minute,
    fault::Fault,
    install::{self, CURRENT, PREVIOUS},
    launch,
    launcher::{Ended, Found, Subscription},
    life::{Event, Life, State},
    limits,
    lives::kill,
    log::{Log, intake::Meter},
    manager::{Manager, Mode, Source},
    monitor::Judged,
    peripherals,
    run::{Run, Stood},
    sealing,
    state::Wanted,
    updates::Waiting,
};
use grant::Granted;
use ipc::messages::Instance;
use linux::{clock, files};
use manifest::{
    api::{ErrorClass, LogStream},
    app::AppManifest,
    board::Device,
    names::ComponentId,
    places,
    quantity::Bytes,
};
use rustix::fd::{AsFd, OwnedFd};
use sandbox::denials;
use std::time::Duration;

/// Pause before launcher or the monitor is asked again.
const RETRY: Duration = Duration::from_millis(250);

impl Manager {
    /// Clears what broken installations and removals left, and opens what each installed app needs.
    pub fn open_apps(&mut self) {
        if let Err(e) = sealing::clear(places::APPS.as_ref()) {
            linux::log::error(files::chain(&e));
        }
        let known: Vec<(ComponentId, u32, bool)> =
            self.table.components().map(|(id, entry)| (id.clone(), entry.uid, entry.removing)).collect();
        for (id, uid, removing) in known {
            let folder = app::folder(&id);
            if let Err(e) = install::clear(&folder) {
                linux::log::error(format!("{id}: {}", files::chain(&e)));
            }
            if removing || crate::folders::exists(&folder.join(CURRENT)) {
                self.open_app(&id, uid, removing);
            }
        }
    }

    /// Opens an app that is installed, or of which something is left. False if that failed.
    pub fn open_app(&mut self, id: &ComponentId, uid: u32, removing: bool) -> bool {
        match open_app(id, uid, removing) {
            Ok(app) => {
                self.apps.insert(id.clone(), app);
                true
            }
            Err(e) => {
                linux::log::error(format!("{id}: {}", files::chain(&e)));
                false
            }
        }
    }

    /// Subscribes where no subscription stands, and judges and starts what is due.
    pub fn follow_launcher(&mut self, now: Duration) {
        if self.retry_at > now || (self.subscription.is_some() && !self.waits()) {
            return;
        }
        self.retry_at = now + RETRY;
        if self.subscription.is_none() && (!self.subscribe() || self.misses_ends()) {
            return;
        }
        let unjudged: Vec<ComponentId> = self.apps.values().filter(|app| wants_verdict(app)).map(|app| app.id.clone()).collect();
        for id in &unjudged {
            self.notifier.watchdog();
            self.judge(id);
            self.serve_again(id);
        }
        // An update that waited over a start of the device comes before its app is started, and may want what other apps have.
        self.end_waiting(clock::since_boot());
        for id in &unjudged {
            self.follow_wish(id);
        }
        self.finish_removals();
    }

    /// Whether an app waits for the monitor's verdict, or for launcher to erase its storage.
    pub fn waits(&self) -> bool {
        self.apps.values().any(|app| wants_verdict(app) || (app.removal.is_some() && app.live.is_none()))
    }

    fn subscribe(&mut self) -> bool {
        let (subscription, found, ended) = match Subscription::begin() {
            Ok(begun) => begun,
            Err(fault) => {
                if !std::mem::replace(&mut self.misses_launcher, true) {
                    linux::log::warning(format!("waiting for launcher: {fault}"));
                }
                return false;
            }
        };
        if let Err(e) = self.watch(&subscription, Source::Launcher) {
            linux::log::error(format!("cannot wait for launcher: {e}"));
            return false;
        }
        self.subscription = Some(subscription);
        self.misses_launcher = false;
        for instance in found {
            self.adopt(instance);
        }
        for end in ended {
            self.ended(end);
        }
        self.kill_strangers();
        true
    }

    /// Whether an instance ran when an earlier app-manager was last heard of, and runs no more: launcher tells its end right
    /// after it told what runs, and nothing is started before that is heard.
    pub fn misses_ends(&self) -> bool {
        self.apps.values().any(|app| app.live.is_none() && matches!(app.run.stood, Stood::Up | Stood::Ready))
    }

    /// launcher's connection brought an event, or its end.
    pub fn launcher_event(&mut self, token: u64) {
        let Some(subscription) = &self.subscription else { return };
        match subscription.event() {
            Ok(ended) => self.ended(ended),
            Err(e) => {
                linux::log::error(format!("launcher is gone ({}); all apps end and are started again", files::chain(&e)));
                if let Some(subscription) = self.subscription.take() {
                    self.unwatch(&subscription, token);
                }
                self.retry_at = clock::since_boot();
                self.lose_instances();
            }
        }
    }

    /// All instances ended with launcher; a new one knows no verdicts.
    fn lose_instances(&mut self) {
        for app in self.apps.values_mut() {
            app.verdict_due = true;
            if let Some(live) = &mut app.live {
                kill(live);
                live.ended.get_or_insert(End::Lost);
            }
        }
    }

    fn ended(&mut self, ended: Ended) {
        let exited = &ended.exited;
        let id = exited.instance.component.clone();
        let Some(app) = self.apps.get_mut(&id) else { return self.forget(&exited.instance) };
        if app.live.is_none()
            && app.removal.is_none()
            && app.run.generation == exited.instance.generation
            && matches!(app.run.stood, Stood::Up | Stood::Ready)
        {
            // It ended while this daemon was away.
            app.life.adopt(true, clock::since_boot());
            app.live = Some(Live::new(exited.instance.clone()));
        }
        if !app.is(&exited.instance) {
            return self.forget(&exited.instance);
        }
        if let Some(live) = &mut app.live {
            kill(live);
            live.ended = Some(End::Told(ended));
        }
    }

    fn forget(&mut self, instance: &Instance) {
        if let Err(fault) = self.launcher.acknowledge(instance) {
            linux::log::warning(format!("{instance}: cannot acknowledge its end: {fault}"));
        }
    }

    fn adopt(&mut self, found: Found) {
        let now = clock::since_boot();
        let Found { instance, pid, pipes, notify, calls } = found;
        let Some(app) = self.apps.get_mut(&instance.component).filter(|app| app.live.is_none() && app.removal.is_none()) else {
            // Nobody knows it: kill_strangers ends it, and its end is acknowledged when it comes.
            return;
        };
        let ready = app.run.stood == Stood::Ready && app.run.generation == instance.generation;
        app.run.generation = app.run.generation.max(instance.generation);
        app.life.adopt(ready, now);
        app.say(&format!("{instance} goes on under a new app-manager"), now);
        linux::log::notice(format!("{instance} is adopted"));
        let [stdout, stderr] = pipes;
        let pipes = vec![launch::new_pipe(stdout, LogStream::Stdout), launch::new_pipe(stderr, LogStream::Stderr)];
        let id = instance.component.clone();
        let in_force = vec!["put in force by launcher before app-manager was started again; unchanged since".to_owned()];
        let live = Live { pid: Some(pid), pipes, notify: Some(notify.into()), in_force, ..Live::new(instance) };
        // A call that the app-manager before this one took, and died before it answered, is made anew after a freeze.
        if denials::is_left_unanswered(&calls) {
            let nudged = ["1", "0"].iter().try_for_each(|frozen| live.cgroup.set("cgroup.freeze", frozen));
            nudged.unwrap_or_else(|e| linux::log::warning(files::chain(&e)));
        }
        let debugged = app.run.debugged;
        self.take_over(&id, Live { calls: Some(calls.into()), debugged, ..live });
        // The session was led by the app-manager before this one: nobody would see its end.
        if debugged {
            self.debugger_left(&id);
        }
    }

    /// Ends and removes control groups that belong to no instance of ours.
    fn kill_strangers(&mut self) {
        let root = places::APPS_CGROUP.as_ref();
        for instance in limits::groups(root).unwrap_or_default() {
            let ours = self.apps.get(&instance.component).is_some_and(|app| app.is(&instance));
            if !ours {
                let group = limits::group(root, &instance);
                match group.kill().and_then(|()| group.remove()) {
                    Ok(gone) => {
                        linux::log::notice(format!("{instance} belonged to nobody: {}", if gone { "removed" } else { "killed" }))
                    }
                    Err(e) => linux::log::warning(format!("{instance} belongs to nobody: {}", files::chain(&e))),
                }
            }
        }
    }

    /// Has an installed app judged again.
    pub fn judge(&mut self, id: &ComponentId) {
        let judged = install::open(&app::folder(id).join(CURRENT)).map_err(Fault::from).and_then(|(image, envelope)| {
            let judged = self.monitor.verify_installed(image.as_fd(), envelope.as_fd())?;
            self.accept(id, judged, image)
        });
        let before = self.peripherals_before(id);
        let Some(app) = self.apps.get_mut(id) else { return };
        match judged {
            Ok(installed) => {
                let version = installed.verdict.version;
                app.installed = Some(installed);
                (app.verdict_due, app.problem) = (false, None);
                app.before = before;
                if app.live.is_some() {
                    app.life.arm(&app.rules(), clock::since_boot());
                }
                // The table may be older than the switch, by a power cut.
                if let Err(e) = self.table.update(id, |entry| entry.floor = entry.floor.max(version)) {
                    linux::log::error(files::chain(&e));
                }
            }
            Err(fault) if fault.class() == ErrorClass::Unavailable => {
                linux::log::warning(format!("{id}: no verdict yet: {fault}"))
            }
            Err(fault) => {
                linux::log::error(format!("{id} is not started: {fault}"));
                app.say(&format!("not started: {fault}"), clock::since_boot());
                (app.installed, app.verdict_due, app.problem) = (None, false, Some(fault.to_string()));
                if let Some(live) = &app.live {
                    kill(live);
                }
                self.refuse_debugger(id, "it cannot be started");
            }
        }
    }

    /// Peripherals of the version that comes back if the installed one fails: they stay the app's until it has proved itself.
    fn peripherals_before(&mut self, id: &ComponentId) -> Vec<Device> {
        if self.apps.get(id).is_none_or(|app| app.trial.is_none()) {
            return Vec::new();
        }
        let granted = install::open(&app::folder(id).join(PREVIOUS)).map_err(Fault::from).and_then(|(image, envelope)| {
            let judged = self.monitor.verify_installed(image.as_fd(), envelope.as_fd())?;
            let manifest = AppManifest::parse(&judged.manifest).map_err(|e| Fault::new(ErrorClass::BadInput, e.to_string()))?;
            Ok(grant::grant(&manifest, &self.board)?)
        });
        let granted = granted.inspect_err(|e| linux::log::warning(format!("{id}: the version before is not known: {e}")));
        granted.map(|granted| granted.peripherals).unwrap_or_default()
    }

    /// From a verdict to what is installed: the manifest, and what it is granted on this board beside the other apps.
    pub fn accept(&self, id: &ComponentId, judged: Judged, image: OwnedFd) -> Result<Installed, Fault> {
        let Judged { verdict, manifest } = judged;
        let manifest = AppManifest::parse(&manifest).map_err(|e| Fault::new(ErrorClass::BadInput, e.to_string()))?;
        if verdict.component != *id || manifest.component_id != *id {
            let message =
                format!("component ids differ: {id}, {} signed, {} in the manifest", verdict.component, manifest.component_id);
            return Err(Fault::new(ErrorClass::Untrusted, message));
        }
        if verdict.platform_abi > places::PLATFORM_ABI {
            let message = format!("it needs platform ABI {}, this device offers {}", verdict.platform_abi, places::PLATFORM_ABI);
            return Err(Fault::with_hint(ErrorClass::NotGranted, message, "update the device first"));
        }
        let mut granted = grant::grant(&manifest, &self.board)?;
        if !self.crashes.offered {
            granted.limits.core = Bytes(0);
        }
        for other in self.apps.values().filter(|other| other.id != *id) {
            let held = other.installed.as_ref().map(|installed| installed.granted.peripherals.as_slice()).unwrap_or_default();
            let conflict = |held| peripherals::conflict(&granted.peripherals, held);
            if let Some(device) = conflict(held).or_else(|| conflict(&other.before)) {
                let message = format!(
                    "${} belongs to {} ({}), and one peripheral belongs to one app",
                    device.name,
                    other.id,
                    other.status(Duration::ZERO).name
                );
                return Err(Fault::with_hint(ErrorClass::Conflict, message, format!("remove {} first", other.id)));
            }
        }
        Ok(Installed { verdict, manifest, granted, image })
    }

    /// Whether the storage of an app that comes fits on the disk beside what the other apps may write, and an eighth for all
    /// else. What is installed is not asked: it had its promise.
    pub fn promise(&self, id: &ComponentId, granted: &Granted) -> Result<(), Fault> {
        let Some(asked) = granted.storage else { return Ok(()) };
        let disk = rustix::fs::statvfs(places::DATA)
            .map_err(|e| Fault::new(ErrorClass::Internal, format!("cannot measure {}: {e}", places::DATA)))?;
        let room = disk.f_blocks.saturating_mul(disk.f_frsize) / 8 * 7;
        let others = self.apps.values().filter(|other| other.id != *id);
        let promised: u64 = others.filter_map(|other| other.installed.as_ref()?.granted.storage).map(|bytes| bytes.0).sum();
        if promised.saturating_add(asked.0) <= room {
            return Ok(());
        }
        let left = Bytes::kib(room.saturating_sub(promised) >> 10);
        let message = format!("its storage of {asked} does not fit: apps may be promised {left} more on this device's disk");
        Err(Fault::with_hint(ErrorClass::NoSpace, message, "a smaller Capabilities.MutableStorage.SizeKB, or remove an app"))
    }

    /// Starts or stops an app as the owner wants it, where nothing speaks against it.
    pub fn follow_wish(&mut self, id: &ComponentId) {
        let wanted = self.table.get(id).map(|entry| entry.wanted);
        let Some(app) = self.apps.get(id) else { return };
        let failures = app.life.failures;
        let comes = app.waiting.as_ref().is_some_and(Waiting::comes_now);
        let rests = app.live.is_none() && app.life.state == State::Installed && !comes;
        match (wanted, self.mode) {
            (Some(Wanted::Running), Mode::Normal) if rests && app.installed.is_some() && !app.verdict_due => {
                self.feed(id, Event::Start)
            }
            // It was told to stop: before this boot, or this daemon ended before it did.
            (Some(Wanted::Stopped), _) if rests || app.live.is_some() => self.feed(id, Event::Stop),
            (_, Mode::Safe) if app.live.is_some() => self.feed(id, Event::Stop),
            _ => return,
        }
        // A start of ours is no new chance, as an operator's is.
        if let Some(app) = self.apps.get_mut(id) {
            app.life.failures = app.life.failures.max(failures);
        }
    }
}

fn wants_verdict(app: &App) -> bool {
    app.verdict_due && app.removal.is_none()
}

fn open_app(id: &ComponentId, uid: u32, removing: bool) -> Result<App, files::FileError> {
    let now = clock::since_boot();
    files::make_folder(app::run_folder(id), 0o755)?;
    let run = Run::load(&app::run_folder(id));
    let state = match run.stood {
        _ if removing => State::Removed,
        Stood::Down | Stood::Up | Stood::Ready => State::Installed,
        Stood::Exited => State::Exited,
        Stood::Crashed => State::Crashed,
        Stood::Failed => State::Failed,
    };
    let (trial, failed) = (install::trial(&app::folder(id)), install::failed(&app::folder(id)));
    Ok(App {
        id: id.clone(),
        uid,
        installed: None,
        verdict_due: true,
        problem: None,
        life: Life { state, failures: run.failures, trial: trial.is_some() },
        trial,
        before: Vec::new(),
        failed,
        waiting: Waiting::found(&app::folder(id), &run),
        log: Log::open(app::log_folder(id))?,
        meter: Meter::new(now),
        minute: Minute::default(),
        run,
        run_changed: false,
        debugger: None,
        live: None,
        removal: removing.then(Vec::new),
    })
}
