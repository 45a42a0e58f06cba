//! The virtio-serial port as lines of JSON. With the host's side closed it reads as ended: a pause keeps it from spinning.

use crate::stop::Stop;
use probe::LINE_LIMIT;
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io,
    os::fd::OwnedFd,
    thread::sleep,
    time::{Duration, Instant},
};

const CHUNK: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(50);
/// Time between two tries to write, and after which nobody reads.
const STEP: Duration = Duration::from_millis(5);
const GONE: Duration = Duration::from_secs(10);
/// How often a stop is looked for while nothing comes.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// The port and what of a request has come so far.
pub struct Port {
    port: OwnedFd,
    pending: Vec<u8>,
}

impl Port {
    /// Takes the port over.
    pub fn new(port: OwnedFd) -> Self {
        Self { port, pending: Vec::new() }
    }

    /// Waits for the next request; none once the probe is told to stop.
    pub fn line(&mut self, stop: &Stop) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.pending.drain(..=end).collect()));
            }
            if self.pending.len() > LINE_LIMIT {
                self.pending.clear();
            }
            if stop.asked() {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Sends an answer. A port that is not open on the other side loses it.
    pub fn answer(&self, bytes: &[u8]) -> io::Result<()> {
        let mut line = bytes.to_vec();
        line.push(b'\n');
        let mut rest = line.as_slice();
        let began = Instant::now();
        while !rest.is_empty() {
            match rustix::io::write(&self.port, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                // A request can come before the kernel has noticed that the host is connected: until then writing would
                // block and polling says hung up, so only time tells that nobody is there.
                Err(Errno::AGAIN) if began.elapsed() < GONE => sleep(STEP),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut waited = [PollFd::new(&self.port, PollFlags::IN)];
        if matches!(poll(&mut waited, Some(&PATIENCE)), Ok(0) | Err(Errno::INTR)) {
            return Ok(());
        }
        self.pending.reserve(CHUNK);
        match rustix::io::read(&self.port, spare_capacity(&mut self.pending)) {
            Ok(0) => sleep(PAUSE),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }
}
