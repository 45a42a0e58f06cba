//! The file of a sealed report.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`], little endian |
//! | 4 | length of the header, little endian, at most [`HEADER_LIMIT`] |
//! | … | the header: [`Envelope`] as JSON |
//! | 32 | HPKE's encapsulated key |
//! | 16 | seal of the header: the tag of an empty text that is sealed first |
//! | … | the sealed minidump, empty before it was sealed where the report has a `problem`; 16 bytes of tag |
//!
//! All bytes before the encapsulated key are authenticated with both texts. The header cannot know how long the file will
//! be: its `report.size` is 0, and whoever reads it fills in the length.

use crate::seal::{OpenError, SealError};
use manifest::{api::CrashReport, names::Sha256Hex};
use serde::{Deserialize, Serialize};

/// What a sealed report begins with.
pub const MAGIC: &[u8; 8] = b"HFcrash\n";
/// The format's version.
pub const VERSION: u32 = 1;
/// Longest header in bytes: names, numbers and a problem are 1 KiB at most.
pub const HEADER_LIMIT: usize = 4 * 1024;
/// Longest text of a problem in bytes: a sentence of the device's own.
pub const PROBLEM_LIMIT: usize = 240;

/// What a sealed report says to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// How it is sealed.
    pub algorithm: Algorithm,
    /// Whose key opens it: [`crate::key_id`] of the public key.
    pub key: Sha256Hex,
    /// The crash.
    pub report: CrashReport,
}

/// How a report is sealed; there is one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// HPKE (RFC 9180) in base mode with these three.
    #[serde(rename = "hpke-x25519-hkdf-sha256-chacha20poly1305")]
    HpkeX25519HkdfSha256ChaCha20Poly1305,
}

/// Reads what a report says to everybody. The whole file, or as much of its beginning as holds the header; then
/// `report.size` is of what was given. Nothing of it is proven before [`crate::open`].
pub fn envelope(bytes: &[u8]) -> Result<Envelope, OpenError> {
    let json = Parts::of(bytes)?.json;
    let mut envelope: Envelope = manifest::read::json("header of the crash report", json, HEADER_LIMIT)?;
    envelope.report.size = bytes.len() as u64;
    Ok(envelope)
}

/// The bytes that [`crate::seal`] begins with, for one who has somebody else seal and compares.
pub fn header(public_key: &[u8; 32], report: &CrashReport) -> Result<Vec<u8>, SealError> {
    let envelope = Envelope {
        algorithm: Algorithm::HpkeX25519HkdfSha256ChaCha20Poly1305,
        key: crate::seal::key(public_key),
        report: CrashReport { size: 0, ..report.clone() },
    };
    let json = serde_json::to_vec(&envelope).map_err(|e| SealError::Unwritable(e.to_string()))?;
    let length = u32::try_from(json.len()).ok().filter(|_| json.len() <= HEADER_LIMIT);
    let length = length.ok_or(SealError::HeaderTooLong(json.len()))?;
    Ok([&MAGIC[..], &VERSION.to_le_bytes(), &length.to_le_bytes(), &json].concat())
}

/// A report, taken apart.
pub(crate) struct Parts<'a> {
    /// All before the encapsulated key.
    pub(crate) authenticated: &'a [u8],
    /// The header, which is the end of that.
    pub(crate) json: &'a [u8],
    /// What follows.
    pub(crate) sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(OpenError::NoReport)?;
        let (version, rest) = number(rest)?;
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let (length, rest) = number(rest)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > HEADER_LIMIT {
            return Err(OpenError::HeaderTooLong(length));
        }
        let (json, sealed) = rest.split_at_checked(length).ok_or(OpenError::Cut)?;
        let (authenticated, _) = bytes.split_at(bytes.len() - sealed.len());
        Ok(Self { authenticated, json, sealed })
    }
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), OpenError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(OpenError::Cut)?;
    Ok((u32::from_le_bytes(*number), rest))
}
