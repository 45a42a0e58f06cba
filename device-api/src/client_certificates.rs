//! Whom the owner's CA vouches for, on a device whose clock may be behind.
//!
//! Until it has heard a time server the clock is only a floor (DESIGN.md, Boot): on a board without a battery it starts when
//! the image was built. A certificate that the owner's CA issued after that would be "not yet valid", and the owner shut out
//! of a device that has no other fault. So a time at which a trusted certificate begins counts as one the device has
//! heard of: a certificate is judged at its own beginning if that is later than the clock. Chain, purpose, signature and
//! end are judged as ever (RFC 5280 section 6.1), the end at that later time.

use std::sync::Arc;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

/// Certificates of a chain below the root whose beginnings may each lie later than the one before.
const CHAIN_LIMIT: usize = 4;

/// Judges as the verifier inside does, but never finds a certificate too new.
#[derive(Debug)]
pub struct ClockIsAFloor(pub Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ClockIsAFloor {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        mut now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        for _ in 0..CHAIN_LIMIT {
            match self.0.verify_client_cert(end_entity, intermediates, now) {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) if not_before > now => {
                    now = not_before;
                }
                verdict => return verdict,
            }
        }
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
