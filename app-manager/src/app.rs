//! One known app: what is installed of it, its life, its log, and its running instance.

use crate::{
    config::Delivered,
    denials::Minute,
    install::Trial,
    launcher::Ended,
    life::{Event, Life, Rules, State},
    limits,
    log::{
        Log,
        intake::{Meter, Partial, Verdict},
    },
    manager::Source,
    run::{Delayed, Run, Stood},
    services::Services,
    updates::Waiting,
};
use grant::Granted;
use ipc::messages::{Instance, launcher::Ending, monitor};
use linux::{cgroup::Cgroup, log::printable, poll::Poller};
use manifest::{
    api::{AppState, AppStatus, FailedUpdate, LogStream},
    app::AppManifest,
    board::Device,
    holdfast::LogRate,
    names::ComponentId,
    places,
};
use rustix::fd::OwnedFd;
use std::{path::PathBuf, time::Duration};

/// An app with an entry in the table and an image on the disk.
pub struct App {
    /// Its id.
    pub id: ComponentId,
    /// Its uid.
    pub uid: u32,
    /// What is installed; none before it was judged, or if it was judged not good.
    pub installed: Option<Installed>,
    /// Whether the monitor must judge it before it is launched: at first, and when launcher lost its verdicts.
    pub verdict_due: bool,
    /// Why it cannot run, if it was judged not good.
    pub problem: Option<String>,
    /// Its life.
    pub life: Life,
    /// The trial that the installed version is on.
    pub trial: Option<Trial>,
    /// Peripherals of the version before, which may still run and may come back: nobody else gets them until the trial is over.
    pub before: Vec<Device>,
    /// The update that failed last.
    pub failed: Option<Trial>,
    /// The update that waits.
    pub waiting: Option<Waiting>,
    /// Its log.
    pub log: Log,
    /// Limits how much of it is kept.
    pub meter: Meter,
    /// Limits how fast its refused calls are answered.
    pub minute: Minute,
    /// What outlives this process.
    pub run: Run,
    /// Whether [`App::run`] must be stored.
    pub run_changed: bool,
    /// The connection that waits for its next start to be one by a debugger.
    pub debugger: Option<u64>,
    /// The instance that runs.
    pub live: Option<Live>,
    /// Connections that wait for the app's removal.
    pub removal: Option<Vec<u64>>,
}

/// A judged app.
pub struct Installed {
    /// What the monitor found.
    pub verdict: monitor::Verdict,
    /// The signed manifest.
    pub manifest: AppManifest,
    /// What it gets.
    pub granted: Granted,
    /// The image, which launcher mounts by this very descriptor.
    pub image: OwnedFd,
}

/// An instance.
pub struct Live {
    /// Which.
    pub instance: Instance,
    /// Its control group.
    pub cgroup: Cgroup,
    /// Its first process.
    pub pid: Option<u32>,
    /// Its stdout and stderr, until they end.
    pub pipes: Vec<Pipe>,
    /// Where it says READY=1, until it ends.
    pub notify: Option<Watched>,
    /// Where its refused calls wait.
    pub calls: Option<Watched>,
    /// Its configuration, if this process passed it one.
    pub config: Option<Delivered>,
    /// Its service socket, if it has a right to a service.
    pub services: Option<Services>,
    /// What launcher put in force.
    pub in_force: Vec<String>,
    /// Whether a debugger started it: it may stand still as long as its user likes.
    pub debugged: bool,
    /// Our copy of gdbserver's end of the session: closed at the other, the session is over.
    pub session: Option<Watched>,
    /// Why it was killed from here.
    pub killed: Option<&'static str>,
    /// Its first process ended; it is over once its control group is empty.
    pub ended: Option<End>,
}

/// The read end of an app's stdout or stderr.
pub struct Pipe {
    /// The end.
    pub end: Watched,
    /// Which of the two.
    pub stream: LogStream,
    /// What has no newline yet.
    pub partial: Partial,
}

/// A descriptor of an instance that the loop waits for. launcher has it too: closing it here does not take it out of the loop.
pub struct Watched {
    /// The descriptor.
    pub fd: OwnedFd,
    /// Its token in the loop.
    pub token: u64,
    /// Not waited for before this time: more comes there than is taken, and the app itself waits.
    pub paused_until: Option<Duration>,
}

/// How an instance ended.
pub enum End {
    /// As launcher says.
    Told(Ended),
    /// With launcher.
    Lost,
}

impl App {
    /// Folder of its sockets below /run.
    pub fn run_folder(&self) -> PathBuf {
        run_folder(&self.id)
    }

    /// Its rules of life; for one that is not judged, those that let it end.
    pub fn rules(&self) -> Rules {
        let section = self.installed.as_ref().map(|installed| installed.manifest.holdfast.clone()).unwrap_or_default();
        let timed = self.debugger.is_none() && !self.live.as_ref().is_some_and(|live| live.debugged);
        Rules {
            restart: section.restart,
            back_off: section.back_off,
            grace: section.stop_grace.duration(),
            ready_timeout: section.ready_timeout.filter(|_| timed).map(|t| t.duration()),
            watchdog: section.watchdog.filter(|_| timed).map(|t| t.duration()),
            proves: timed,
        }
    }

    /// Writes a line of the manager's own into the app's log.
    pub fn say(&mut self, text: &str, now: Duration) {
        self.log.push(LogStream::System, text, linux::clock::wall_ms(), now);
    }

    /// Writes what the app wrote, as far as its rate allows.
    pub fn hear(&mut self, stream: LogStream, lines: &[String], now: Duration) {
        let wall_ms = linux::clock::wall_ms();
        let rate = self.log_rate();
        for line in lines {
            match self.meter.line(rate, now) {
                Verdict::Drop => continue,
                Verdict::Keep => {}
                Verdict::KeepAfterLoss(lost) => self.say(&loss(lost, rate), now),
            }
            self.log.push(stream, line, wall_ms, now);
        }
    }

    fn log_rate(&self) -> LogRate {
        self.installed.as_ref().map(|installed| installed.granted.log).unwrap_or_default()
    }

    /// Tells of dropped lines, once no more come.
    pub fn tell_loss(&mut self, now: Duration) {
        if let Some(lost) = self.meter.loss() {
            self.say(&loss(lost, self.log_rate()), now);
        }
    }

    /// Copies of its life what outlives this process.
    pub fn note_life(&mut self) {
        let stood = match self.life.state {
            State::Installed | State::Stopped | State::BackOff { .. } | State::Removed => Stood::Down,
            State::Ready { .. } | State::Degraded { ready: true, .. } => Stood::Ready,
            State::Starting { .. } | State::Running { .. } | State::Degraded { .. } | State::Stopping { .. } => Stood::Up,
            State::Exited => Stood::Exited,
            State::Crashed => Stood::Crashed,
            State::Failed => Stood::Failed,
        };
        if (self.run.stood, self.run.failures) != (stood, self.life.failures) {
            (self.run.stood, self.run.failures) = (stood, self.life.failures);
            self.run_changed = true;
        }
    }

    /// Keeps what a restarted app-manager must know.
    pub fn store_run(&mut self) {
        let delayed = self.delayed();
        self.store_run_with(delayed);
    }

    /// The same, with an update that is about to wait.
    pub fn store_run_with(&mut self, delayed: Option<Delayed>) {
        self.run.delayed = delayed;
        if let Err(e) = self.run.store(&self.run_folder()) {
            linux::log::warning(linux::files::chain(&e));
        }
    }

    /// The generation that is running, or was last.
    pub fn is(&self, instance: &Instance) -> bool {
        self.live.as_ref().is_some_and(|live| live.instance == *instance)
    }

    /// As the device API says it.
    pub fn status(&self, now: Duration) -> AppStatus {
        let verdict = self.installed.as_ref().map(|installed| &installed.verdict);
        let next_try = match self.life.state {
            State::BackOff { until } => Some(until.saturating_sub(now).as_secs_f64().ceil()),
            _ => None,
        };
        AppStatus {
            component_id: self.id.clone(),
            name: self
                .installed
                .as_ref()
                .map_or_else(|| self.id.to_string(), |installed| printable(&installed.manifest.name, NAME_LIMIT)),
            version: verdict.map_or(0, |verdict| verdict.version),
            version_name: verdict.and_then(|verdict| verdict.version_name.clone()),
            state: if self.problem.is_some() { AppState::Failed } else { self.life.shown() },
            generation: self.run.generation,
            pid: self.live.as_ref().filter(|live| live.ended.is_none()).and_then(|live| live.pid),
            status: self.problem.as_ref().or(self.run.status.as_ref()).map(|words| printable(words, PROBLEM_LIMIT)),
            last_exit: self.run.last_exit.clone(),
            starts: self.run.starts,
            failures: self.life.failures,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number of seconds, of some days at most"
            )]
            next_try_seconds: next_try.map(|seconds| seconds as u64),
            storage: self.installed.as_ref().and_then(|installed| installed.granted.storage),
            uid: self.uid,
            ready_at_ms: self.run.ready_at_ms,
            returns_to: self.trial.as_ref().map(|trial| trial.returns_to),
            failed_update: self
                .failed
                .as_ref()
                .map(|trial| FailedUpdate { version: trial.version, why: trial.failed.clone().unwrap_or_default() }),
            waiting_update: self.waiting.as_ref().map(|waiting| waiting.status(now)),
        }
    }
}

/// Folder of an app's sockets below /run.
pub fn run_folder(id: &ComponentId) -> PathBuf {
    PathBuf::from(places::APP_RUN).join(id.as_str())
}

/// Folder of an app's log.
pub fn log_folder(id: &ComponentId) -> PathBuf {
    PathBuf::from(places::APP_LOGS).join(id.as_str())
}

/// Folder of an app's versions.
pub fn folder(id: &ComponentId) -> PathBuf {
    PathBuf::from(places::APPS).join(id.as_str())
}

impl End {
    /// What it is for the app's life.
    pub fn event(&self) -> Event {
        match self {
            Self::Told(ended) => Event::Ended { clean: ended.exited.how == Ending::Exited(0) },
            Self::Lost => Event::Lost,
        }
    }

    /// In words; what the control group counted tells a kill for want of memory from others.
    pub fn words(&self, cgroup: &Cgroup, memory: impl std::fmt::Display) -> String {
        let counters = cgroup.counters("memory.events").unwrap_or_default();
        if counters.get("oom_kill").is_some_and(|count| *count > 0) {
            return format!("killed: it used more memory than its limit of {memory}");
        }
        match self {
            Self::Lost => "ended with launcher".to_owned(),
            Self::Told(ended) => match ended.exited.how {
                Ending::Exited(status) => format!("exited with status {status}"),
                Ending::Signaled(signal) => format!("killed by signal {signal}"),
            },
        }
    }
}

impl From<OwnedFd> for Watched {
    /// One that has no place in the loop yet.
    fn from(fd: OwnedFd) -> Self {
        Self { fd, token: 0, paused_until: None }
    }
}

impl Watched {
    /// Waits for it no longer, until then.
    pub fn pause(&mut self, poller: &Poller, until: Duration) {
        self.paused_until = Some(until);
        let _ = poller.remove(&self.fd);
    }

    /// Waits for it again if its pause is over.
    pub fn resume(&mut self, poller: &Poller, now: Duration) {
        if self.paused_until.is_some_and(|until| until <= now) && poller.add(&self.fd, self.token).is_ok() {
            self.paused_until = None;
        }
    }
}

impl Live {
    /// All that the loop waits for, with what it stands for there.
    pub fn watched(&mut self) -> impl Iterator<Item = (&mut Watched, Source)> {
        let id = &self.instance.component;
        let pipes = self.pipes.iter_mut().map(|pipe| (&mut pipe.end, Source::Pipe(id.clone())));
        let notify = self.notify.iter_mut().map(|notify| (notify, Source::Notify(id.clone())));
        pipes.chain(notify).chain(self.calls.iter_mut().map(|calls| (calls, Source::Calls(id.clone()))))
    }

    /// When the first pause is over.
    pub fn deadline(&self) -> Option<Duration> {
        let watched = self.pipes.iter().map(|pipe| &pipe.end).chain(&self.calls);
        watched.filter_map(|watched| watched.paused_until).min()
    }

    /// An instance of which only the name is known so far.
    pub fn new(instance: Instance) -> Self {
        let cgroup = limits::group(places::APPS_CGROUP.as_ref(), &instance);
        Self {
            instance,
            cgroup,
            pid: None,
            pipes: Vec::new(),
            config: None,
            notify: None,
            calls: None,
            services: None,
            in_force: Vec::new(),
            debugged: false,
            session: None,
            killed: None,
            ended: None,
        }
    }
}

/// Longest name that is shown, in characters.
const NAME_LIMIT: usize = 64;
/// Longest reason that an app does not run, in characters; its own words are shorter.
pub const PROBLEM_LIMIT: usize = 1000;

fn loss(lost: u64, rate: LogRate) -> String {
    format!("{lost} lines were dropped: the app writes faster than {} lines a second", rate.lines_per_second)
}
