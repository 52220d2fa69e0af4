//! A keyed hash in the place of a mail address: what stays of somebody who asked to be forgotten. Without the key nobody
//! can try addresses against it; with the key it only ever answers "is it this one?".

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::subscriber::EmailAddress;

/// The hash of an address under this key: 64 hexadecimal digits. Two spellings of one mailbox have the same.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn address_hash(key: &str, address: &EmailAddress) -> String {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    hmac.update(b"loa address\0");
    hmac.update(address.key().as_bytes());
    hmac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_share_a_hash_and_keys_do_not() {
        let address = |text: &str| EmailAddress::parse(text).expect("an address");
        let hash = address_hash("k", &address("Nguyen.An@So.example.vn"));
        assert_eq!(hash, address_hash("k", &address("nguyen.an@so.EXAMPLE.vn")));
        assert_ne!(hash, address_hash("l", &address("nguyen.an@so.example.vn")));
        assert_ne!(hash, address_hash("k", &address("nguyen.am@so.example.vn")));
        assert_eq!(hash.len(), 64);
    }
}
