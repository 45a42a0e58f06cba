//! The output folder: what lies in it, by name.

use std::path::{Path, PathBuf};

/// An image folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    folder: PathBuf,
}

impl Output {
    /// The image in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The whole disk. A virtual machine writes to it: run a copy or an overlay.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// The root partition: EROFS and hash tree.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.img")
    }

    /// The EFI system partition.
    pub fn esp(&self) -> PathBuf {
        self.folder.join("esp.img")
    }

    /// The signed UKI.
    pub fn uki(&self) -> PathBuf {
        self.folder.join("uki.efi")
    }

    /// The UKI without signature: the firmware of a secure run must refuse it.
    pub fn unsigned_uki(&self) -> PathBuf {
        self.folder.join("uki-unsigned.efi")
    }

    /// The kernel, for a run without firmware.
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    /// The kernel's whole configuration.
    pub fn kernel_config(&self) -> PathBuf {
        self.folder.join("kernel.config")
    }

    /// The kernel's command line, without newline at its end.
    pub fn command_line(&self) -> PathBuf {
        self.folder.join("cmdline")
    }

    /// OVMF's variable store with only the project's keys enrolled. A virtual machine writes to it: run a copy.
    pub fn firmware_variables(&self) -> PathBuf {
        self.folder.join("ovmf-variables.fd")
    }

    /// What went in and came out.
    pub fn manifest(&self) -> PathBuf {
        self.folder.join(crate::image_manifest::FILE_NAME)
    }

    /// The root's hash tree in numbers ([`crate::verity::Verity`]).
    pub fn verity(&self) -> PathBuf {
        self.folder.join("verity.json")
    }

    pub(crate) fn debugger(&self) -> PathBuf {
        self.work().join("debugger")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// The programs as they were built, before they were packed.
    pub fn programs(&self) -> PathBuf {
        self.work().join("programs")
    }

    pub(crate) fn data_template(&self) -> PathBuf {
        self.work().join("data-template.img")
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.work().join("root")
    }

    pub(crate) fn erofs(&self) -> PathBuf {
        self.work().join("root.erofs")
    }
}
