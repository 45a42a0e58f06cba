//! Edges of a granted GPIO line: records of `struct gpio_v2_line_event` (Documentation/userspace-api/gpio), read from the
//! line's descriptor. The manager has chosen line, direction and edges already; nothing here can change them.

use rustix::{buffer::spare_capacity, io::Errno};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// Size of one record: u64 time, u32 id, u32 offset, u32 seqno, u32 line_seqno, u32 padding[6].
const RECORD: usize = 48;
/// Records per read: the kernel keeps 16 per line.
const BATCH: usize = 16;
const RISING: u32 = 1;
const FALLING: u32 = 2;

/// A GPIO input line.
#[derive(Debug)]
pub struct InputLine {
    line: OwnedFd,
}

/// Which way the line went, as the board file counts active and inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It became active.
    Rising,
    /// It became inactive.
    Falling,
}

/// One edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Which way.
    pub direction: Direction,
    /// When, on the kernel's monotonic clock.
    pub time: Duration,
    /// Counts this line's edges; a gap tells that the app was too slow and the kernel dropped some.
    pub sequence: u32,
}

impl InputLine {
    pub(crate) fn new(line: OwnedFd) -> Self {
        Self { line }
    }

    /// The edges since the last call. Waits for one if there is none: call it when [`crate::wait::readable`] says so.
    pub fn edges(&self) -> io::Result<Vec<Edge>> {
        let mut bytes = Vec::with_capacity(RECORD * BATCH);
        match rustix::io::read(&self.line, spare_capacity(&mut bytes)) {
            Ok(_) => Ok(bytes.as_chunks::<RECORD>().0.iter().filter_map(Edge::from_record).collect()),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }
}

impl AsFd for InputLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Edge {
    /// Reads a record; one of an unknown kind is none.
    fn from_record(record: &[u8; RECORD]) -> Option<Self> {
        let (time, rest) = record.split_first_chunk::<8>()?;
        let word = |at: usize| rest.get(at * 4..at * 4 + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
        let direction = match word(0)? {
            RISING => Direction::Rising,
            FALLING => Direction::Falling,
            _ => return None,
        };
        Some(Self { direction, time: Duration::from_nanos(u64::from_ne_bytes(*time)), sequence: word(3)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u32, sequence: u32) -> Vec<u8> {
        let mut bytes = 1_500_000_000_u64.to_ne_bytes().to_vec();
        for word in [id, 3, 7, sequence, 0, 0, 0, 0, 0, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn edges_are_read_in_order_and_unknown_kinds_skipped() {
        let (read, write) = io::pipe().unwrap();
        let bytes = [record(RISING, 1), record(9, 2), record(FALLING, 3)].concat();
        rustix::io::write(&write, &bytes).unwrap();
        let edges = InputLine::new(read.into()).edges().unwrap();
        let time = Duration::from_millis(1500);
        assert_eq!(
            edges,
            [Edge { direction: Direction::Rising, time, sequence: 1 }, Edge { direction: Direction::Falling, time, sequence: 3 }]
        );
    }
}
