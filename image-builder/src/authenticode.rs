//! Secure Boot signatures: a PKCS #7 SignedData over an EFI program's digest ("Windows Authenticode Portable
//! Executable Signature Format"). Structures come from the `cms` crate, RSA from `ring`.
//!
//! There is no signing time in it, and RSA with PKCS #1 v1.5 is deterministic: same program and key, same bytes.
//! sbsign's own signatures carry the time of day.

use crate::{
    files::{self, FileError},
    pe::{PeError, Program},
};
use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos},
};
use der::{
    Any, Choice, Decode, DecodePem, Encode, SecretDocument, Sequence,
    asn1::{BitString, BmpString, ObjectIdentifier, OctetString, SetOfVec},
};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use x509_cert::{Certificate, attr::Attribute, spki::AlgorithmIdentifierOwned};

/// A Secure Boot key that signs.
#[derive(Debug)]
pub struct Signer {
    key: RsaKeyPair,
    certificate: Certificate,
}

/// Why nothing could be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The program is wrong.
    #[error(transparent)]
    Program(#[from] PeError),
    /// The key is not one.
    #[error("{} is not a private RSA key (PKCS #8, PEM)", .0.display())]
    Key(PathBuf),
    /// The certificate is not one.
    #[error("{} is not a certificate (PEM)", .0.display())]
    Certificate(PathBuf),
    /// The key is not the certificate's.
    #[error("{} does not belong to the certificate {}", key.display(), certificate.display())]
    Pair {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// A structure could not be encoded: a fault of ours.
    #[error("cannot encode the signature")]
    Encode(#[from] der::Error),
    /// ring refused to sign.
    #[error("the key cannot sign: {0}")]
    Sign(ring::error::Unspecified),
}

impl Signer {
    /// Reads key and certificate (both PEM) and checks that they belong together.
    pub fn load(key_path: &Path, certificate_path: &Path) -> Result<Self, SignError> {
        let not_key = || SignError::Key(key_path.to_owned());
        let (_, document) = SecretDocument::from_pem(&files::read_text(key_path)?).map_err(|_| not_key())?;
        let key = RsaKeyPair::from_pkcs8(document.as_bytes()).map_err(|_| not_key())?;
        let certificate = Certificate::from_pem(files::read(certificate_path)?)
            .map_err(|_| SignError::Certificate(certificate_path.to_owned()))?;
        let certified = certificate.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
        if certified != key.public().as_ref() {
            return Err(SignError::Pair { key: key_path.to_owned(), certificate: certificate_path.to_owned() });
        }
        Ok(Self { key, certificate })
    }

    /// Signs a program and returns the signed file.
    pub fn sign(&self, program: Program) -> Result<Vec<u8>, SignError> {
        let mut hasher = Sha256::new();
        program.signed_parts()?.into_iter().for_each(|part| hasher.update(part));
        let signature = self.pkcs7(&hasher.finalize())?;
        Ok(program.with_signature(&signature)?)
    }

    fn pkcs7(&self, digest: &[u8]) -> Result<Vec<u8>, SignError> {
        let sha256 = algorithm(SHA_256);
        let content = Any::encode_from(&indirect_data(digest)?)?;
        // Authenticode hashes the content without its tag and length.
        let attributes = SetOfVec::try_from(vec![
            attribute(CONTENT_TYPE, &SPC_INDIRECT_DATA)?,
            attribute(MESSAGE_DIGEST, &OctetString::new(Sha256::digest(content.value()).to_vec())?)?,
        ])?;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: self.certificate.tbs_certificate.issuer.clone(),
                serial_number: self.certificate.tbs_certificate.serial_number.clone(),
            }),
            digest_alg: sha256.clone(),
            signature: OctetString::new(self.rsa(&attributes.to_der()?)?)?,
            signed_attrs: Some(attributes),
            signature_algorithm: algorithm(RSA_ENCRYPTION),
            unsigned_attrs: None,
        };
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![sha256])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: SPC_INDIRECT_DATA, econtent: Some(content) },
            certificates: Some(CertificateSet(SetOfVec::try_from(vec![CertificateChoices::Certificate(
                self.certificate.clone(),
            )])?)),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        Ok(ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&data)? }.to_der()?)
    }

    fn rsa(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        // The random numbers blind the computation; the result does not depend on them.
        let random = ring::rand::SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(SignError::Sign)?;
        Ok(signature)
    }
}

/// A certificate (PEM) as DER, for a signature database.
pub fn certificate_der(path: &Path) -> Result<Vec<u8>, SignError> {
    let certificate = Certificate::from_pem(files::read(path)?).map_err(|_| SignError::Certificate(path.to_owned()))?;
    Ok(certificate.to_der()?)
}

fn indirect_data(digest: &[u8]) -> Result<SpcIndirectDataContent, der::Error> {
    let empty = SpcLink::File(SpcString::Unicode(BmpString::from_utf8("")?));
    let image = SpcPeImageData { flags: BitString::from_bytes(&[0])?, file: empty };
    Ok(SpcIndirectDataContent {
        data: SpcAttributeTypeAndOptionalValue { kind: SPC_PE_IMAGE_DATA, value: Any::encode_from(&image)? },
        message_digest: DigestInfo { algorithm: algorithm(SHA_256), digest: OctetString::new(digest)? },
    })
}

fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) }
}

fn attribute<T: Encode + der::Tagged>(oid: ObjectIdentifier, value: &T) -> Result<Attribute, der::Error> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![Any::from_der(&value.to_der()?)?])? })
}

/// What Authenticode signs: "the digest of this program is …".
#[derive(Sequence)]
struct SpcIndirectDataContent {
    data: SpcAttributeTypeAndOptionalValue,
    message_digest: DigestInfo,
}

#[derive(Sequence)]
struct SpcAttributeTypeAndOptionalValue {
    kind: ObjectIdentifier,
    value: Any,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

#[derive(Sequence)]
struct SpcPeImageData {
    flags: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    file: SpcLink,
}

#[derive(Choice)]
enum SpcLink {
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    File(SpcString),
}

#[derive(Choice)]
enum SpcString {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Unicode(BmpString),
}

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SPC_INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
const SPC_PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
