//! What the tests share: booting images in QEMU and looking at them from every side.
//!
//! - [`image`]: the images and keys that `./test` made.
//! - [`machine`]: a machine with a copy of an image's disk, its own or shared; [`janitor`]: none outlives the tests.
//! - [`console`]: a machine's console, waited on and judged for panics and the like.
//! - [`disk`]: a disk that forgets what was not flushed when the power goes.
//! - [`device`]: the device's API; [`command`]: `holdfast` beside it; [`develop`]: `holdfast app dev`. [`port`], [`buttons`], [`inside`]: the board's buttons, and the test image's probe.
//! - [`forge`]: bundles, good and bad; [`programs`]: what is in them, with [`libraries`]. [`bench`]: measuring side by side.
//! - [`bare`]: a kernel of ours with another root: [`selftests`] judge it, [`peers`] hold the attacks there.
//! - [`wait`]: waiting for a condition with a limit; there are no sleeps. [`random`]: the same numbers in each run.
//! - [`code`], [`documents`], [`workspace`]: what the tests of sizes, documents and layering know of the sources.
#![forbid(unsafe_code)]

pub mod attacks;
pub mod bare;
pub mod bench;
pub mod buttons;
pub mod code;
pub mod command;
pub mod console;
pub mod develop;
pub mod device;
pub mod disk;
pub mod documents;
pub mod forge;
pub mod image;
pub mod inside;
pub mod janitor;
pub mod libraries;
pub mod machine;
pub mod peers;
pub mod port;
pub mod programs;
pub mod random;
pub mod selftests;
pub mod wait;
pub mod workspace;
