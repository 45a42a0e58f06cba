//! Accepts one certificate, by its digest.

use manifest::names::Sha256Hex;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// The pin, and what was found where it did not hold.
#[derive(Debug)]
pub struct Pin {
    expected: Sha256Hex,
    found: Mutex<Option<Sha256Hex>>,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    /// Accepts the certificate with this digest.
    pub fn new(expected: Sha256Hex, provider: Arc<CryptoProvider>) -> Self {
        Self { expected, found: Mutex::new(None), provider }
    }

    /// Digest that was pinned.
    pub fn expected(&self) -> &Sha256Hex {
        &self.expected
    }

    /// Digest of the last certificate that was refused.
    pub fn refused(&self) -> Option<Sha256Hex> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl ServerCertVerifier for Pin {
    /// The digest stands for the whole certificate: issuer, name and dates say nothing that it does not.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = Sha256Hex::from(<[u8; 32]>::from(Sha256::digest(end_entity)));
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        *self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(found);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    /// Anybody can show a certificate; only the device has its key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
