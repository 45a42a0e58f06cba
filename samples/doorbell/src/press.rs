//! Which edges of the line are a press: contacts bounce for some milliseconds when they close and when they open.

use sdk::gpio::{Direction, Edge};
use std::time::Duration;

/// Edges that follow each other faster than this are the contact's, not a finger's.
const BOUNCE: Duration = Duration::from_millis(5);

/// Tells presses from bounces by the kernel's own time stamps, so that a busy device judges no differently.
#[derive(Debug, Default)]
pub struct Debouncer {
    last: Option<Edge>,
}

impl Debouncer {
    /// Whether this edge is the beginning of a press.
    pub fn is_press(&mut self, edge: Edge) -> bool {
        let settled = self.last.is_none_or(|last| edge.time.saturating_sub(last.time) >= BOUNCE);
        self.last = Some(edge);
        settled && edge.direction == Direction::Rising
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presses(edges: &[(u64, Direction)]) -> usize {
        let mut debouncer = Debouncer::default();
        let edge = |&(ms, direction): &(u64, Direction)| Edge { direction, time: Duration::from_millis(ms), sequence: 0 };
        edges.iter().map(edge).filter(|edge| debouncer.is_press(*edge)).count()
    }

    #[test]
    fn a_bouncing_contact_is_one_press() {
        use Direction::{Falling, Rising};
        let bouncing = [(100, Rising), (101, Falling), (102, Rising), (150, Falling), (151, Rising), (152, Falling)];
        assert_eq!(presses(&bouncing), 1);
    }

    #[test]
    fn each_press_that_follows_a_release_counts() {
        use Direction::{Falling, Rising};
        assert_eq!(presses(&[(0, Rising), (20, Falling), (30, Rising), (50, Falling)]), 2);
    }
}
