//! How fast one app is listened to: so many requests a second, then it waits, and nobody else does.

use std::time::Duration;

/// Requests and connections of one app in [`SPAN`]: far above what a sane app asks, far below what keeps this daemon busy.
pub const REQUESTS: u32 = 50;
/// The time that [`REQUESTS`] are counted over.
pub const SPAN: Duration = Duration::from_secs(1);

/// Counts one app's requests.
#[derive(Debug, Default)]
pub struct Pace {
    begun: Duration,
    count: u32,
}

impl Pace {
    /// Counts one at `now`, a time since boot; until when the app waits, if it has had its share.
    pub fn count(&mut self, now: Duration) -> Option<Duration> {
        if now.saturating_sub(self.begun) >= SPAN {
            *self = Self { begun: now, count: 0 };
        }
        self.count += 1;
        (self.count >= REQUESTS).then(|| self.begun + SPAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_had_its_share_waits_until_the_span_is_over() {
        let mut pace = Pace::default();
        let start = Duration::from_secs(100);
        for _ in 1..REQUESTS {
            assert_eq!(pace.count(start), None);
        }
        assert_eq!(pace.count(start + SPAN / 2), Some(start + SPAN));
        assert_eq!(pace.count(start + SPAN), None, "a new span, a new share");
    }
}
