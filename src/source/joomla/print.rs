//! The fingerprint that this source gives an article: hashes that the database made, and what the categories make of them.
//! Pure.

use std::fmt;

/// Hashes of the database are cut to so many bits, so that sums of them are exact in every engine's integers.
const BITS: u32 = 60;

/// A sum of hashes, as far as it is compared.
pub(super) fn cut(sum: u128) -> u64 {
    u64::try_from(sum & ((1 << BITS) - 1)).unwrap_or_default()
}

/// What one article looks like, in numbers. As text `NARROW BODY . TAGS . CATEGORY . EXTRA`, so that each part can be
/// compared alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    /// Everything in the row but the text, and the author's name.
    pub(super) narrow: u64,
    /// The text.
    pub(super) body: u64,
    /// The sum over the public tags; 0 without any.
    pub(super) tags: u64,
    /// The category.
    pub(super) catid: i64,
    /// What the article shows of its categories, and how its address is made ([`super::rules::Rules::extra`]).
    pub(super) extra: u64,
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { narrow, body, tags, catid, extra } = self;
        write!(f, "{narrow:015x}{body:015x}.{tags:x}.{catid}.{extra:x}")
    }
}

impl Print {
    /// Reads what [`Print::to_string`] wrote; nothing when something else made the text, such as an older loa.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (narrow, body) = parts.next()?.split_at_checked(15)?;
        let [narrow, body, tags] = [Some(narrow), Some(body), parts.next()].map(|hex| hash(hex?));
        let print = Self {
            narrow: narrow?,
            body: body?,
            tags: tags?,
            catid: parts.next()?.parse().ok()?,
            extra: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        // What does not come out as it went in is not ours.
        (parts.next().is_none() && print.to_string() == text).then_some(print)
    }
}

/// A hash as the database writes it.
pub(super) fn hash(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok().filter(|hash| hash >> BITS == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_the_way_there_and_back() {
        let print = Print { narrow: 0xabc, body: (1 << 60) - 1, tags: 0, catid: 907, extra: u64::MAX };
        assert_eq!(print.to_string(), "000000000000abcfffffffffffffff.0.907.ffffffffffffffff");
        assert_eq!(Print::parse(&print.to_string()), Some(print));
    }

    #[test]
    fn what_something_else_wrote_is_none() {
        for other in [
            "",
            "d41d8cd98f00b204e9800998ecf8427e",
            "000000000000abcfffffffffffffff.0.907",
            "000000000000abcfffffffffffffff.0.907.1.2",
            "000000000000abcfffffffffffffff.00.907.1",
            "000000000000abc0fffffffffffffff.0.907.1",
            "00000000000000đfffffffffffffff.0.907.1",
        ] {
            assert_eq!(Print::parse(other), None, "{other}");
        }
    }

    #[test]
    fn sums_are_compared_up_to_what_a_hash_holds() {
        assert_eq!(cut((5 << 60) + 7), 7);
        assert_eq!((hash("fffffffffffffff"), hash("1000000000000000"), hash("x")), (Some((1 << 60) - 1), None, None));
    }
}
