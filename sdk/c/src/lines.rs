//! GPIO lines.

use crate::{done, negative, text::room};
use sdk::gpio::{Direction, Edge, InputLine, OutputLine};
use std::{
    ffi::c_int,
    os::fd::{BorrowedFd, OwnedFd, RawFd},
};

/// An edge of an input line.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct HoldfastEdge {
    /// When, in nanoseconds on the kernel's monotonic clock.
    pub time_ns: u64,
    /// Counts this line's edges; a gap tells that some were dropped.
    pub sequence: u32,
    /// 1: it became active, 0: inactive.
    pub rising: u32,
}

/// A descriptor of our own for one of the caller's.
fn own(line: RawFd) -> std::io::Result<OwnedFd> {
    if line < 0 {
        return Err(std::io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the number is not negative, and is looked at by the kernel alone: one that is not open gives EBADF.
    unsafe { BorrowedFd::borrow_raw(line) }.try_clone_to_owned()
}

/// Reads edges of an input line that holdfast_granted gave, at most `count`; how many there were, 0 if a signal came. Waits for one if
/// there is none: poll(2) tells.
///
/// ```c
/// int button = holdfast_granted("BUTTON"), lamp = holdfast_granted("LAMP");
/// struct HoldfastEdge edges[16];
/// ptrdiff_t count = holdfast_edges(button, edges, 16);
///
/// for (ptrdiff_t i = 0; i < count; i++)
///         holdfast_gpio_set(lamp, edges[i].rising);
/// ```
///
/// # Safety
///
/// `edges` is NULL or room for `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_edges(line: c_int, edges: *mut HoldfastEdge, count: usize) -> isize {
    // SAFETY: passed on as the caller promised it.
    let Some(edges) = (unsafe { room(edges, count) }) else { return -(libc::EINVAL as isize) };
    let read = own(line).and_then(|line| InputLine::from(line).edges(edges.len()));
    match read {
        Ok(read) => {
            for (to, edge) in edges.iter_mut().zip(&read) {
                to.write(told(edge));
            }
            read.len().cast_signed()
        }
        Err(e) => negative(&e) as isize,
    }
}

fn told(edge: &Edge) -> HoldfastEdge {
    let time_ns = u64::try_from(edge.time.as_nanos()).unwrap_or(u64::MAX);
    HoldfastEdge { time_ns, sequence: edge.sequence, rising: u32::from(edge.direction == Direction::Rising) }
}

/// Whether a line is active now: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_gpio_value(line: c_int) -> c_int {
    let value = own(line).and_then(|line| InputLine::from(line).is_active());
    value.map_or_else(|e| negative(&e), c_int::from)
}

/// Makes an output line active (not 0) or inactive (0).
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_gpio_set(line: c_int, active: c_int) -> c_int {
    done(own(line).and_then(|line| OutputLine::from(line).set(active != 0)))
}
