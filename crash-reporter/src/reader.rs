//! What the copy of this process does that reads a core: confine itself, make a minidump, seal it, write it down, end.
//!
//! It says nothing but its exit status, a word of [`Failure`], and what it wrote.

use crash_report::{CoreError, minidump, seal};
use linux::process::{self, Resource};
use manifest::api::CrashReport;
use rustix::io::Errno;
use std::{fs::File, io::Write};

/// Longest report, in bytes, that a copy can write: the limit of its files' size.
pub const OUTPUT_LIMIT: usize = 1 << 20;
/// Seconds of the processor's time.
const PROCESSOR_SECONDS: u64 = 10;
/// Bytes of address space: the program itself, and some MiB beside it. Of the service's memory so much is a copy's, and
/// [`DAEMON_MEMORY`] the daemon's: a copy that was taken over cannot use up what the kernel would kill both for.
const ADDRESS_SPACE: u64 = 24 << 20;
/// Bytes that the service's control group has beside a copy's.
#[cfg(test)]
const DAEMON_MEMORY: u64 = 16 << 20;

/// What a copy is to make.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whom the report is for.
    pub key: [u8; 32],
    /// What it says beside the minidump.
    pub report: CrashReport,
}

/// Makes a sealed report of a core. In a copy of this process: it has no path, and ends if it takes too long.
pub type Make = fn(&Order, &File) -> Result<Vec<u8>, Failure>;

/// [`Make`] as the device does it.
pub fn sealed_minidump(order: &Order, core: &File) -> Result<Vec<u8>, Failure> {
    let minidump = minidump(core)?;
    seal(&order.key, &order.report, &minidump).map_err(|_| Failure::Seal)
}

/// Declares the failures: name, exit status, words.
macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident $status:literal $words:literal),* $(,)?) => {
        /// Why a copy made no report. Its exit status says which, and the words are ours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Failure {
            $($(#[$doc])* $name = $status),*
        }

        impl Failure {
            /// The words for an exit status.
            pub fn words(status: i32) -> Option<&'static str> {
                match status {
                    $($status => Some($words),)*
                    _ => None,
                }
            }
        }
    };
}

failures! {
    /// [`CoreError::NoCore`]
    NoCore 1 "the core file is no 64-bit little-endian ELF core",
    /// [`CoreError::Machine`]
    Machine 2 "the core file is of a processor that is not known",
    /// [`CoreError::Cut`]
    Cut 3 "the core file is cut before its notes",
    /// [`CoreError::NoThread`]
    NoThread 4 "the core file's notes hold no thread's registers",
    /// [`CoreError::Read`]
    Read 5 "the core file cannot be read",
    /// [`CoreError::Write`]
    Write 6 "the minidump cannot be written",
    /// The key is none.
    Seal 7 "the report cannot be sealed to the owner's key",
    /// There was no room for it.
    Tell 8 "the reader could not hand its report over",
    /// It is not confined.
    Unconfined 9 "the reader could not confine itself",
}

impl From<CoreError> for Failure {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::NoCore => Self::NoCore,
            CoreError::Machine(_) => Self::Machine,
            CoreError::Cut => Self::Cut,
            CoreError::NoThread => Self::NoThread,
            CoreError::Read(_) => Self::Read,
            CoreError::Write(_) => Self::Write,
        }
    }
}

/// The whole life of a copy; its exit status.
pub(crate) fn work(make: Make, order: &Order, core: &File, mut output: &File) -> u8 {
    let result = confine().and_then(|()| {
        let sealed = make(order, core)?;
        output.write_all(&sealed).map_err(|_| Failure::Tell)
    });
    result.map_or_else(|failure| failure as u8, |()| 0)
}

/// Limits first: behind its filter it can no longer set them.
fn confine() -> Result<(), Failure> {
    limit().map_err(|_| Failure::Unconfined)?;
    sandbox::confine_reader().map_err(|_| Failure::Unconfined)
}

fn limit() -> Result<(), Errno> {
    process::undumpable()?;
    process::limit_to_at_most(Resource::Core, 0)?;
    process::limit_to_at_most(Resource::Cpu, PROCESSOR_SECONDS)?;
    process::limit_to_at_most(Resource::As, ADDRESS_SPACE)?;
    process::limit_to_at_most(Resource::Fsize, OUTPUT_LIMIT as u64)?;
    // One, for the moment that it takes to enter its Landlock domain.
    process::limit_to_at_most(Resource::Nofile, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_reader_itself() {
        for error in [CoreError::NoCore, CoreError::Cut, CoreError::NoThread] {
            let words = error.to_string();
            assert_eq!(Failure::words(i32::from(Failure::from(error) as u8)), Some(words.as_str()));
        }
        assert_eq!((Failure::words(0), Failure::words(255)), (None, None));
    }

    #[test]
    fn a_copy_that_uses_all_it_may_leaves_the_daemon_its_memory() {
        let row = include_str!("../../buildroot-config/services/crash-reporter.json");
        let row: manifest::service::Service = serde_json::from_str(row).unwrap();
        assert_eq!(row.memory.0, ADDRESS_SPACE + DAEMON_MEMORY);
    }
}
