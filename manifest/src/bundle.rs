//! An app bundle: image, DSSE envelope, trailer, in one file.
//!
//! ```text
//! +-----------------------------+------------------------+-------------------+
//! | EROFS image, n × 4096 bytes | envelope, DSSE JSON    | trailer, 32 bytes |
//! +-----------------------------+------------------------+-------------------+
//! ```
//!
//! The trailer and the envelope's outer form are unsigned: they say where to look, and nothing they say is believed
//! before the signature over [`Statement`] holds. DSSE: <https://github.com/secure-systems-lab/dsse>, protocol v1.0.2.

use crate::{
    names::{ComponentId, DisplayName, Sha256Hex},
    read::{self, ReadError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Payload type of our envelopes.
pub const PAYLOAD_TYPE: &str = "application/vnd.holdfast.bundle+json";
/// Longest envelope: a 64 KiB manifest is base64 twice over, plus the rest of the statement.
pub const ENVELOPE_LIMIT: usize = 256 * 1024;
/// Most signatures an envelope may carry: a rotation needs two.
pub const SIGNATURES_LIMIT: usize = 8;
/// Block size of the image and of its Merkle tree, in bytes.
pub const BLOCK: u64 = 4096;
/// Largest image.
pub const IMAGE_LIMIT: u64 = 1 << 30;
/// Largest bundle.
pub const BUNDLE_LIMIT: u64 = IMAGE_LIMIT + ENVELOPE_LIMIT as u64 + TRAILER_LEN as u64;
/// Length of the trailer.
pub const TRAILER_LEN: usize = 32;

const MAGIC: &[u8; 16] = b"HOLDFAST-BUNDLE\n";
const VERSION: u32 = 1;

/// The last 32 bytes of a bundle: where its parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Length of the image in bytes, a multiple of [`BLOCK`].
    pub image_len: u64,
    /// Length of the envelope in bytes.
    pub envelope_len: u32,
}

/// Why a bundle's form was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The file does not end with a trailer.
    #[error("this is no bundle: its last 32 bytes are not a bundle's trailer (is the file cut off?)")]
    NoTrailer,
    /// A trailer of a later format.
    #[error("bundle format {found} is not known here, expected {VERSION}: made by a newer tool?")]
    Version {
        /// Version found.
        found: u32,
    },
    /// A length out of bounds.
    #[error("bundle: {what} of {found} bytes, at most {limit} are allowed")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Bytes claimed.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The image is not whole blocks.
    #[error("bundle: the image has {0} bytes, expected a positive multiple of {BLOCK}")]
    NotBlocks(u64),
    /// The parts do not add up to the file.
    #[error("bundle: its parts add up to {parts} bytes, the file has {file}: cut off, or bytes were added")]
    SizeMismatch {
        /// Sum of the parts.
        parts: u64,
        /// Size of the file.
        file: u64,
    },
    /// The envelope is no DSSE envelope of ours.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another payload type.
    #[error("bundle envelope: payload type `{0}`, expected `{PAYLOAD_TYPE}`")]
    PayloadType(String),
    /// Base64 that is none.
    #[error("bundle envelope: {0} is not base64")]
    Base64(&'static str),
    /// No signature, or too many.
    #[error("bundle envelope: {0} signatures, expected 1 to {SIGNATURES_LIMIT}")]
    Signatures(usize),
}

impl Trailer {
    /// Reads the last [`TRAILER_LEN`] bytes of a file of `file_len` bytes, and checks that the parts fill the file.
    pub fn parse(bytes: &[u8; TRAILER_LEN], file_len: u64) -> Result<Self, BundleError> {
        let (magic, rest) = bytes.split_at(MAGIC.len());
        let (version, rest) = rest.split_at(4);
        let (envelope_len, image_len) = rest.split_at(4);
        if magic != MAGIC {
            return Err(BundleError::NoTrailer);
        }
        let version = le(version);
        if version != u64::from(VERSION) {
            return Err(BundleError::Version { found: u32::try_from(version).unwrap_or(u32::MAX) });
        }
        let (envelope_len, image_len) = (le(envelope_len), le(image_len));
        if envelope_len > ENVELOPE_LIMIT as u64 {
            return Err(BundleError::TooLong { what: "an envelope", found: envelope_len, limit: ENVELOPE_LIMIT as u64 });
        }
        if image_len > IMAGE_LIMIT {
            return Err(BundleError::TooLong { what: "an image", found: image_len, limit: IMAGE_LIMIT });
        }
        if image_len == 0 || image_len % BLOCK != 0 {
            return Err(BundleError::NotBlocks(image_len));
        }
        let parts = image_len + envelope_len + TRAILER_LEN as u64;
        if parts != file_len {
            return Err(BundleError::SizeMismatch { parts, file: file_len });
        }
        Ok(Self { image_len, envelope_len: u32::try_from(envelope_len).unwrap_or(u32::MAX) })
    }

    /// The trailer's bytes.
    pub fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        let parts: [&[u8]; 4] = [MAGIC, &VERSION.to_le_bytes(), &self.envelope_len.to_le_bytes(), &self.image_len.to_le_bytes()];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }
}

/// A little-endian number of at most eight bytes.
fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

/// A DSSE envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// The statement's bytes in base64.
    pub payload: String,
    /// Signatures over [`pre_authentication_encoding`].
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// A hint which key signed: SHA-256 of the raw public key. Only a hint (DSSE).
    pub keyid: String,
    /// The signature in base64.
    pub sig: String,
}

impl Envelope {
    /// Reads an envelope's form. What its payload says is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let envelope: Self = read::json("bundle envelope", bytes, ENVELOPE_LIMIT)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            let shown = envelope.payload_type.chars().take(100).flat_map(char::escape_default).collect();
            return Err(BundleError::PayloadType(shown));
        }
        if !(1..=SIGNATURES_LIMIT).contains(&envelope.signatures.len()) {
            return Err(BundleError::Signatures(envelope.signatures.len()));
        }
        Ok(envelope)
    }

    /// The payload's bytes: what a signature is checked over, and not believed before.
    pub fn payload_bytes(&self) -> Result<Vec<u8>, BundleError> {
        STANDARD.decode(&self.payload).map_err(|_| BundleError::Base64("payload"))
    }
}

impl Signature {
    /// The signature's bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, BundleError> {
        STANDARD.decode(&self.sig).map_err(|_| BundleError::Base64("sig"))
    }
}

/// What DSSE signs: `DSSEv1 <len> <type> <len> <payload>` (PAE of the protocol's specification).
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// What a bundle's signer states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Format of the statement: 1.
    pub schema: u32,
    /// The app.
    pub component_id: ComponentId,
    /// Version of the app, only ever rising.
    pub version: u64,
    /// Version as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_name: Option<DisplayName>,
    /// Platform ABI the app needs.
    pub platform_abi: u32,
    /// The exact bytes of `/manifest.json`, in base64.
    pub manifest: String,
    /// The image.
    pub image: ImageDigest,
}

/// Digest and size of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageDigest {
    /// How the digest is made.
    pub algorithm: ImageDigestAlgorithm,
    /// fs-verity file digest.
    pub digest: Sha256Hex,
    /// Size in bytes.
    pub size: u64,
}

/// Digest algorithms of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageDigestAlgorithm {
    /// fs-verity file digest: SHA-256, blocks of 4096 bytes, no salt (Documentation/filesystems/fsverity.rst).
    #[serde(rename = "fs-verity-sha256-4096")]
    FsVeritySha256,
}

impl Statement {
    /// Reads a statement whose signature holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let statement: Self = read::json("bundle statement", bytes, ENVELOPE_LIMIT)?;
        Ok(statement)
    }

    /// The manifest's bytes.
    pub fn manifest_bytes(&self) -> Result<Vec<u8>, BundleError> {
        STANDARD.decode(&self.manifest).map_err(|_| BundleError::Base64("manifest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAILER: Trailer = Trailer { image_len: 8192, envelope_len: 100 };
    const FILE: u64 = 8192 + 100 + 32;

    #[test]
    fn a_trailer_survives_writing_and_reading() {
        assert_eq!(Trailer::parse(&TRAILER.to_bytes(), FILE), Ok(TRAILER));
    }

    #[test]
    fn sizes_that_do_not_add_up_to_the_file_are_refused() {
        assert!(matches!(Trailer::parse(&TRAILER.to_bytes(), FILE - 1), Err(BundleError::SizeMismatch { .. })));
        let huge = Trailer { image_len: 10 << 30, ..TRAILER };
        assert!(matches!(Trailer::parse(&huge.to_bytes(), FILE), Err(BundleError::TooLong { .. })));
        let odd = Trailer { image_len: 8191, ..TRAILER };
        assert!(matches!(Trailer::parse(&odd.to_bytes(), FILE), Err(BundleError::NotBlocks(8191))));
    }

    #[test]
    fn pre_authentication_encoding_is_the_specifications_example() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_of_another_type_or_with_a_stranger_field_is_refused() {
        let text = format!(r#"{{"payloadType":"{PAYLOAD_TYPE}","payload":"","signatures":[{{"keyid":"","sig":""}}]}}"#);
        assert!(Envelope::parse(text.as_bytes()).is_ok());
        assert!(matches!(Envelope::parse(text.replace("vnd", "x").as_bytes()), Err(BundleError::PayloadType(_))));
        assert!(Envelope::parse(text.replace("keyid", "key_id").as_bytes()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn trailers_and_envelopes_of_any_bytes_never_panic(bytes: [u8; 32], text: Vec<u8>, len: u64) {
            let _ = Trailer::parse(&bytes, len);
            let _ = Envelope::parse(&text);
            let _ = Statement::parse(&text);
        }
    }
}
