//! Medians, spread, ratio and verdict.

use std::fmt;

/// Nanoseconds of one row.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<u64>);

impl Series {
    /// More values.
    pub fn extend(&mut self, values: &[u64]) {
        self.0.extend(values);
        self.0.sort_unstable();
    }

    fn at(&self, percent: usize) -> u64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).copied().unwrap_or(0)
    }

    /// Median over median.
    pub fn ratio(&self, other: &Self) -> f64 {
        self.at(50) as f64 / other.at(50).max(1) as f64
    }

    /// Whether the middle half is wider than the median.
    fn is_wide(&self) -> bool {
        self.at(75) - self.at(25) > self.at(50)
    }

    /// Whether the goal is met, where that can be told.
    pub fn verdict(&self, judge: &Self, goal: f64) -> String {
        let ratio = self.ratio(judge);
        if self.is_wide() || judge.is_wide() {
            return format!("{ratio:.2}, goal {goal:.2}: not judged, the spread is too wide");
        }
        let tail = self.at(90) as f64 / self.at(50).max(1) as f64;
        let verdict = if ratio <= goal { "met" } else { "missed" };
        let steady = if tail <= 2.0 { "met" } else { "missed" };
        format!("{ratio:.2}, goal {goal:.2}: {verdict}; p90 is {tail:.1} x the median, goal 2: {steady}")
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [quarter, median, three, ninety] = [25, 50, 75, 90].map(|percent| self.at(percent) / 1000);
        write!(f, "{median:>6} (middle half {quarter} to {three}, p90 {ninety})")
    }
}
