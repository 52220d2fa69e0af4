//! Left parts of message ids: made from what the mail is, so that a second try carries the same id and a mailbox can
//! tell that it has it already. Made of nothing that a restored backup counts anew: an article is named by its entry id, a
//! person by their public id. Never holds an address or a subscriber's number.

use std::fmt::Write;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::domain::public_id::PublicId;
use crate::domain::subscriber::Frequency;

/// Of a mail about one revision of an article (of several, the first): `a.<article>.<revision>.<who>`.
#[must_use]
pub fn message_id_article(entry_id: &str, revision: i64, who: PublicId) -> String {
    format!("a.{}.{revision}.{}", opaque("entry", entry_id.as_bytes()), person(who))
}

/// Of a digest: `daily.<yyyymmdd>.<who>`.
#[must_use]
pub fn message_id_digest(frequency: Frequency, date: Date, who: PublicId) -> String {
    format!("{}.{}.{}", frequency.as_str(), date.strftime("%Y%m%d"), person(who))
}

/// Of an answer to a request: `c.<which>`.
#[must_use]
pub fn message_id_confirm(request: PublicId) -> String {
    format!("c.{}", opaque("request", &request.0.to_be_bytes()))
}

fn person(who: PublicId) -> String {
    opaque("subscriber", &who.0.to_be_bytes())
}

/// 80 bits that stand for something: the same each time, and no counter for outsiders to read.
fn opaque(what: &str, id: &[u8]) -> String {
    let hash = Sha256::new().chain_update("loa message id\0").chain_update(what).chain_update(id).finalize();
    hash.iter().take(10).fold(String::with_capacity(20), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_the_same_on_every_try_and_differs_by_article_revision_and_reader() {
        let (entry, who) = ("tag:example.vn,2021:portal/article/7", PublicId(65_052));
        let id = message_id_article(entry, 2, who);
        assert_eq!(id, message_id_article(entry, 2, who));
        assert!(id.starts_with("a.") && !id.contains("65052") && !id.contains("tag"), "{id}");
        assert!(id.len() <= 64, "a local part has at most 64 octets (RFC 5321 §4.5.3.1.1)");
        assert_ne!(id, message_id_article(entry, 2, PublicId(65_053)));
        assert_ne!(id, message_id_article(entry, 3, who));
        assert_ne!(id, message_id_article("tag:example.vn,2021:portal/article/8", 2, who));
        let date = jiff::civil::date(2026, 11, 23);
        assert!(message_id_digest(Frequency::Weekly, date, who).starts_with("weekly.20261123."));
        assert!(!id.ends_with(&message_id_confirm(who)[2..]));
    }
}
