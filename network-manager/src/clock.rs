//! The wall clock, which apps with the right to it set.

use manifest::api::{Done, ErrorBody, ErrorClass};
use rustix::time::{ClockId, Timespec, clock_settime};
use std::ops::RangeInclusive;

/// Sets the clock to a time at which the image can run: certificates and logs that are decades off help nobody but an attacker
/// with an old certificate.
pub fn set(unix_ms: u64, plausible: &RangeInclusive<u64>) -> Result<Done, ErrorBody> {
    let seconds = unix_ms / 1000;
    if !plausible.contains(&seconds) {
        let message = format!("{seconds} s after 1970 is no time at which this image can run");
        let hint = format!("from {} on, when it was built, to {}", plausible.start(), plausible.end());
        return Err(ErrorBody { class: ErrorClass::BadInput, message, hint: Some(hint) });
    }
    let time = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(unix_ms % 1000).unwrap_or(0) * 1_000_000,
    };
    clock_settime(ClockId::Realtime, time).map(|()| Done {}).map_err(|e| ErrorBody {
        class: ErrorClass::Internal,
        message: format!("the kernel does not set the clock: {e}"),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_which_the_image_cannot_run_is_refused_with_the_bounds() {
        for unix_ms in [0, 999_999, 3_000_001_000, u64::MAX] {
            let body = set(unix_ms, &(1000..=3_000_000)).unwrap_err();
            assert!(body.class == ErrorClass::BadInput && body.hint.unwrap().contains("3000000"), "{unix_ms}");
        }
    }
}
