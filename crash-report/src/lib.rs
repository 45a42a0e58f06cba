//! Crash reports: what a device makes of an app's core file, and how its owner reads it.
//!
//! An app that crashes leaves a core file, which holds all it had in memory. This crate makes of it a minidump, the format
//! that the field's tools read, with registers, stacks and modules and nothing of the heap; and seals that to the owner's
//! public key, so that neither the device nor whoever copies the report from it can read what was on the stacks.
//!
//! - `read_at`: [`ReadAt`], all that is asked of a core file.
//! - [`core_file`]: program headers and notes of an ELF core; `notes`, `memory`, `modules`: what is in them.
//! - [`dump`]: [`minidump()`] and its limits; `contexts`, `minidump_file`: the format, by the structures of `minidump-common`.
//! - [`envelope`](mod@envelope): the file of a sealed report: a header that anybody may read, and what only the owner can.
//! - [`seal`](mod@seal): sealing and opening, by HPKE (RFC 9180), with randomness from the kernel (`random`).
//!
//! Trust: a core file is written by the kernel and forged by an app as it likes, a sealed report comes from wherever its
//! owner got it. Both are bounded before anything is made of them, and no bytes lead to a panic. HPKE's base mode does not
//! say who sealed: whoever knows the public key can make a report, so one proves nothing of the device it names.
//!
//! It opens no file: a caller passes bytes, or a core file that is open.

#![forbid(unsafe_code)]

mod contexts;
pub mod core_file;
pub mod dump;
pub mod envelope;
pub mod memory;
mod minidump_file;
pub mod modules;
pub mod notes;
mod random;
mod read_at;
pub mod seal;

pub use core_file::CoreError;
pub use dump::{MINIDUMP_LIMIT, minidump};
pub use envelope::{Algorithm, Envelope, envelope, header};
pub use read_at::ReadAt;
pub use seal::{OpenError, SealError, key_id, open, public_key, seal};
