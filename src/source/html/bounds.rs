//! Parsing a page within bounds of bytes, depth, attributes and nodes. What a hostile or broken page would cost is known
//! before a tree is built of it. Reads structure only; no word of the page counts here.

use std::collections::HashMap;

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use scraper::{Html, HtmlTreeSink};

/// The largest page that is read, in bytes after decoding.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Elements that are open at once. What browsers do with more costs its square.
const MAX_DEPTH: usize = 400;

/// Inline elements of style that are open at once: each paragraph opens them again (HTML, 13.2.4.3).
const MAX_STYLES: usize = 48;

/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 200;

/// Nodes of the tree.
const MAX_NODES: usize = 400_000;

/// Bytes that are parsed between two looks at the number of nodes.
const STRIDE: usize = 16 * 1024;

/// Elements without an end tag, and those whose end tag writers may leave out: counting them would tell nothing.
const UNCOUNTED: [&str; 32] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "html", "head", "body", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option", "optgroup",
    "colgroup", "rt", "rp",
];

const STYLES: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Elements whose content is text up to their own end tag.
const RAW: [&str; 8] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noscript"];

/// The tree of a page.
///
/// # Errors
/// What is too much of it, as a clause that follows "the page".
pub(super) fn parse(text: &str) -> Result<Html, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("is larger than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    survey(text)?;
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (stride, after) = rest.split_at(rest.floor_char_boundary(STRIDE.max(4)));
        parser.process(StrTendril::from(stride));
        if parser.tokenizer.sink.sink.0.borrow().tree.nodes().len() > MAX_NODES {
            return Err(format!("has more than {MAX_NODES} nodes"));
        }
        rest = after;
    }
    Ok(parser.finish())
}

/// Looks through the tags of a page in one pass.
fn survey(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut depth, mut styles) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(found) = memchr(b'<', bytes, at) {
        at = found + 1;
        if bytes[at..].starts_with(b"!--") {
            at = text[at..].find("-->").map_or(bytes.len(), |end| at + end + 3);
            continue;
        }
        let close = bytes.get(at) == Some(&b'/');
        let start = at + usize::from(close);
        if !bytes.get(start).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let end = start + bytes[start..].iter().take_while(|b| !b.is_ascii_whitespace() && !b"/>".contains(b)).count();
        // A name that long is no name; its bytes may end within a character.
        let name = String::from_utf8_lossy(&bytes[start..end.min(start + 32)]).to_ascii_lowercase();
        let (after, attributes) = tag_end(bytes, end);
        at = after;
        if attributes > MAX_ATTRIBUTES {
            return Err(format!("has an element <{name}> with more than {MAX_ATTRIBUTES} attributes"));
        }
        if UNCOUNTED.contains(&name.as_str()) {
            continue;
        }
        let style = usize::from(STYLES.contains(&name.as_str()));
        if close {
            if let Some(count) = open.get_mut(&name).filter(|count| **count > 0) {
                *count -= 1;
                depth -= 1;
                styles -= style;
            }
            continue;
        }
        if RAW.contains(&name.as_str()) {
            at = raw_end(bytes, at, name.as_bytes());
            continue;
        }
        *open.entry(name).or_default() += 1;
        depth += 1;
        styles += style;
        if depth > MAX_DEPTH {
            return Err(format!("has more than {MAX_DEPTH} elements within each other"));
        }
        if styles > MAX_STYLES {
            return Err(format!("leaves more than {MAX_STYLES} elements such as <b> or <font> open"));
        }
    }
    Ok(())
}

/// Behind the `>` of a tag, quotes minded, and how many attributes it has at most.
fn tag_end(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut attributes, mut blank) = (0, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return (at + 1, attributes),
            b'"' | b'\'' if at > 0 && matches!(bytes[at - 1], b'=' | b' ' | b'\t' | b'\n') => {
                at = memchr(*byte, bytes, at + 1).unwrap_or(bytes.len());
                blank = true;
            }
            b'/' => blank = true,
            byte if byte.is_ascii_whitespace() => blank = true,
            _ => {
                attributes += usize::from(blank);
                blank = false;
            }
        }
        at += 1;
    }
    (bytes.len(), attributes)
}

/// Where the end tag of a raw element begins.
fn raw_end(bytes: &[u8], mut at: usize, name: &[u8]) -> usize {
    while let Some(found) = memchr(b'<', bytes, at) {
        let rest = &bytes[found + 1..];
        if rest.first() == Some(&b'/') && rest.get(1..=name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return found;
        }
        at = found + 1;
    }
    bytes.len()
}

fn memchr(needle: u8, bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.iter().position(|byte| *byte == needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_would_cost_their_square_are_refused_and_sloppy_ones_are_read() {
        for (page, what) in [
            ("<div>".repeat(100_000), "within each other"),
            ("<b><p>x".repeat(50_000), "such as <b>"),
            (format!("<p {}>x", "a='>' ".repeat(5_000)), "attributes"),
            ("<br>".repeat(500_000), "nodes"),
            ("x".repeat(MAX_BYTES + 1), "larger than 4 MiB"),
        ] {
            let Err(refused) = parse(&page) else { panic!("{what} was accepted") };
            assert!(refused.contains(what), "{refused}");
        }
        let sloppy = format!(
            "<script>if (a<b) document.write('<div><div>')</script><!-- <div> --><table>{}</table><p>a</b></i></div>",
            "<tr><td>ô<td><p>hai<br>".repeat(5_000)
        );
        let page = parse(&sloppy).expect("a page");
        assert!(page.tree.nodes().len() > 20_000);
    }
}
