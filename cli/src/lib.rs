//! The command `holdfast`: from a program and a manifest to a confined app on a device.
//!
//! It is a host tool. It holds the developer's keys and speaks to devices, so it trusts the machine it runs on, and
//! nothing that comes from elsewhere: manifests, bundles, programs and what a device answers are read bounded, checked by
//! the same types the device uses (`manifest/`), and shown without control characters. What it says of a bundle is
//! advice; the device's security monitor judges again.
//!
//! One folder per noun, one file per verb; each has its arguments as a type and one function that acts on them:
//!
//! 1. [`arguments`]: the command line as types, and help that teaches.
//! 2. [`dispatch`]: one match from arguments to action.
//! 3. [`keys`], [`board`], [`image`], [`run`], [`app`], [`device`]: the nouns. [`bundle`]: making and reading app bundles;
//!    [`oci`]: container images as apps; [`crash`]: what a crash report tells.
//! 4. [`failure`], [`exit`], [`output`]: errors with class and next step, exit codes, words and JSON.
//! 5. [`mod@reference`]: docs/cli.md, man pages and completions, made from [`arguments`].
//!
//! Invariants: data goes to standard output, everything else to standard error; with `--json` exactly one object, on
//! failure too; the exit code follows from the class of the error alone.

#![forbid(unsafe_code)]

pub mod app;
pub mod arguments;
pub mod board;
pub mod bundle;
pub mod crash;
pub mod device;
pub mod dispatch;
pub mod exit;
pub mod failure;
pub mod files;
pub mod image;
pub mod keys;
pub mod oci;
pub mod output;
pub mod places;
pub mod reference;
pub mod run;
pub mod times;
