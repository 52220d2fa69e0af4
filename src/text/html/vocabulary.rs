//! The vocabulary of clean HTML: which elements come out, and what may stand in what. Data and nothing else.

use crate::text::html::scan::is_block;

/// Every element that comes out.
pub(super) const ALLOWED: [&str; 39] = [
    "a",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "s",
    "del",
];

/// Elements in which words may not stand: browsers move them out.
pub(super) const TABLE_PARTS: [&str; 5] = ["table", "thead", "tbody", "tfoot", "tr"];
/// Elements in which bare words next to a `div` become a paragraph.
pub(super) const FLOW: [&str; 6] = ["li", "dd", "td", "th", "blockquote", "figure"];

/// What an element of the input becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Within a line.
    Inline,
    /// Closes a paragraph and another heading.
    Heading,
    /// Closes a paragraph and holds others.
    Block,
    /// Only within its parent: `li`, `dd`, `dt`, `figcaption`.
    Part,
    /// Rows, cells and what is between.
    Table,
    /// Its borders separate paragraphs; the element itself goes.
    Border,
    /// Goes without a trace, its content stays.
    Gone,
}

/// The name as the output has it, and what kind it is.
pub(super) fn kind(name: &str) -> (&'static str, Kind) {
    let Some(name) = ALLOWED.iter().copied().find(|n| *n == name) else {
        return ("", if is_block(name) { Kind::Border } else { Kind::Gone });
    };
    let kind = match name {
        "a" | "b" | "code" | "del" | "em" | "i" | "s" | "strong" | "sub" | "sup" | "u" => Kind::Inline,
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Kind::Heading,
        "li" | "dd" | "dt" | "figcaption" => Kind::Part,
        "caption" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" => Kind::Table,
        _ => Kind::Block,
    };
    (name, kind)
}

/// The elements that an end tag (or the like) of this name does not reach across.
pub(super) fn barrier(name: &str) -> &'static [&'static str] {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
            &["li", "dd", "dt", "td", "th", "caption", "blockquote", "figure", "figcaption", "table"]
        }
        "li" => &["ul", "ol", "td", "th", "caption"],
        "dd" | "dt" => &["dl", "td", "th", "caption"],
        "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "caption" => &["table"],
        _ => &["td", "th", "caption"],
    }
}
