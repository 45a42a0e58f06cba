//! What a machine is made of.

use crate::accelerator::Accelerator;
use std::{ffi::OsString, path::PathBuf};

/// A virtual machine of the QEMU board.
#[derive(Debug, Clone)]
pub struct Machine {
    /// How instructions are carried out.
    pub accelerator: Accelerator,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processors.
    pub processors: u32,
    /// The disk.
    pub disk: Disk,
    /// What runs first.
    pub boot: Boot,
    /// Port of 127.0.0.1 that leads to the device API; 0 lets the system choose one, absent means no network at all.
    pub api_port: Option<u16>,
    /// virtio-serial ports by name, such as `holdfast.buttons`; each becomes a socket in the machine's folder.
    pub ports: Vec<String>,
    /// What the clock says at power-on, such as `1970-01-01T00:00:00`; absent: the host's time.
    pub clock: Option<String>,
    /// What a reboot of the guest does.
    pub on_reboot: OnReboot,
    /// Arguments added at the end, for tests.
    pub extra: Vec<OsString>,
}

impl Machine {
    /// A machine as boards/qemu-q35.json describes it, with the device API on a free port.
    pub fn new(accelerator: Accelerator, disk: Disk, boot: Boot) -> Self {
        Self {
            accelerator,
            memory_mib: 256,
            processors: 2,
            disk,
            boot,
            api_port: Some(0),
            ports: vec!["holdfast.buttons".to_owned()],
            clock: None,
            on_reboot: OnReboot::Restart,
            extra: Vec::new(),
        }
    }
}

/// A disk.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Where it is.
    pub source: DiskSource,
    /// How it is written.
    pub format: DiskFormat,
}

/// Where a disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskSource {
    /// A file.
    File(PathBuf),
    /// An NBD server's Unix socket, such as nbdkit's with a cache that forgets.
    Nbd(PathBuf),
}

/// Formats of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// Byte for byte.
    Raw,
    /// QEMU's own, for overlays.
    Qcow2,
}

impl Disk {
    /// A raw image file.
    pub fn raw(path: impl Into<PathBuf>) -> Self {
        Self { source: DiskSource::File(path.into()), format: DiskFormat::Raw }
    }

    /// A raw disk that an NBD server gives.
    pub fn nbd(socket: impl Into<PathBuf>) -> Self {
        Self { source: DiskSource::Nbd(socket.into()), format: DiskFormat::Raw }
    }
}

/// What runs first.
#[derive(Debug, Clone)]
pub enum Boot {
    /// QEMU loads kernel and command line itself: quick, and proves nothing about the chain from the firmware.
    Direct {
        /// The kernel (bzImage).
        kernel: PathBuf,
        /// Its command line.
        command_line: String,
    },
    /// UEFI firmware with Secure Boot finds and checks the UKI on the disk, and measures it into a TPM.
    Firmware(Firmware),
}

/// UEFI firmware of a machine.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// The code, read-only.
    pub code: PathBuf,
    /// The variable store; the machine writes to it.
    pub variables: PathBuf,
}

/// What a reboot of the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReboot {
    /// It starts again.
    Restart,
    /// QEMU ends: tests see each boot alone.
    End,
}
