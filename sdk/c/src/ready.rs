//! What the app tells its manager, and what the manager tells it.

use crate::{negative, text::text};
use sdk::{ready::Manager, signals::Termination};
use std::{
    ffi::{c_char, c_int},
    os::fd::{AsFd, IntoRawFd},
    sync::OnceLock,
};

fn manager() -> &'static Manager {
    static MANAGER: OnceLock<Manager> = OnceLock::new();
    MANAGER.get_or_init(Manager::from_environment)
}

/// Tells the manager that the app is ready for work. Outside of a device these functions say nothing to nobody.
///
/// ```c
/// struct pollfd ends = { .fd = holdfast_termination(), .events = POLLIN };
///
/// holdfast_status("waiting for the first press");
/// holdfast_ready();
/// while (poll(&ends, 1, (int)holdfast_ping_interval_ms()) == 0)
///         holdfast_alive();
/// holdfast_stopping();
/// ```
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_ready() {
    manager().ready();
}

/// Tells that the app is alive: at least once in holdfast_ping_interval_ms, where the manifest has a Watchdog.
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_alive() {
    manager().alive();
}

/// Tells that the app is about to end.
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_stopping() {
    manager().stopping();
}

/// Sets the app's status line.
///
/// # Safety
///
/// `line` is NULL or a text that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_status(line: *const c_char) -> c_int {
    // SAFETY: passed on as the caller promised it.
    let Some(line) = (unsafe { text(line) }) else { return -libc::EINVAL };
    manager().status(line);
    0
}

/// Milliseconds between two signs of life; -1 if the manifest asks for none.
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_ping_interval_ms() -> i64 {
    manager().ping_interval().and_then(|time| i64::try_from(time.as_millis()).ok()).unwrap_or(-1)
}

/// A descriptor that is readable once the app shall end (SIGTERM); the caller's to close. Blocks SIGTERM and SIGINT for this
/// thread and those that it starts: call it before any other thread is there.
#[unsafe(no_mangle)]
pub extern "C" fn holdfast_termination() -> c_int {
    let descriptor = Termination::watch().and_then(|termination| termination.as_fd().try_clone_to_owned());
    descriptor.map_or_else(|e| negative(&e), IntoRawFd::into_raw_fd)
}
