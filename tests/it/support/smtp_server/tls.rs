//! A certificate made for one test run: an authority and a leaf. Never reused.

use std::io::Write;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// What the server shows, and the file by which a client may believe it.
pub struct Identity {
    /// Accepts TLS connections.
    pub acceptor: TlsAcceptor,
    /// The authority's certificate, PEM.
    pub ca: tempfile::NamedTempFile,
}

impl Identity {
    /// A certificate for `name`, a host name or IP address.
    pub fn new(name: &str) -> Self {
        let ca_key = KeyPair::generate().expect("a key is made");
        let mut ca = CertificateParams::new(Vec::new()).expect("an authority needs no name");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).expect("a certificate is made").pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().expect("a key is made");
        let leaf = CertificateParams::new(vec![name.to_owned()]).expect("the name is one");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate is made");

        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the suites")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("key and certificate belong together");
        let mut file = tempfile::Builder::new().suffix(".pem").tempfile().expect("a temporary file is made");
        file.write_all(ca_pem.as_bytes()).expect("a temporary file is written");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca: file }
    }
}
