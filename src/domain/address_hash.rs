//! A mail address as something that can be recognised and not read: a keyed hash. What is kept of people who are gone.
//! Never holds an address longer than it takes to hash it.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::subscriber::EmailAddress;

/// Length of a hash in characters.
pub const HASH_LEN: usize = 32;

/// The key that makes hashes of addresses; it lies with the data (secret `address.1`).
#[derive(Clone)]
pub struct AddressKey(String);

impl AddressKey {
    /// A key as it is stored.
    #[must_use]
    pub const fn new(secret: String) -> Self {
        Self(secret)
    }

    /// What is kept of an address: the first 128 bits of an HMAC-SHA256 over its key, as hexadecimal digits. All
    /// spellings of one mailbox have one hash.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn hash(&self, address: &EmailAddress) -> String {
        let mut hmac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        hmac.update(address.key().as_bytes());
        hmac.finalize().into_bytes().iter().take(HASH_LEN / 2).fold(String::with_capacity(HASH_LEN), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Whether a text is a hash as [`AddressKey::hash`] writes it.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    text.len() == HASH_LEN && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_have_one_hash_and_keys_tell_installations_apart() {
        let address = |text: &str| EmailAddress::parse(text).expect("an address");
        let key = AddressKey::new("a".repeat(64));
        let hash = key.hash(&address("An@so.example.vn"));
        assert!(is_hash(&hash), "{hash}");
        assert_eq!(hash, key.hash(&address("an@SO.example.vn")));
        assert_ne!(hash, key.hash(&address("binh@so.example.vn")));
        assert_ne!(hash, AddressKey::new("b".repeat(64)).hash(&address("an@so.example.vn")));
        assert!(!is_hash("an@so.example.vn") && !is_hash(&hash.to_uppercase()));
    }
}
