//! The signed statement of a bundle: made, signed, and checked against the keys at hand.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature as Ed25519Signature, Signer, SigningKey, VerifyingKey};
use manifest::{
    bundle::{
        BundleError, ENVELOPE_LIMIT, Envelope, ImageDigest, ImageDigestAlgorithm, PAYLOAD_TYPE, Signature, Statement,
        pre_authentication_encoding,
    },
    names::{ComponentId, DisplayName, Sha256Hex},
    places::PLATFORM_ABI,
    read,
};
use serde::Serialize;

/// What the developer chooses of a statement.
#[derive(Debug, Clone)]
pub struct Version {
    /// Only ever rising; a device refuses an older one.
    pub number: u64,
    /// As people write it.
    pub name: Option<DisplayName>,
}

/// States what an image is.
pub fn state(component_id: ComponentId, version: Version, manifest: &[u8], digest: Sha256Hex, size: u64) -> Statement {
    Statement {
        schema: 1,
        component_id,
        version: version.number,
        version_name: version.name,
        platform_abi: PLATFORM_ABI,
        manifest: STANDARD.encode(manifest),
        image: ImageDigest { algorithm: ImageDigestAlgorithm::FsVeritySha256, digest, size },
    }
}

/// An envelope that nobody has signed: devices refuse it.
pub fn unsigned(statement: &Statement) -> Result<Envelope, serde_json::Error> {
    let payload = STANDARD.encode(serde_json::to_vec(statement)?);
    Ok(Envelope { payload_type: PAYLOAD_TYPE.to_owned(), payload, signatures: Vec::new() })
}

/// Signs, in place of an older signature by the same key. Ed25519 is deterministic: the same payload and key give the
/// same bytes.
pub fn sign(envelope: &mut Envelope, key: &SigningKey) -> Result<(), BundleError> {
    let payload = envelope.payload_bytes()?;
    let signature: Ed25519Signature = key.sign(&pre_authentication_encoding(&envelope.payload_type, &payload));
    let keyid = image_builder::keys::key_id(&key.verifying_key());
    envelope.signatures.retain(|signature| signature.keyid != keyid);
    envelope.signatures.push(Signature { keyid, sig: STANDARD.encode(signature.to_bytes()) });
    Ok(())
}

/// Reads an envelope, one without signatures included: a device would refuse that, `app sign` mends it.
pub fn parse(bytes: &[u8]) -> Result<Envelope, BundleError> {
    let envelope: Envelope = read::json("bundle envelope", bytes, ENVELOPE_LIMIT)?;
    if envelope.signatures.is_empty() && envelope.payload_type == PAYLOAD_TYPE { Ok(envelope) } else { Envelope::parse(bytes) }
}

/// What can be said of an envelope's signatures with the keys at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SignatureState {
    /// No signature: every device refuses it.
    Unsigned,
    /// Signed by our key, and the signature holds.
    Valid {
        /// The key.
        key_id: String,
    },
    /// Claims our key, and the signature does not hold: changed after signing.
    Broken {
        /// The key.
        key_id: String,
    },
    /// Signed by keys that are not ours: nothing can be said here.
    Foreign {
        /// Names of the keys, unchecked.
        key_ids: Vec<String>,
    },
}

/// Checks the signatures against `ours`; without it every signature is foreign.
pub fn check(envelope: &Envelope, ours: Option<&VerifyingKey>) -> Result<SignatureState, BundleError> {
    if envelope.signatures.is_empty() {
        return Ok(SignatureState::Unsigned);
    }
    let message = pre_authentication_encoding(&envelope.payload_type, &envelope.payload_bytes()?);
    if let Some(key) = ours {
        let key_id = image_builder::keys::key_id(key);
        let mut claimed = false;
        for signature in &envelope.signatures {
            let holds = Ed25519Signature::from_slice(&signature.bytes()?).is_ok_and(|s| key.verify_strict(&message, &s).is_ok());
            if holds {
                return Ok(SignatureState::Valid { key_id });
            }
            claimed |= signature.keyid == key_id;
        }
        if claimed {
            return Ok(SignatureState::Broken { key_id });
        }
    }
    let shown = |s: &Signature| s.keyid.chars().take(64).flat_map(char::escape_default).collect();
    Ok(SignatureState::Foreign { key_ids: envelope.signatures.iter().map(shown).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let id = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110001".parse().unwrap();
        let version = Version { number: 1, name: None };
        unsigned(&state(id, version, b"{}", "0".repeat(64).parse().unwrap(), 4096)).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_key_and_breaks_with_any_change() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key();
        let mut envelope = envelope();
        assert_eq!(check(&envelope, Some(&public)).unwrap(), SignatureState::Unsigned);
        sign(&mut envelope, &key).unwrap();
        sign(&mut envelope, &key).unwrap();
        assert_eq!(envelope.signatures.len(), 1);
        assert!(matches!(check(&envelope, Some(&public)).unwrap(), SignatureState::Valid { .. }));
        assert!(matches!(check(&envelope, None).unwrap(), SignatureState::Foreign { .. }));

        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert!(matches!(check(&envelope, Some(&other)).unwrap(), SignatureState::Foreign { .. }));
        envelope.payload = STANDARD.encode("{}");
        assert!(matches!(check(&envelope, Some(&public)).unwrap(), SignatureState::Broken { .. }));
    }

    #[test]
    fn an_unsigned_envelope_can_be_read_here_though_no_device_would() {
        let bytes = serde_json::to_vec(&envelope()).unwrap();
        assert!(parse(&bytes).is_ok() && Envelope::parse(&bytes).is_err());
    }
}
