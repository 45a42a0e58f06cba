//! The network configuration of the image description.

use crate::read::{self, ReadError};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// `network.json` in the verified image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Links with static addresses.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Kernel name, such as `eth0`.
    pub name: String,
    /// Addresses with prefix length, such as `10.0.2.15/24`.
    pub addresses: Vec<AddressWithPrefix>,
    /// Default gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
}

/// An address and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressWithPrefix {
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl TryFrom<String> for AddressWithPrefix {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| format!("`{}` is not an address: expected one such as 10.0.2.15/24", text.escape_default()))
    }
}

impl From<AddressWithPrefix> for String {
    fn from(value: AddressWithPrefix) -> String {
        format!("{}/{}", value.address, value.prefix)
    }
}

impl NetworkConfig {
    /// Reads `network.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("network configuration", bytes, 64 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_prefix_that_fits() {
        let parse = |text: &str| AddressWithPrefix::try_from(text.to_owned());
        assert!(parse("10.0.2.15/24").is_ok() && parse("fe80::1/64").is_ok());
        assert!(parse("10.0.2.15").is_err() && parse("10.0.2.15/33").is_err() && parse("eth0/1").is_err());
    }
}
