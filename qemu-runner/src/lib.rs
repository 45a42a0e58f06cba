//! Boots Holdfast's disks in QEMU: for the command `holdfast run` and for the tests.
//!
//! It is a host library and holds no secrets. A guest is never trusted: its console is bounded when read back and shown
//! without control characters by whoever shows it, and all it can reach is what [`machine::Machine`] describes: one disk,
//! one user-mode network with one forwarded port, named virtio-serial ports.
//!
//! - [`machine`]: what a machine is made of, as a type; [`command_line`]: QEMU's arguments for it.
//! - [`accelerator`]: KVM only after a probe guest really ran under it here and now, else TCG.
//! - [`folder`]: a machine's folder with its sockets, console and logs.
//! - [`tpm`]: swtpm, for machines with firmware.
//! - [`running`]: starting, waiting for what the console says, stopping in order or like a power cut.
//! - [`qmp`]: QEMU's own control socket; [`port`]: a line to a virtio-serial port, a line back.
//! - [`sparse`]: copies of disks without their holes.
//! - [`process`]: processes by pid *and* start time: a pid alone may by now be somebody else's.
//!
//! Invariants: no sleep without a limit, no wait without a reason told when it fails, nothing listens on anything but
//! 127.0.0.1 and sockets in the machine's folder. QEMU 7.2 and 10.0 both work.

#![forbid(unsafe_code)]

pub mod accelerator;
pub mod command_line;
pub mod console;
pub mod error;
pub mod folder;
pub mod machine;
pub mod port;
pub mod process;
pub mod qmp;
pub mod running;
pub mod sparse;
pub mod tpm;

pub use accelerator::Accelerator;
pub use error::RunnerError;
pub use folder::MachineFolder;
pub use machine::{Boot, Disk, DiskFormat, Firmware, Machine};
pub use running::Running;
