//! Reference monitor and threat monitor: the one process that knows whom this device trusts, and the one that keeps
//! record of what happened to it. It starts first, and the device reboots when it ends.
//!
//! Trusts: the verified image (trust store, service table), the kernel, and what the kernel says of callers. Reads
//! foreign bytes: bundles and envelopes that app-manager hands it, packets of other daemons, lines of their logs,
//! names that apps chose in kernel and audit records. Holds no capability; what it needs init opened for it.
//!
//! The flow, in order:
//! - [`places`], [`weaknesses`]: where things are, and what protection this device lacks.
//! - [`trust_store`]: the keys. [`verdict`]: envelope and facts to a decision, pure. [`merkle`]: the fs-verity digest.
//!   [`bundle`]: reading the facts, by descriptor and in slices. [`sealed`]: handing results out unchangeable.
//! - [`storage_keys`]: the keys of the apps' storage, which the kernel gets and nobody else. [`configurations`]: the apps'
//!   configuration, encrypted with them.
//! - [`watch`], [`audit`]: kernel log and audit records to sightings. [`threats`]: sightings to events, floods thinned
//!   out. [`event_log`], [`segment`]: the chained log. [`previous_panic`]: what pstore kept.
//! - [`kernel_log`], [`daemon_logs`], [`lines`], [`log_ring`]: logs, kept and read out.
//! - [`answers`], [`monitor`]: requests, and the loop over all of it.
//!
//! Invariants:
//! - Nothing of a signed payload is parsed before its signature holds; nothing unsigned is hashed.
//! - Whoever has a verdict can count on launcher having it too.
//! - An event that was acknowledged is on the disk, and its number is never given again.
//! - What others wrote is bounded and free of control characters before it is kept or repeated.
//! - No request, record or line makes the loop wait for more than a few seconds.

#![forbid(unsafe_code)]

pub mod answers;
pub mod audit;
pub mod bundle;
pub mod configurations;
pub mod daemon_logs;
pub mod event_log;
pub mod kernel_log;
pub mod lines;
pub mod log_ring;
pub mod merkle;
pub mod monitor;
pub mod places;
pub mod previous_panic;
pub mod sealed;
pub mod segment;
pub mod storage_keys;
#[cfg(test)]
mod tests {
    pub mod samples;
}
pub mod threats;
pub mod trust_store;
pub mod verdict;
pub mod watch;
pub mod weaknesses;
