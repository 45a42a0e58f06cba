//! Descriptors that the manifest grants.

use crate::text::text;
use sdk::descriptors::Granted;
use std::{
    ffi::{c_char, c_int},
    os::fd::IntoRawFd,
    sync::{Mutex, OnceLock, PoisonError},
};

/// Takes the descriptor that the manifest calls by this name, with `$` or without; parts of a peripheral have a dot, such as
/// "DIMMER.0.period". It is the caller's to close, and can be taken once. -EACCES: the manifest does not list it, or it was
/// taken.
///
/// ```c
/// int port = holdfast_granted("SERIAL_PORT");
///
/// if (port < 0 || write(port, "read\r\n", 6) != 6)
///         return 1;
/// ```
///
/// # Safety
///
/// `name` is NULL or a text that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_granted(name: *const c_char) -> c_int {
    static GRANTED: OnceLock<Mutex<Granted>> = OnceLock::new();
    // SAFETY: passed on as the caller promised it.
    let Some(name) = (unsafe { text(name) }) else { return -libc::EINVAL };
    let granted = GRANTED.get_or_init(|| Mutex::new(Granted::take()));
    let mut granted = granted.lock().unwrap_or_else(PoisonError::into_inner);
    granted.descriptor(name).map_or(-libc::EACCES, IntoRawFd::into_raw_fd)
}
