//! Step 4 of the README's path: is this image what its signer signed? Pure: bytes and facts in, decision out.
//!
//! An envelope becomes [`Signed`] only by a signature of a key in the trust store; a [`Signed`] becomes a
//! [`Verdict`] only when the image's digest and size are the signed ones. Nothing of the payload is parsed before its
//! signature holds.

use crate::trust_store::AppKeys;
use ipc::messages::monitor::Verdict;
use manifest::{
    api::ErrorClass,
    app::{AppManifest, MANIFEST_LIMIT},
    bundle::{BundleError, Envelope, Statement},
    names::{ComponentId, Sha256Hex},
    read::ReadError,
};
use std::io;

/// Why a bundle or an installed app was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It has not the form of a bundle.
    #[error(transparent)]
    Form(#[from] BundleError),
    /// Nobody whom this device trusts signed it.
    #[error("no key of this device's trust store signed it")]
    NoTrustedSignature,
    /// A statement of another format.
    #[error("bundle statement: schema {0} is not known here, expected 1: made by a newer tool?")]
    Schema(u32),
    /// The signed manifest is none.
    #[error("the signed manifest was refused")]
    Manifest(#[source] ReadError),
    /// Statement and manifest speak of different apps.
    #[error("the bundle is signed for component {signed}, its manifest says {manifest}")]
    OtherComponent {
        /// What the statement says.
        signed: ComponentId,
        /// What the manifest says.
        manifest: ComponentId,
    },
    /// Another size than the signed one.
    #[error("the image has {found} bytes, the signed size is {signed}")]
    OtherSize {
        /// What the statement says.
        signed: u64,
        /// What the image has.
        found: u64,
    },
    /// Another image than the signed one.
    #[error("the image's digest is {found}, the signed one is {signed}: it was changed after signing, or damaged")]
    OtherDigest {
        /// What the statement says.
        signed: Sha256Hex,
        /// What the image has.
        found: Sha256Hex,
    },
    /// Not something that can be read like a file.
    #[error("the descriptor is not a file")]
    NoFile,
    /// The file could not be read.
    #[error("cannot read the {what}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel does not enforce a digest for the image.
    #[error("the image has no fs-verity digest")]
    NotMeasured(#[source] io::Error),
}

impl Refusal {
    /// Whose fault it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Form(_) | Self::Schema(_) | Self::Manifest(_) | Self::NoFile => ErrorClass::BadInput,
            Self::NoTrustedSignature | Self::OtherComponent { .. } | Self::OtherSize { .. } => ErrorClass::Untrusted,
            Self::OtherDigest { .. } | Self::NotMeasured(_) => ErrorClass::Untrusted,
            Self::Unreadable { .. } => ErrorClass::Internal,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTrustedSignature => Some("sign it with a key whose public part is in the device image (`holdfast app sign`)"),
            Self::OtherDigest { .. } | Self::OtherSize { .. } | Self::OtherComponent { .. } => Some("pack and sign it again"),
            _ => None,
        }
    }
}

/// A statement whose signature holds and whose manifest is well formed. Says nothing of any image yet.
#[derive(Debug)]
pub struct Signed {
    statement: Statement,
    manifest: Vec<u8>,
    key_id: Sha256Hex,
    envelope_size: u64,
}

/// Checks an envelope: form, signature, statement, manifest, in this order.
pub fn signed(envelope: &[u8], keys: &AppKeys) -> Result<Signed, Refusal> {
    let envelope_size = envelope.len() as u64;
    let envelope = Envelope::parse(envelope)?;
    let payload = envelope.payload_bytes()?;
    let key_id = keys.signer(&envelope, &payload).ok_or(Refusal::NoTrustedSignature)?.clone();
    let statement = Statement::parse(&payload)?;
    if statement.schema != 1 {
        return Err(Refusal::Schema(statement.schema));
    }
    let manifest = statement.manifest_bytes()?;
    let parsed = AppManifest::parse(&manifest).map_err(Refusal::Manifest)?;
    if parsed.component_id != statement.component_id {
        return Err(Refusal::OtherComponent { signed: statement.component_id, manifest: parsed.component_id });
    }
    Ok(Signed { statement, manifest, key_id, envelope_size })
}

impl Signed {
    /// Refuses an image of another size: before its bytes are read.
    pub fn check_size(&self, found: u64) -> Result<(), Refusal> {
        let signed = self.statement.image.size;
        if found == signed { Ok(()) } else { Err(Refusal::OtherSize { signed, found }) }
    }

    /// The verdict on an image with this digest and size.
    pub fn verdict(&self, digest: [u8; 32], size: u64) -> Result<Verdict, Refusal> {
        self.check_size(size)?;
        let (found, signed) = (Sha256Hex::from(digest), &self.statement.image.digest);
        if found != *signed {
            return Err(Refusal::OtherDigest { signed: signed.clone(), found });
        }
        Ok(Verdict {
            component: self.statement.component_id.clone(),
            version: self.statement.version,
            version_name: self.statement.version_name.clone(),
            platform_abi: self.statement.platform_abi,
            digest: found,
            image_size: size,
            envelope_size: self.envelope_size,
            key_id: self.key_id.clone(),
        })
    }

    /// The signed manifest's exact bytes, at most [`MANIFEST_LIMIT`].
    pub fn into_manifest(self) -> Vec<u8> {
        debug_assert!(self.manifest.len() <= MANIFEST_LIMIT);
        self.manifest
    }

    /// Whom it is signed for.
    pub fn component(&self) -> &ComponentId {
        &self.statement.component_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::samples::{self, Sample};

    #[test]
    fn a_signed_statement_with_its_image_gives_a_verdict() {
        let sample = Sample::new(3);
        let signed = signed(&sample.envelope, &sample.keys).unwrap();
        let verdict = signed.verdict(sample.digest, sample.image.len() as u64).unwrap();
        assert_eq!((verdict.version, verdict.component.as_str()), (7, samples::COMPONENT));
        assert_eq!(verdict.key_id, samples::key_id(&samples::key(1)));
        assert_eq!(signed.into_manifest(), samples::MANIFEST.as_bytes());
    }

    #[test]
    fn a_key_outside_the_store_is_refused_whatever_the_hint_says() {
        let sample = Sample::new(1);
        let lying =
            samples::envelope(&samples::statement(&sample.image), &samples::key(2), samples::key_id(&samples::key(1)).as_str());
        assert!(matches!(signed(&lying, &sample.keys), Err(Refusal::NoTrustedSignature)));
        let misled = samples::envelope(&samples::statement(&sample.image), &samples::key(1), "nonsense");
        assert!(signed(&misled, &sample.keys).is_ok());
    }

    #[test]
    fn a_manifest_of_another_component_a_stranger_schema_and_a_bad_manifest_are_refused() {
        let sample = Sample::new(1);
        let judge = |statement: &str| signed(&samples::envelope(statement, &samples::key(1), ""), &sample.keys).unwrap_err();
        let statement = samples::statement(&sample.image);
        let other = statement.replace(samples::COMPONENT, "00000000-66da-4448-bae1-ac26fcdd3627");
        assert!(matches!(judge(&other), Refusal::OtherComponent { .. }));
        assert!(matches!(judge(&statement.replace("\"schema\":1", "\"schema\":2")), Refusal::Schema(2)));
        assert!(matches!(judge(&statement.replace("\"version\"", "\"verson\"")), Refusal::Form(_)));
        let bad = statement.replace(&samples::base64(samples::MANIFEST.as_bytes()), &samples::base64(b"{}"));
        assert!(matches!(judge(&bad), Refusal::Manifest(_)));
    }

    #[test]
    fn another_digest_or_size_is_refused() {
        let sample = Sample::new(1);
        let signed = signed(&sample.envelope, &sample.keys).unwrap();
        assert!(matches!(signed.verdict([0; 32], 4096), Err(Refusal::OtherDigest { .. })));
        assert!(matches!(signed.verdict(sample.digest, 8192), Err(Refusal::OtherSize { signed: 4096, found: 8192 })));
    }

    proptest::proptest! {
        // Each case makes and checks a signature, slowly where nothing is optimized.
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_flipped_bit_anywhere_in_the_envelope_never_changes_what_is_accepted(at in 0usize..10_000, bit in 0u8..8) {
            let sample = Sample::new(1);
            let mut envelope = sample.envelope.clone();
            let at = at % envelope.len();
            envelope[at] ^= 1 << bit;
            // What is outside the signature (the hint) may change; what was signed may not.
            if let Ok(signed) = signed(&envelope, &sample.keys) {
                let verdict = signed.verdict(sample.digest, 4096).unwrap();
                proptest::prop_assert_eq!(verdict.component.as_str(), samples::COMPONENT);
                proptest::prop_assert_eq!(verdict.version, 7);
            }
        }
    }
}
