//! What a scan remembers of an article in its fingerprint: the hash of what its page said, and what only lists said. The
//! store keeps it, so that a restart forgets nothing that the page itself does not tell. Knows no page.

use std::collections::BTreeSet;
use std::fmt;

use crate::clock::Timestamp;

/// A fingerprint. Its text is `<hash> <milliseconds or -> <category ids, or ->`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Hash of what the page said.
    pub hash: String,
    /// The date, where the page has none: that of its list entry or of its news sitemap, or when it was first read.
    pub date: Option<Timestamp>,
    /// Ids of the categories of the lists that showed it.
    pub lists: BTreeSet<String>,
}

impl Mark {
    /// Reads a fingerprint that this kind of source gave.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (hash, date, lists) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || hash.is_empty() {
            return None;
        }
        let date = if date == "-" { None } else { Some(Timestamp(date.parse().ok()?)) };
        let lists = lists.split(',').filter(|id| *id != "-").map(str::to_owned).collect();
        Some(Self { hash: hash.to_owned(), date, lists })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        match self.date {
            Some(date) => write!(f, "{} ", date.millis())?,
            None => f.write_str("- ")?,
        }
        if self.lists.is_empty() {
            return f.write_str("-");
        }
        f.write_str(&self.lists.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let full = Mark {
            hash: "ab12".to_owned(),
            date: Some(Timestamp(1_637_651_100_000)),
            lists: BTreeSet::from(["cong-tac-to-chuc".to_owned(), "tin".to_owned()]),
        };
        let bare = Mark { hash: "ab12".to_owned(), ..Mark::default() };
        assert_eq!(full.to_string(), "ab12 1637651100000 cong-tac-to-chuc,tin");
        for mark in [full, bare] {
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }
        for other in ["", "ab12", "ab12 x -", "ab12 - - -"] {
            assert_eq!(Mark::parse(other), None, "{other}");
        }
    }
}
