//! TLS towards the relay: rustls with ring. Never falls back to plain text by itself.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::settings::SettingsError;

/// Whose certificate is good enough.
pub(super) enum Trust {
    /// One by a public authority, for the host's name.
    Public,
    /// One by an authority in this PEM file, for the host's name.
    File(String),
    /// Any: opportunistic encryption.
    Anyone,
}

/// A connector that trusts as told.
pub(super) fn connector(trust: &Trust) -> Result<TlsConnector, SettingsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has the suites of TLS 1.2 and 1.3");
    let config = match trust {
        Trust::Public => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
        Trust::File(path) => builder.with_root_certificates(authorities(path)?),
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))),
    };
    Ok(TlsConnector::from(Arc::new(config.with_no_client_auth())))
}

fn authorities(path: &str) -> Result<RootCertStore, SettingsError> {
    let fault = |why: String| SettingsError::Ca { path: path.to_owned(), why };
    let mut store = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|e| fault(format!("cannot be read: {e}")))?;
    for certificate in found {
        let certificate = certificate.map_err(|e| fault(format!("is not PEM: {e}")))?;
        store.add(certificate).map_err(|e| fault(format!("has a certificate that cannot be used: {e}")))?;
    }
    if store.is_empty() {
        return Err(fault("has no certificate: it should hold -----BEGIN CERTIFICATE----- blocks".into()));
    }
    Ok(store)
}

/// Takes any certificate, yet insists that the peer holds its key: an eavesdropper learns nothing, an impostor is not
/// noticed. Used only where the other choice was plain text.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
