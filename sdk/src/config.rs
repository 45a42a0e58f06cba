//! The configuration that the device's owner gives this app: `holdfast app config set`.
//!
//! The manifest asks for it: `"Holdfast": { "Config": "restart" }`, and the app is started again when it changes, or
//! `"notify"`, and the app is told. What is in it is between the app and its owner: text, JSON, a key. It is kept encrypted,
//! and no other app gets it.
//!
//! ```no_run
//! use sdk::{config::Config, descriptors::Granted, log};
//!
//! let config = Config::take(&mut Granted::take())?;
//! let name = String::from_utf8(config.read()?)?;
//! log::info(format_args!("I am {name}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::descriptors::{Granted, NotGranted};
use rustix::io::Errno;
use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

/// Longest configuration, in bytes.
const LIMIT: usize = 32 * 1024;

/// The app's configuration.
#[derive(Debug)]
pub struct Config {
    document: File,
    changed: Option<OwnedFd>,
}

impl Config {
    /// Takes it out of what was granted.
    ///
    /// ```
    /// let mut granted = sdk::descriptors::Granted::take();
    /// assert!(sdk::config::Config::take(&mut granted).is_err(), "nothing is granted outside of a device");
    /// ```
    pub fn take(granted: &mut Granted) -> Result<Self, NotGranted> {
        Ok(Self { document: granted.descriptor("config")?.into(), changed: granted.descriptor("config-changed").ok() })
    }

    /// The whole of it; empty where the owner has set none.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; LIMIT];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.document.read_at(room, filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Readable when it has changed, for [`crate::wait::readable`]; none where the manifest says `restart`.
    pub fn changes(&self) -> Option<BorrowedFd<'_>> {
        self.changed.as_ref().map(AsFd::as_fd)
    }

    /// Whether it has changed since the last call. Call it before [`Config::read`]: a change after that is told again.
    pub fn has_changed(&self) -> io::Result<bool> {
        let Some(changed) = &self.changed else { return Ok(false) };
        // A byte for each change; what does not fit is told by another call.
        match rustix::io::read(changed, &mut [0; 64]) {
            Ok(count) => Ok(count > 0),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::io::Write;

    #[test]
    fn it_is_read_from_its_beginning_each_time_and_a_change_is_told_once() {
        let mut document = tempfile::tempfile().unwrap();
        document.write_all(b"name=Front door").unwrap();
        let (changed, device) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        rustix::io::write(&device, b"\n\n").unwrap();
        let config = Config { document, changed: Some(changed) };
        assert!(config.has_changed().unwrap() && !config.has_changed().unwrap());
        assert_eq!(config.read().unwrap(), b"name=Front door");
        assert_eq!(config.read().unwrap(), b"name=Front door");
    }
}
