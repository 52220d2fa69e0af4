//! Judges finished bytes before they are published, with a parser that is not the writers' (theirs reads back what no
//! reader accepts). Looks at bytes only: it does not know the document they were made from, and mends nothing.

mod atom;
mod json;
mod rss;

use std::collections::BTreeSet;

use roxmltree::{Node, ParsingOptions};

use crate::feed::document::Format;
use crate::feed::wire;
use crate::text::xml::is_xml_char;

/// Checks a document against the rules of its format.
///
/// # Errors
/// The first rule that is broken, and where.
pub fn check(format: Format, bytes: &[u8]) -> Result<(), String> {
    let text = characters(bytes)?;
    match format {
        Format::Rss => rss::check(parse(text)?.root_element()),
        Format::Atom => atom::check(parse(text)?.root_element()),
        Format::Json => json::check(text),
    }
}

/// Checks a list of feeds: OPML 2.0, groups with nothing but `text`, no `docs` in the head.
///
/// # Errors
/// The first rule that is broken, and where.
pub fn opml(bytes: &[u8]) -> Result<(), String> {
    let parsed = parse(characters(bytes)?)?;
    let root = parsed.root_element();
    if !root.has_tag_name("opml") || root.attribute("version") != Some("2.0") {
        return Err("the root is not opml 2.0".to_owned());
    }
    let (head, body) = (one(root, "", "head")?, one(root, "", "body")?);
    one(head, "", "title")?;
    if head.children().any(|node| node.has_tag_name("docs")) {
        return Err("the head has docs".to_owned());
    }
    if !body.children().any(|node| node.has_tag_name("outline")) {
        return Err("the body has no outline".to_owned());
    }
    for outline in body.descendants().filter(|node| node.has_tag_name("outline")) {
        filled(outline.attribute("text"), outline, "text")?;
        if outline.attribute("type") == Some("rss") {
            web(filled(outline.attribute("xmlUrl"), outline, "xmlUrl")?)?;
        } else if outline.attributes().len() != 1 {
            return Err(format!("the group at {} has more than its text", place(outline)));
        }
    }
    Ok(())
}

/// UTF-8 without a byte order mark, and only characters that XML 1.0 allows (JSON could carry others; XML readers of the
/// same article could not).
fn characters(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    if text.starts_with('\u{FEFF}') {
        return Err("it begins with a byte order mark".to_owned());
    }
    match text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        Some((at, c)) => Err(format!("U+{:04X} at byte {at} is no character of XML 1.0", u32::from(c))),
        None => Ok(text),
    }
}

fn parse(text: &str) -> Result<roxmltree::Document<'_>, String> {
    if !text.starts_with(wire::DECLARATION) {
        return Err("it does not begin with the XML declaration".to_owned());
    }
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    roxmltree::Document::parse_with_options(text, options).map_err(|error| format!("it is not well-formed: {error}"))
}

fn place(node: Node<'_, '_>) -> String {
    node.document().text_pos_at(node.range().start).to_string()
}

fn named<'a, 'i>(parent: Node<'a, 'i>, namespace: &'a str, name: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.children().filter(move |node| {
        node.is_element()
            && node.tag_name().name() == name
            && node.tag_name().namespace().unwrap_or_default() == namespace
    })
}

fn one<'a, 'i>(parent: Node<'a, 'i>, namespace: &'a str, name: &'a str) -> Result<Node<'a, 'i>, String> {
    at_most_one(parent, namespace, name)?
        .ok_or_else(|| format!("{} at {} has no {name}", parent.tag_name().name(), place(parent)))
}

fn at_most_one<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: &'a str,
    name: &'a str,
) -> Result<Option<Node<'a, 'i>>, String> {
    let mut found = named(parent, namespace, name);
    match (found.next(), found.next()) {
        (_, Some(second)) => Err(format!("{name} at {} is one too many", place(second))),
        (first, None) => Ok(first),
    }
}

fn words(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

fn one_filled(parent: Node<'_, '_>, namespace: &str, name: &str) -> Result<String, String> {
    let node = one(parent, namespace, name)?;
    let text = words(node);
    filled(Some(&text), node, name)?;
    Ok(text)
}

fn filled<'t>(value: Option<&'t str>, node: Node<'_, '_>, what: &str) -> Result<&'t str, String> {
    value
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| format!("{} at {} has an empty or no {what}", node.tag_name().name(), place(node)))
}

fn web(address: &str) -> Result<(), String> {
    let good = url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if good { Ok(()) } else { Err(format!("{address:?} is not an absolute http or https address")) }
}

fn new_id(seen: &mut BTreeSet<String>, id: String) -> Result<(), String> {
    if seen.contains(&id) {
        return Err(format!("two items have the id {id:?}"));
    }
    seen.insert(id);
    Ok(())
}

fn rfc3339(date: &str) -> Result<(), String> {
    date.parse::<jiff::Timestamp>().map(|_| ()).map_err(|_| format!("{date:?} is no date of RFC 3339"))
}
