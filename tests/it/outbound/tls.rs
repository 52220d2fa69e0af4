//! Laws: which servers are trusted, and what the owner of another is told.

use std::sync::Arc;

use loa::http::client::{Client, Settings};
use loa::http::fault::{Fault, TlsFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{LONG, Names, OK, Receiver, client, guard, is_closed, settings, url};

/// What a TLS server of a test shows: a certificate for these names, valid in these years.
struct Shown {
    ca_pem: String,
    config: Arc<rustls::ServerConfig>,
}

fn shown(names: &[&str], years: std::ops::Range<i32>) -> Shown {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("signed").pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = rcgen::CertificateParams::new(names).expect("names");
    leaf.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let leaf = leaf.signed_by(&key, &issuer).expect("signed");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate");
    Shown { ca_pem, config: Arc::new(config) }
}

/// Posts over TLS to `example.vn` on loopback, which shows this certificate; the client trusts its authority or not.
async fn post_over_tls(shown: &Shown, trusted: bool) -> Result<u16, Fault> {
    let mut receiver = Receiver::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, &shown.ca_pem).expect("written");
    let settings = Settings { extra_ca: trusted.then_some(pem), ..settings(LONG) };
    let names = Names::of("example.vn", &[&["127.0.0.1"]]);
    let client = Client::with_resolver(guard(&["127.0.0.1/32"]), settings, names).expect("a client");
    let target = url(&format!("https://example.vn:{}/", receiver.at.port()));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&shown.config));
    let serve = async {
        if let Ok(mut stream) = acceptor.accept(receiver.accept().await).await {
            let mut bytes = [0; 4096];
            if stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                stream.write_all(OK.as_bytes()).await.expect("open");
                let _ = stream.read(&mut bytes).await;
            }
        }
    };
    let call = async {
        let status = client.post(&target, &[], b"{}").await.map(|answer| answer.status);
        drop(client);
        status
    };
    tokio::join!(call, serve).0
}

#[tokio::test]
async fn a_certificate_counts_only_in_its_time_for_its_name_and_from_a_trusted_authority() {
    let class = |result: Result<u16, Fault>| match result {
        Err(Fault::Tls(class, _)) => Err(class),
        other => Ok(other),
    };
    let good = shown(&["example.vn"], 2020..2100);
    assert_eq!(post_over_tls(&good, true).await, Ok(204));
    assert_eq!(class(post_over_tls(&good, false).await), Err(TlsFault::Untrusted));
    let expired = shown(&["example.vn"], 2020..2021);
    assert_eq!(class(post_over_tls(&expired, true).await), Err(TlsFault::Expired));
    let early = shown(&["example.vn"], 2098..2100);
    assert_eq!(class(post_over_tls(&early, true).await), Err(TlsFault::Expired));
    let other = shown(&["khac.example.vn"], 2020..2100);
    assert_eq!(class(post_over_tls(&other, true).await), Err(TlsFault::WrongName));
}

#[tokio::test]
async fn a_server_with_only_old_tls_and_one_with_none_are_told_apart() {
    // A TLS alert, fatal, protocol_version (RFC 8446 §6); and a plain HTTP answer.
    let old: &[u8] = &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46];
    for (says, class) in [(old, TlsFault::TooOld), (b"HTTP/1.1 400 Bad Request\r\n\r\n", TlsFault::Other)] {
        let mut receiver = Receiver::new().await;
        let target = url(&format!("https://{}/", receiver.at));
        let client = client(LONG);
        let serve = async {
            let mut socket = receiver.accept().await;
            let mut hello = [0; 4096];
            assert!(socket.read(&mut hello).await.expect("open") > 0);
            socket.write_all(says).await.expect("open");
            is_closed(&mut socket).await
        };
        let (answer, _) = tokio::join!(client.post(&target, &[], b"{}"), serve);
        assert!(matches!(answer, Err(Fault::Tls(found, _)) if found == class));
    }
}

#[test]
fn a_file_of_authorities_without_a_certificate_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "not a certificate").expect("written");
    for file in [path, folder.path().join("missing.pem")] {
        let settings = Settings { extra_ca: Some(file.clone()), ..Settings::default() };
        let error = Client::new(guard(&[]), settings).err().expect("no client").to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
    }
}
