//! TLS for outgoing calls: rustls with ring, TLS 1.2 and 1.3, Mozilla's roots, and an operator's own authority beside
//! them. Never skips verification and never falls back to something older.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why the client's TLS could not be set up. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file of extra authorities cannot be read as PEM certificates.
    #[error("{0} cannot be read as PEM certificates: {1}; give a file with one or more CERTIFICATE blocks")]
    ExtraCa(PathBuf, String),
    /// The cryptography refuses the protocol versions; a fault of the build.
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
}

/// A configuration for all calls of one client, so that sessions are resumed across connections.
///
/// # Errors
/// [`TlsSetupError`] when the file of extra authorities is unreadable or empty.
pub fn config(extra_ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(path) = extra_ca {
        let fault = |why: String| TlsSetupError::ExtraCa(path.to_owned(), why);
        let mut count = 0;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| fault(e.to_string()))? {
            roots.add(certificate.map_err(|e| fault(e.to_string()))?).map_err(|e| fault(e.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(fault("it has no certificate".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
