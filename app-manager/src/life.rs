//! Step 5 of the README's path: its life, one enum with the data of each state, one transition function, no I/O.
//!
//! ```text
//!            start                launched, ready               stop, restart
//! Stopped ──────────▶ Starting ──────────────────▶ Running ─────────────────────┐
//!    ▲                 ▲  │ late, launch failed     │ ended, watchdog late       ▼
//!    │ stop            │  ▼                         ▼                        Stopping
//!    ├──────────────── BackOff ◀── failure ─────────┤                           │ ended
//!    ├──────────────── Failed  ◀── budget spent ────┤    restart policy         ▼
//!    └──────────────── Exited  ◀────────────────────┘                Stopped, Starting or failure
//! ```
//!
//! Times are since the kernel's start. What a transition wants done comes back as an [`Action`]; the manager does it and
//! tells the outcome as the next event. An event that cannot happen in a state is an error value, never an assertion.

use crate::back_off::{self, BUDGET, STABLE};
use manifest::{api::AppState, holdfast::Restart};
use std::time::Duration;

/// What an app is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Told to stay stopped, or not yet started.
    Stopped,
    /// Launched or about to be; not ready.
    Starting {
        /// When the launch began.
        since: Duration,
        /// When READY=1 is overdue; absent: it counts as ready once launched.
        deadline: Option<Duration>,
    },
    /// Runs.
    Running {
        /// When it became ready.
        since: Duration,
        /// When the next WATCHDOG=1 is overdue.
        watchdog: Option<Duration>,
    },
    /// Told to end.
    Stopping {
        /// When it is killed; absent: it was.
        kill_at: Option<Duration>,
        /// What follows its end.
        next: Next,
    },
    /// Ended by itself, and the manifest wants no restart.
    Exited,
    /// Started again at this time.
    BackOff {
        /// When.
        until: Duration,
    },
    /// Given up until an operator or an update acts.
    Failed,
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
    /// Tell the log that it is given up.
    GiveUp,
}

/// What the manifest says about an app's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// When it is started again.
    pub restart: Restart,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Time to READY=1.
    pub ready_timeout: Option<Duration>,
    /// Time between two WATCHDOG=1.
    pub watchdog: Option<Duration>,
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
}

impl Life {
    /// The one transition function. `random` moves pauses.
    pub fn on(&mut self, event: Event, rules: &Rules, now: Duration, random: u32) -> Result<Option<Action>, Impossible> {
        use State::{BackOff, Exited, Failed, Running, Starting, Stopped, Stopping};
        let starting = Starting { since: now, deadline: rules.ready_timeout.map(|t| now + t) };
        let running = Running { since: now, watchdog: rules.watchdog.map(|t| now + t) };
        let stopping = |next| Stopping { kill_at: Some(now + rules.grace), next };
        let killed = Stopping { kill_at: None, next: Next::Recover };
        let overdue = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let (state, action) = match (self.state, event) {
            (Stopped | Exited | Failed | BackOff { .. }, Event::Start | Event::Restart) => {
                self.failures = 0;
                (starting, Some(Action::Launch))
            }
            (Starting { .. } | Running { .. }, Event::Start) => (self.state, None),
            (Starting { .. } | Running { .. }, Event::Restart) => {
                self.failures = 0;
                (stopping(Next::Start), Some(Action::Terminate))
            }
            (Stopping { kill_at, .. }, Event::Start | Event::Restart) => (Stopping { kill_at, next: Next::Start }, None),

            (Stopped | Exited | Failed | BackOff { .. }, Event::Stop) => (Stopped, None),
            (Starting { .. } | Running { .. }, Event::Stop) => (stopping(Next::Stay), Some(Action::Terminate)),
            (Stopping { kill_at, .. }, Event::Stop) => (Stopping { kill_at, next: Next::Stay }, None),

            (Starting { deadline: None, .. }, Event::Launched) => (running, None),
            (Starting { .. }, Event::Launched) => (self.state, None),
            (Starting { .. }, Event::LaunchFailed) => self.failure(now, random),
            (Starting { .. }, Event::LaunchDeferred) => (BackOff { until: now + DEFERRED }, None),

            (Starting { .. }, Event::Ready) => (running, None),
            (Running { since, .. }, Event::Ping) => (Running { since, watchdog: rules.watchdog.map(|t| now + t) }, None),
            // Late or early words of an app that is told to end, or that speaks twice, change nothing.
            (_, Event::Ready | Event::Ping) => (self.state, None),

            (Starting { since, .. } | Running { since, .. }, Event::Ended { clean }) => {
                if now.saturating_sub(since) >= STABLE {
                    self.failures = 0;
                }
                match rules.restart {
                    Restart::Never => (Exited, None),
                    Restart::OnFailure if clean => (Exited, None),
                    Restart::OnFailure | Restart::Always => self.failure(now, random),
                }
            }
            (Stopping { next: Next::Stay, .. }, Event::Ended { .. } | Event::Lost) => (Stopped, None),
            (Stopping { next: Next::Start, .. }, Event::Ended { .. }) => (starting, Some(Action::Launch)),
            (Stopping { next: Next::Recover, .. }, Event::Ended { .. }) => match rules.restart {
                Restart::Never => (Failed, Some(Action::GiveUp)),
                Restart::OnFailure | Restart::Always => self.failure(now, random),
            },
            (Starting { .. } | Running { .. } | Stopping { .. }, Event::Lost) => (BackOff { until: now + DEFERRED }, None),

            (Starting { deadline, .. }, Event::Tick) if overdue(deadline) => (killed, Some(Action::KillNotReady)),
            (Running { watchdog, .. }, Event::Tick) if overdue(watchdog) => (killed, Some(Action::KillHung)),
            (Stopping { kill_at, next }, Event::Tick) if overdue(kill_at) => {
                (Stopping { kill_at: None, next }, Some(Action::KillLate))
            }
            (BackOff { until }, Event::Tick) if until <= now => (starting, Some(Action::Launch)),
            (_, Event::Tick) => (self.state, None),

            (state, event) => return Err(Impossible { state, event }),
        };
        self.state = state;
        Ok(action)
    }

    fn failure(&mut self, now: Duration, random: u32) -> (State, Option<Action>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= BUDGET {
            return (State::Failed, Some(Action::GiveUp));
        }
        (State::BackOff { until: now + back_off::pause(self.failures, random) }, None)
    }

    /// Of an instance that was found running. Its rules are not known before it is judged, so nothing is overdue yet.
    pub fn adopt(&mut self, ready: bool, now: Duration) {
        self.state =
            if ready { State::Running { since: now, watchdog: None } } else { State::Starting { since: now, deadline: None } };
    }

    /// Its rules are known now. Deadlines begin anew: what was said while nobody listened is not held against it.
    pub fn arm(&mut self, rules: &Rules, now: Duration) {
        self.state = match (self.state, rules.ready_timeout) {
            (State::Starting { since, deadline: None }, Some(t)) => State::Starting { since, deadline: Some(now + t) },
            (State::Starting { since, deadline: None } | State::Running { since, watchdog: None }, _) => {
                State::Running { since, watchdog: rules.watchdog.map(|t| now + t) }
            }
            (state, _) => state,
        };
    }

    /// When the next [`Event::Tick`] is due, if time alone can change anything.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Starting { deadline, .. } => deadline,
            State::Running { watchdog, .. } => watchdog,
            State::Stopping { kill_at, .. } => kill_at,
            State::BackOff { until } => Some(until),
            State::Stopped | State::Exited | State::Failed => None,
        }
    }

    /// As the device API says it.
    pub fn shown(&self) -> AppState {
        match self.state {
            State::Stopped => AppState::Stopped,
            State::Starting { .. } => AppState::Starting,
            State::Running { .. } => AppState::Running,
            State::Stopping { .. } => AppState::Stopping,
            State::Exited => AppState::Exited,
            State::BackOff { .. } => AppState::BackOff,
            State::Failed => AppState::Failed,
        }
    }
}

/// Pause before a launch is tried again that failed for no fault of the app.
const DEFERRED: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
