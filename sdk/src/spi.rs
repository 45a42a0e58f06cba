//! A granted device on an SPI bus. The descriptor has mode and fastest clock already.
//!
//! ```no_run
//! let flash = sdk::descriptors::Granted::take().spi("FLASH")?;
//! // "Read JEDEC id": one byte of command, then three that the device answers meanwhile.
//! let mut bytes = [0x9f, 0, 0, 0];
//! flash.transfer(&mut bytes)?;
//! let [_, maker, kind, capacity] = bytes;
//! sdk::log::info(format_args!("maker {maker:#x}, kind {kind:#x}, capacity {capacity:#x}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::sys;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A device on an SPI bus.
#[derive(Debug)]
pub struct Spi {
    device: OwnedFd,
}

impl Spi {
    pub(crate) fn new(device: OwnedFd) -> Self {
        Self { device }
    }

    /// Sends bytes and receives as many at the same time, with the chip selected throughout. At most 4096 bytes, unless the
    /// kernel was told otherwise (spidev's `bufsiz`); more are EMSGSIZE.
    pub fn transfer(&self, bytes: &mut [u8]) -> io::Result<()> {
        sys::spi_transfer(self.device.as_fd(), bytes)
    }

    /// Sends bytes, with the chip selected throughout, and forgets what came meanwhile. As many as [`Spi::transfer`].
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let done = rustix::io::write(&self.device, bytes)?;
        if done == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

impl AsFd for Spi {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}
