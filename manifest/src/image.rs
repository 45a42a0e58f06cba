//! What a device's image says of itself.

use crate::{
    names::DisplayName,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `image.json` in the verified image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceImage {
    /// The product's name.
    pub name: DisplayName,
    /// Its version, for people.
    pub version: String,
    /// Build time in seconds since 1970: the clock never starts before it.
    pub build_time: u64,
    /// Platform ABI it offers to apps.
    pub platform_abi: u32,
    /// Whether it carries the test probe. Never true in a product.
    #[serde(default)]
    pub test: bool,
    /// Least role that may replace an app by an older version; absent: nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgrade: Option<Role>,
}

/// What a client of the device API may do, as its certificate says; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Run the device: reboot, power off, start and stop apps.
    Operator,
    /// Change what is on it: install and remove apps.
    Developer,
}

impl Role {
    /// As it stands in certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Developer => "developer",
        }
    }

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Developer].into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DeviceImage {
    /// Reads `image.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("image.json", bytes, 16 * 1024)
    }
}
