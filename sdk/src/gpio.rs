//! Granted GPIO lines (Documentation/userspace-api/gpio): edges of inputs, as records of `struct gpio_v2_line_event`; values of both
//! kinds. The manager has chosen line, direction and edges already; nothing here can change them.
//!
//! ```no_run
//! use sdk::{descriptors::Granted, gpio::{BATCH, Direction}};
//!
//! let mut granted = Granted::take();
//! let (button, lamp) = (granted.gpio("BUTTON")?, granted.gpio_output("LAMP")?);
//! loop {
//!     for edge in button.edges(BATCH)? {
//!         lamp.set(edge.direction == Direction::Rising)?;
//!     }
//! }
//! # #[expect(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::sys;
use rustix::{buffer::spare_capacity, io::Errno};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// Size of one record: u64 time, u32 id, u32 offset, u32 seqno, u32 line_seqno, u32 padding[6].
const RECORD: usize = 48;
/// Most edges of one call: the kernel keeps 16 per line.
pub const BATCH: usize = 16;
const RISING: u32 = 1;
const FALLING: u32 = 2;

/// A GPIO input line.
///
/// On a desk a pipe stands in for one; an edge is 48 bytes (`struct gpio_v2_line_event`):
///
/// ```
/// use sdk::gpio::{BATCH, Direction, InputLine};
/// use std::{io::Write, os::fd::OwnedFd, time::Duration};
///
/// let (line, mut kernel) = std::io::pipe()?;
/// let mut event = [0; 48];
/// event[..8].copy_from_slice(&1_500_000_000_u64.to_ne_bytes()); // when, in nanoseconds
/// event[8..12].copy_from_slice(&1_u32.to_ne_bytes()); // it rises
/// kernel.write_all(&event)?;
///
/// let edges = InputLine::from(OwnedFd::from(line)).edges(BATCH)?;
/// assert_eq!((edges[0].direction, edges[0].time), (Direction::Rising, Duration::from_millis(1500)));
/// # Ok::<(), std::io::Error>(())
/// ```
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

impl From<OwnedFd> for InputLine {
    /// A granted descriptor that was taken as it is.
    fn from(line: OwnedFd) -> Self {
        Self { line }
    }
}

impl InputLine {
    /// Whether it is active now.
    pub fn is_active(&self) -> io::Result<bool> {
        sys::gpio_value(self.line.as_fd())
    }

    /// The edges since the last call, at most so many; none if a signal came. Waits for one if there is none: call it when
    /// [`crate::wait::readable`] says so.
    pub fn edges(&self, most: usize) -> io::Result<Vec<Edge>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(RECORD * most.min(BATCH));
        match rustix::io::read(&self.line, spare_capacity(&mut bytes)) {
            Ok(_) => Ok(bytes.as_chunks::<RECORD>().0.iter().filter_map(Edge::from_record).collect()),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }
}

/// A GPIO output line. It begins inactive.
#[derive(Debug)]
pub struct OutputLine {
    line: OwnedFd,
}

impl From<OwnedFd> for OutputLine {
    /// A granted descriptor that was taken as it is.
    fn from(line: OwnedFd) -> Self {
        Self { line }
    }
}

impl OutputLine {
    /// Makes it active, or inactive.
    pub fn set(&self, active: bool) -> io::Result<()> {
        sys::gpio_set_value(self.line.as_fd(), active)
    }

    /// Whether it is active now.
    pub fn is_active(&self) -> io::Result<bool> {
        sys::gpio_value(self.line.as_fd())
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
        let edges = InputLine::from(OwnedFd::from(read)).edges(BATCH).unwrap();
        let time = Duration::from_millis(1500);
        assert_eq!(
            edges,
            [Edge { direction: Direction::Rising, time, sequence: 1 }, Edge { direction: Direction::Falling, time, sequence: 3 }]
        );
    }
}
