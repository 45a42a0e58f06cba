//! What init says: to the kernel's log, which reaches the console and survives a crash (pstore). Never to the console
//! itself, which may block.

use linux::files::{self, FileError};
use std::fmt::Display;

/// Something failed that should not.
pub fn error(text: impl Display) {
    linux::log::error(format_args!("{NAME}: {text}"));
}

/// Something is not as it should be, and the boot goes on.
pub fn warning(text: impl Display) {
    linux::log::warning(format_args!("{NAME}: {text}"));
}

/// Worth a line on the console.
pub fn notice(text: impl Display) {
    linux::log::notice(format_args!("{NAME}: {text}"));
}

/// Explains something to whoever reads the log.
pub fn info(text: impl Display) {
    linux::log::info(format_args!("{NAME}: {text}"));
}

/// What was read of a file of ours; nothing where there is none, and where it cannot be read, which is said: a new one takes its
/// place.
pub fn read<T>(result: Result<T, FileError>) -> Option<T> {
    if let Err(e) = &result
        && !e.is_missing()
    {
        warning(files::chain(e));
    }
    result.ok()
}

/// What every line begins with. Standard error is `/dev/kmsg`, whose priority prefix is the same as sd-daemon's.
const NAME: &str = "holdfast-init";
