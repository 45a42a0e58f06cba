//! How long an app that ended waits before it is started again.

use std::time::Duration;

/// First pause.
pub const FIRST: Duration = Duration::from_millis(500);
/// Longest pause, before jitter.
pub const LONGEST: Duration = Duration::from_secs(60);
/// Failures in a row after which an app is given up: about four minutes of trying.
pub const BUDGET: u32 = 10;
/// A run of this length is a success: the count of failures begins anew.
pub const STABLE: Duration = Duration::from_secs(60);

/// Pause after the `failures`-th failure in a row, counted from 1: doubled each time up to [`LONGEST`], and moved by at
/// most a quarter either way, so that apps that fell together do not rise together. `random` is any number.
pub fn pause(failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    full * 3 / 4 + full / 2 * (random % 1024) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_pause_stays_within_a_quarter_of_its_step(failures: u32, random: u32) {
            let pause = pause(failures, random);
            proptest::prop_assert!(pause >= FIRST * 3 / 4 && pause <= LONGEST * 5 / 4);
        }

        #[test]
        fn pauses_do_not_shrink_from_failure_to_failure(failures in 1u32..100, random: u32) {
            proptest::prop_assert!(pause(failures + 1, random) >= pause(failures, random));
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let steps: Vec<u64> = (1..=9).map(|n| u64::try_from((pause(n, 512)).as_millis()).unwrap()).collect();
        assert_eq!(steps, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
    }
}
