//! Text that any XML parser accepts. What enters loa passes here once; what leaves relies on the type.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Text in NFC that holds only characters of XML 1.0 (<https://www.w3.org/TR/xml/#charsets>), and no C1 controls:
/// those are Windows-1252 leftovers and are mapped to what was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct XmlText(String);

impl XmlText {
    /// Cleans `raw`: NFC, characters outside XML 1.0 dropped, C1 controls mapped as Windows-1252.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self::from(raw.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Whether XML 1.0 allows this character in a document.
#[must_use]
pub const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Whether a character is clean by itself and beside any other of its kind: allowed, no C1 control, composed, and no
/// combining mark. Holds for composed Vietnamese; every other text takes the long way.
const fn is_plain(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{7F}' | '\u{A0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' | '\u{2010}'..='\u{2027}')
}

const fn clean(c: char) -> Option<char> {
    match c {
        '\u{80}'..='\u{9F}' => windows_1252(c),
        c if is_xml_char(c) => Some(c),
        _ => None,
    }
}

/// What a C1 control was before somebody read Windows-1252 as Latin-1.
const fn windows_1252(c: char) -> Option<char> {
    Some(match c {
        '\u{80}' => '€',
        '\u{82}' => '‚',
        '\u{83}' => 'ƒ',
        '\u{84}' => '„',
        '\u{85}' => '…',
        '\u{86}' => '†',
        '\u{87}' => '‡',
        '\u{88}' => 'ˆ',
        '\u{89}' => '‰',
        '\u{8A}' => 'Š',
        '\u{8B}' => '‹',
        '\u{8C}' => 'Œ',
        '\u{8E}' => 'Ž',
        '\u{91}' => '‘',
        '\u{92}' => '’',
        '\u{93}' => '“',
        '\u{94}' => '”',
        '\u{95}' => '•',
        '\u{96}' => '–',
        '\u{97}' => '—',
        '\u{98}' => '˜',
        '\u{99}' => '™',
        '\u{9A}' => 'š',
        '\u{9B}' => '›',
        '\u{9C}' => 'œ',
        '\u{9E}' => 'ž',
        '\u{9F}' => 'Ÿ',
        _ => return None,
    })
}

impl Deref for XmlText {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for XmlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for XmlText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<String> for XmlText {
    fn from(raw: String) -> Self {
        // What was cleaned before comes back from the database thousands of times for each time it is written.
        if raw.chars().all(is_plain) { Self(raw) } else { Self(raw.nfc().filter_map(clean).collect()) }
    }
}

impl<'de> Deserialize<'de> for XmlText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(from)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_xml_accepts_remain() {
        let text = XmlText::new("a\u{0}b\u{B}c\u{1F}d\u{FFFE}e\u{FFFF}f\tg\nh😀");
        assert_eq!(text.as_str(), "abcdef\tg\nh😀");
    }

    #[test]
    fn the_short_way_gives_what_the_long_way_gives() {
        let plain: Vec<char> = ('\0'..='\u{2FFF}').filter(|c| is_plain(*c)).collect();
        assert!(plain.len() > 800);
        for c in &plain {
            assert_eq!(clean(*c), Some(*c), "U+{:04X}", u32::from(*c));
            assert_eq!(unicode_normalization::char::canonical_combining_class(*c), 0);
        }
        for second in &plain {
            let pairs: String = plain.iter().flat_map(|first| [*first, *second]).collect();
            assert_eq!(pairs.nfc().collect::<String>(), pairs);
        }
    }

    #[test]
    fn decomposed_vietnamese_is_composed() {
        assert_eq!(XmlText::new("Đa\u{309}ng u\u{309}y").as_str(), "Đảng ủy");
    }

    #[test]
    fn windows_1252_leftovers_become_what_was_meant() {
        assert_eq!(XmlText::new("\u{93}Nghị quyết\u{94}\u{85}").as_str(), "“Nghị quyết”…");
    }
}
