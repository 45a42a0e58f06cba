//! What this kernel can enforce, looked at once: a protection that is missing is an error before anything starts.
//! `holdfast-sandbox check` shows it as a table, with the settings of the machine that are second layers.

use crate::{
    layers::landlock::{self, LandlockError},
    sys, user_namespace,
};
use linux::files::FileError;
use rustix::io::Errno;

/// Proof that this kernel has what [`crate::spawn`] relies on, and the facts that launching needs.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Landlock ABI in use.
    pub landlock_abi: i64,
    /// Lowest address that processes may map (vm.mmap_min_addr).
    pub lowest_address: u64,
    /// Whether this process is in the user namespace that the machine booted with.
    pub initial_user_namespace: bool,
}

/// What this kernel lacks.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Landlock.
    #[error("Landlock cannot be used")]
    Landlock(#[from] LandlockError),
    /// A setting cannot be read.
    #[error("a kernel setting cannot be read")]
    Setting(#[from] FileError),
    /// vm.mmap_min_addr.
    #[error("vm.mmap_min_addr is `{0}`: at least 4096 is needed, so that one page lies below what a program can map")]
    LowestAddress(String),
    /// PR_SET_MDWE.
    #[error("this kernel cannot deny memory that is both writable and executable (PR_SET_MDWE, Linux 6.3)")]
    WriteExecute(#[source] Errno),
}

const PAGE: u64 = 4096;

/// Landlock's ABI here, or why there is none; and the errata that are fixed, as bits (Documentation/userspace-api/landlock.rst).
pub fn landlock() -> Result<(i64, i64), Errno> {
    Ok((sys::landlock_abi()?, sys::landlock_errata().unwrap_or(0)))
}

/// Whether this kernel can deny memory that is both writable and executable.
pub fn write_execute() -> Result<(), Errno> {
    sys::prctl(libc::PR_GET_MDWE, 0).map(drop)
}

impl Kernel {
    /// Looks, and changes nothing. Ask again before each start: root may change mmap_min_addr while the machine is up.
    pub fn check() -> Result<Self, CheckError> {
        let landlock_abi = landlock::abi()?;
        write_execute().map_err(CheckError::WriteExecute)?;
        let text = linux::files::read_line("/proc/sys/vm/mmap_min_addr")?;
        match text.parse::<u64>() {
            Ok(lowest_address) if lowest_address >= PAGE && lowest_address % PAGE == 0 => {
                Ok(Self { landlock_abi, lowest_address, initial_user_namespace: user_namespace::is_initial()? })
            }
            _ => Err(CheckError::LowestAddress(text)),
        }
    }

    /// Address of the page that holds the empty path of the one allowed exec: the last one below what programs can map.
    pub(crate) fn exec_once_address(&self) -> u64 {
        self.lowest_address - PAGE
    }
}
