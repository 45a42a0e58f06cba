//! The SDK for C: the same conventions, behind functions that C can call. `include/holdfast.h` is made from this crate.
//!
//! - [`ready`]: readiness, status, watchdog, SIGTERM. [`granted`]: descriptors by name. [`lines`]: GPIO.
//! - [`storage`]: files that survive a power cut. [`services`]: what app-services does, asked in its own words (JSON).
//!
//! Everything takes plain pointers and gives plain numbers. A failure is a negative errno value, as the kernel has it: C programs
//! know those, and no state is kept between two calls. What a caller must promise stands at each function and in [`text`], the
//! one place where pointers become references.
#![expect(unsafe_code, reason = "the callers are C: pointers come from them")]

pub mod granted;
pub mod lines;
pub mod ready;
pub mod services;
pub mod storage;
mod text;

use std::{ffi::c_int, io};

/// A failure as its negative errno value.
fn negative(error: &io::Error) -> c_int {
    -error.raw_os_error().unwrap_or(libc::EIO)
}

/// 0, or a failure.
fn done(result: io::Result<()>) -> c_int {
    result.map_or_else(|e| negative(&e), |()| 0)
}
