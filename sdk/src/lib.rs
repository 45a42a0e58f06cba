//! What an app of Holdfast links against: a thin, blocking library without threads and without a runtime.
//!
//! An app needs none of it: everything here is a public convention (sd_notify(3), sd_listen_fds(3), plain files, standard
//! output) that a program in any language can follow; `samples/doorbell-c` does. The library only makes them hard to get
//! wrong.
//!
//! - [`ready`]: tell the manager READY, a status line, and that the app is alive (watchdog).
//! - [`descriptors`]: take what the manifest grants, by name. There is no device to open: the descriptor is the right.
//! - [`gpio`], [`uart`], [`i2c`], [`spi`], [`attributes`] (pulses, converters, LEDs), [`clock`], [`watchdog`]: granted peripherals.
//! - [`storage`]: files that survive a power cut, in the folder that `MutableStorage` grants.
//! - [`config`]: what the device's owner gives the app to read.
//! - [`services`]: what the device does for the app: memory figures, power, clock, updates, certificates, connections with other
//!   apps.
//! - [`signals`]: SIGTERM as a descriptor, so that a wait ends and the app can finish what it holds.
//! - [`wait`]: wait for several descriptors at once.
//! - [`log`]: lines of the app's log, which never panic when nobody reads them.
//!
//! What it trusts: the environment that launcher made. What it does not: the app's own order of calls; each type can be
//! made once or says why not. `unsafe` stands in `sys.rs` alone.
//!
//! The shape of an app:
//!
//! ```no_run
//! use sdk::{descriptors::Granted, log, ready::Manager, signals::Termination, wait};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut granted = Granted::take();
//! let button = granted.gpio("DOORBELL_BUTTON")?;
//! let termination = Termination::watch()?;
//! let manager = Manager::from_environment();
//! manager.ready();
//! while !wait::readable(&[&termination, &button], manager.ping_interval())?.contains(&0) {
//!     for edge in button.edges(sdk::gpio::BATCH)? {
//!         log::info(format_args!("{edge:?}"));
//!     }
//!     manager.alive();
//! }
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

pub mod attributes;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod gpio;
pub mod i2c;
pub mod log;
pub mod ready;
pub mod services;
pub mod signals;
pub mod spi;
pub mod storage;
mod sys;
pub mod uart;
pub mod wait;
pub mod watchdog;
