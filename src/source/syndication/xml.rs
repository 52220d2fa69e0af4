//! XML as feeds write it, made into trees: what people forget (an escaped `&`, a declared prefix) is mended, and where one
//! item is beyond mending the others are read without it. Knows no feed format beyond the names of its items.

use std::borrow::Cow;
use std::fmt::Write;

use roxmltree::{Document, Error, Node, ParsingOptions};
use url::Url;

use super::document::MOST_ITEMS;
use crate::text::xml::is_xml_char;

/// Nodes of one document at most: a feed of a thousand long articles has a tenth of it.
const MOST_NODES: u32 = 500_000;

/// How deep elements may lie in one another: feeds have ten levels, XHTML in them a few more.
const DEEPEST: usize = 200;

/// Prefixes that portals use without saying what they mean.
const PREFIXES: [(&str, &str); 9] = [
    ("dc", DC),
    ("content", CONTENT),
    ("media", MEDIA),
    ("atom", ATOM),
    ("itunes", ITUNES),
    ("slash", "http://purl.org/rss/1.0/modules/slash/"),
    ("wfw", "http://wellformedweb.org/CommentAPI/"),
    ("sy", "http://purl.org/rss/1.0/modules/syndication/"),
    ("georss", "http://www.georss.org/georss"),
];

pub(super) const ATOM: &str = "http://www.w3.org/2005/Atom";
pub(super) const ATOM_03: &str = "http://purl.org/atom/ns#";
pub(super) const CONTENT: &str = "http://purl.org/rss/1.0/modules/content/";
pub(super) const DC: &str = "http://purl.org/dc/elements/1.1/";
const ITUNES: &str = "http://www.itunes.com/dtds/podcast-1.0.dtd";
pub(super) const MEDIA: &str = "http://search.yahoo.com/mrss/";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The document in well-formed parts: itself, mended where that helps, or one part for each item that is well-formed, with a
/// fault for each other.
///
/// # Errors
/// What is wrong, in words that follow the document's address.
pub(super) fn parts(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let clean: Cow<'_, str> =
        if text.chars().all(is_xml_char) { text.into() } else { text.chars().filter(|c| is_xml_char(*c)).collect() };
    let fault = match mended(&clean) {
        Ok(mended) => return Ok((vec![mended], Vec::new())),
        Err(fault) => fault,
    };
    let broken = || format!("is no well-formed XML ({fault})");
    let (head, items, tail) = split(&clean).ok_or_else(broken)?;
    if head.len() + tail.len() > 64 * 1024 || mended(&format!("{head}{tail}")).is_err() {
        return Err(broken());
    }
    let (mut parts, mut faults) = (Vec::new(), Vec::new());
    for (place, item) in items.iter().enumerate().take(MOST_ITEMS) {
        match mended(&format!("{head}{item}{tail}")) {
            Ok(part) => parts.push(part),
            Err(fault) => {
                let title = item.split_once("<title").and_then(|(_, rest)| rest.split_once('>')).map(|(_, rest)| rest);
                let title: String =
                    title.unwrap_or_default().split("</").next().unwrap_or_default().chars().take(80).collect();
                faults.push(format!(
                    "item {} (\"{}\") is no well-formed XML and is left out ({fault})",
                    place + 1,
                    title.trim().trim_start_matches("<![CDATA[").trim_end_matches("]]>")
                ));
            }
        }
    }
    if parts.is_empty() { Err(broken()) } else { Ok((parts, faults)) }
}

/// The tree of a part.
///
/// # Errors
/// As [`parts`]; not for what it gave.
pub(super) fn tree(text: &str) -> Result<Document<'_>, String> {
    parse(text).map_err(|fault| format!("is no well-formed XML ({fault})"))
}

fn parse(text: &str) -> Result<Document<'_>, Error> {
    if is_deep(text) {
        return Err(Error::NodesLimitReached);
    }
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
}

/// Whether elements lie deeper than any feed's, counted roughly: a parser may need stack for each level.
fn is_deep(text: &str) -> bool {
    let (mut depth, mut rest) = (0_usize, text);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(data) = rest.strip_prefix("![CDATA[") {
            rest = data.find("]]>").map_or("", |end| &data[end..]);
        } else if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
        } else if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !rest.starts_with(['!', '?']) {
            depth += usize::from(!tag(rest).ends_with('/'));
            if depth > DEEPEST {
                return true;
            }
        }
    }
    false
}

/// What stands in a tag up to its `>`, which may stand in its quotes, too.
fn tag(rest: &str) -> &str {
    let mut quote = None;
    let end = rest.find(|c: char| {
        let quoted = quote.is_some();
        quote = quote.or(Some(c).filter(|c| matches!(c, '"' | '\''))).filter(|open| !quoted || *open != c);
        !quoted && c == '>'
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// The text, or what it becomes when what is usually forgotten is added.
fn mended(text: &str) -> Result<String, Error> {
    let mut text = match parse(text) {
        Ok(_) => return Ok(text.to_owned()),
        Err(Error::UnknownNamespace(..)) => text.to_owned(),
        Err(_) => escaped(text),
    };
    for _ in 0..PREFIXES.len() {
        match parse(&text) {
            Ok(_) => return Ok(text),
            Err(Error::UnknownNamespace(prefix, _)) => text = declared(&text, &prefix).ok_or(Error::NoRootNode)?,
            Err(error) => return Err(error),
        }
    }
    parse(&text).map(drop)?;
    Ok(text)
}

/// With every `&` escaped that begins no entity of XML, outside of CDATA and comments.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let raw = [("<![CDATA[", "]]>"), ("<!--", "-->")].into_iter().find(|(open, _)| rest.starts_with(open));
        let taken = match raw {
            Some((_, close)) => rest.find(close).map_or(rest.len(), |end| end + close.len()),
            None => 1,
        };
        if rest.starts_with('&') && !begins_entity(rest) {
            out.push_str("&amp;");
        } else {
            out.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

fn begins_entity(text: &str) -> bool {
    let Some(name) = text[1..].get(..text[1..].find(';').unwrap_or(0)) else { return false };
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        }
        .and_then(char::from_u32)
        .is_some_and(is_xml_char),
        None => matches!(name, "amp" | "lt" | "gt" | "quot" | "apos"),
    }
}

/// With a prefix declared on the root element.
fn declared(text: &str, prefix: &str) -> Option<String> {
    let known = PREFIXES.iter().find(|(name, _)| *name == prefix).map(|(_, uri)| (*uri).to_owned());
    let uri = known.unwrap_or_else(|| format!("urn:undeclared:{prefix}"));
    let mut from = 0;
    loop {
        let at = from + text[from..].find('<')?;
        let rest = &text[at + 1..];
        if rest.starts_with(['!', '?']) {
            from = at + 1;
            continue;
        }
        let end = at + 1 + rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
        return Some(format!("{} xmlns:{prefix}=\"{uri}\"{}", &text[..end], &text[end..]));
    }
}

/// What stands before the items, the items, and what stands behind them.
fn split(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    ["item", "entry"].into_iter().find_map(|name| {
        let (open, close) = (format!("<{name}"), format!("</{name}>"));
        let first = text.find(&open)?;
        let last = text.rfind(&close)? + close.len();
        let items = text.get(first..last)?.split_inclusive(&close).map(str::trim).collect();
        Some((&text[..first], items, &text[last..]))
    })
}

/// The first child element of this name that is in no namespace, or in one that a feed's own elements have.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// All such children, in order.
pub(super) fn children<'a, 'i: 'a>(node: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| {
        child.tag_name().name() == name
            && child.is_element()
            && !matches!(child.tag_name().namespace(), Some(MEDIA | CONTENT | DC | ITUNES))
    })
}

/// The children of this name in a namespace.
pub(super) fn in_space<'a, 'i: 'a>(node: Node<'a, 'i>, space: &str, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| {
        child.is_element() && child.tag_name().name() == name && child.tag_name().namespace() == Some(space)
    })
}

/// All text of an element, without its markup, trimmed.
pub(super) fn text(node: Node<'_, '_>) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|part| part.text()).collect();
    all.trim().to_owned()
}

/// What an element holds, as HTML: its text, which is HTML that was escaped; or, where somebody put markup in as it is, that.
pub(super) fn html(node: Node<'_, '_>) -> String {
    if node.children().any(|child| child.is_element()) { markup(node) } else { text(node) }
}

/// The markup inside of an element. Elements of a tree lie no deeper than [`DEEPEST`].
pub(super) fn markup(node: Node<'_, '_>) -> String {
    let mut out = String::new();
    write_inside(node, &mut out);
    out
}

fn write_inside(node: Node<'_, '_>, out: &mut String) {
    for part in node.children() {
        if part.is_text() {
            out.push_str(&escape(part.text().unwrap_or_default()));
        } else if part.is_element() {
            let name = part.tag_name().name();
            let _ = write!(out, "<{name}");
            for attribute in part.attributes() {
                let value = escape(attribute.value()).replace('"', "&quot;");
                let _ = write!(out, " {}=\"{value}\"", attribute.name());
            }
            out.push('>');
            write_inside(part, out);
            if !is_void(name) {
                let _ = write!(out, "</{name}>");
            }
        }
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area" | "base" | "br" | "col" | "embed" | "hr" | "img" | "input" | "link" | "meta" | "source" | "wbr"
    )
}

/// Plain text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What addresses in an element are relative to by `xml:base` (XML Base §3), where it or one around it says so.
pub(super) fn base(node: Node<'_, '_>, document: &Url) -> Option<Url> {
    let mut bases: Vec<&str> = node.ancestors().filter_map(|n| n.attribute((XML, "base"))).collect();
    bases.reverse();
    let mut found = None;
    for part in bases {
        found = found.as_ref().unwrap_or(document).join(part.trim()).ok().or(found);
    }
    found.filter(|base| matches!(base.scheme(), "http" | "https"))
}

/// The language of an element by `xml:lang`, its own or one around it.
pub(super) fn language(node: Node<'_, '_>) -> Option<String> {
    node.ancestors().find_map(|n| n.attribute((XML, "lang"))).map(str::to_owned)
}
