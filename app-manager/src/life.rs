//! Step 5 of the README's path: its life, one enum with the data of each state, one transition function, no I/O.
//!
//! `docs/app-life.md` has all transitions. It is made from the table in `life/tests/table.rs`, whose rows are tried one by one,
//! and outside of which no sequence of events leads.
//!
//! Times are since the kernel's start. What a transition wants done comes back as an [`Action`]; the manager does it and
//! tells the outcome as the next event. An event that cannot happen in a state is an error value, never an assertion.

use crate::back_off;
use manifest::{
    api::AppState,
    holdfast::{self, Restart},
};
use std::time::Duration;

/// What an app is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Installed,
    /// Told to stay stopped.
    Stopped,
    /// Launched or about to be; not ready.
    Starting {
        /// When the launch began.
        since: Duration,
        /// When READY=1 is overdue; absent: it counts as running once launched.
        deadline: Option<Duration>,
    },
    /// Runs; its manifest asks for no READY=1.
    Running {
        /// When it was launched.
        since: Duration,
        /// When the next WATCHDOG=1 is late.
        watchdog: Option<Duration>,
        /// When it has proved itself by running, if it is on trial.
        proved: Option<Duration>,
    },
    /// Said READY=1.
    Ready {
        /// When.
        since: Duration,
        /// When the next WATCHDOG=1 is late.
        watchdog: Option<Duration>,
    },
    /// WATCHDOG=1 is late.
    Degraded {
        /// When it was launched or became ready.
        since: Duration,
        /// When it is killed.
        kill_at: Duration,
        /// Whether it had said READY=1.
        ready: bool,
    },
    /// Told to end.
    Stopping {
        /// When it is killed; absent: it was.
        kill_at: Option<Duration>,
        /// What follows its end.
        next: Next,
    },
    /// Ended by itself with status 0, and the manifest wants no restart.
    Exited,
    /// Failed, and the manifest wants no restart.
    Crashed,
    /// Started again at this time.
    BackOff {
        /// When.
        until: Duration,
    },
    /// Given up until an operator or an update acts.
    Failed,
    /// Told to go, and ended.
    Removed,
}

/// What follows when a stopping app has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It stays stopped.
    Stay,
    /// It is started at once.
    Start,
    /// It was killed for a failure of its own.
    Recover,
    /// It was on trial and not ready in time: the version before comes back.
    Return,
    /// It is removed.
    Remove,
}

/// What happens to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An operator, an installation or the start of the device wants it to run.
    Start,
    /// An operator or the way down wants it to end.
    Stop,
    /// It shall end and start again.
    Restart,
    /// It shall end and go.
    Remove,
    /// launcher started it.
    Launched,
    /// It could not be started.
    LaunchFailed,
    /// launcher cannot be reached at the moment: nobody's failure.
    LaunchDeferred,
    /// It said READY=1.
    Ready,
    /// It said WATCHDOG=1.
    Ping,
    /// All its processes ended.
    Ended {
        /// With exit status 0.
        clean: bool,
    },
    /// All its processes ended because launcher did.
    Lost,
    /// Time passed.
    Tick,
}

/// What a transition wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Launch it; tell [`Event::Launched`], [`Event::LaunchFailed`] or [`Event::LaunchDeferred`].
    Launch,
    /// SIGTERM to its first process.
    Terminate,
    /// Kill its control group: it did not end in time when told to.
    KillLate,
    /// Kill its control group: READY=1 is overdue.
    KillNotReady,
    /// Kill its control group: WATCHDOG=1 is overdue.
    KillHung,
    /// Tell the log that its watchdog is late.
    TellLate,
    /// Tell the log that its watchdog was heard again.
    TellHeard,
    /// The new version has proved itself: its trial is over.
    Keep,
    /// Bring the version before back.
    Return,
    /// Tell whoever operates it that it is given up.
    GiveUp,
}

/// What the manifest says about an app's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// When it is started again.
    pub restart: Restart,
    /// How often and how fast.
    pub back_off: holdfast::BackOff,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Time to READY=1.
    pub ready_timeout: Option<Duration>,
    /// Time between two WATCHDOG=1.
    pub watchdog: Option<Duration>,
    /// Whether a good run ends a trial: none does that a debugger started.
    pub proves: bool,
}

/// An event that cannot happen in a state: a message about an instance that is gone, or a bug of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen in {state:?}")]
pub struct Impossible {
    state: State,
    event: Event,
}

/// State and count of failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// What it is doing.
    pub state: State,
    /// Failures since the last stable run, installation or operator's start.
    pub failures: u32,
    /// A new version that has not proved itself; the one before lies beside it.
    pub trial: bool,
}

type Transition = (State, Option<Action>);

impl Life {
    /// The one transition function. `random` moves pauses.
    pub fn on(&mut self, event: Event, rules: &Rules, now: Duration, random: u32) -> Result<Option<Action>, Impossible> {
        use State::{
            BackOff, Crashed, Degraded, Exited, Failed, Installed, Ready, Removed, Running, Starting, Stopped, Stopping,
        };
        let starting = Starting { since: now, deadline: rules.ready_timeout.map(|t| now + t) };
        let stopping = |next| Stopping { kill_at: Some(now + rules.grace), next };
        let killed = |next| Stopping { kill_at: None, next };
        let watchdog = rules.watchdog.map(|t| now + t);
        let overdue = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let (state, action) = match (self.state, event) {
            (Installed | Stopped | Exited | Crashed | Failed | BackOff { .. }, Event::Start | Event::Restart) => {
                self.failures = 0;
                (starting, Some(Action::Launch))
            }
            (Starting { .. } | Running { .. } | Ready { .. } | Degraded { .. }, Event::Start) => (self.state, None),
            (Starting { .. } | Running { .. } | Ready { .. } | Degraded { .. }, Event::Restart) => {
                self.failures = 0;
                (stopping(Next::Start), Some(Action::Terminate))
            }

            (Installed | Stopped | Exited | Crashed | Failed | BackOff { .. }, Event::Stop) => (Stopped, None),
            (Starting { .. } | Running { .. } | Ready { .. } | Degraded { .. }, Event::Stop) => {
                (stopping(Next::Stay), Some(Action::Terminate))
            }

            (Installed | Stopped | Exited | Crashed | Failed | BackOff { .. }, Event::Remove) => (Removed, None),
            (Starting { .. } | Running { .. } | Ready { .. } | Degraded { .. }, Event::Remove) => {
                (stopping(Next::Remove), Some(Action::Terminate))
            }
            // What is told to go has gone, and nobody calls it back.
            (Removed | Stopping { next: Next::Remove, .. }, Event::Start | Event::Stop | Event::Restart | Event::Remove) => {
                (self.state, None)
            }
            (Stopping { kill_at, .. }, Event::Start | Event::Restart) => (Stopping { kill_at, next: Next::Start }, None),
            (Stopping { kill_at, .. }, Event::Stop) => (Stopping { kill_at, next: Next::Stay }, None),
            (Stopping { kill_at, .. }, Event::Remove) => (Stopping { kill_at, next: Next::Remove }, None),

            (Starting { deadline: None, .. }, Event::Launched) => (self.running(now, rules, now), None),
            (Starting { .. }, Event::Launched) => (self.state, None),
            (Starting { .. }, Event::LaunchFailed) => self.failure(Restart::Always, rules, now, random),
            (Starting { .. }, Event::LaunchDeferred) => (BackOff { until: now + DEFERRED }, None),

            (Starting { .. } | Running { .. } | Degraded { ready: false, .. }, Event::Ready) => {
                self.keep(Ready { since: now, watchdog }, rules)
            }
            (Running { since, .. }, Event::Ping) => (self.running(since, rules, now), None),
            (Ready { since, .. }, Event::Ping) => (Ready { since, watchdog }, None),
            (Degraded { since, ready: true, .. }, Event::Ping) => (Ready { since, watchdog }, Some(Action::TellHeard)),
            (Degraded { since, .. }, Event::Ping) => (self.running(since, rules, now), Some(Action::TellHeard)),
            // Late or early words of an app that is told to end, or that speaks twice, change nothing.
            (_, Event::Ready | Event::Ping) => (self.state, None),

            (
                Starting { since, .. } | Running { since, .. } | Ready { since, .. } | Degraded { since, .. },
                Event::Ended { clean },
            ) => {
                if now.saturating_sub(since) >= rules.back_off.stable_after.duration() {
                    self.failures = 0;
                }
                if clean && rules.restart != Restart::Always {
                    self.keep(Exited, rules)
                } else {
                    self.failure(rules.restart, rules, now, random)
                }
            }
            (Stopping { next: Next::Stay, .. }, Event::Ended { .. } | Event::Lost) => (Stopped, None),
            (Stopping { next: Next::Remove, .. }, Event::Ended { .. } | Event::Lost) => (Removed, None),
            (Stopping { next: Next::Return, .. }, Event::Ended { .. } | Event::Lost) => self.go_back(),
            (Stopping { next: Next::Start, .. }, Event::Ended { .. }) => (starting, Some(Action::Launch)),
            (Stopping { next: Next::Recover, .. }, Event::Ended { .. }) => self.failure(rules.restart, rules, now, random),
            (Starting { .. } | Running { .. } | Ready { .. } | Degraded { .. } | Stopping { .. }, Event::Lost) => {
                (BackOff { until: now + DEFERRED }, None)
            }

            (Starting { deadline, .. }, Event::Tick) if overdue(deadline) => {
                (killed(if self.trial { Next::Return } else { Next::Recover }), Some(Action::KillNotReady))
            }
            (Running { since, watchdog: late, .. }, Event::Tick) if overdue(late) => {
                (Degraded { since, kill_at: watchdog.unwrap_or(now), ready: false }, Some(Action::TellLate))
            }
            (Running { since, watchdog, proved }, Event::Tick) if overdue(proved) => {
                self.keep(Running { since, watchdog, proved: None }, rules)
            }
            (Ready { since, watchdog: late }, Event::Tick) if overdue(late) => {
                (Degraded { since, kill_at: watchdog.unwrap_or(now), ready: true }, Some(Action::TellLate))
            }
            (Degraded { kill_at, .. }, Event::Tick) if overdue(Some(kill_at)) => (killed(Next::Recover), Some(Action::KillHung)),
            (Stopping { kill_at, next }, Event::Tick) if overdue(kill_at) => (killed(next), Some(Action::KillLate)),
            (BackOff { until }, Event::Tick) if until <= now => (starting, Some(Action::Launch)),
            (_, Event::Tick) => (self.state, None),

            (state, event) => return Err(Impossible { state, event }),
        };
        self.state = state;
        Ok(action)
    }

    fn running(&self, since: Duration, rules: &Rules, now: Duration) -> State {
        let proved = (self.trial && rules.proves).then(|| since + rules.back_off.stable_after.duration());
        State::Running { since, watchdog: rules.watchdog.map(|t| now + t), proved }
    }

    /// A trial ends well with this state.
    fn keep(&mut self, state: State, rules: &Rules) -> Transition {
        (state, (rules.proves && std::mem::take(&mut self.trial)).then_some(Action::Keep))
    }

    /// One failure more. `restart`: of an app that ended, as its manifest says; what could not be launched is tried again.
    fn failure(&mut self, restart: Restart, rules: &Rules, now: Duration, random: u32) -> Transition {
        self.failures = self.failures.saturating_add(1);
        match restart {
            Restart::Never if !self.trial => (State::Crashed, None),
            Restart::Always | Restart::OnFailure if self.failures < rules.back_off.give_up_after => {
                (State::BackOff { until: now + back_off::pause(&rules.back_off, self.failures, random) }, None)
            }
            _ if self.trial => self.go_back(),
            _ => (State::Failed, Some(Action::GiveUp)),
        }
    }

    /// A trial ends badly. The version before is judged, then started like any that was installed.
    fn go_back(&mut self) -> Transition {
        (self.failures, self.trial) = (0, false);
        (State::Installed, Some(Action::Return))
    }

    /// Of an instance that was found running. Its rules are not known before it is judged, so nothing is overdue yet.
    pub fn adopt(&mut self, ready: bool, now: Duration) {
        self.state =
            if ready { State::Ready { since: now, watchdog: None } } else { State::Starting { since: now, deadline: None } };
    }

    /// Its rules are known now. Deadlines begin anew: what was said while nobody listened is not held against it.
    pub fn arm(&mut self, rules: &Rules, now: Duration) {
        self.state = match (self.state, rules.ready_timeout) {
            (State::Starting { since, deadline: None }, Some(t)) => State::Starting { since, deadline: Some(now + t) },
            (State::Starting { since, deadline: None }, None) => self.running(since, rules, now),
            (State::Ready { since, watchdog: None }, _) => State::Ready { since, watchdog: rules.watchdog.map(|t| now + t) },
            (state, _) => state,
        };
    }

    /// When the next [`Event::Tick`] is due, if time alone can change anything.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Starting { deadline, .. } => deadline,
            State::Running { watchdog, proved, .. } => watchdog.into_iter().chain(proved).min(),
            State::Ready { watchdog, .. } => watchdog,
            State::Degraded { kill_at, .. } => Some(kill_at),
            State::Stopping { kill_at, .. } => kill_at,
            State::BackOff { until } => Some(until),
            State::Installed | State::Stopped | State::Exited | State::Crashed | State::Failed | State::Removed => None,
        }
    }

    /// As the device API says it.
    pub fn shown(&self) -> AppState {
        match self.state {
            State::Starting { .. }
            | State::BackOff { .. }
            | State::Stopping { next: Next::Start | Next::Recover | Next::Return, .. }
                if self.trial =>
            {
                AppState::Updating
            }
            State::Installed => AppState::Installed,
            State::Stopped => AppState::Stopped,
            State::Starting { .. } => AppState::Starting,
            State::Running { .. } => AppState::Running,
            State::Ready { .. } => AppState::Ready,
            State::Degraded { .. } => AppState::Degraded,
            State::Stopping { .. } => AppState::Stopping,
            State::Exited => AppState::Exited,
            State::Crashed => AppState::Crashed,
            State::BackOff { .. } => AppState::BackOff,
            State::Failed => AppState::Failed,
            State::Removed => AppState::Removed,
        }
    }
}

/// Pause before a launch is tried again that failed for no fault of the app.
const DEFERRED: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
