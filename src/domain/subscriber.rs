//! Subscribers, their subscriptions, and the states between asking and leaving.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// How often a person hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// As soon as an article is seen.
    Immediate,
    /// One digest a day.
    Daily,
    /// One digest a week.
    Weekly,
}

impl Frequency {
    /// All of them, in the order in which people are shown them.
    pub const ALL: [Self; 3] = [Self::Immediate, Self::Daily, Self::Weekly];

    /// The word in the database, in forms and in CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }

    /// The frequency that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == word)
    }
}

/// The language in which a person is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Locale {
    /// BCP 47 tag, also the word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The locale that this tag names, by its first subtag; Vietnamese when it names none of ours.
    #[must_use]
    pub fn parse(tag: &str) -> Self {
        if tag.split(['-', '_']).next().is_some_and(|t| t.eq_ignore_ascii_case("en")) { Self::En } else { Self::Vi }
    }
}

/// A mail address that a relay can be given. Parsed once, at the door.
///
/// `Display` masks it (`a***@e***.vn`): an address never reaches a log by accident. Use [`EmailAddress::as_str`] where
/// the address itself is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// Why a text is not a mail address, in one clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was written.
    #[error("it is empty")]
    Empty,
    /// Over the limits of RFC 5321 §4.5.3.1 (local part 64 octets, whole 254).
    #[error("it is too long (at most 64 octets before the @ and 254 in all)")]
    TooLong,
    /// No local part, no `@`, or more than one.
    #[error("it has no single @ between a name and a domain")]
    NoAt,
    /// The domain is not a name with a dot.
    #[error("its domain is not a full host name")]
    Domain,
    /// The local part is not a dot-atom (RFC 5321 §4.1.2).
    #[error("the part before the @ has a character that mail does not allow")]
    Local,
    /// The local part is not ASCII, and the relay does not take such addresses (RFC 6531).
    #[error("the part before the @ has letters that our mail server does not take; use an address in plain letters")]
    International,
}

impl EmailAddress {
    /// Parses an address: trimmed, the domain in lower case. Non-ASCII domains become A-labels; a non-ASCII local part
    /// is refused, since it needs SMTPUTF8 from every relay on the way.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, AddressError> {
        Self::parse_international(raw)
            .and_then(|address| if address.is_international() { Err(AddressError::International) } else { Ok(address) })
    }

    /// The same, and a local part may have letters of any script (RFC 6531 §3.3), in NFC. For a relay that offers SMTPUTF8,
    /// and for what was taken while it did.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse_international(raw: &str) -> Result<Self, AddressError> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Err(AddressError::Empty);
        }
        let (local, domain) = raw.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() || local.contains('@') {
            return Err(AddressError::NoAt);
        }
        let local: String = local.nfc().collect();
        let atom = |c: char| {
            if c.is_ascii() {
                c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
            } else {
                // Letters and digits: nothing that is blank, unseen or turns the line around.
                c.is_alphanumeric()
            }
        };
        if local.split('.').any(|part| part.is_empty() || !part.chars().all(atom)) {
            return Err(AddressError::Local);
        }
        let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
            return Err(AddressError::Domain);
        };
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let top_is_a_name = domain.rsplit('.').next().is_some_and(|top| top.chars().any(|c| c.is_ascii_alphabetic()));
        if !domain.contains('.') || !domain.split('.').all(label) || !top_is_a_name {
            return Err(AddressError::Domain);
        }
        if local.len() > 64 || local.len() + 1 + domain.len() > 254 {
            return Err(AddressError::TooLong);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address itself. For the relay and the database, never for a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one mailbox share: all in lower case. Uniqueness is kept over this.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether it can only be reached by SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_international(&self) -> bool {
        !self.0.is_ascii()
    }

    /// The part behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or(("", ""));
        let (name, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
        let first = |s: &str| s.chars().next().map(String::from).unwrap_or_default();
        write!(f, "{}***@{}***.{top}", first(local), first(name))
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({self})")
    }
}

/// Why a subscription ended. Kept with it, so that "why did I stop hearing?" has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person pressed one-click or the leave button.
    Unsubscribed,
    /// The person changed feeds or frequency on the manage page.
    Changed,
    /// The person asked to be erased.
    Erased,
    /// The address does not exist or refuses us for good.
    Undeliverable,
    /// The person told their provider that our mail is spam.
    Complained,
    /// An operator ended it.
    Operator,
    /// The feed is no longer declared.
    FeedRetired,
    /// The endpoint was deleted, or answered 410.
    EndpointGone,
}

impl EndReason {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Changed => "changed",
            Self::Erased => "erased",
            Self::Undeliverable => "undeliverable",
            Self::Complained => "complained",
            Self::Operator => "operator",
            Self::FeedRetired => "feed_retired",
            Self::EndpointGone => "endpoint_gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_allows_are_accepted() {
        for ok in
            ["an@so.example.gov.vn", " An.Nguyen+tin@Example.VN ", "a@xn--bcher-kva.example", "o'neil@example.com"]
        {
            assert!(EmailAddress::parse(ok).is_ok(), "{ok}");
        }
        assert_eq!(EmailAddress::parse("An@Example.VN").map(|a| a.as_str().to_owned()), Ok("An@example.vn".into()));
    }

    #[test]
    fn addresses_that_could_smuggle_a_command_are_refused() {
        for bad in [
            "",
            "an",
            "@example.vn",
            "an@",
            "an@localhost",
            "an@127.0.0.1",
            "an@[127.0.0.1]",
            "a b@example.vn",
            "an@example.vn\r\nRCPT TO:<x@y.z>",
            "an>@example.vn",
            "a..b@example.vn",
            ".a@example.vn",
            "a@b@example.vn",
            "an@exam ple.vn",
            "ân@example.vn",
            "an@-example.vn",
            "an@example.123",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("{}@example.vn", "a".repeat(65));
        assert_eq!(EmailAddress::parse(&long), Err(AddressError::TooLong));
    }

    #[test]
    fn an_address_of_any_script_is_taken_only_where_it_can_be_mailed() {
        assert_eq!(EmailAddress::parse("nguyễn.ân@example.vn"), Err(AddressError::International));
        let address = EmailAddress::parse_international("Nguyễn.Ân@Example.vn").expect("an address");
        assert!(address.is_international() && !EmailAddress::parse("an@example.vn").expect("one").is_international());
        let apart = EmailAddress::parse_international("nguye\u{302}\u{303}n.a\u{302}n@example.vn").expect("an address");
        assert_eq!(address.key(), apart.key(), "the same letters in pieces are the same mailbox");
        for bad in ["a\u{a0}b@example.vn", "a\u{202e}b@example.vn", "a\u{200b}b@example.vn", "â\u{7f}@example.vn"] {
            assert!(EmailAddress::parse_international(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_masked_when_printed() {
        let address = EmailAddress::parse("nguyen.an@tinhuy.example.gov.vn").expect("valid");
        assert_eq!(format!("{address} {address:?}"), "n***@t***.vn EmailAddress(n***@t***.vn)");
    }
}
