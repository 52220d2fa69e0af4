//! Clean HTML with absolute links, and plain text from HTML. What editors and other portals wrote is read leniently
//! and in linear time; what comes out is small, well nested and safe. Nothing is fetched, and no address is guessed
//! from an article's own place: a portal's relative links hang on the site root.
//!
//! Cleaning has two steps. The first (`scan`, `write`) reads what a browser would and writes a small, well-nested
//! HTML with none of what makes HTML parsers slow (depth, thousands of attributes, text lost in tables). The second,
//! ammonia, parses that as a browser does and holds the allow-list: it is the one that safety rests on.

pub mod agency;
mod byline;
mod entity;
mod link;
mod plugin;
mod scan;
mod vocabulary;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use url::Url;

use crate::text::fold::tidy;
use crate::text::html::scan::{Scanner, Token};
use crate::text::xml::XmlText;

/// How much HTML is read, in bytes: pictures that were pasted into a text as `data:` make it huge. The rest is cut off.
pub const MAX_INPUT: usize = 16 * 1024 * 1024;

/// How much text or HTML comes out at most, in bytes, give or take the last word and the closing tags: what Google reads
/// of a whole feed. The rest is cut off.
pub const MAX_OUTPUT: usize = 2 * 1024 * 1024;

/// A picture found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Absolute address, http or https.
    pub url: String,
    /// What it shows, for those who cannot see it; empty if the text does not say.
    pub alt: XmlText,
    /// Width in pixels, where the text says it.
    pub width: Option<u32>,
    /// Height in pixels, where the text says it.
    pub height: Option<u32>,
}

/// Sanitised HTML of a small vocabulary: paragraphs, headings, lists, tables, quotes, figures, emphasis, links (http,
/// https, mailto) and pictures (http, https) with absolute addresses, resolved against the site root `base`. Scripts,
/// styles, forms, plugin tags of Joomla and empty paragraphs are gone; a video or frame is a link to its address.
///
/// Reads at most [`MAX_INPUT`] bytes and gives about [`MAX_OUTPUT`] at most. The result may pass [`XmlText::new`] again
/// without harm; markup from elsewhere may not (NFC joins `>` and U+0338 to one character).
#[must_use]
pub fn clean(html: &str, base: &Url) -> XmlText {
    let written = write::write(head(html, MAX_INPUT), &link::root(base));
    XmlText::new(&ALLOWED.clean(&written).to_string())
}

/// The text of HTML: block ends are spaces, entities decoded once, blanks collapsed, no markup, no plugin tags.
///
/// Reads at most [`MAX_INPUT`] bytes and gives about [`MAX_OUTPUT`] at most.
#[must_use]
pub fn plain(html: &str) -> XmlText {
    let mut out = String::new();
    for token in Scanner::new(head(html, MAX_INPUT)) {
        match token {
            Token::Text(text) => {
                for piece in plugin::pieces(text) {
                    if let plugin::Piece::Text(text) = piece {
                        out.push_str(&visible(text));
                    }
                }
            }
            Token::Open(tag) if scan::is_block(&tag.name) => out.push(' '),
            Token::Close(name) if scan::is_block(&name) => out.push(' '),
            Token::Raw(_, _) => out.push(' '),
            Token::Open(_) | Token::Close(_) => {}
        }
        if out.len() > MAX_OUTPUT {
            break;
        }
    }
    collapse(head(&out, MAX_OUTPUT))
}

/// A title as plain text: tags of HTML are taken out, entities decoded once. Brackets that are no tag of HTML stay:
/// `<Nghị quyết>`, `PCI 5 < 6`.
#[must_use]
pub fn title(raw: &str) -> XmlText {
    let raw = head(raw, MAX_OUTPUT);
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (keep, after) = scan::tag_in_title(from);
        out.push_str(keep);
        rest = after;
    }
    out.push_str(rest);
    collapse(&visible(&out))
}

/// The first picture of the text that is one to look at: not a pixel that counts readers, not pasted as `data:`.
#[must_use]
pub fn first_image(html: &str, base: &Url) -> Option<Picture> {
    let base = link::root(base);
    Scanner::new(head(html, MAX_INPUT)).find_map(|token| match token {
        Token::Open(tag) if tag.name == "img" => link::picture(&tag, &base),
        _ => None,
    })
}

/// The names in the line that signs the end of a text, such as a bold or right-aligned "Trúc Linh"; empty if nothing there
/// is surely one. The text keeps its line.
#[must_use]
pub fn byline(html: &str) -> Vec<XmlText> {
    byline::byline(head(html, MAX_INPUT))
}

/// Text between tags as people see it: entities decoded, only XML characters, nothing invisible.
///
/// A U+0338 that NFC left over is dropped: behind a `>` of markup it would compose with it and break the tag.
fn visible(raw: &str) -> String {
    let decoded = entity::decode(raw, false);
    if decoded.is_ascii() && decoded.bytes().all(|b| b >= b' ') {
        return decoded.into_owned();
    }
    let mut text = tidy(&XmlText::new(&decoded));
    if text.contains('\u{338}') {
        text.retain(|c| c != '\u{338}');
    }
    text
}

fn collapse(text: &str) -> XmlText {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    XmlText::from(out)
}

/// The first `max` bytes of a text, or a little less: never half a character.
fn head(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

static ALLOWED: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let cell = || HashSet::from(["colspan", "rowspan"]);
    let mut builder = Builder::default();
    builder
        .tags(vocabulary::ALLOWED.iter().copied().collect())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("img", HashSet::from(["src", "alt", "width", "height"])),
            ("td", cell()),
            ("th", cell()),
        ]))
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(None);
    builder
});

#[cfg(test)]
mod tests;
