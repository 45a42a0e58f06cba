//! A granted device on an I2C bus. The descriptor has the device's address already; no other one can be reached through it.
//!
//! A device that does not answer is an error, ENXIO or EREMOTEIO by the bus's driver.
//!
//! ```no_run
//! let eeprom = sdk::descriptors::Granted::take().i2c("EEPROM")?;
//! eeprom.set_register(0x10, 42)?;
//! assert_eq!(eeprom.register(0x10)?, 42);
//! // Devices with other commands: bytes there, bytes back.
//! let mut page = [0; 16];
//! eeprom.write(&[0x00])?;
//! eeprom.read(&mut page)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::sys;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A device on an I2C bus.
#[derive(Debug)]
pub struct I2c {
    bus: OwnedFd,
}

impl I2c {
    pub(crate) fn new(bus: OwnedFd) -> Self {
        Self { bus }
    }

    /// Sends bytes to the device, in one message.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        whole(rustix::io::write(&self.bus, bytes)?, bytes.len())
    }

    /// Receives as many bytes as fit, in one message.
    pub fn read(&self, into: &mut [u8]) -> io::Result<()> {
        let length = into.len();
        whole(rustix::io::read(&self.bus, into)?, length)
    }

    /// Reads a register of one byte (SMBus "read byte data"): command and answer without a stop between them.
    pub fn register(&self, register: u8) -> io::Result<u8> {
        sys::smbus_read_byte(self.bus.as_fd(), register)
    }

    /// Writes a register of one byte (SMBus "write byte data").
    pub fn set_register(&self, register: u8, value: u8) -> io::Result<()> {
        sys::smbus_write_byte(self.bus.as_fd(), register, value)
    }
}

fn whole(done: usize, wanted: usize) -> io::Result<()> {
    if done == wanted { Ok(()) } else { Err(io::Error::other(format!("the device took part in {done} of {wanted} bytes"))) }
}

impl AsFd for I2c {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bus.as_fd()
    }
}
