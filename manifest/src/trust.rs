//! The trust store: who may sign what.

use crate::{
    names::Sha256Hex,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// `trust.json` in the verified image. Only security-monitor reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustStore {
    /// The keys.
    pub keys: Vec<TrustedKey>,
}

/// A public key and what it may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Signature algorithm: `ed25519` today; named so that another can follow.
    pub algorithm: KeyAlgorithm,
    /// SHA-256 of the raw public key.
    pub key_id: Sha256Hex,
    /// The raw public key in base64.
    pub public_key: String,
    /// What it may sign.
    pub roles: Vec<SigningRole>,
    /// Whose key it is, for people.
    pub comment: String,
}

/// Signature algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAlgorithm {
    /// RFC 8032.
    Ed25519,
}

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningRole {
    /// App bundles.
    App,
}

impl TrustStore {
    /// Reads `trust.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("trust store", bytes, 256 * 1024)
    }
}
