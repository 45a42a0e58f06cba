//! What an app gets on a device: a manifest and a board file go in, a policy and its explanation come out.
//!
//! Pure: no I/O, no clock, no state of the device. The same function decides on the device (app-manager, at install and
//! at each start) and on the developer's machine (`holdfast app check --explain`), so both always say the same.
//!
//! Trust: the manifest is well formed ([`manifest::app`]) and was signed, but it *asks*; nothing of it is in force
//! before it went through [`grant`]. The board file is part of the verified image.
//!
//! - [`policy`]: [`grant`], manifest → [`Granted`] or [`Refusal`].
//! - [`refusal`]: every capability that this device cannot give, each with its path, the reason, and what to do.
//! - [`unavailable`]: the table of Azure Sphere's capabilities that no board of this release has.
//! - [`values`]: values that make no sense on any device.
//! - [`peripherals`]: which entries of the board file are meant.
//! - [`services`]: rights to what app-services does.
//! - [`rights`]: what a manifest asks for, in plain words.
//! - [`explain`]: the decision in the same words, with what the board adds.
//! - [`denial`]: what a manifest lacks, where the app was refused a system call.
//!
//! Invariants: nothing listed, nothing granted. Nothing listed is dropped silently: what cannot be given refuses the
//! whole manifest, and all problems are told at once. Whether another app holds a peripheral is not known here.

#![forbid(unsafe_code)]

pub mod denial;
pub mod explain;
pub mod peripherals;
pub mod policy;
pub mod refusal;
pub mod rights;
pub mod services;
mod unavailable;
pub mod values;

pub use policy::{Granted, Limits, grant};
pub use refusal::{Problem, Refusal};
