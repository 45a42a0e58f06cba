//! How much is kept, which reports go when there are more, and how often one is made.
//!
//! An app in a loop of crashes displaces its own reports and nobody else's last one, as long as [`IN_ALL`] and [`BYTES`] hold
//! one of each app; beyond that the oldest of all goes.
//!
//! How often an app gets a report app-manager decides: 8 times an hour, which bounds what is written to 8 times half a MiB an
//! hour and app. It counts in memory. Besides, none is made while [`OF_AN_APP`] kept reports of the app are younger than
//! [`PACE_MS`]: that holds over app-manager's restarts too, but not over deletion, nor for reports that the total displaced.

use manifest::{api::CrashReport, names::ComponentId};
use std::collections::BTreeMap;

/// Reports of one app.
pub const OF_AN_APP: usize = 8;
/// Reports in all: their list fits one packet.
pub const IN_ALL: usize = 64;
/// Bytes of all reports.
pub const BYTES: u64 = 16 << 20;
/// While [`OF_AN_APP`] kept reports of an app are younger, it gets no other.
pub const PACE_MS: u64 = 60 * 60 * 1000;

/// Numbers of the reports that have to go. They are given oldest first.
pub fn displaced(reports: &[CrashReport]) -> Vec<u64> {
    let mut kept: Vec<&CrashReport> = reports.iter().collect();
    let mut gone = Vec::new();
    loop {
        let of_app = kept.iter().fold(BTreeMap::<&ComponentId, usize>::new(), |mut counts, report| {
            *counts.entry(&report.component).or_default() += 1;
            counts
        });
        let most = of_app.values().copied().max().unwrap_or_default();
        let bytes = kept.iter().fold(0u64, |sum, report| sum.saturating_add(report.size));
        if most <= OF_AN_APP && kept.len() <= IN_ALL && bytes <= BYTES {
            return gone;
        }
        let Some(oldest) = kept.iter().position(|report| of_app.get(&report.component) == Some(&most)) else { return gone };
        gone.push(kept.remove(oldest).number);
    }
}

/// Whether all the reports that may be kept of an app are recent. A clock that was set back makes room rather than none.
pub fn is_too_soon(reports: &[CrashReport], component: &ComponentId, now_ms: u64) -> bool {
    let recent = now_ms.saturating_sub(PACE_MS)..=now_ms;
    reports.iter().filter(|report| report.component == *component && recent.contains(&report.time_ms)).count() >= OF_AN_APP
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(number: u64, app: u8, size: u64) -> CrashReport {
        CrashReport {
            number,
            component: format!("25025d2c-66da-4448-bae1-ac26fcdd{app:04x}").parse().unwrap(),
            name: String::new(),
            version: 1,
            generation: 1,
            signal: 11,
            time_ms: number * 1000,
            size,
            problem: None,
        }
    }

    #[test]
    fn the_oldest_of_an_app_go_and_nobody_elses() {
        let mut reports: Vec<_> = (1..=10).map(|number| report(number, 1, 100)).collect();
        reports.insert(0, report(0, 2, 100));
        assert_eq!(displaced(&reports), [1, 2]);
    }

    #[test]
    fn beyond_the_total_who_has_the_most_loses_first() {
        // 58 apps with one report each, older than all of one app's eight.
        let mut reports: Vec<_> = (0..58).map(|app| report(app, app as u8, 100)).collect();
        reports.extend((58..66).map(|number| report(number, 200, 100)));
        assert_eq!(displaced(&reports), [58, 59]);
        // And where each has one, the oldest.
        let reports: Vec<_> = (0..65).map(|app| report(app, app as u8, 100)).collect();
        assert_eq!(displaced(&reports), [0]);
    }

    #[test]
    fn bytes_count_too() {
        let mut reports = vec![report(0, 1, 1 << 20), report(1, 2, 3 << 20)];
        reports.extend((2..10).map(|number| report(number, 3, 2 << 20)));
        assert_eq!(displaced(&reports), [2, 3]);
    }

    #[test]
    fn an_app_in_a_loop_gets_its_reports_and_then_none_for_an_hour() {
        let reports: Vec<_> = (1..=8).map(|number| report(number, 1, 100)).collect();
        let (app, other) = (reports[0].component.clone(), report(1, 2, 1).component);
        assert!(!is_too_soon(&reports[1..], &app, 9000));
        assert!(is_too_soon(&reports, &app, 9000) && !is_too_soon(&reports, &other, 9000));
        assert!(is_too_soon(&reports, &app, 1000 + PACE_MS) && !is_too_soon(&reports, &app, 1001 + PACE_MS));
        assert!(!is_too_soon(&reports, &app, 7999), "the clock was set back");
    }

    proptest! {
        #[test]
        fn what_stays_is_within_the_limits_and_no_app_loses_its_last_to_another(
            apps in prop::collection::vec((0u8..40, 0u64..600_000), 0..200),
        ) {
            let reports: Vec<_> = apps.iter().enumerate().map(|(n, (app, size))| report(n as u64, *app, *size)).collect();
            let gone = displaced(&reports);
            let stays: Vec<_> = reports.iter().filter(|report| !gone.contains(&report.number)).collect();
            prop_assert!(stays.len() <= IN_ALL && stays.iter().map(|report| report.size).sum::<u64>() <= BYTES);
            let counts = stays.iter().fold(BTreeMap::<_, usize>::new(), |mut counts, report| {
                *counts.entry(&report.component).or_default() += 1;
                counts
            });
            prop_assert!(counts.values().all(|count| *count <= OF_AN_APP));
            let everybody: std::collections::BTreeSet<_> = reports.iter().map(|report| &report.component).collect();
            if counts.len() < everybody.len() {
                prop_assert!(counts.values().all(|count| *count == 1), "somebody lost its last while another had more: {counts:?}");
            }
        }
    }
}
