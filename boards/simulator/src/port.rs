//! A virtio-serial port as lines (drivers/char/virtio_console.c).
//!
//! While the host's side is closed the port reads as ended and polls as hung up, at once and for ever: only a pause keeps
//! a reader from spinning. The pause is long enough to cost nothing and short enough that no person notices it.

use linux::files::FileError;
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    fmt,
    os::fd::OwnedFd,
    thread::sleep,
    time::{Duration, Instant},
};

/// Longest line, in bytes.
pub const LINE_LIMIT: usize = 256;
const PAUSE: Duration = Duration::from_millis(100);
/// Time between two tries to write, and after which nobody reads.
const STEP: Duration = Duration::from_millis(5);
const GONE: Duration = Duration::from_secs(2);

/// The port and what of a line has come so far.
pub struct Port {
    port: OwnedFd,
    pending: Vec<u8>,
    /// Whether what comes up to the next line break belongs to a line that was too long.
    skipping: bool,
}

/// A line of more than [`LINE_LIMIT`] bytes came; it was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of more than {LINE_LIMIT} bytes was skipped")
    }
}

impl Port {
    /// Takes the port over.
    pub fn new(port: OwnedFd) -> Self {
        Self { port, pending: Vec::new(), skipping: false }
    }

    /// Waits for the next line.
    pub fn line(&mut self) -> Result<Result<String, TooLong>, FileError> {
        loop {
            if let Some(line) = self.whole_line() {
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// Sends one line. With nobody there to read it, it is dropped: an answer is for who asked.
    pub fn answer(&self, text: &str) -> Result<(), FileError> {
        let line = format!("{text}\n");
        let began = Instant::now();
        loop {
            match rustix::io::write(&self.port, line.as_bytes()) {
                Ok(_) | Err(Errno::PIPE) => return Ok(()),
                Err(Errno::INTR) => {}
                // A command can come before the kernel has noticed that the host is connected: until then writing would
                // block, and only time tells that nobody is there.
                Err(Errno::AGAIN) if began.elapsed() < GONE => sleep(STEP),
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(FileError::new("write", "the port", e)),
            }
        }
    }

    fn whole_line(&mut self) -> Option<Result<String, TooLong>> {
        let end = self.pending.iter().position(|byte| *byte == b'\n');
        if end.is_none() && self.pending.len() > LINE_LIMIT {
            self.pending.clear();
            self.skipping = true;
        }
        let line: Vec<u8> = self.pending.drain(..=end?).collect();
        if std::mem::take(&mut self.skipping) || line.len() > LINE_LIMIT {
            return Some(Err(TooLong));
        }
        Some(Ok(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    fn fill(&mut self) -> Result<(), FileError> {
        self.pending.reserve(LINE_LIMIT);
        match rustix::io::read(&self.port, spare_capacity(&mut self.pending)) {
            Ok(0) => sleep(PAUSE),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut waited = [PollFd::new(&self.port, PollFlags::IN)];
                let _ = poll(&mut waited, None);
            }
            Err(e) => return Err(FileError::new("read", "the port", e)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    #[test]
    fn lines_come_one_by_one_and_a_long_one_is_skipped_whole() {
        let (read, mut write) = pipe().unwrap();
        let mut port = Port::new(read.into());
        write.write_all(b"press A\npress B\n").unwrap();
        write.write_all(&[b'x'; LINE_LIMIT * 3]).unwrap();
        write.write_all(b"\nlast\n").unwrap();
        assert_eq!(port.line().unwrap().unwrap(), "press A");
        assert_eq!(port.line().unwrap().unwrap(), "press B");
        assert_eq!(port.line().unwrap(), Err(TooLong));
        assert_eq!(port.line().unwrap().unwrap(), "last");
    }
}
