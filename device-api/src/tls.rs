//! TLS 1.3 and nothing older, with client certificates of the owner's CA and nobody else's.

use crate::{client_certificates::ClockIsAFloor, identity::Identity};
use std::sync::Arc;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
        server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
        version::TLS13,
    },
};

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file is not what it should be.
    #[error("the owner's CA cannot be used: {0}")]
    Ca(String),
    /// No verifier.
    #[error("the owner's CA cannot be used")]
    Verifier(#[from] VerifierBuilderError),
    /// rustls refuses key or certificate.
    #[error("the device's certificate cannot be used")]
    Identity(#[from] rustls::Error),
}

/// Serves as `identity` to clients of the CAs in `authorities` (PEM).
pub fn acceptor(identity: Identity, authorities: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let certificate = certificate.map_err(|e| TlsError::Ca(e.to_string()))?;
        roots.add(certificate).map_err(|e| TlsError::Ca(e.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    // A client without a certificate is refused: WebPkiClientVerifier's default, and no call here weakens it.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(ClockIsAFloor(verifier)))
        .with_single_cert(vec![identity.certificate], identity.key)?;
    // Each connection proves its client anew: no tickets, no memory of sessions, no data before the handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_an_owner_serves_nobody() {
        for authorities in [&b""[..], b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let folder = tempfile::tempdir().unwrap();
            let identity = Identity::load_or_make(folder.path()).unwrap();
            assert!(acceptor(identity, authorities).is_err());
        }
    }
}
