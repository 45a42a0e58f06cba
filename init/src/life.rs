//! The life of a service: what it is doing, what may happen to it, and what init does then. One function, one table.
//!
//! ```text
//! Waiting ──start──▶ Starting ──ready──▶ Ready ──silence──▶ Silent (hardware watchdog starves) or Killed
//!    ▲                  │ ended, late       │ ended            │ pinged: Ready again
//!    └──── BackOff ◀────┴───────────────────┴──────────────────┘
//! with a process ──stop──▶ Stopping ──ended──▶ Stopped ◀──stop── Waiting, BackOff
//! Disabled: not part of safe mode, and stays so
//! Ready ──finished──▶ Waiting: one that runs on demand has nothing left to do
//! ```
//!
//! Times are since the kernel's start. An event that cannot happen in a state is an error value: it is logged and changes
//! nothing.

use std::time::Duration;

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for what it needs; one that runs on demand also for somebody who asks.
    Waiting,
    /// Runs, and has not said READY=1.
    Starting {
        /// When patience ends.
        until: Duration,
    },
    /// Said READY=1.
    Ready {
        /// When.
        since: Duration,
        /// When the next WATCHDOG=1 is due, if it promised any.
        ping_by: Option<Duration>,
    },
    /// Ready once, and its WATCHDOG=1 is overdue: the hardware watchdog is not fed any more.
    Silent {
        /// When it had become ready.
        since: Duration,
    },
    /// Sent SIGKILL, not yet ended.
    Killed {
        /// When it had become ready, if it had.
        since: Option<Duration>,
    },
    /// Ended; is started again later.
    BackOff {
        /// When.
        until: Duration,
    },
    /// Sent SIGTERM on the way down.
    Stopping {
        /// When SIGKILL follows; none once it was sent.
        until: Option<Duration>,
    },
    /// Ended, and stays so.
    Stopped,
    /// Not part of safe mode.
    Disabled,
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All that it needs is ready.
    NeedsReady,
    /// It could not be started.
    StartFailed,
    /// It said READY=1.
    SaidReady,
    /// It said WATCHDOG=1.
    Pinged,
    /// Its process ended.
    Ended,
    /// It runs on demand, was ready, and ended by itself with status 0.
    Finished,
    /// Time passed.
    Tick,
    /// The device goes down.
    Stop,
}

/// What init does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Start its process.
    Spawn,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL to all of its processes, for this reason.
    Kill(&'static str),
    /// It failed: record why, and do what its row says about an end.
    Failed,
    /// Say that it is silent.
    TellSilence,
}

/// What a service's row says about its life, and how often it has failed.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Time to READY=1.
    pub ready_timeout: Duration,
    /// Longest time between two WATCHDOG=1.
    pub watchdog: Option<Duration>,
    /// Time from SIGTERM to SIGKILL.
    pub stop_grace: Duration,
    /// Wait before the next start.
    pub back_off: Duration,
    /// What its silence means.
    pub on_silence: OnSilence,
}

/// What happens when WATCHDOG=1 is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSilence {
    /// SIGKILL, and the row's `on_exit`.
    Kill,
    /// The device counts as hung: the hardware watchdog is no longer fed and resets it.
    StarveHardwareWatchdog,
}

/// An event that cannot happen in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a service that is {state:?}")]
pub struct Impossible {
    state: State,
    event: Event,
}

/// The state after `event`, and what to do.
pub fn transition(state: State, event: Event, now: Duration, rules: &Rules) -> Result<(State, Effect), Impossible> {
    use {Effect as Do, Event as E, State as S};
    let ready = || S::Ready { since: now, ping_by: rules.watchdog.map(|longest| now + longest) };
    let stop = (S::Stopping { until: Some(now + rules.stop_grace) }, Do::Terminate);
    let failed = (S::BackOff { until: now + rules.back_off }, Do::Failed);
    Ok(match (state, event) {
        (S::Waiting, E::NeedsReady) => (S::Starting { until: now + rules.ready_timeout }, Do::Spawn),
        (S::Waiting | S::BackOff { .. } | S::Stopped | S::Disabled, E::Stop) => {
            (if state == S::Disabled { state } else { S::Stopped }, Do::None)
        }

        (S::Starting { .. }, E::SaidReady) => (ready(), Do::None),
        (S::Starting { .. }, E::StartFailed) => failed,
        (S::Starting { until }, E::Tick) if now >= until => (S::Killed { since: None }, Do::Kill("it was not ready in time")),
        (S::Starting { .. }, E::Pinged) => (state, Do::None),

        (S::Ready { since, .. }, E::Pinged) => {
            (S::Ready { since, ping_by: rules.watchdog.map(|longest| now + longest) }, Do::None)
        }
        (S::Ready { since, ping_by: Some(due) }, E::Tick) if now >= due => match rules.on_silence {
            OnSilence::Kill => (S::Killed { since: Some(since) }, Do::Kill("it did not answer its watchdog")),
            OnSilence::StarveHardwareWatchdog => (S::Silent { since }, Do::TellSilence),
        },
        (S::Silent { since }, E::Pinged) => (S::Ready { since, ping_by: rules.watchdog.map(|longest| now + longest) }, Do::None),
        (S::Ready { .. } | S::Silent { .. } | S::Killed { .. } | S::Stopping { .. }, E::SaidReady) => (state, Do::None),
        (S::Killed { .. } | S::Stopping { .. }, E::Pinged) => (state, Do::None),

        (S::Starting { .. } | S::Ready { .. } | S::Silent { .. } | S::Killed { .. }, E::Ended) => failed,
        (S::Ready { .. }, E::Finished) => (S::Waiting, Do::None),
        (S::Starting { .. } | S::Ready { .. } | S::Silent { .. } | S::Killed { .. }, E::Stop) => stop,

        (S::BackOff { until }, E::Tick) if now >= until => (S::Waiting, Do::None),

        (S::Stopping { until: Some(until) }, E::Tick) if now >= until => {
            (S::Stopping { until: None }, Do::Kill("it did not end in time"))
        }
        (S::Stopping { .. }, E::Ended | E::StartFailed) => (S::Stopped, Do::None),
        (S::Stopping { .. }, E::Stop) => (state, Do::None),

        (_, E::Tick) => (state, Do::None),
        _ => return Err(Impossible { state, event }),
    })
}

impl State {
    /// When time alone changes it next.
    pub fn deadline(self) -> Option<Duration> {
        match self {
            Self::Starting { until } | Self::BackOff { until } => Some(until),
            Self::Ready { ping_by, .. } => ping_by,
            Self::Stopping { until } => until,
            Self::Waiting | Self::Silent { .. } | Self::Killed { .. } | Self::Stopped | Self::Disabled => None,
        }
    }

    /// When it became ready, if this run of it has.
    pub fn ready_since(self) -> Option<Duration> {
        match self {
            Self::Ready { since, .. } | Self::Silent { since } => Some(since),
            Self::Killed { since } => since,
            _ => None,
        }
    }

    /// Whether it has a process, or may have.
    pub fn runs(self) -> bool {
        matches!(
            self,
            Self::Starting { .. } | Self::Ready { .. } | Self::Silent { .. } | Self::Killed { .. } | Self::Stopping { .. }
        )
    }
}

/// First wait after a failure.
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
/// Longest wait: a service that comes back after a minute is still worth having.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// A run that was ready this long was no failure to start; the next wait is the first again.
pub const STABLE: Duration = Duration::from_secs(60);

/// A service on demand that ends sooner after it became ready has not served anybody: that is a failure.
pub const WORTH_A_START: Duration = Duration::from_secs(1);

/// How long to wait before the start after `failures` failures in a row: it doubles each time.
pub fn back_off(failures: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_BACK_OFF)
}

/// Failures in a row after a run that ended now.
pub fn failures_after(before: u32, ready_since: Option<Duration>, now: Duration) -> u32 {
    if ready_since.is_some_and(|since| now.saturating_sub(since) >= STABLE) { 1 } else { before.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    const RULES: Rules =
        Rules { ready_timeout: s(30), watchdog: Some(s(15)), stop_grace: s(5), back_off: s(1), on_silence: OnSilence::Kill };
    const READY: State = State::Ready { since: s(90), ping_by: Some(s(110)) };
    const STARTING: State = State::Starting { until: s(130) };
    const STOPPING: State = State::Stopping { until: Some(s(105)) };

    /// State and effect that follow; none where the event is impossible.
    type After = Option<(State, Effect)>;

    #[test]
    fn every_state_and_event_is_as_the_table_says() {
        use {Effect as Do, Event as E, State as S};
        let killed = S::Killed { since: None };
        let off = S::BackOff { until: s(101) };
        let fresh = S::Ready { since: s(100), ping_by: Some(s(115)) };
        let pinged = S::Ready { since: s(90), ping_by: Some(s(115)) };
        let silent = S::Silent { since: s(90) };
        let events = [E::NeedsReady, E::StartFailed, E::SaidReady, E::Pinged, E::Ended, E::Finished, E::Tick, E::Stop];
        // One row per state, one column per event in the order above; None is impossible.
        let table: [(State, [After; 8]); 9] = [
            (
                S::Waiting,
                [
                    Some((STARTING, Do::Spawn)),
                    None,
                    None,
                    None,
                    None,
                    None,
                    Some((S::Waiting, Do::None)),
                    Some((S::Stopped, Do::None)),
                ],
            ),
            (
                STARTING,
                [
                    None,
                    Some((off, Do::Failed)),
                    Some((fresh, Do::None)),
                    Some((STARTING, Do::None)),
                    Some((off, Do::Failed)),
                    None,
                    Some((STARTING, Do::None)),
                    Some((STOPPING, Do::Terminate)),
                ],
            ),
            (
                READY,
                [
                    None,
                    None,
                    Some((READY, Do::None)),
                    Some((pinged, Do::None)),
                    Some((off, Do::Failed)),
                    Some((S::Waiting, Do::None)),
                    Some((READY, Do::None)),
                    Some((STOPPING, Do::Terminate)),
                ],
            ),
            (
                silent,
                [
                    None,
                    None,
                    Some((silent, Do::None)),
                    Some((pinged, Do::None)),
                    Some((off, Do::Failed)),
                    None,
                    Some((silent, Do::None)),
                    Some((STOPPING, Do::Terminate)),
                ],
            ),
            (
                killed,
                [
                    None,
                    None,
                    Some((killed, Do::None)),
                    Some((killed, Do::None)),
                    Some((off, Do::Failed)),
                    None,
                    Some((killed, Do::None)),
                    Some((STOPPING, Do::Terminate)),
                ],
            ),
            (off, [None, None, None, None, None, None, Some((off, Do::None)), Some((S::Stopped, Do::None))]),
            (
                STOPPING,
                [
                    None,
                    Some((S::Stopped, Do::None)),
                    Some((STOPPING, Do::None)),
                    Some((STOPPING, Do::None)),
                    Some((S::Stopped, Do::None)),
                    None,
                    Some((STOPPING, Do::None)),
                    Some((STOPPING, Do::None)),
                ],
            ),
            (S::Stopped, [None, None, None, None, None, None, Some((S::Stopped, Do::None)), Some((S::Stopped, Do::None))]),
            (S::Disabled, [None, None, None, None, None, None, Some((S::Disabled, Do::None)), Some((S::Disabled, Do::None))]),
        ];
        for (state, row) in table {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(transition(state, event, s(100), &RULES).ok(), expected, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn patience_ends() {
        let late = |state, rules: &Rules| transition(state, Event::Tick, s(1000), rules).unwrap();
        assert_eq!(late(STARTING, &RULES), (State::Killed { since: None }, Effect::Kill("it was not ready in time")));
        assert_eq!(late(READY, &RULES), (State::Killed { since: Some(s(90)) }, Effect::Kill("it did not answer its watchdog")));
        let vital = Rules { on_silence: OnSilence::StarveHardwareWatchdog, ..RULES };
        assert_eq!(late(READY, &vital), (State::Silent { since: s(90) }, Effect::TellSilence));
        assert_eq!(late(State::BackOff { until: s(101) }, &RULES), (State::Waiting, Effect::None));
        assert_eq!(late(STOPPING, &RULES), (State::Stopping { until: None }, Effect::Kill("it did not end in time")));
        assert_eq!(late(State::Stopping { until: None }, &RULES), (State::Stopping { until: None }, Effect::None));
    }

    #[test]
    fn a_service_without_watchdog_is_never_silent() {
        let rules = Rules { watchdog: None, ..RULES };
        let (state, _) = transition(STARTING, Event::SaidReady, s(100), &rules).unwrap();
        assert_eq!(transition(state, Event::Tick, s(100_000), &rules).unwrap(), (state, Effect::None));
    }

    #[test]
    fn waits_double_up_to_a_limit_and_start_again_after_a_stable_run() {
        assert_eq!(back_off(1), FIRST_BACK_OFF);
        assert_eq!(back_off(3), FIRST_BACK_OFF * 4);
        assert_eq!(back_off(u32::MAX), LONGEST_BACK_OFF);
        assert_eq!(failures_after(7, Some(s(10)), s(71)), 1);
        assert_eq!(failures_after(7, Some(s(10)), s(20)), 8);
        assert_eq!(failures_after(u32::MAX, None, s(20)), u32::MAX);
    }
}
