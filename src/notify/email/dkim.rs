//! DKIM signatures (RFC 6376) over the exact bytes of a mail: RSA-SHA256, and Ed25519-SHA256 (RFC 8463) beside it. One
//! signature for each key, so that a new key can sign beside the old one while receivers still look for that. Never makes
//! a key, and never prints one.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// What is signed, if the mail has it: all that loa writes (RFC 8058 §4 asks for both `List-Unsubscribe` fields).
const SIGNED: [&str; 22] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-language",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-help",
    "list-archive",
    "list-post",
    "precedence",
    "feedback-id",
    "auto-submitted",
    "x-auto-response-suppress",
    "content-transfer-encoding",
];

/// What is named once more than it stands there, so that nobody can put a second one in front (RFC 6376 §8.15).
const SEALED: [&str; 5] = ["from", "to", "subject", "date", "reply-to"];

/// The longest line of a signature's header.
const LINE: usize = 76;

/// Why a key cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key with the name that its public half is published under.
pub struct Key {
    pair: Pair,
    domain: String,
    selector: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.algorithm(), self.name())
    }
}

impl Key {
    /// Reads a key from a PEM file: RSA of 2048 to 4096 bits (PKCS#1 or PKCS#8), or Ed25519 (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with the file and how a good one is made.
    pub fn read(file: &Path, domain: &str, selector: &str) -> Result<Self, KeyError> {
        let fault = |why: &str| KeyError(format!("the key file {} {why}", file.display()));
        let text = std::fs::read(file).map_err(|e| fault(&format!("cannot be read: {e}; loa must be able to")))?;
        Self::parse(&text, domain, selector).map_err(|KeyError(why)| fault(&why))
    }

    /// The same from the text of a PEM file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(pem: &[u8], domain: &str, selector: &str) -> Result<Self, KeyError> {
        let make = "make one by openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048, or -algorithm ed25519";
        let fault = |why: &str| KeyError(format!("{why}; {make}"));
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| fault("holds no private key: it should begin with -----BEGIN PRIVATE KEY-----"))?;
        let rsa = |key: Result<RsaKeyPair, ring::error::KeyRejected>| {
            key.map(|key| Pair::Rsa(Box::new(key))).map_err(|e| {
                fault(&format!("holds an RSA key that cannot be used ({e}): 2048 to 4096 bits are needed"))
            })
        };
        let pair = match &der {
            PrivateKeyDer::Pkcs1(key) => rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()))?,
            PrivateKeyDer::Pkcs8(key) => {
                // OpenSSL leaves the public half out of an Ed25519 key.
                match Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()) {
                    Ok(key) => Pair::Ed25519(Box::new(key)),
                    Err(_) => rsa(RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()))?,
                }
            }
            _ => return Err(fault("holds a key that is neither RSA nor Ed25519")),
        };
        Ok(Self { pair, domain: domain.to_ascii_lowercase(), selector: selector.to_ascii_lowercase() })
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// The name in DNS of the public half.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The text to publish there (RFC 6376 §3.6.1, RFC 8463 §4.2).
    #[must_use]
    pub fn record(&self) -> String {
        match &self.pair {
            Pair::Rsa(pair) => {
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public_key_info(pair.public_key().as_ref())))
            }
            Pair::Ed25519(pair) => {
                format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(pair.public_key().as_ref()))
            }
        }
    }

    /// The signature of a header block; nothing if the key fails, which a key that was read does not.
    fn sign(&self, block: &[u8]) -> Option<String> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), block, &mut signature).ok()?;
                Some(STANDARD.encode(signature))
            }
            Pair::Ed25519(pair) => Some(STANDARD.encode(pair.sign(&Sha256::digest(block)).as_ref())),
        }
    }
}

/// A `SubjectPublicKeyInfo` around an RSA public key (RFC 3279 §2.3.1), which is what verifiers read.
fn public_key_info(key: &[u8]) -> Vec<u8> {
    const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut bits = vec![0];
    bits.extend_from_slice(key);
    let mut inner = RSA.to_vec();
    inner.extend(tagged(0x03, &bits));
    tagged(0x30, &inner)
}

/// A DER value with its tag and length.
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let short = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if value.len() >= 0x80 {
        // A length has at most eight bytes.
        out.push(0x80 | u8::try_from(short.len()).unwrap_or(8));
    }
    out.extend_from_slice(short);
    out.extend_from_slice(value);
    out
}

/// A hash of a body, as far as it is the same for every reader.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    hash: Sha256,
    /// Bytes of the body that are in it.
    taken: usize,
}

impl Begun {
    /// Of the first bytes of a body that is in canonical form already.
    pub(super) fn new(same: &[u8]) -> Self {
        Self { hash: Sha256::new_with_prefix(same), taken: same.len() }
    }
}

/// Whether a body is what the canonical form makes of it (RFC 6376 §3.4.4 "relaxed"): then it is hashed as it is. Base64
/// has no spaces, so splicing changes nothing of that.
pub(super) fn is_canonical(body: &[u8]) -> bool {
    let odd =
        |w: &[u8]| matches!(w, [b' ' | b'\t', b' ' | b'\t' | b'\r'] | [b'\t', _]) || (w[1] == b'\n') != (w[0] == b'\r');
    body.len() > 2
        && body.ends_with(b"\r\n")
        && !body.ends_with(b"\r\n\r\n")
        && !body.windows(2).any(odd)
        && body.first() != Some(&b'\n')
}

/// The relaxed form of a body.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut empty = 0;
    let lines: Vec<&[u8]> = body.split(|&b| b == b'\n').collect();
    let last = lines.len().saturating_sub(1);
    for (nth, line) in lines.into_iter().enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if nth == last && line.is_empty() {
            break;
        }
        let mut shown = Vec::with_capacity(line.len());
        for &b in line {
            if matches!(b, b' ' | b'\t') {
                if shown.last() != Some(&b' ') {
                    shown.push(b' ');
                }
            } else {
                shown.push(b);
            }
        }
        if shown.last() == Some(&b' ') {
            shown.pop();
        }
        if shown.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..empty {
            out.extend_from_slice(b"\r\n");
        }
        empty = 0;
        out.extend_from_slice(&shown);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The relaxed form of a header field, without a line end (RFC 6376 §3.4.2).
fn relaxed_header(name: &str, value: &str) -> String {
    let mut out = format!("{}:", name.trim_end().to_ascii_lowercase());
    for (nth, word) in value.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).enumerate() {
        if nth > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Signs mails with every key.
#[derive(Debug, Default)]
pub struct Signer(Vec<Key>);

impl Signer {
    /// A signer with these keys; without any it signs nothing.
    #[must_use]
    pub const fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The header fields that sign this mail (CRLF line ends), to stand in front of it.
    #[must_use]
    pub fn sign(&self, mail: &[u8]) -> String {
        self.sign_from(mail, None)
    }

    /// The same for a mail whose body begins as told and is canonical.
    pub(super) fn sign_from(&self, mail: &[u8], begun: Option<&Begun>) -> String {
        let mut signatures = String::new();
        if self.0.is_empty() {
            return signatures;
        }
        let at = mail.windows(4).position(|w| w == b"\r\n\r\n").map_or(mail.len(), |at| at + 2);
        let (head, body) = mail.split_at(at);
        let body = body.strip_prefix(b"\r\n").unwrap_or(body);
        let hash = match begun {
            Some(begun) => begun.hash.clone().chain_update(body.get(begun.taken..).unwrap_or_default()).finalize(),
            None if is_canonical(body) => Sha256::digest(body),
            None => Sha256::digest(relaxed_body(body)),
        };
        let hash = STANDARD.encode(hash);
        let fields = fields(&String::from_utf8_lossy(head));
        let (mut names, mut block) = (Vec::new(), String::with_capacity(head.len() + 512));
        for name in SIGNED {
            // From the last one to the first (RFC 6376 §5.4.2); loa writes each once.
            for (_, canonical) in fields.iter().rev().filter(|(n, _)| n == name) {
                names.push(name);
                block.push_str(canonical);
                block.push_str("\r\n");
            }
            if SEALED.contains(&name) {
                names.push(name);
            }
        }
        for key in &self.0 {
            let unsigned = unsigned(key, &names, &hash);
            let canonical = relaxed_header("DKIM-Signature", &unsigned);
            let Some(signature) = key.sign(format!("{block}{canonical}").as_bytes()) else { continue };
            signatures.push_str("DKIM-Signature:");
            signatures.push_str(&unsigned);
            for part in signature.as_bytes().chunks(LINE - 2) {
                signatures.push_str("\r\n ");
                signatures.push_str(std::str::from_utf8(part).unwrap_or_default());
            }
            signatures.push_str("\r\n");
        }
        signatures
    }
}

/// The fields of a header with their canonical forms.
fn fields(head: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(24);
    let mut rest = head;
    while !rest.is_empty() {
        // A field ends at a line end that no white space follows.
        let mut end = 0;
        loop {
            end = rest[end..].find('\n').map_or(rest.len(), |at| end + at + 1);
            if end == rest.len() || !rest[end..].starts_with([' ', '\t']) {
                break;
            }
        }
        let (field, after) = rest.split_at(end);
        if let Some((name, value)) = field.split_once(':') {
            fields.push((name.trim_end().to_ascii_lowercase(), relaxed_header(name, value)));
        }
        rest = after;
    }
    fields
}

/// The value of the signature's field, with an empty `b=`.
fn unsigned(key: &Key, names: &[&str], hash: &str) -> String {
    let mut value =
        format!(" v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; h=", key.algorithm(), key.domain, key.selector);
    let mut column = " s=; h=".len() + key.selector.len();
    for (nth, name) in names.iter().enumerate() {
        let colon = if nth > 0 { ":" } else { "" };
        value.push_str(colon);
        if column + name.len() + 2 > LINE {
            value.push_str("\r\n ");
            column = 1;
        }
        value.push_str(name);
        column += name.len() + 1;
    }
    value.push_str(";\r\n bh=");
    value.push_str(hash);
    value.push_str(";\r\n b=");
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key of RFC 8463, appendix A.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_public_half_of_a_key_is_what_its_owner_publishes() {
        let key = Key::parse(ED25519.as_bytes(), "Football.example.com", "brisbane").expect("a key");
        assert_eq!(key.name(), "brisbane._domainkey.football.example.com");
        assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert!(!format!("{key:?}").contains("nWGxne"));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_with_a_remedy() {
        for text in ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            let fault = Key::parse(text.as_bytes(), "example.vn", "a").expect_err(text).to_string();
            assert!(fault.contains("openssl genpkey"), "{fault}");
        }
    }

    #[test]
    fn the_examples_of_the_standard_have_the_canonical_forms_that_it_gives() {
        // RFC 6376 §3.4.5
        assert_eq!(relaxed_header("A", " X\r\n"), "a:X");
        assert_eq!(relaxed_header("B ", " Y\t\r\n\tZ  \r\n"), "b:Y Z");
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"a"), b"a\r\n");
    }

    #[test]
    fn fields_are_read_with_their_folds() {
        let head = "To: <a@b.vn>\r\nSubject: one\r\n two\r\nX: y\r\n";
        assert_eq!(
            fields(head),
            [("to", "to:<a@b.vn>"), ("subject", "subject:one two"), ("x", "x:y")]
                .map(|(n, c)| (n.to_owned(), c.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn a_body_that_is_called_canonical_is(body in "[a \t]{0,3}((\r\n){1,2}[ab \t]{0,4}){0,5}(\r\n)?") {
            if is_canonical(body.as_bytes()) {
                prop_assert_eq!(relaxed_body(body.as_bytes()), body.as_bytes());
            }
        }
    }
}
