//! Builds device images: from an image description, this repository and the owner's keys to a disk that boots.
//!
//! What it trusts: the repository, the keys folder, the distribution's tools and sources. Its output is trusted by
//! every device, so the same inputs must give the same bytes on any machine: no time of day, no path, no user and no
//! random number reaches an output; what would be random is a declared input or follows from content.
//!
//! The flow, one named step each ([`steps`]): [`kernel`] (built once, cached outside the tree) · [`device_build`] (the
//! programs, each in a cargo call of its own, checked by [`elf`]) · [`data_template`] · [`debugger`] · [`root`] and [`mod@erofs`] ·
//! [`verity`] (hash tree) · [`cmdline`] (names the root by its hash) · [`uki`] ([`pe`], signed by [`authenticode`]) ·
//! [`secure_boot`] (a virtual machine's firmware variables) · [`esp`] and [`disk`] · [`image_manifest`].
//!
//! The public face: [`build`], [`plan`], [`verify`], [`keys`], [`crash_key`], [`kernel::ensure`], [`fsverity::digest`]. [`description`]
//! reads what is to be built; [`progress`] tells what goes on; every outside command goes through [`command`], which
//! shows it first.
//!
//! Invariants: needs no root and no loop device; never writes outside the output folder, `build/device` and the kernel
//! cache; a description is refused with file, path inside, and what was expected; the probe only goes into images that
//! say `test: true`.

#![forbid(unsafe_code)]

pub mod authenticode;
pub mod cmdline;
pub mod command;
pub mod crash_key;
pub mod data_template;
pub mod debugger;
pub mod description;
pub mod device_build;
pub mod disk;
pub mod elf;
pub mod erofs;
pub mod esp;
pub mod files;
pub mod fsverity;
pub mod image_manifest;
pub mod kernel;
pub mod keys;
pub mod merkle;
pub mod output;
pub mod pe;
pub mod progress;
pub mod root;
pub mod secure_boot;
pub mod steps;
pub mod uki;
pub mod verify;
pub mod verity;

pub use description::Description;
pub use image_manifest::ImageManifest;
pub use output::Output;
pub use progress::{Advance, Progress, Silent, StepProgress};
pub use steps::{BuildError, BuildOptions, Built, PlannedStep, build, plan};
pub use verify::{Report, VerifyError, verify};
