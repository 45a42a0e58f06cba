//! One file per protection that takes more than a call; what takes one call stands in `child.rs`.
//!
//! - `mounts`: the program's own root, and what is mounted in it.
//! - [`devices`]: /dev with its five nodes.
//! - [`landlock`]: its domain.

pub mod devices;
pub mod landlock;
pub(crate) mod mounts;
