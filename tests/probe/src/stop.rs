//! Being told to end, and what a test asked to happen then.

use crate::act;
use linux::{log, signals};
use std::{cell::Cell, io, os::fd::OwnedFd};

/// Whether SIGTERM came, and what to do about it.
pub struct Stop {
    signals: OwnedFd,
    freeze_init: Cell<bool>,
}

/// Begins to watch for SIGTERM.
pub fn watch() -> io::Result<Stop> {
    Ok(Stop { signals: signals::receive(&[signals::SIGTERM])?, freeze_init: Cell::new(false) })
}

impl Stop {
    /// Whether the probe was told to end.
    pub fn asked(&self) -> bool {
        signals::next(&self.signals).is_some()
    }

    /// When told to end, freeze PID 1.
    pub fn freeze_init(&self) {
        self.freeze_init.set(true);
    }

    /// Does what was asked for, once the probe was told to end.
    pub fn carry_out(&self) {
        if self.freeze_init.get() {
            log::notice("the probe freezes PID 1 while the device goes down");
            if let Err(e) = act::freeze(1) {
                log::error(format_args!("cannot freeze PID 1: {e}"));
            }
        }
    }
}
