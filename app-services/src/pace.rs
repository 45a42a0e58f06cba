//! How fast one app is listened to: so many requests a second, then it waits, and nobody else does.

use std::time::Duration;

/// Requests and connections of one app in [`SPAN`]: far above what a sane app asks, far below what keeps this daemon busy.
pub const REQUESTS: u32 = 50;
/// The time that [`REQUESTS`] are counted over.
pub const SPAN: Duration = Duration::from_secs(1);
/// Changes by one app of its certificates and of the clock in [`CHANGES_SPAN`].
pub const CHANGES: u32 = 20;
/// The time that [`CHANGES`] are counted over.
pub const CHANGES_SPAN: Duration = Duration::from_secs(60);

/// Counts what one app does.
#[derive(Debug)]
pub struct Pace {
    most: u32,
    span: Duration,
    begun: Duration,
    count: u32,
}

impl Pace {
    /// Its requests and connections.
    pub fn of_requests() -> Self {
        Self { most: REQUESTS, span: SPAN, begun: Duration::ZERO, count: 0 }
    }

    /// Changes of its certificates and of the clock.
    pub fn of_changes() -> Self {
        Self { most: CHANGES + 1, span: CHANGES_SPAN, begun: Duration::ZERO, count: 0 }
    }

    /// Counts one at `now`, a time since boot; until when the app waits, if it has had its share.
    pub fn count(&mut self, now: Duration) -> Option<Duration> {
        if now.saturating_sub(self.begun) >= self.span {
            (self.begun, self.count) = (now, 0);
        }
        self.count += 1;
        (self.count >= self.most).then(|| self.begun + self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_had_its_share_waits_until_the_span_is_over() {
        let mut pace = Pace::of_requests();
        let start = Duration::from_secs(100);
        for _ in 1..REQUESTS {
            assert_eq!(pace.count(start), None);
        }
        assert_eq!(pace.count(start + SPAN / 2), Some(start + SPAN));
        assert_eq!(pace.count(start + SPAN), None, "a new span, a new share");
    }
}
