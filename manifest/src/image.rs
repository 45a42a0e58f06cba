//! What a device's image says of itself.

use crate::{
    names::{DisplayName, TimeZone},
    quantity::Delay,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::RangeInclusive};

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
    /// Least role that may have an app run by a debugger; absent: nobody may, and the image has no debugger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<Role>,
    /// How long apps with the right to it may put an update off, counted from when the device had it.
    #[serde(default = "defer_updates")]
    pub defer_updates: Delay,
    /// The time zone, until an app sets another one; absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
}

/// Longest `image.json` that is read.
pub const IMAGE_LIMIT: usize = 16 * 1024;

/// What Azure Sphere lets: a day.
pub const fn defer_updates() -> Delay {
    Delay::DAY
}

/// Longer than any image runs without an update, in seconds: a clock further from its build is wrong.
const LIFETIME: u64 = 15 * 366 * 24 * 3600;

impl DeviceImage {
    /// Times, in seconds since 1970, at which a device can run this image.
    pub fn plausible_times(&self) -> RangeInclusive<u64> {
        self.build_time..=self.build_time.saturating_add(LIFETIME)
    }
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
        read::json("image.json", bytes, IMAGE_LIMIT)
    }
}
