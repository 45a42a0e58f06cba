//! The table of transitions, the page that is made from it, and what must hold on every path through it.

mod table;

use super::*;
use std::{collections::BTreeSet, fmt::Write, path::Path};
use table::{NOW, PAUSES, RULES, TABLE, WORDS, action_words, event_words};

const STOPPED: Life = Life { state: State::Stopped, failures: 0, trial: false };

/// Whether processes of the app may exist.
fn is_alive(life: &Life) -> bool {
    matches!(life.state, State::Starting { .. } | State::Stopping { .. }) || life.shown().runs()
}

fn word(state: AppState) -> String {
    serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
}

/// What an operator sees of a transition.
type Seen = (String, &'static str, String, &'static str);

#[test]
fn each_transition_of_the_table_happens_as_it_stands_there() {
    for (number, row) in TABLE.iter().enumerate() {
        for (from, event) in row.from.iter().flat_map(|from| row.events.iter().map(move |event| (from, event))) {
            let mut life = *from;
            let action = life.on(*event, &row.rules, NOW, 512).unwrap();
            assert_eq!((life.shown(), action), (row.to, row.action), "row {number}: {from:?} {event:?}");
        }
    }
}

fn in_table() -> BTreeSet<Seen> {
    let seen = |row: &'static table::Row| {
        row.from.iter().flat_map(move |from| {
            let to = move |event: &Event| (word(from.shown()), event_words(*event), word(row.to), action_words(row.action));
            row.events.iter().map(to)
        })
    };
    TABLE.iter().flat_map(seen).collect()
}

#[test]
fn the_table_says_what_every_word_of_the_api_means_and_leads_to_each() {
    assert_eq!(WORDS.len(), 13);
    assert_eq!(PAUSES, Default::default());
    for (state, _) in WORDS {
        let reached = TABLE.iter().any(|row| row.to == *state);
        assert!(reached, "no row leads to {}", word(*state));
    }
}

/// `HOLDFAST_WRITE_PAGES=1` writes the page instead.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the page as it lies in the repository")]
fn the_page_of_an_apps_life_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/app-life.md");
    let made = page();
    if std::env::var_os("HOLDFAST_WRITE_PAGES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/app-life.md is not what life/tests/table.rs makes: HOLDFAST_WRITE_PAGES=1 writes it");
}

fn page() -> String {
    let mut page = format!(
        include_str!("tests/page.md"),
        first = PAUSES.first.duration().as_secs_f32(),
        longest = PAUSES.most.duration().as_secs(),
        budget = PAUSES.give_up_after,
        stable = PAUSES.stable_after.duration().as_secs(),
    );
    page.push_str("| state | meaning |\n| --- | --- |\n");
    for (state, meaning) in WORDS {
        writeln!(page, "| {} | {meaning} |", word(*state)).unwrap();
    }
    page.push_str(
        "\n## Transitions\n\nWhat is in no row changes nothing that an operator sees.\n\n\
         | state | event | if | becomes | done |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in TABLE {
        let list = |words: Vec<String>| {
            let mut once: Vec<String> = Vec::new();
            words.into_iter().for_each(|word| {
                if !once.contains(&word) {
                    once.push(word)
                }
            });
            once.join(", ")
        };
        let from = list(row.from.iter().map(|life| word(life.shown())).collect());
        let events = list(row.events.iter().map(|event| event_words(*event).to_owned()).collect());
        writeln!(page, "| {from} | {events} | {} | {} | {} |", row.when, word(row.to), action_words(row.action)).unwrap();
    }
    page
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
        (AppState::Ready, None),
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
fn a_watchdog_late_by_one_interval_degrades_and_by_two_kills() {
    use Event::{Launched, Ping, Ready, Start, Tick};
    let started = [(0, Start), (0, Launched), (0, Ready), (29, Ping), (30, Tick), (58, Tick), (59, Tick)];
    let seen = follow(&RULES, &started);
    assert_eq!(seen[5], (AppState::Ready, None));
    assert_eq!(seen[6], (AppState::Degraded, Some(Action::TellLate)));
    let silent = follow(&RULES, &[&started[..], &[(88, Tick), (89, Tick)]].concat());
    assert_eq!(silent[7], (AppState::Degraded, None));
    assert_eq!(silent[8], (AppState::Stopping, Some(Action::KillHung)));
    let heard = follow(&RULES, &[&started[..], &[(88, Ping), (89, Tick), (117, Tick), (118, Tick)]].concat());
    assert_eq!(heard[7], (AppState::Ready, Some(Action::TellHeard)));
    assert_eq!((heard[9].0, heard[10].0), (AppState::Ready, AppState::Degraded));
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
    assert_eq!(after(Restart::Never, true), AppState::Exited);
    assert_eq!(after(Restart::Never, false), AppState::Crashed);
}

#[test]
fn failures_in_a_row_spend_the_budget_and_an_operator_gives_a_new_one() {
    let rules = Rules { ready_timeout: None, ..RULES };
    let mut life = STOPPED;
    let mut now = seconds(0);
    life.on(Event::Start, &rules, now, 0).unwrap();
    for _ in 1..PAUSES.give_up_after {
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
    life.state = State::Running { since: seconds(0), watchdog: None, proved: None };
    life.on(Event::Ended { clean: false }, &rules, PAUSES.stable_after.duration(), 0).unwrap();
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
fn a_trial_goes_on_after_a_start_by_a_debugger() {
    let debugged = Rules { ready_timeout: None, watchdog: None, proves: false, ..RULES };
    let mut life = Life { trial: true, ..STOPPED };
    for (at, event) in
        [(0, Event::Start), (0, Event::Launched), (1, Event::Ready), (100_000, Event::Tick), (100_001, Event::Lost)]
    {
        assert_ne!(life.on(event, &debugged, seconds(at), 0).unwrap(), Some(Action::Keep), "{event:?}");
    }
    assert!(life.trial);
    let mut proved = None;
    for (at, event) in [(100_002, Event::Tick), (100_002, Event::Launched), (100_003, Event::Ready)] {
        proved = life.on(event, &RULES, seconds(at), 0).unwrap();
    }
    assert_eq!(proved, Some(Action::Keep));
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
    assert_eq!(armed(true, &quiet), (AppState::Ready, None));
    assert_eq!(armed(false, &quiet), (AppState::Running, None));
    assert_eq!(armed(true, &RULES), (AppState::Ready, Some(seconds(36))));
    assert_eq!(armed(false, &RULES), (AppState::Starting, Some(seconds(16))));
}

#[test]
fn an_end_of_what_does_not_run_is_an_error_value() {
    let back_off = State::BackOff { until: seconds(1) };
    for state in [State::Installed, State::Stopped, State::Exited, State::Crashed, State::Failed, State::Removed, back_off] {
        let mut life = Life { state, ..STOPPED };
        assert!(life.on(Event::Ended { clean: true }, &RULES, seconds(0), 0).is_err());
        assert!(life.on(Event::Launched, &RULES, seconds(0), 0).is_err());
        assert_eq!(life.state, state);
    }
}

#[test]
fn a_version_on_trial_is_kept_once_it_is_ready_or_has_run_long_enough() {
    use Event::{Ended, Launched, Ready, Restart, Tick};
    let follow = |rules: &Rules, events: &[(u64, Event)]| {
        let mut life = Life { trial: true, ..STOPPED };
        let seen: Vec<_> = events.iter().map(|(at, event)| life.on(*event, rules, seconds(*at), 512).unwrap()).collect();
        (life, seen)
    };
    let (life, seen) = follow(&RULES, &[(0, Restart), (0, Launched), (1, Ready), (2, Ended { clean: false })]);
    assert_eq!((seen[2], life.trial, life.shown()), (Some(Action::Keep), false, AppState::BackOff));
    let quiet = Rules { ready_timeout: None, watchdog: None, ..RULES };
    let (life, seen) = follow(&quiet, &[(0, Restart), (0, Launched), (59, Tick), (60, Tick)]);
    assert_eq!((&seen[2..], life.trial), (&[None, Some(Action::Keep)][..], false));
    assert_eq!(life.deadline(), None);
}

#[test]
fn a_version_that_is_not_ready_in_time_or_spends_its_budget_gives_way_to_the_one_before() {
    let mut life = Life { trial: true, ..STOPPED };
    for (at, event) in [(0, Event::Restart), (0, Event::Launched), (10, Event::Tick)] {
        life.on(event, &RULES, seconds(at), 0).unwrap();
    }
    assert_eq!(life.on(Event::Ended { clean: false }, &RULES, seconds(10), 0).unwrap(), Some(Action::Return));
    assert_eq!(life, Life { state: State::Installed, failures: 0, trial: false });

    let mut life = Life { trial: true, ..STOPPED };
    life.on(Event::Start, &RULES, NOW, 0).unwrap();
    for failure in 1..=PAUSES.give_up_after {
        assert_eq!((life.shown(), life.trial), (AppState::Updating, true), "before failure {failure}");
        let action = life.on(Event::Ended { clean: false }, &RULES, NOW, 0).unwrap();
        assert_eq!(action.is_some(), failure == PAUSES.give_up_after, "failure {failure}");
        if let State::BackOff { until } = life.state {
            life.on(Event::Tick, &RULES, until, 0).unwrap();
        }
    }
    assert_eq!(life, Life { state: State::Installed, failures: 0, trial: false });
}

#[test]
fn what_was_told_to_go_is_not_called_back() {
    let mut life = STOPPED;
    for event in [Event::Start, Event::Launched, Event::Ready, Event::Remove, Event::Start, Event::Stop, Event::Restart] {
        life.on(event, &RULES, NOW, 0).unwrap();
    }
    life.on(Event::Ended { clean: true }, &RULES, NOW, 0).unwrap();
    assert_eq!(life.shown(), AppState::Removed);
    assert_eq!(life.on(Event::Start, &RULES, NOW, 0).unwrap(), None);
    assert_eq!(life.shown(), AppState::Removed);
}

proptest::proptest! {
    #[test]
    fn whatever_happens_an_app_never_runs_twice_and_does_what_the_table_says(
        events in proptest::collection::vec((0usize..14, 0u64..40, 0usize..4), 0..200),
        restart in 0usize..3, asks: bool, watched: bool, trial: bool, random: u32
    ) {
        let restart = [Restart::Always, Restart::OnFailure, Restart::Never][restart];
        let (ready_timeout, watchdog) = (RULES.ready_timeout.filter(|_| asks), RULES.watchdog.filter(|_| watched));
        let rules = Rules { restart, ready_timeout, watchdog, ..RULES };
        let table = in_table();
        let mut life = Life { trial, ..STOPPED };
        let mut now = seconds(0);
        let mut instances = 0;
        for (event, passed, outcome) in events {
            now += seconds(passed);
            let event = [
                Event::Start, Event::Stop, Event::Restart, Event::Remove, Event::Ready, Event::Ping, Event::Ended { clean: false },
                Event::Ended { clean: false }, Event::Ended { clean: true }, Event::Lost, Event::Tick, Event::Tick, Event::Tick,
                Event::Tick,
            ][event];
            // Only what can come from outside at this moment: ends of what lives, outcomes of a launch at once.
            let end = matches!(event, Event::Ended { .. } | Event::Lost);
            if end && instances == 0 {
                continue;
            }
            let mut next = Some(event);
            while let Some(event) = next.take() {
                let before = life.shown();
                let action = life.on(event, &rules, now, random).unwrap();
                let seen = (word(before), event_words(event), word(life.shown()), action_words(action));
                let silent = before == life.shown() && action.is_none();
                proptest::prop_assert!(silent || table.contains(&seen), "the table has no {:?}", seen);
                if end {
                    instances = 0;
                }
                if action == Some(Action::Launch) {
                    proptest::prop_assert_eq!(instances, 0);
                    next = [Event::Launched, Event::Launched, Event::LaunchFailed, Event::LaunchDeferred].get(outcome).copied();
                }
                instances += usize::from(event == Event::Launched);
            }
            proptest::prop_assert_eq!(is_alive(&life), instances == 1);
        }
    }
}
