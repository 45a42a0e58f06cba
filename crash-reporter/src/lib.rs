//! crash-reporter: makes reports of what crashed apps leave, seals them to the owner's key, and keeps them.
//!
//! - [`daemon`]: open, confine, loop; started on demand, and ends when nobody wants anything.
//! - [`reporter`]: what is asked for, and in which order cores are read: one at a time.
//! - [`reading`]: a copy of this process reads one core; [`reader`]: what it does there.
//! - [`store`]: the reports that are kept; [`displaced`]: which go when there are too many.
//!
//! Trust: app-manager and device-api say what is wanted, as far as the service table lets them. A core file is whatever an app
//! wrote there. It is never looked at in this process: a copy that has the core, the public key and a place to write, no path,
//! no socket and a dozen system calls, makes a sealed report of it. What comes back is not looked into either. It begins with
//! the header that this process wrote itself, or it is not kept; the rest only the owner can read. So an app that takes the
//! copy over wins what its core was: sealed bytes of its own choice in a report of its own name.
//!
//! Invariants: a crash that was told leaves a report, if not with a minidump, then with the reason why not. No number is used
//! twice. Whatever apps do, the folder stays within [`displaced`]'s limits, and the disk is written to at most so often.

#![forbid(unsafe_code)]

pub mod daemon;
pub mod displaced;
mod fault;
pub mod reader;
pub mod reading;
pub mod reporter;
pub mod store;
