//! Waiting for several descriptors at once, poll(2).

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{io, os::fd::AsFd, time::Duration};

/// Waits until one of `sources` is readable (or hung up) and returns the positions of those that are; empty after
/// `longest`, or when a signal came.
///
/// ```
/// use std::{io::Write, time::Duration};
///
/// let (read, mut write) = std::io::pipe()?;
/// assert!(sdk::wait::readable(&[&read], Some(Duration::ZERO))?.is_empty());
/// write.write_all(b"x")?;
/// assert_eq!(sdk::wait::readable(&[&read], None)?, [0]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn readable(sources: &[&dyn AsFd], longest: Option<Duration>) -> io::Result<Vec<usize>> {
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().map(|source| PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)).collect();
    let longest = longest.map(|time| Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    });
    match poll(&mut polled, longest.as_ref()) {
        Ok(_) => Ok(polled.iter().enumerate().filter(|(_, p)| !p.revents().is_empty()).map(|(at, _)| at).collect()),
        Err(Errno::INTR) => Ok(Vec::new()),
        Err(e) => Err(e.into()),
    }
}
