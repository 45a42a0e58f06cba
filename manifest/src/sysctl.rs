//! The sysctl table: each setting with its reason.

use crate::{
    names::SysctlKey,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// `sysctl.json` in the verified image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysctlTable {
    /// The settings, applied in order.
    pub settings: Vec<Sysctl>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// Name with dots, such as `kernel.dmesg_restrict`.
    pub key: SysctlKey,
    /// Value as it is written.
    pub value: String,
    /// Why.
    pub reason: String,
}

impl SysctlKey {
    /// The file below `/proc/sys`.
    pub fn path(&self) -> String {
        format!("/proc/sys/{}", self.as_str().replace('.', "/"))
    }
}

impl SysctlTable {
    /// Reads `sysctl.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("sysctl table", bytes, 64 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_would_leave_proc_sys_is_refused() {
        for text in ["..", "kernel..x", "kernel", "kernel./x", "kernel.x/../../y"] {
            assert!(text.parse::<SysctlKey>().is_err(), "{text}");
        }
        assert_eq!("vm.memfd_noexec".parse::<SysctlKey>().unwrap().path(), "/proc/sys/vm/memfd_noexec");
    }
}
