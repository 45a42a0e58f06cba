//! The device's own key and certificate, made at its first boot and kept: clients pin the certificate.

use linux::{
    files::{self, FileError},
    log,
};
use manifest::names::Sha256Hex;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// Key and certificate of this device.
pub struct Identity {
    /// ECDSA P-256.
    pub key: PrivateKeyDer<'static>,
    /// Self-signed: a client knows the device by the certificate's digest, not by who signed it.
    pub certificate: CertificateDer<'static>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No key or certificate could be made.
    #[error("cannot make the device's certificate")]
    Make(#[from] rcgen::Error),
    /// What was made cannot be read back.
    #[error("the device's certificate cannot be read: {0}")]
    Read(String),
}

impl Identity {
    /// Reads the identity from `folder`, or makes one if there is none. One that cannot be read is replaced: a device
    /// that its owner must pin again is better than one that nobody reaches.
    pub fn load_or_make(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(FILE);
        match files::read(&path, FILE_LIMIT) {
            Ok(bytes) => match Self::parse(&bytes) {
                Ok(identity) => return Ok(identity),
                Err(error) => log::error(format!("{}: {}; making a new identity", path.display(), files::chain(&error))),
            },
            Err(error) if error.is_missing() => log::notice("first start: making the device's key and certificate"),
            Err(error) => log::error(format!("{}; making a new identity", files::chain(&error))),
        }
        let pem = make()?;
        files::write_durably(&path, pem.as_bytes(), 0o600)?;
        Self::parse(pem.as_bytes())
    }

    /// SHA-256 of the certificate: what clients pin.
    pub fn fingerprint(&self) -> Sha256Hex {
        <[u8; 32]>::from(Sha256::digest(&self.certificate)).into()
    }

    fn parse(pem: &[u8]) -> Result<Self, IdentityError> {
        let read = |error: tokio_rustls::rustls::pki_types::pem::Error| IdentityError::Read(error.to_string());
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(read)?;
        let certificate = CertificateDer::from_pem_slice(pem).map_err(read)?;
        Ok(Self { key, certificate })
    }
}

/// Key and certificate in one text, so that a power cut never leaves one without the other.
fn make() -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut wanted = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    wanted.distinguished_name.push(DnType::CommonName, "Holdfast device");
    wanted.is_ca = IsCa::NoCa;
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // No clock can be relied on, neither the device's at its first boot nor its client's: "no well-defined expiration
    // date" of RFC 5280, 4.1.2.5.
    wanted.not_before = date_time_ymd(1970, 1, 1);
    wanted.not_after = date_time_ymd(9999, 12, 31);
    Ok(format!("{}{}", key.serialize_pem(), wanted.self_signed(&key)?.pem()))
}

/// The name in the certificate; clients that insist on one use this.
pub const SERVER_NAME: &str = "device.holdfast.internal";
const FILE: &str = "server.pem";
const FILE_LIMIT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::load_or_make(folder.path()).unwrap().fingerprint();
        assert_eq!(Identity::load_or_make(folder.path()).unwrap().fingerprint(), first);
        use std::os::unix::fs::PermissionsExt;
        let mode = folder.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_identity_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        files::write_durably(folder.path().join(FILE), b"-----BEGIN NOTHING", 0o600).unwrap();
        let made = Identity::load_or_make(folder.path()).unwrap().fingerprint();
        assert_eq!(Identity::load_or_make(folder.path()).unwrap().fingerprint(), made);
    }

    #[test]
    fn two_devices_differ() {
        let make = || Identity::load_or_make(tempfile::tempdir().unwrap().path()).unwrap().fingerprint();
        assert_ne!(make(), make());
    }
}
