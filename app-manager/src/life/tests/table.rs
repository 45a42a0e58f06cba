//! The table of transitions: `docs/app-life.md` is made from it, each row is tried, and no sequence of events leads anywhere
//! that it does not have. What is in no row changes nothing that an operator sees.

use super::super::{Action, Event, Life, Next, Rules, State};
use manifest::{
    api::AppState,
    holdfast::{BackOff, Restart},
    quantity::Delay,
};
use std::time::Duration;

/// When the rows happen.
pub const NOW: Duration = Duration::from_secs(100);
/// A moment before.
const AGO: Duration = Duration::from_secs(99);
/// A moment after.
const SOON: Duration = Duration::from_secs(101);

/// As in a manifest that says nothing of it.
pub const PAUSES: BackOff = BackOff {
    first: Delay::milliseconds(500),
    most: Delay::milliseconds(60_000),
    stable_after: Delay::milliseconds(60_000),
    give_up_after: 10,
};

/// An app that says READY=1 and WATCHDOG=1, and is always started again.
pub const RULES: Rules = Rules {
    restart: Restart::Always,
    back_off: PAUSES,
    grace: Duration::from_secs(2),
    ready_timeout: Some(Duration::from_secs(10)),
    watchdog: Some(Duration::from_secs(30)),
    proves: true,
};
const QUIET: Rules = Rules { ready_timeout: None, watchdog: None, ..RULES };
const ON_FAILURE: Rules = Rules { restart: Restart::OnFailure, ..RULES };
const NEVER: Rules = Rules { restart: Restart::Never, ..RULES };

/// One row: whichever of these states it is in, and whichever of these events comes.
pub struct Row {
    pub from: &'static [Life],
    pub events: &'static [Event],
    /// What must hold besides.
    pub when: &'static str,
    pub rules: Rules,
    pub to: AppState,
    pub action: Option<Action>,
}

const fn life(state: State) -> Life {
    Life { state, failures: 0, trial: false }
}

const fn trial(state: State) -> Life {
    Life { state, failures: 0, trial: true }
}

const fn spent(life: Life) -> Life {
    Life { failures: PAUSES.give_up_after - 1, ..life }
}

const fn stopping(next: Next) -> Life {
    life(State::Stopping { kill_at: Some(SOON), next })
}

const INSTALLED: Life = life(State::Installed);
const STOPPED: Life = life(State::Stopped);
const EXITED: Life = life(State::Exited);
const CRASHED: Life = life(State::Crashed);
const BACK_OFF: Life = life(State::BackOff { until: SOON });
const FAILED: Life = life(State::Failed);
const STARTING: Life = life(State::Starting { since: AGO, deadline: Some(SOON) });
const RUNNING: Life = life(State::Running { since: AGO, watchdog: Some(SOON), proved: None });
const READY: Life = life(State::Ready { since: AGO, watchdog: Some(SOON) });
const DEGRADED: Life = life(State::Degraded { since: AGO, kill_at: SOON, ready: true });
const DEGRADED_RUNNING: Life = life(State::Degraded { since: AGO, kill_at: SOON, ready: false });
const UPDATING: Life = trial(STARTING.state);
const UPDATING_BACK_OFF: Life = trial(BACK_OFF.state);
const UPDATING_RECOVER: Life = trial(State::Stopping { kill_at: None, next: Next::Recover });
const RUNNING_ON_TRIAL: Life = trial(State::Running { since: AGO, watchdog: None, proved: Some(SOON) });

const AT_REST: &[Life] = &[INSTALLED, STOPPED, EXITED, CRASHED, BACK_OFF, FAILED];
const ALIVE: &[Life] = &[STARTING, RUNNING, READY, DEGRADED];
const ENDED: &[Event] = &[Event::Ended { clean: true }, Event::Ended { clean: false }];
const GONE: &[Event] = &[Event::Ended { clean: true }, Event::Ended { clean: false }, Event::Lost];

const fn row(
    from: &'static [Life],
    events: &'static [Event],
    when: &'static str,
    rules: Rules,
    to: AppState,
    action: Option<Action>,
) -> Row {
    Row { from, events, when, rules, to, action }
}

/// The table.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // Wishes.
    row(AT_REST, &[Event::Start, Event::Restart], "", RULES, AppState::Starting, Some(Action::Launch)),
    row(&[trial(INSTALLED.state), trial(STOPPED.state), UPDATING_BACK_OFF], &[Event::Start, Event::Restart], "the version is on trial", RULES, AppState::Updating, Some(Action::Launch)),
    row(ALIVE, &[Event::Restart], "", RULES, AppState::Stopping, Some(Action::Terminate)),
    row(&[trial(RUNNING.state), trial(STARTING.state), trial(READY.state), trial(DEGRADED.state)], &[Event::Restart], "the version is on trial, or a new one was installed", RULES, AppState::Updating, Some(Action::Terminate)),
    row(&[stopping(Next::Stay)], &[Event::Start, Event::Restart], "", RULES, AppState::Stopping, None),
    row(&[trial(State::Stopping { kill_at: None, next: Next::Stay })], &[Event::Start, Event::Restart], "the version is on trial", RULES, AppState::Updating, None),
    row(AT_REST, &[Event::Stop], "", RULES, AppState::Stopped, None),
    row(&[UPDATING_BACK_OFF], &[Event::Stop], "nothing of it runs", RULES, AppState::Stopped, None),
    row(ALIVE, &[Event::Stop], "", RULES, AppState::Stopping, Some(Action::Terminate)),
    row(&[UPDATING, RUNNING_ON_TRIAL], &[Event::Stop], "it runs", RULES, AppState::Stopping, Some(Action::Terminate)),
    row(&[UPDATING_RECOVER], &[Event::Stop, Event::Remove], "it was told to end already", RULES, AppState::Stopping, None),
    row(AT_REST, &[Event::Remove], "", RULES, AppState::Removed, None),
    row(&[UPDATING_BACK_OFF], &[Event::Remove], "nothing of it runs", RULES, AppState::Removed, None),
    row(ALIVE, &[Event::Remove], "", RULES, AppState::Stopping, Some(Action::Terminate)),
    row(&[UPDATING], &[Event::Remove], "it runs", RULES, AppState::Stopping, Some(Action::Terminate)),
    // The launch.
    row(&[life(State::Starting { since: NOW, deadline: None })], &[Event::Launched], "its manifest has no `ReadyTimeout`", QUIET, AppState::Running, None),
    row(&[trial(State::Starting { since: NOW, deadline: None })], &[Event::Launched], "its manifest has no `ReadyTimeout`", QUIET, AppState::Running, None),
    row(&[STARTING], &[Event::LaunchFailed], "", RULES, AppState::BackOff, None),
    row(&[spent(STARTING)], &[Event::LaunchFailed], "its budget is spent", RULES, AppState::Failed, Some(Action::GiveUp)),
    row(&[spent(UPDATING)], &[Event::LaunchFailed], "its budget is spent", RULES, AppState::Installed, Some(Action::Return)),
    row(&[STARTING], &[Event::LaunchDeferred], "", RULES, AppState::BackOff, None),
    // Its words.
    row(&[STARTING, RUNNING, DEGRADED_RUNNING], &[Event::Ready], "", RULES, AppState::Ready, None),
    row(&[UPDATING, RUNNING_ON_TRIAL, trial(DEGRADED_RUNNING.state)], &[Event::Ready], "the version is on trial", RULES, AppState::Ready, Some(Action::Keep)),
    row(&[DEGRADED], &[Event::Ping], "it had said READY=1", RULES, AppState::Ready, Some(Action::TellHeard)),
    row(&[DEGRADED_RUNNING], &[Event::Ping], "it had not said READY=1", RULES, AppState::Running, Some(Action::TellHeard)),
    // Its end.
    row(ALIVE, ENDED, "`Restart` is `always`", RULES, AppState::BackOff, None),
    row(ALIVE, &[Event::Ended { clean: false }], "`Restart` is `on-failure`", ON_FAILURE, AppState::BackOff, None),
    row(ALIVE, &[Event::Ended { clean: true }], "`Restart` is `on-failure` or `never`", NEVER, AppState::Exited, None),
    row(ALIVE, &[Event::Ended { clean: false }], "`Restart` is `never`", NEVER, AppState::Crashed, None),
    row(&[spent(STARTING), spent(RUNNING), spent(READY), spent(DEGRADED)], ENDED, "its budget is spent", RULES, AppState::Failed, Some(Action::GiveUp)),
    row(&[RUNNING_ON_TRIAL, trial(READY.state), trial(DEGRADED.state)], ENDED, "the version is on trial", RULES, AppState::Updating, None),
    row(&[UPDATING, RUNNING_ON_TRIAL, trial(READY.state), trial(DEGRADED.state)], &[Event::Ended { clean: true }], "the version is on trial, and `Restart` is `on-failure` or `never`", NEVER, AppState::Exited, Some(Action::Keep)),
    row(&[UPDATING, RUNNING_ON_TRIAL, trial(READY.state), trial(DEGRADED.state)], &[Event::Ended { clean: false }], "the version is on trial, and `Restart` is `never`", NEVER, AppState::Installed, Some(Action::Return)),
    row(&[spent(UPDATING), spent(RUNNING_ON_TRIAL), spent(trial(READY.state)), spent(trial(DEGRADED.state)), spent(UPDATING_RECOVER)], ENDED, "the version is on trial, and its budget is spent", RULES, AppState::Installed, Some(Action::Return)),
    row(ALIVE, &[Event::Lost], "", RULES, AppState::BackOff, None),
    row(&[RUNNING_ON_TRIAL, trial(READY.state), trial(DEGRADED.state)], &[Event::Lost], "the version is on trial", RULES, AppState::Updating, None),
    row(&[stopping(Next::Stay)], GONE, "it was told to stay stopped", RULES, AppState::Stopped, None),
    row(&[stopping(Next::Remove)], GONE, "it was told to go", RULES, AppState::Removed, None),
    row(&[stopping(Next::Start)], ENDED, "it was told to start again", RULES, AppState::Starting, Some(Action::Launch)),
    row(&[trial(State::Stopping { kill_at: None, next: Next::Start })], ENDED, "it was told to start again, or the old version made place for the new one", RULES, AppState::Updating, Some(Action::Launch)),
    row(&[stopping(Next::Start), stopping(Next::Recover)], &[Event::Lost], "it was to start again", RULES, AppState::BackOff, None),
    row(&[stopping(Next::Recover)], ENDED, "it was killed for a failure", RULES, AppState::BackOff, None),
    row(&[stopping(Next::Recover)], ENDED, "it was killed for a failure, and `Restart` is `never`", NEVER, AppState::Crashed, None),
    row(&[spent(stopping(Next::Recover))], ENDED, "it was killed for a failure, and its budget is spent", RULES, AppState::Failed, Some(Action::GiveUp)),
    row(&[trial(State::Stopping { kill_at: None, next: Next::Return })], GONE, "it was not ready in time", RULES, AppState::Installed, Some(Action::Return)),
    // Time.
    row(&[life(State::Starting { since: AGO, deadline: Some(NOW) })], &[Event::Tick], "READY=1 is overdue", RULES, AppState::Stopping, Some(Action::KillNotReady)),
    row(&[trial(State::Starting { since: AGO, deadline: Some(NOW) })], &[Event::Tick], "READY=1 is overdue", RULES, AppState::Updating, Some(Action::KillNotReady)),
    row(&[life(State::Running { since: AGO, watchdog: Some(NOW), proved: None }), life(State::Ready { since: AGO, watchdog: Some(NOW) })], &[Event::Tick], "WATCHDOG=1 is late by one interval", RULES, AppState::Degraded, Some(Action::TellLate)),
    row(&[life(State::Degraded { since: AGO, kill_at: NOW, ready: true })], &[Event::Tick], "WATCHDOG=1 is late by two intervals", RULES, AppState::Stopping, Some(Action::KillHung)),
    row(&[trial(State::Degraded { since: AGO, kill_at: NOW, ready: false })], &[Event::Tick], "WATCHDOG=1 is late by two intervals, and the version is on trial", RULES, AppState::Updating, Some(Action::KillHung)),
    row(&[trial(State::Running { since: AGO, watchdog: None, proved: Some(NOW) })], &[Event::Tick], "the version is on trial, and has run long enough", QUIET, AppState::Running, Some(Action::Keep)),
    row(&[life(State::Stopping { kill_at: Some(NOW), next: Next::Stay })], &[Event::Tick], "its grace is over", RULES, AppState::Stopping, Some(Action::KillLate)),
    row(&[trial(State::Stopping { kill_at: Some(NOW), next: Next::Start })], &[Event::Tick], "its grace is over", RULES, AppState::Updating, Some(Action::KillLate)),
    row(&[life(State::BackOff { until: NOW })], &[Event::Tick], "its pause is over", RULES, AppState::Starting, Some(Action::Launch)),
    row(&[trial(State::BackOff { until: NOW })], &[Event::Tick], "its pause is over", RULES, AppState::Updating, Some(Action::Launch)),
];

/// The words of the API, and what each says.
pub const WORDS: &[(AppState, &str)] = &[
    (
        AppState::Installed,
        "It lies on the device and was not started yet: it waits for its verdict, or the device is in safe mode.",
    ),
    (AppState::Stopped, "Its owner stopped it; it stays so over reboots."),
    (AppState::Starting, "It was started; READY=1, which its manifest asks for by `ReadyTimeout`, is awaited."),
    (AppState::Running, "It runs. It did not say READY=1, and its manifest does not ask for that."),
    (AppState::Ready, "It runs and said READY=1."),
    (AppState::Degraded, "It runs, and its WATCHDOG=1 is late by one interval; by two, and it is killed."),
    (AppState::Stopping, "It was told to end: SIGTERM, its grace, then SIGKILL for all its processes."),
    (AppState::Exited, "It ended with status 0, and its manifest wants no restart."),
    (AppState::Crashed, "It ended by a failure, and its manifest wants no restart. The last exit says how it ended."),
    (AppState::BackOff, "It ended and is started again; the last exit says why, the next try when."),
    (
        AppState::Failed,
        "It failed too often, or cannot be verified. An operator's start or another version gives it a new chance.",
    ),
    (AppState::Updating, "A new version takes the old one's place and was not ready yet."),
    (AppState::Removed, "It was told to go and has ended; its data is being erased. Then the device does not know it any more."),
];

/// An event for people.
pub fn event_words(event: Event) -> &'static str {
    match event {
        Event::Start => "start",
        Event::Stop => "stop",
        Event::Restart => "restart, or a new version",
        Event::Remove => "remove",
        Event::Launched => "launched",
        Event::LaunchFailed => "could not be launched",
        Event::LaunchDeferred => "launcher is away",
        Event::Ready => "READY=1",
        Event::Ping => "WATCHDOG=1",
        Event::Ended { clean: true } => "ended with status 0",
        Event::Ended { clean: false } => "ended otherwise",
        Event::Lost => "ended with launcher",
        Event::Tick => "time",
    }
}

/// An action for people.
pub fn action_words(action: Option<Action>) -> &'static str {
    match action {
        None => "",
        Some(Action::Launch) => "it is launched",
        Some(Action::Terminate) => "SIGTERM",
        Some(Action::KillLate | Action::KillNotReady | Action::KillHung) => "all its processes are killed",
        Some(Action::TellLate | Action::TellHeard) => "a line in its log",
        Some(Action::Keep) => "the trial is over",
        Some(Action::Return) => "the version before comes back; event `update-failed`",
        Some(Action::GiveUp) => "event `app-failed`",
    }
}
