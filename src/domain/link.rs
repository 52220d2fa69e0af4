//! Signed links: what the token in `/confirm/…`, `/manage/…` and `/u/…` says, and how a forged one is told apart.
//!
//! A token is 27 bytes in base64url (36 characters, always): key id, purpose, public id, frequency, and the first 16
//! bytes of an HMAC-SHA256 over them. It names nobody by a row's number: a database that was restored from a backup gives
//! those out again, and a link in an old mail would open somebody else's page. Nothing in it is secret and no address is in it; nobody can make one without the
//! key. Tokens do not expire by themselves (mail that was kept for years must still let its reader leave); what they
//! name may be gone. Keys rotate by id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::public_id::PublicId;
use crate::domain::subscriber::Frequency;

/// Length of every token in characters.
pub const TOKEN_LEN: usize = 36;

const MAC_LEN: usize = 16;
const BODY_LEN: usize = 11;

/// What a link lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Confirm this request (double opt-in).
    Confirm(PublicId),
    /// Manage this person's subscriptions.
    Manage(PublicId),
    /// End this person's subscriptions of this frequency.
    Unsubscribe(PublicId, Frequency),
}

/// The keys that sign links, the newest first. Old keys verify, only the newest signs.
#[derive(Clone)]
pub struct KeyRing(Vec<(u8, [u8; 32])>);

impl KeyRing {
    /// A ring of keys with their ids, the newest first. `None` if there is no key.
    #[must_use]
    pub fn new(keys: Vec<(u8, [u8; 32])>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key that signs, and its id.
    pub(super) fn newest(&self) -> (u8, &[u8; 32]) {
        (self.0[0].0, &self.0[0].1)
    }

    /// The key with this id.
    pub(super) fn key(&self, id: u8) -> Option<&[u8; 32]> {
        self.0.iter().find(|(own, _)| *own == id).map(|(_, key)| key)
    }

    /// The token for a link.
    #[must_use]
    pub fn sign(&self, link: Link) -> String {
        let (id, key) = &self.0[0];
        let body = body(*id, link);
        let mut token = [0_u8; BODY_LEN + MAC_LEN];
        token[..BODY_LEN].copy_from_slice(&body);
        token[BODY_LEN..].copy_from_slice(&mac(key, &body));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token says, if one of our keys signed it.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Link> {
        let bytes: [u8; BODY_LEN + MAC_LEN] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (_, key) = self.0.iter().find(|(id, _)| *id == bytes[0])?;
        let (body, theirs) = bytes.split_at(BODY_LEN);
        if !bool::from(mac(key, body).ct_eq(theirs)) {
            return None;
        }
        let subject = PublicId(i64::from_be_bytes(body[2..10].try_into().ok()?));
        Some(match (body[1], body[10]) {
            (b'c', 0) => Link::Confirm(subject),
            (b'm', 0) => Link::Manage(subject),
            (b'u', f) => Link::Unsubscribe(subject, *Frequency::ALL.get(usize::from(f))?),
            _ => return None,
        })
    }
}

fn body(key_id: u8, link: Link) -> [u8; BODY_LEN] {
    let (purpose, subject, frequency) = match link {
        Link::Confirm(id) => (b'c', id, 0),
        Link::Manage(id) => (b'm', id, 0),
        Link::Unsubscribe(id, f) => (b'u', id, Frequency::ALL.iter().position(|x| *x == f).unwrap_or(0)),
    };
    let mut body = [0_u8; BODY_LEN];
    body[0] = key_id;
    body[1] = purpose;
    body[2..10].copy_from_slice(&subject.0.to_be_bytes());
    body[10] = u8::try_from(frequency).unwrap_or(0);
    body
}

fn mac(key: &[u8; 32], body: &[u8]) -> [u8; MAC_LEN] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    hmac.update(body);
    let full = hmac.finalize().into_bytes();
    let mut short = [0_u8; MAC_LEN];
    short.copy_from_slice(&full[..MAC_LEN]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new(vec![(2, [7; 32]), (1, [9; 32])]).expect("two keys")
    }

    #[test]
    fn every_link_reads_back_and_all_tokens_have_one_length() {
        for link in [
            Link::Confirm(PublicId(1)),
            Link::Manage(PublicId(i64::MAX)),
            Link::Unsubscribe(PublicId(65_052), Frequency::Immediate),
            Link::Unsubscribe(PublicId(65_052), Frequency::Weekly),
        ] {
            let token = ring().sign(link);
            assert_eq!(token.len(), TOKEN_LEN);
            assert_eq!(ring().verify(&token), Some(link));
        }
    }

    #[test]
    fn a_token_of_an_old_key_still_opens_and_one_of_a_strange_key_does_not() {
        let old = KeyRing::new(vec![(1, [9; 32])]).expect("a key").sign(Link::Manage(PublicId(5)));
        assert_eq!(ring().verify(&old), Some(Link::Manage(PublicId(5))));
        let strange = KeyRing::new(vec![(2, [8; 32])]).expect("a key").sign(Link::Manage(PublicId(5)));
        assert_eq!(ring().verify(&strange), None);
    }

    #[test]
    fn a_token_changed_in_any_place_is_refused() {
        let token = ring().sign(Link::Unsubscribe(PublicId(5), Frequency::Daily));
        for place in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(ring().verify(&String::from_utf8(forged).expect("ASCII")), None, "at {place}");
        }
        assert_eq!(ring().verify(""), None);
    }
}
