//! Left parts of message ids: made from what the mail is, so that a second try carries the same id and a mailbox can
//! tell that it has it already. Never holds an address or a subscriber's number.

use std::fmt::Write;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::domain::subscriber::Frequency;

/// Of a mail about one revision of an article (of several, the first): `a.<article>.<revision>.<who>`.
#[must_use]
pub fn message_id_article(article_id: i64, revision: i64, subscriber_id: i64) -> String {
    format!("a.{article_id}.{revision}.{}", opaque("subscriber", subscriber_id))
}

/// Of a digest: `daily.<yyyymmdd>.<who>`.
#[must_use]
pub fn message_id_digest(frequency: Frequency, date: Date, subscriber_id: i64) -> String {
    format!("{}.{}.{}", frequency.as_str(), date.strftime("%Y%m%d"), opaque("subscriber", subscriber_id))
}

/// Of the question of the double opt-in: `c.<which>`.
#[must_use]
pub fn message_id_confirm(request_id: i64) -> String {
    format!("c.{}", opaque("request", request_id))
}

/// 80 bits that stand for a row: the same each time, and no counter for outsiders to read.
fn opaque(what: &str, id: i64) -> String {
    let hash =
        Sha256::new().chain_update("loa message id\0").chain_update(what).chain_update(id.to_be_bytes()).finalize();
    hash.iter().take(10).fold(String::with_capacity(20), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_the_same_on_every_try_and_differs_by_reader_and_revision() {
        let id = message_id_article(7, 2, 65_052);
        assert_eq!(id, message_id_article(7, 2, 65_052));
        assert!(id.starts_with("a.7.2.") && !id.contains("65052"), "{id}");
        assert_ne!(id, message_id_article(7, 2, 65_053));
        assert_ne!(id, message_id_article(7, 3, 65_052));
        let date = jiff::civil::date(2026, 11, 23);
        assert!(message_id_digest(Frequency::Weekly, date, 1).starts_with("weekly.20261123."));
        assert_ne!(message_id_confirm(1)[2..], message_id_article(1, 1, 1)[6..]);
    }
}
