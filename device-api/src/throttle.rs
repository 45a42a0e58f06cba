//! A token bucket: so many at once, so many per second after that.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// Spreads work over time instead of refusing it.
pub struct Throttle {
    interval: Duration,
    burst: u32,
    /// When the bucket will be full again.
    full_at: Mutex<Instant>,
}

impl Throttle {
    /// Lets `burst` through at once and then one per `interval`.
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self { interval, burst, full_at: Mutex::new(Instant::now()) }
    }

    /// Waits for this caller's turn.
    pub async fn turn(&self) {
        tokio::time::sleep(self.take(Instant::now())).await;
    }

    /// Takes a token at `now`; how long its holder has to wait.
    fn take(&self, now: Instant) -> Duration {
        let mut full_at = self.full_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *full_at = (*full_at).max(now) + self.interval;
        (*full_at - now).saturating_sub(self.interval * self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_spread() {
        let throttle = Throttle::new(3, Duration::from_secs(1));
        let now = Instant::now() + Duration::from_secs(1);
        let waits: Vec<u64> = (0..5).map(|_| throttle.take(now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2]);
        assert_eq!(throttle.take(now + Duration::from_secs(60)), Duration::ZERO);
    }
}
