//! What may enter a mail: text that is one line, and addresses of the web. Both clean once, where a mail's content is
//! put together, so that no header can be injected and no link can run a script. Never escapes for HTML: the templates do.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::text::xml::XmlText;

/// Text on one line: NFC, white space in single spaces, no control characters, no characters that turn the direction
/// of writing (those can make one address look like another).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Line(String);

impl Line {
    /// Cleans `raw`.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        let spaced: String = raw
            .chars()
            .map(
                |c| if matches!(c, '\t' | '\n' | '\u{B}' | '\u{C}' | '\r' | '\u{2028}' | '\u{2029}') { ' ' } else { c },
            )
            .filter(|c| !turns_direction(*c))
            .collect();
        let clean = XmlText::new(&spaced);
        let mut line = String::with_capacity(clean.len());
        for word in clean.split(' ').filter(|w| !w.is_empty()) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word.chars().filter(|c| !c.is_control()));
        }
        Self(line)
    }

    /// The text, cut at a space to at most `most` characters, with `…` where something was left out.
    #[must_use]
    pub fn shortened(&self, most: usize) -> Self {
        Self(shorten(&self.0, most))
    }
}

/// Cuts a text at a space to at most `most` characters, the closing `…` included.
#[must_use]
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let whole_words = text[kept.len()..].starts_with(' ');
    // A text without spaces is cut where the room ends.
    let end = kept.rfind(' ').filter(|end| !whole_words && *end * 2 > kept.len()).unwrap_or(kept.len());
    format!("{}…", kept[..end].trim_end_matches([' ', ',', ';', ':', '.', '–', '-']))
}

const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

impl Deref for Line {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Line {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

/// An absolute `http` or `https` address in ASCII, at most 900 characters: fit for a link, an image or a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Web(String);

impl Web {
    /// Reads an address; nothing when it is not one that a reader should follow.
    #[must_use]
    pub fn new(raw: &str) -> Option<Self> {
        let url = url::Url::parse(raw.trim()).ok()?;
        let fit = matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= 900;
        fit.then(|| Self(url.into()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_came_in() {
        let line = Line::new(" Nghị quyết\r\nBcc: x@y.vn\u{2028}a\u{0}b\u{202E}c\t\td ");
        assert_eq!(&*line, "Nghị quyết Bcc: x@y.vn abc d");
    }

    #[test]
    fn a_long_line_ends_at_a_word() {
        let line = Line::new("Hội nghị tổng kết công tác tổ chức xây dựng Đảng năm 2026");
        assert_eq!(&*line.shortened(30), "Hội nghị tổng kết công tác tổ…");
        assert_eq!(line.shortened(500), line);
        assert_eq!(Line::new(&"ô".repeat(50)).shortened(10).chars().count(), 10);
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        for bad in ["javascript:alert(1)", "data:text/html,x", "/tin", "", "mailto:a@b.vn", "https://"] {
            assert_eq!(Web::new(bad), None, "{bad}");
        }
        let odd = Web::new("https://example.vn/tin mới\r\n?a=\"<b>").expect("a web address");
        assert!(odd.as_str().is_ascii() && !odd.as_str().contains(['\r', '\n', ' ', '"', '<', '>']), "{odd}");
    }
}
