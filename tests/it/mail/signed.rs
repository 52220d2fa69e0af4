//! Laws of signatures, proved by a verifier that is not loa's: dkimpy, which Debian has as python3-dkim.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use loa::clock::Timestamp;
use loa::domain::link::{KeyRing, Link};
use loa::domain::public_id::PublicId;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::notify::email::dkim::{Key, Signer};
use loa::notify::email::{Personal, Prepared};
use loa::notify::message::sample;

use crate::support::skip::skip;

use super::{daily, sender, templates};

/// Prints a line for each signature: whether it is good, and what it covers. DNS is a file of names and records.
const VERIFY: &str = r"
import sys, dkim
records = dict(line.split(' TXT ', 1) for line in open(sys.argv[1]).read().splitlines())
mail = sys.stdin.buffer.read()
find = lambda name, timeout=5: records.get(name.decode().rstrip('.'), '').encode() or None
for nth in range(mail.count(b'DKIM-Signature:')):
    one = dkim.DKIM(mail)
    try:
        good = one.verify(idx=nth, dnsfunc=find)
    except Exception as e:
        good = repr(e)
    print(good, b':'.join(one.include_headers or []).decode().lower() if hasattr(one, 'include_headers') else '')
";

/// A key made for tests by openssl, and used nowhere else.
const RSA: &str = include_str!("../fixtures/dkim-rsa.pem");
const ED25519: &str = include_str!("../fixtures/dkim-ed25519.pem");

fn signer() -> Arc<Signer> {
    let key = |pem: &str, selector| Key::parse(pem.as_bytes(), "bantin.example.gov.vn", selector).expect("a key");
    Arc::new(Signer::new(vec![key(RSA, "2026a"), key(ED25519, "2026e")]))
}

/// Every sample, signed, for a reader.
fn mails(signer: &Arc<Signer>) -> Vec<(String, Vec<u8>)> {
    let keys = KeyRing::new(vec![(1, [7; 32])]).expect("a key");
    let mut mails = Vec::new();
    for locale in [Locale::Vi, Locale::En] {
        let site = sample::site(locale);
        for sample in sample::samples(locale) {
            let content = templates().render(&site, locale, &sample.mail).expect(sample.name);
            let at = Timestamp::from_millis(1_795_392_000_000);
            let prepared = Prepared::new(&site, &sender(), daily(), at, &content).expect("builds").signed(signer);
            let mut bytes = Vec::new();
            prepared.write(
                &Personal {
                    to: &EmailAddress::parse("an@so.example.gov.vn").expect("valid"),
                    message_id: "a.1.1.5d41402abc4b2a76b971",
                    follows: Some("a.1.0.5d41402abc4b2a76b971"),
                    manage_token: &keys.sign(Link::Manage(PublicId(7))),
                    unsubscribe_token: &keys.sign(Link::Unsubscribe(PublicId(7), Frequency::Daily)),
                    unsubscribe_mail: None,
                },
                &mut bytes,
            );
            mails.push((format!("{} {}", sample.name, locale.as_str()), bytes));
        }
    }
    mails
}

/// What the verifier says of each signature.
fn verified(python: &str, signer: &Signer, mail: &[u8]) -> Vec<String> {
    let mut dns = tempfile::NamedTempFile::new().expect("a file");
    for key in signer.keys() {
        writeln!(dns, "{} TXT {}", key.name(), key.record()).expect("written");
    }
    let mut child = Command::new(python)
        .args(["-c", VERIFY])
        .arg(dns.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the verifier starts");
    child.stdin.take().expect("its input").write_all(mail).expect("it reads");
    let said = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn both_signatures_of_every_mail_are_good_and_break_with_any_change() {
    let Ok(python) = std::env::var("LOA_TEST_DKIM") else {
        let test = "mail::signed::both_signatures_of_every_mail_are_good_and_break_with_any_change";
        return skip(test, "LOA_TEST_DKIM names no python3 with dkim and nacl; Debian: python3-dkim python3-nacl");
    };
    let signer = signer();
    let mails = mails(&signer);
    for (name, mail) in &mails {
        let said = verified(&python, &signer, mail);
        assert!(said.len() == 2 && said.iter().all(|line| line.starts_with("True")), "{name}: {said:?}");
    }
    let (_, mail) = &mails[0];
    let text = String::from_utf8(mail.clone()).expect("ASCII");
    for (what, changed) in [
        (
            "a body",
            text.replacen("Content-Transfer-Encoding: base64\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\nQ", 1),
        ),
        ("one click", text.replace("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Clicks")),
        ("the way out", text.replace("List-Unsubscribe: <https://", "List-Unsubscribe: <https://x.")),
        ("a receiver", text.replace("an@so.example.gov.vn", "binh@so.example.gov.vn")),
        ("a second subject", text.replacen("To: <", "Subject: x\r\nTo: <", 1)),
        ("a second sender", text.replacen("To: <", "From: <x@example.vn>\r\nTo: <", 1)),
    ] {
        assert_ne!(changed, text, "{what}");
        let said = verified(&python, &signer, changed.as_bytes());
        assert!(said.len() == 2 && said.iter().all(|line| !line.starts_with("True")), "{what}: {said:?}");
    }
}

#[test]
fn both_unsubscribe_headers_are_signed_and_no_line_is_too_long() {
    let signer = signer();
    for (name, mail) in mails(&signer) {
        let text = String::from_utf8(mail).expect("ASCII");
        let head = text.split("\r\n\r\n").next().expect("a header");
        assert_eq!(head.matches("DKIM-Signature:").count(), 2, "{name}");
        assert!(head.starts_with("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=bantin.example.gov.vn;"));
        assert!(head.contains("a=ed25519-sha256"));
        for signature in head.split("DKIM-Signature:").skip(1) {
            let signed = signature.replace("\r\n ", "");
            let covered: Vec<&str> =
                signed.split("h=").nth(1).and_then(|h| h.split(';').next()).expect("h=").split(':').collect();
            for header in ["list-unsubscribe", "list-unsubscribe-post", "message-id", "feedback-id"] {
                assert!(covered.contains(&header), "{name}: {header} is not in {covered:?}");
            }
            assert_eq!(covered.iter().filter(|h| **h == "from").count(), 2, "nobody can put a second one in front");
        }
        assert!(head.lines().all(|line| line.len() <= 120), "{name}");
    }
}

#[test]
fn a_mail_is_signed_alike_on_every_try() {
    let signer = signer();
    assert_eq!(mails(&signer)[0], mails(&signer)[0]);
}
