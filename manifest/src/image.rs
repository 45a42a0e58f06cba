//! What a device's image says of itself.

use crate::{
    names::DisplayName,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

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
}

impl DeviceImage {
    /// Reads `image.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("image.json", bytes, 16 * 1024)
    }
}
