//! Signing secrets and signatures of Standard Webhooks 1.0.0 (symmetric, `v1`). A secret never shows itself in a log.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::Clock;

const PREFIX: &str = "whsec_";

/// Fewest bytes of a secret.
const SHORTEST: usize = 24;

/// Most bytes of a secret.
const LONGEST: usize = 64;

/// What an endpoint and loa share: 24–64 random bytes, written as `whsec_` and base64.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a text is not a secret. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Without its prefix.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// Not base64.
    #[error("a signing secret is base64 with padding after whsec_")]
    Base64,
    /// Too few or too many bytes.
    #[error("a signing secret has 24 to 64 bytes; this one has {0}")]
    Length(usize),
}

impl Secret {
    /// A new secret of 32 bytes.
    #[must_use]
    pub fn generate(clock: &Clock) -> Self {
        Self(clock.random::<32>().to_vec())
    }

    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// [`SecretError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if (SHORTEST..=LONGEST).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(SecretError::Length(bytes.len()))
        }
    }

    /// The secret in writing, for the owner's eyes and for the store.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The value of `webhook-signature`: one `v1,` signature for each secret, the newest first, so that a receiver that
/// still has the old one verifies too. `timestamp` is in seconds.
#[must_use]
pub fn sign(id: &str, timestamp: i64, body: &[u8], secrets: &[Secret]) -> String {
    let start = format!("{id}.{timestamp}.");
    secrets.iter().map(|secret| sign_one(secret, start.as_bytes(), body)).collect::<Vec<_>>().join(" ")
}

fn sign_one(secret: &Secret, start: &[u8], body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
    mac.update(start);
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret");
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signature = sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body, &[secret]);
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn every_secret_signs_and_the_newest_comes_first() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let (new, old) = (Secret::generate(&clock), Secret::generate(&clock));
        let both = sign("a", 1, b"{}", &[new.clone(), old.clone()]);
        assert_eq!(both, format!("{} {}", sign("a", 1, b"{}", &[new]), sign("a", 1, b"{}", &[old])));
    }

    #[test]
    fn a_secret_reads_back_and_does_not_show_itself() {
        let secret = Secret::generate(&Clock::manual(Timestamp::from_millis(0)));
        assert_eq!(Secret::parse(&secret.reveal()).expect("reads back").reveal(), secret.reveal());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn what_is_no_secret_is_refused_with_its_reason() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7_u8; bytes]));
        assert_eq!(Secret::parse("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").err(), Some(SecretError::Prefix));
        assert_eq!(Secret::parse("whsec_***").err(), Some(SecretError::Base64));
        assert_eq!(Secret::parse(&of(23)).err(), Some(SecretError::Length(23)));
        assert_eq!(Secret::parse(&of(65)).err(), Some(SecretError::Length(65)));
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
    }
}
