//! How long an app that ended waits before it is started again.

use manifest::holdfast::BackOff;
use std::time::Duration;

/// Pause after the `failures`-th failure in a row, counted from 1: doubled each time up to the longest, and moved by at
/// most a quarter either way, so that apps that fell together do not rise together. `random` is any number.
pub fn pause(rules: &BackOff, failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = rules.first.duration().saturating_mul(1 << doublings).min(rules.most.duration());
    full * 3 / 4 + full / 2 * (random % 1024) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::quantity::Delay;

    proptest::proptest! {
        #[test]
        fn a_pause_stays_within_a_quarter_of_its_step(failures: u32, random: u32) {
            let (rules, pause) = (BackOff::default(), pause(&BackOff::default(), failures, random));
            proptest::prop_assert!(pause >= rules.first.duration() * 3 / 4 && pause <= rules.most.duration() * 5 / 4);
        }

        #[test]
        fn pauses_do_not_shrink_from_failure_to_failure(failures in 1u32..100, random: u32) {
            proptest::prop_assert!(pause(&BackOff::default(), failures + 1, random) >= pause(&BackOff::default(), failures, random));
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let steps: Vec<u64> = (1..=9).map(|n| u64::try_from((pause(&BackOff::default(), n, 512)).as_millis()).unwrap()).collect();
        assert_eq!(steps, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
    }

    #[test]
    fn a_manifests_own_pauses_count() {
        let rules = BackOff { first: Delay::milliseconds(100), most: Delay::DAY, ..BackOff::default() };
        assert_eq!(pause(&rules, 1, 512), Duration::from_millis(100));
        assert_eq!(pause(&rules, 100, 512), Duration::from_secs(24 * 60 * 60));
    }
}
