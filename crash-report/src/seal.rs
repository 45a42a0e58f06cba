//! Sealing and opening, by HPKE (RFC 9180) in base mode: X25519, HKDF-SHA256, ChaCha20-Poly1305.
//!
//! Two texts are sealed in turn: an empty one, whose tag tells whether header and key belong together, and the minidump.
//! So who cannot open a report learns which of the two is not as it was.

use crate::{
    envelope::{self, Envelope, Parts, envelope},
    random::Kernel,
};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadTag, ChaCha20Poly1305},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    setup_receiver, setup_sender_with_rng,
};
use manifest::{api::CrashReport, names::Sha256Hex, read::ReadError};
use sha2::{Digest, Sha256};

/// What the seal is for (RFC 9180, 5.1, `info`): no other use of the same key can be taken for it.
const INFO: &[u8] = b"Holdfast crash report 1";
/// Bytes of the encapsulated key.
const ENCAPSULATED: usize = 32;

/// Why a report could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The header holds more than any report says.
    #[error("a header of {0} bytes, at most {limit} are allowed", limit = envelope::HEADER_LIMIT)]
    HeaderTooLong(usize),
    /// A value that JSON cannot hold.
    #[error("cannot write the header: {0}")]
    Unwritable(String),
    /// Not a key that anything can be sealed to.
    #[error("nothing can be sealed to the public key {0}: make a new pair, and an image with it")]
    Key(Sha256Hex),
    /// The kernel gives none.
    #[error("no randomness to seal with: {0}")]
    Random(std::io::Error),
    /// HPKE refused, which it has no reason to.
    #[error("cannot seal: {0}")]
    Hpke(hpke::HpkeError),
}

/// Why a report was not opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else.
    #[error("not a sealed crash report: fetch one from a device")]
    NoReport,
    /// From a later Holdfast.
    #[error(
        "a crash report of format {0}, and this program reads format {own}: use the one that came with the device's image",
        own = envelope::VERSION
    )]
    Version(u32),
    /// The file ends too early.
    #[error("the crash report is cut short: fetch it again")]
    Cut,
    /// No device writes such a header.
    #[error("a header of {0} bytes, at most {limit} are allowed: fetch the crash report again", limit = envelope::HEADER_LIMIT)]
    HeaderTooLong(usize),
    /// The header is not what the format says.
    #[error("the crash report's header is damaged: fetch it again")]
    Header(#[from] ReadError),
    /// The report is somebody else's.
    #[error("sealed to the key {sealed_to}, and the given one is {given}: use the key that the device's image was made with")]
    OtherKey {
        /// Id of the key that opens it.
        sealed_to: Sha256Hex,
        /// Id of the key that was tried.
        given: Sha256Hex,
    },
    /// The header, or the encapsulated key, was changed after the device sealed it.
    #[error("the crash report's header is not the one that was sealed: believe nothing it says, and fetch it again")]
    ForgedHeader,
    /// The minidump was changed after the device sealed it.
    #[error("the sealed minidump is damaged, though its header is whole: fetch the crash report again")]
    Damaged,
}

/// Seals a report to its owner. The minidump is empty where the report has a `problem`; `report.size` is not used.
pub fn seal(public_key: &[u8; 32], report: &CrashReport, minidump: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealed = envelope::header(public_key, report)?;
    let refused = |_| SealError::Key(key(public_key));
    let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public_key).map_err(refused)?;
    let mut random = Kernel::ready().map_err(|e| SealError::Random(e.into()))?;
    let (encapsulated, mut context) =
        setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &recipient, INFO, &mut random)
            .map_err(refused)?;
    let of_header = context.seal(&[], &sealed).map_err(SealError::Hpke)?;
    let of_minidump = context.seal(minidump, &sealed).map_err(SealError::Hpke)?;
    sealed.extend_from_slice(&encapsulated.to_bytes());
    sealed.extend_from_slice(&of_header);
    sealed.extend_from_slice(&of_minidump);
    Ok(sealed)
}

/// Opens a report: what it says, with its size, and its minidump, which is empty where it has a `problem`.
pub fn open(secret_key: &[u8; 32], bytes: &[u8]) -> Result<(CrashReport, Vec<u8>), OpenError> {
    let Envelope { key: sealed_to, report, .. } = envelope(bytes)?;
    let given = key(&public_key(secret_key));
    if sealed_to != given {
        return Err(OpenError::OtherKey { sealed_to, given });
    }
    let Parts { authenticated, sealed, .. } = Parts::of(bytes)?;
    let (encapsulated, rest) = sealed.split_at_checked(ENCAPSULATED).ok_or(OpenError::Cut)?;
    let tag = AeadTag::<ChaCha20Poly1305>::size();
    let (of_header, of_minidump) = rest.split_at_checked(tag).ok_or(OpenError::Cut)?;
    if of_minidump.len() < tag {
        return Err(OpenError::Cut);
    }
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| OpenError::ForgedHeader)?;
    let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret(secret_key),
        &encapsulated,
        INFO,
    )
    .map_err(|_| OpenError::ForgedHeader)?;
    context.open(of_header, authenticated).map_err(|_| OpenError::ForgedHeader)?;
    let minidump = context.open(of_minidump, authenticated).map_err(|_| OpenError::Damaged)?;
    Ok((report, minidump))
}

/// The public key of a secret one, which is any 32 random bytes.
pub fn public_key(secret_key: &[u8; 32]) -> [u8; 32] {
    X25519HkdfSha256::sk_to_pk(&secret(secret_key)).to_bytes().into()
}

/// What a public key is called: its SHA-256 in hexadecimal.
pub fn key_id(public_key: &[u8; 32]) -> String {
    key(public_key).into()
}

pub(crate) fn key(public_key: &[u8; 32]) -> Sha256Hex {
    <[u8; 32]>::from(Sha256::digest(public_key)).into()
}

fn secret(bytes: &[u8; 32]) -> <X25519HkdfSha256 as Kem>::PrivateKey {
    Deserializable::from_bytes(bytes).expect("any 32 bytes are a secret key of X25519")
}
