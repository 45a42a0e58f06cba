//! The table of transitions, and what must hold on every path through it.

use super::*;

const RULES: Rules = Rules {
    restart: Restart::Always,
    grace: Duration::from_secs(2),
    ready_timeout: Some(Duration::from_secs(10)),
    watchdog: Some(Duration::from_secs(30)),
};

const STOPPED: Life = Life { state: State::Stopped, failures: 0 };

/// Whether processes of the app may exist.
fn is_alive(life: &Life) -> bool {
    matches!(life.state, State::Starting { .. } | State::Running { .. } | State::Stopping { .. })
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Follows events at given seconds and returns what was shown and wanted after each.
fn follow(rules: &Rules, events: &[(u64, Event)]) -> Vec<(AppState, Option<Action>)> {
    let mut life = STOPPED;
    events
        .iter()
        .map(|(at, event)| {
            let action = life.on(*event, rules, seconds(*at), 512).unwrap();
            (life.shown(), action)
        })
        .collect()
}

#[test]
fn an_app_starts_gets_ready_and_stops() {
    use Event::{Ended, Launched, Ready, Start, Stop};
    let seen = follow(&RULES, &[(0, Start), (0, Launched), (1, Ready), (5, Stop), (6, Ended { clean: true })]);
    let expected = [
        (AppState::Starting, Some(Action::Launch)),
        (AppState::Starting, None),
        (AppState::Running, None),
        (AppState::Stopping, Some(Action::Terminate)),
        (AppState::Stopped, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_app_without_ready_timeout_runs_once_launched() {
    let rules = Rules { ready_timeout: None, ..RULES };
    assert_eq!(follow(&rules, &[(0, Event::Start), (0, Event::Launched)])[1].0, AppState::Running);
}

#[test]
fn an_app_that_is_not_ready_in_time_is_killed_and_tried_again() {
    let seen = follow(
        &RULES,
        &[(0, Event::Start), (0, Event::Launched), (10, Event::Tick), (10, Event::Ended { clean: false }), (11, Event::Tick)],
    );
    assert_eq!(seen[2], (AppState::Stopping, Some(Action::KillNotReady)));
    assert_eq!(seen[3].0, AppState::BackOff);
    assert_eq!(seen[4], (AppState::Starting, Some(Action::Launch)));
}

#[test]
fn a_late_watchdog_kills_and_a_ping_moves_the_deadline() {
    use Event::{Launched, Ping, Ready, Start, Tick};
    let seen = follow(&RULES, &[(0, Start), (0, Launched), (0, Ready), (29, Ping), (30, Tick), (58, Tick), (59, Tick)]);
    assert_eq!(seen[5], (AppState::Running, None));
    assert_eq!(seen[6], (AppState::Stopping, Some(Action::KillHung)));
}

#[test]
fn an_app_that_ignores_sigterm_is_killed_once_after_its_grace() {
    use Event::{Ended, Launched, Start, Stop, Tick};
    let seen =
        follow(&RULES, &[(0, Start), (0, Launched), (1, Stop), (2, Tick), (3, Tick), (4, Tick), (4, Ended { clean: false })]);
    assert_eq!(seen[3].1, None);
    assert_eq!(seen[4].1, Some(Action::KillLate));
    assert_eq!((seen[5].1, seen[6].0), (None, AppState::Stopped));
}

#[test]
fn a_restart_ends_the_old_instance_before_the_new_one_is_launched() {
    use Event::{Ended, Launched, Ready, Restart, Start};
    let seen = follow(&RULES, &[(0, Start), (0, Launched), (0, Ready), (1, Restart), (1, Ended { clean: true })]);
    assert_eq!(seen[3], (AppState::Stopping, Some(Action::Terminate)));
    assert_eq!(seen[4], (AppState::Starting, Some(Action::Launch)));
}

#[test]
fn the_restart_policy_decides_what_follows_an_exit() {
    let after = |restart, clean| {
        let rules = Rules { restart, ready_timeout: None, ..RULES };
        follow(&rules, &[(0, Event::Start), (0, Event::Launched), (1, Event::Ended { clean })])[2].0
    };
    assert_eq!(after(Restart::Always, true), AppState::BackOff);
    assert_eq!(after(Restart::OnFailure, true), AppState::Exited);
    assert_eq!(after(Restart::OnFailure, false), AppState::BackOff);
    assert_eq!(after(Restart::Never, false), AppState::Exited);
}

#[test]
fn failures_in_a_row_spend_the_budget_and_an_operator_gives_a_new_one() {
    let rules = Rules { ready_timeout: None, ..RULES };
    let mut life = STOPPED;
    let mut now = seconds(0);
    life.on(Event::Start, &rules, now, 0).unwrap();
    for _ in 1..BUDGET {
        life.on(Event::LaunchFailed, &rules, now, 0).unwrap();
        let State::BackOff { until } = life.state else { panic!("{life:?}") };
        now = until;
        assert_eq!(life.on(Event::Tick, &rules, now, 0).unwrap(), Some(Action::Launch));
    }
    assert_eq!(life.on(Event::LaunchFailed, &rules, now, 0).unwrap(), Some(Action::GiveUp));
    assert_eq!(life.shown(), AppState::Failed);
    assert_eq!(life.on(Event::Tick, &rules, now + seconds(100_000), 0).unwrap(), None);
    assert_eq!(life.on(Event::Start, &rules, now, 0).unwrap(), Some(Action::Launch));
    assert_eq!(life.failures, 0);
}

#[test]
fn a_stable_run_forgets_failures() {
    let rules = Rules { ready_timeout: None, watchdog: None, ..RULES };
    let mut life = Life { failures: 7, ..STOPPED };
    life.state = State::Running { since: seconds(0), watchdog: None };
    life.on(Event::Ended { clean: false }, &rules, STABLE, 0).unwrap();
    assert_eq!(life.failures, 1);
}

#[test]
fn a_launcher_that_died_counts_as_nobodys_failure() {
    let seen = follow(&RULES, &[(0, Event::Start), (0, Event::Launched), (0, Event::Ready), (5, Event::Lost), (6, Event::Tick)]);
    assert_eq!(seen[3].0, AppState::BackOff);
    assert_eq!(seen[4].1, Some(Action::Launch));
    let seen = follow(&RULES, &[(0, Event::Start), (0, Event::Launched), (1, Event::Stop), (1, Event::Lost)]);
    assert_eq!(seen[3].0, AppState::Stopped);
}

#[test]
fn an_adopted_app_has_deadlines_only_where_its_rules_have_them() {
    let armed = |ready, rules: &Rules| {
        let mut life = STOPPED;
        life.adopt(ready, seconds(5));
        assert_eq!(life.deadline(), None);
        life.arm(rules, seconds(6));
        (life.shown(), life.deadline())
    };
    let quiet = Rules { ready_timeout: None, watchdog: None, ..RULES };
    assert_eq!(armed(true, &quiet), (AppState::Running, None));
    assert_eq!(armed(false, &quiet), (AppState::Running, None));
    assert_eq!(armed(true, &RULES), (AppState::Running, Some(seconds(36))));
    assert_eq!(armed(false, &RULES), (AppState::Starting, Some(seconds(16))));
}

#[test]
fn an_end_of_what_does_not_run_is_an_error_value() {
    for state in [State::Stopped, State::Exited, State::Failed, State::BackOff { until: seconds(1) }] {
        let mut life = Life { state, failures: 0 };
        assert!(life.on(Event::Ended { clean: true }, &RULES, seconds(0), 0).is_err());
        assert!(life.on(Event::Launched, &RULES, seconds(0), 0).is_err());
        assert_eq!(life.state, state);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_happens_an_app_never_runs_twice(events in proptest::collection::vec((0usize..11, 0u64..40), 0..200), random: u32) {
        let mut life = STOPPED;
        let mut now = seconds(0);
        let mut instances = 0;
        for (event, passed) in events {
            now += seconds(passed);
            let event = [
                Event::Start, Event::Stop, Event::Restart, Event::Launched, Event::LaunchFailed, Event::LaunchDeferred,
                Event::Ready, Event::Ping, Event::Ended { clean: false }, Event::Lost, Event::Tick,
            ][event];
            // Only what can come from outside at this moment: ends of what lives, outcomes of a launch at once.
            let outcome = matches!(event, Event::Launched | Event::LaunchFailed | Event::LaunchDeferred);
            let end = matches!(event, Event::Ended { .. } | Event::Lost);
            if outcome || (end && instances == 0) {
                continue;
            }
            let action = life.on(event, &RULES, now, random).unwrap();
            if end {
                instances = 0;
            }
            if action == Some(Action::Launch) {
                proptest::prop_assert_eq!(instances, 0);
                instances = 1;
                life.on(Event::Launched, &RULES, now, random).unwrap();
            }
            proptest::prop_assert_eq!(is_alive(&life), instances == 1);
        }
    }
}
