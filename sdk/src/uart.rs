//! A granted serial port. The manager has opened it: 115200 baud, 8 bits, no parity, bytes as they are, and it does not block.
//!
//! ```no_run
//! use sdk::{descriptors::Granted, uart::Parity, wait};
//!
//! let port = Granted::take().uart("SERIAL_PORT")?;
//! port.set(9600, Parity::Even)?;
//! port.write_all(b"read\r\n")?;
//! let mut answer = [0; 64];
//! wait::readable(&[&port], None)?;
//! let length = port.read(&mut answer)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    termios::{ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr},
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A serial port.
///
/// On a desk a socket pair stands in for one:
///
/// ```
/// use sdk::uart::Port;
/// use std::{io::Write, os::{fd::OwnedFd, unix::net::UnixStream}};
///
/// let (port, mut device) = UnixStream::pair()?;
/// port.set_nonblocking(true)?;
/// let port = Port::from(OwnedFd::from(port));
/// let mut bytes = [0; 8];
/// assert_eq!(port.read(&mut bytes)?, 0, "nothing came yet");
/// device.write_all(b"21.5 C")?;
/// assert_eq!(port.read(&mut bytes)?, 6);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Port {
    port: OwnedFd,
}

/// A bit that is sent along with each byte, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Makes the number of ones even.
    Even,
    /// Makes it odd.
    Odd,
}

impl From<OwnedFd> for Port {
    /// A granted descriptor that was taken as it is.
    fn from(port: OwnedFd) -> Self {
        Self { port }
    }
}

impl Port {
    /// Sets speed (bits a second) and parity, once what was written before is sent.
    pub fn set(&self, baud: u32, parity: Parity) -> io::Result<()> {
        let mut settings = tcgetattr(&self.port)?;
        settings.set_speed(baud)?;
        settings.control_modes.remove(ControlModes::PARENB | ControlModes::PARODD);
        match parity {
            Parity::None => {}
            Parity::Even => settings.control_modes.insert(ControlModes::PARENB),
            Parity::Odd => settings.control_modes.insert(ControlModes::PARENB | ControlModes::PARODD),
        }
        Ok(tcsetattr(&self.port, OptionalActions::Drain, &settings)?)
    }

    /// What came since the last call, at most as much as fits; 0 if nothing did: call it when [`crate::wait::readable`] says so. A port
    /// that has gone (an adapter that was pulled out) is an error.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let asks = !into.is_empty();
        match rustix::io::read(&self.port, into) {
            Ok(0) if asks => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(length),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    /// Sends all of it; waits while the kernel's buffer is full.
    pub fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.port, bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&self.port, PollFlags::OUT)], None)?),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Forgets what came and was not read.
    pub fn forget_input(&self) -> io::Result<()> {
        Ok(tcflush(&self.port, QueueSelector::IFlush)?)
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::{
        fs::{Mode, OFlags, open},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    #[test]
    fn a_port_takes_speed_and_parity_and_passes_bytes_as_they_are() {
        let Ok(other) = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY) else { return };
        grantpt(&other).and_then(|()| unlockpt(&other)).unwrap();
        let port = open(ptsname(&other, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK, Mode::empty());
        let port = Port::from(port.unwrap());
        let mut raw = tcgetattr(&port).unwrap();
        raw.make_raw();
        tcsetattr(&port, OptionalActions::Now, &raw).unwrap();
        port.set(9600, Parity::None).unwrap();
        assert_eq!(tcgetattr(&port).unwrap().output_speed(), 9600);
        let mut bytes = [0; 8];
        assert_eq!(port.read(&mut bytes).unwrap(), 0, "nothing came yet");
        rustix::io::write(&other, b"a\r\n\0").unwrap();
        assert_eq!((port.read(&mut bytes).unwrap(), &bytes[..4]), (4, &b"a\r\n\0"[..]));
        port.write_all(b"\x03b").unwrap();
        let length = rustix::io::read(&other, &mut bytes[..]).unwrap();
        assert_eq!(&bytes[..length], b"\x03b");
    }
}
