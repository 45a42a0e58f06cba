//! The sysctl table: each setting with its reason.

use crate::read::{self, ReadError};
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

/// A sysctl's name; becomes a path below `/proc/sys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlKey(String);

impl SysctlKey {
    /// The file below `/proc/sys`.
    pub fn path(&self) -> String {
        format!("/proc/sys/{}", self.0.replace('.', "/"))
    }

    /// The name with dots.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SysctlKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if text.len() <= 128 && text.split('.').count() >= 2 && text.split('.').all(part) {
            Ok(Self(text))
        } else {
            Err(format!("`{}` is not a sysctl: expected a name such as kernel.dmesg_restrict", text.escape_default()))
        }
    }
}

impl From<SysctlKey> for String {
    fn from(key: SysctlKey) -> String {
        key.0
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
            assert!(SysctlKey::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert_eq!(SysctlKey::try_from("vm.memfd_noexec".to_owned()).unwrap().path(), "/proc/sys/vm/memfd_noexec");
    }
}
