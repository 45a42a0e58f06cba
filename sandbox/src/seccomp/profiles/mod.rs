//! The system call profiles: tables with a reason per line.
//!
//! - [`base`]: what every program needs, app or daemon.
//! - [`forbidden`]: calls that we know and refuse.
//! - [`app`]: what apps get beside, and what a manifest can add.
//! - [`daemon`]: what Holdfast's own daemons get beside.
//! - [`reaper`]: what PID 1 of a sandbox gets, alone.
//! - [`reader`]: what a copy of a daemon gets that reads what somebody forged, alone.

pub mod app;
pub mod base;
pub mod daemon;
pub mod forbidden;
pub mod reader;
pub mod reaper;

use super::rule::Profile;

/// Part of every filter but the reaper's and the reader's.
pub const ALWAYS: [&Profile; 3] = [&base::BASE, &forbidden::FORBIDDEN, &forbidden::UNNEEDED];

/// Profiles that a policy or plan for an app may name. Not among them: [`app::DEBUG`], which is for whoever decides that a
/// program is debugged, never for whoever describes it.
pub const APPS: &[&Profile] = &[
    &app::APP,
    &app::THREADS,
    &app::FORK,
    &app::EXEC,
    &app::GPIO,
    &app::UART,
    &app::I2C,
    &app::SPI,
    &app::RTC,
    &app::WATCHDOG,
    &app::NETWORK,
    &app::LISTEN,
    &app::JIT,
];

/// Profiles that daemons choose from.
pub const DAEMONS: &[&Profile] = &[
    &daemon::DAEMON,
    &daemon::SEALED,
    &daemon::VERITY,
    &daemon::STORAGE_KEYS,
    &daemon::PERIPHERALS,
    &daemon::DENIALS,
    &daemon::CLOCK,
    &daemon::COPIES,
];

/// The app profile of this name.
pub fn find(name: &str) -> Option<&'static Profile> {
    APPS.iter().copied().find(|profile| profile.name == name)
}
