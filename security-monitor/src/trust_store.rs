//! The trust store: the one place on the device where the keys lie that may sign, and nobody else has it.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use manifest::{
    bundle::{Envelope, pre_authentication_encoding},
    names::Sha256Hex,
    read::ReadError,
    trust::{KeyAlgorithm, SigningRole, TrustStore, TrustedKey},
};
use sha2::{Digest, Sha256};

/// Most keys of a trust store: each signature of an envelope may be tried against each.
pub const KEYS_LIMIT: usize = 32;

/// The keys that may sign apps.
pub struct AppKeys(Vec<Key>);

struct Key {
    id: Sha256Hex,
    key: VerifyingKey,
}

/// Why a trust store was refused. It lies in the verified image: whoever built that made a mistake.
#[derive(Debug, thiserror::Error)]
pub enum TrustStoreError {
    /// Not a trust store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Too many keys.
    #[error("trust store: {0} keys, at most {KEYS_LIMIT} are allowed")]
    TooMany(usize),
    /// A key that is none.
    #[error("trust store, key {0}: `public_key` is not the base64 of a strong Ed25519 key")]
    NoKey(Sha256Hex),
    /// A key under a wrong name.
    #[error("trust store, key {found}: `key_id` must be the SHA-256 of the raw key, which is {expected}")]
    WrongId {
        /// The id it stands under.
        found: Sha256Hex,
        /// The id it should have.
        expected: Sha256Hex,
    },
}

impl AppKeys {
    /// The keys of `trust.json` that may sign apps.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustStoreError> {
        let store = TrustStore::parse(bytes)?;
        if store.keys.len() > KEYS_LIMIT {
            return Err(TrustStoreError::TooMany(store.keys.len()));
        }
        let of_apps = store.keys.iter().filter(|key| key.roles.contains(&SigningRole::App));
        of_apps.map(Key::from_entry).collect::<Result<_, _>>().map(Self)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key that signed `payload` in this envelope, if one of ours did. What the envelope itself says of the key
    /// (`keyid`) only decides which is tried first.
    pub fn signer(&self, envelope: &Envelope, payload: &[u8]) -> Option<&Sha256Hex> {
        let message = pre_authentication_encoding(&envelope.payload_type, payload);
        envelope.signatures.iter().find_map(|signature| {
            let bytes = Signature::from_slice(&signature.bytes().ok()?).ok()?;
            let (hinted, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|key| key.id.as_str() == signature.keyid);
            let mut tried = hinted.into_iter().chain(others);
            // The strict form refuses what the standard leaves open: small-order keys and unreduced scalars.
            tried.find(|key| key.key.verify_strict(&message, &bytes).is_ok()).map(|key| &key.id)
        })
    }
}

impl Key {
    fn from_entry(entry: &TrustedKey) -> Result<Self, TrustStoreError> {
        let KeyAlgorithm::Ed25519 = entry.algorithm;
        let no_key = || TrustStoreError::NoKey(entry.key_id.clone());
        let raw: [u8; 32] = STANDARD.decode(&entry.public_key).ok().and_then(|raw| raw.try_into().ok()).ok_or_else(no_key)?;
        let key = VerifyingKey::from_bytes(&raw).ok().filter(|key| !key.is_weak()).ok_or_else(no_key)?;
        let expected = Sha256Hex::from(<[u8; 32]>::from(Sha256::digest(raw)));
        if expected != entry.key_id {
            return Err(TrustStoreError::WrongId { found: entry.key_id.clone(), expected });
        }
        Ok(Self { id: expected, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::samples;

    #[test]
    fn keys_without_the_app_role_are_not_taken() {
        let text = samples::trust_store(&samples::key(1));
        assert_eq!(AppKeys::parse(text.as_bytes()).unwrap().count(), 1);
        assert_eq!(AppKeys::parse(text.replace(r#"["app"]"#, "[]").as_bytes()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_under_a_wrong_id_or_of_small_order_or_cut_is_refused() {
        let text = samples::trust_store(&samples::key(1));
        let id = samples::key_id(&samples::key(1));
        let other = text.replace(id.as_str(), samples::key_id(&samples::key(2)).as_str());
        assert!(matches!(AppKeys::parse(other.as_bytes()), Err(TrustStoreError::WrongId { .. })));
        let own = STANDARD.encode(samples::key(1).verifying_key().as_bytes());
        for bytes in [&[0; 32][..], &[1; 5]] {
            let weak = text.replace(&own, &STANDARD.encode(bytes));
            assert!(matches!(AppKeys::parse(weak.as_bytes()), Err(TrustStoreError::NoKey(_))));
        }
        assert!(matches!(AppKeys::parse(text.replace("roles", "role").as_bytes()), Err(TrustStoreError::Read(_))));
    }
}
