//! Bytes of an app's pipe become lines; an app that writes too much gets a notice instead of the disk.

use manifest::holdfast::LogRate;
use std::time::Duration;

/// Longest line in bytes; a longer one is cut into several.
pub const LINE_LIMIT: usize = 1024;

/// What came from one pipe and has no newline yet.
#[derive(Debug, Default)]
pub struct Partial(Vec<u8>);

impl Partial {
    /// Adds bytes and returns the lines they complete.
    pub fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || self.0.len() >= LINE_LIMIT {
                lines.extend(self.take_line());
            }
            if *byte != b'\n' {
                self.0.push(*byte);
            }
        }
        lines
    }

    /// What is left when the pipe ends.
    pub fn rest(&mut self) -> Option<String> {
        if self.0.is_empty() { None } else { self.take_line() }
    }

    fn take_line(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned())
    }
}

/// A token bucket, of the size and rate that the manifest says.
#[derive(Debug)]
pub struct Meter {
    tokens: u64,
    filled_at: Duration,
    dropped: u64,
}

/// What happens to a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Keep,
    /// It is kept, and so many before it were not.
    KeepAfterLoss(u64),
    /// It is dropped and counted.
    Drop,
}

impl Meter {
    /// A full bucket, whatever its size.
    pub fn new(now: Duration) -> Self {
        Self { tokens: u64::MAX, filled_at: now, dropped: 0 }
    }

    /// Judges one line.
    pub fn line(&mut self, rate: LogRate, now: Duration) -> Verdict {
        self.fill(rate, now);
        // The notice itself takes a place too.
        let price = if self.dropped > 0 { 2 } else { 1 };
        if self.tokens < price {
            self.dropped += 1;
            return Verdict::Drop;
        }
        self.tokens -= price;
        match std::mem::take(&mut self.dropped) {
            0 => Verdict::Keep,
            lost => Verdict::KeepAfterLoss(lost),
        }
    }

    /// Lines that were dropped and not told yet, once the bucket has room again or the app ended.
    pub fn loss(&mut self) -> Option<u64> {
        match std::mem::take(&mut self.dropped) {
            0 => None,
            lost => Some(lost),
        }
    }

    /// Whether lines are being dropped at the moment.
    pub fn is_dropping(&self) -> bool {
        self.dropped > 0
    }

    /// What passed and was not worth a whole token yet counts on, so that a slow rate is kept to as well as a fast one.
    fn fill(&mut self, rate: LogRate, now: Duration) {
        let (per_second, burst) = (u64::from(rate.lines_per_second.max(1)), u64::from(rate.burst));
        let passed = u64::try_from(now.saturating_sub(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        let new = passed.saturating_mul(per_second) / MICROSECONDS;
        self.filled_at += Duration::from_micros(new.saturating_mul(MICROSECONDS).div_ceil(per_second));
        self.tokens = self.tokens.saturating_add(new).min(burst);
    }
}

const MICROSECONDS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_long_ones_cut() {
        let mut partial = Partial::default();
        assert_eq!(partial.lines(b"on"), Vec::<String>::new());
        assert_eq!(partial.lines(b"e\ntwo\n\nth"), ["one", "two", ""]);
        assert_eq!(partial.rest().as_deref(), Some("th"));
        assert_eq!(partial.rest(), None);
        let lines = partial.lines(&[b'x'; 2 * LINE_LIMIT + 1]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_LIMIT, LINE_LIMIT]);
        assert_eq!(partial.lines(b"\xff\n"), ["x\u{fffd}"]);
    }

    #[test]
    fn a_flood_is_cut_to_the_burst_and_told_afterwards() {
        for rate in [LogRate::default(), LogRate { lines_per_second: 2, burst: 7 }] {
            let (mut meter, burst) = (Meter::new(Duration::ZERO), u64::from(rate.burst));
            let kept = (0..10_000).filter(|_| meter.line(rate, Duration::ZERO) == Verdict::Keep).count();
            assert_eq!(kept as u64, burst);
            assert_eq!(meter.line(rate, Duration::from_secs(2)), Verdict::KeepAfterLoss(10_000 - burst));
            assert_eq!(meter.line(rate, Duration::from_secs(2)), Verdict::Keep);
        }
    }

    #[test]
    fn a_slow_rate_is_kept_to_however_often_it_is_asked() {
        let (mut meter, rate) = (Meter::new(Duration::ZERO), LogRate { lines_per_second: 1, burst: 2 });
        let kept = (0..100_000u64).filter(|n| meter.line(rate, Duration::from_millis(n * 7 / 10)) != Verdict::Drop).count();
        // 70 seconds: two at once, then in two seconds a line and the notice of those before it.
        assert!((36..=37).contains(&kept), "{kept}");
    }

    proptest::proptest! {
        #[test]
        fn no_more_than_burst_and_rate_pass_and_none_is_forgotten(
            steps in proptest::collection::vec(0u64..50, 0..2000), lines_per_second in 1u32..600, burst in 2u32..600,
        ) {
            let rate = LogRate { lines_per_second, burst };
            let (mut meter, mut now) = (Meter::new(Duration::ZERO), 0);
            let (mut kept, mut told) = (0, 0);
            for step in &steps {
                now += step;
                match meter.line(rate, Duration::from_millis(now)) {
                    Verdict::Keep => kept += 1,
                    Verdict::KeepAfterLoss(lost) => { kept += 1; told += lost; }
                    Verdict::Drop => {}
                }
            }
            told += meter.loss().unwrap_or(0);
            proptest::prop_assert_eq!(kept + told, steps.len() as u64);
            proptest::prop_assert!(kept <= u64::from(burst) + now * u64::from(lines_per_second) / 1000);
        }

        #[test]
        fn any_split_of_the_bytes_gives_the_same_lines(bytes: Vec<u8>, at in 0usize..100) {
            let at = at.min(bytes.len());
            let (mut whole, mut split) = (Partial::default(), Partial::default());
            let mut lines = split.lines(&bytes[..at]);
            lines.extend(split.lines(&bytes[at..]));
            proptest::prop_assert_eq!(whole.lines(&bytes), lines);
        }
    }
}
