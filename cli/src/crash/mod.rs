//! Crash reports of apps, read: from a minidump and files with symbols to functions and lines.
//!
//! In order: [`dump`] reads a minidump, with the [`registers`] of each thread; [`find`] looks for files with the [`build_id`] of each of its modules, in what
//! `holdfast app build` put into a [`store`] among others; [`symbols`] reads such a file; [`unwind`] walks the stacks, by [`cfi`]
//! where a file has call frame information; [`signal`] has words for why it ended; [`report`] puts all of it together, as data.
//!
//! A minidump comes from a device, or from anybody. Each number in it is checked before it is used, every list has a bound,
//! nothing in it names a place on this machine, and no bytes lead to a panic (`fuzz/fuzz_targets/minidump_report.rs`). Files
//! with symbols are the developer's own, found by build id alone. What was guessed is told as a guess.

pub mod build_id;
pub mod cfi;
pub mod dump;
pub mod find;
pub mod registers;
pub mod report;
pub mod signal;
pub mod store;
pub mod symbols;
pub mod unwind;

#[cfg(test)]
mod tests;
