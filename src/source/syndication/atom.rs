//! Atom 1.0 (RFC 4287) and 0.3. Pure.

use roxmltree::Node;

use super::document::{Document, Item, MOST_ITEMS, Named, Reading, name};
use super::picture::{self, Candidate};
use super::rss;
use super::xml::{self, ATOM_03, child, children, text};

/// The entries of a `feed` document.
pub(super) fn read(root: Node<'_, '_>, reading: &Reading) -> Document {
    let old = root.tag_name().namespace() == Some(ATOM_03);
    let mut document = Document {
        format: if old { "Atom 0.3" } else { "Atom 1.0" }.to_owned(),
        title: child(root, "title").map(text).unwrap_or_default(),
        ..Document::default()
    };
    let joomla = child(root, "generator").map(text).is_some_and(|by| by.starts_with("Joomla"));
    for (place, entry) in children(root, "entry").enumerate() {
        if place == MOST_ITEMS {
            document.faults.push(format!("has more than {MOST_ITEMS} items; the rest is not read"));
            break;
        }
        match item(entry, place, joomla, reading, &mut document.faults) {
            Ok(item) => document.items.push(item),
            Err(fault) => document.faults.push(fault),
        }
    }
    document
}

fn item(
    entry: Node<'_, '_>,
    place: usize,
    joomla: bool,
    reading: &Reading,
    faults: &mut Vec<String>,
) -> Result<Item, String> {
    let own = |name: &str| children(entry, name).map(text).find(|text| !text.is_empty());
    let title = child(entry, "title").map(construct).unwrap_or_default();
    let base = xml::base(entry, &reading.at);
    let root = base.as_ref().or(reading.site.as_ref()).unwrap_or(&reading.at);
    let id = own("id").unwrap_or_default();
    let link = alternate(entry).or_else(|| Some(id.clone()).filter(|id| id.starts_with("http"))).unwrap_or_default();
    let (id, link) = name(&Named { guid: &id, link: &link, base: root, joomla, place }, &title)?;
    let summary = child(entry, "summary").map(construct).unwrap_or_default();
    let content = child(entry, "content").map(construct).unwrap_or_default();
    let inner = child(entry, "content").or_else(|| child(entry, "summary"));
    let (summary, content) = if content.is_empty() { (String::new(), summary) } else { (summary, content) };
    let authors = if child(entry, "author").is_some() { entry } else { entry.parent().unwrap_or(entry) };
    let published = reading.date(own("published").or_else(|| own("issued")).as_deref(), faults);
    let updated = reading.date(own("updated").or_else(|| own("modified")).as_deref(), faults);
    Ok(Item {
        authors: children(authors, "author")
            .filter_map(|a| child(a, "name"))
            .map(text)
            .filter(|n| !n.is_empty())
            .collect(),
        categories: children(entry, "category")
            .filter_map(|c| c.attribute("label").or_else(|| c.attribute("term")))
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty())
            .collect(),
        published: published.or(updated),
        updated,
        language: xml::language(entry).unwrap_or_else(|| reading.language.clone()),
        image: picture::best(pictures(entry), root),
        // The text's links are relative to the folder that its base lies in.
        base: inner.and_then(|node| xml::base(node, &reading.at)).and_then(|base| base.join("./").ok()),
        id,
        link,
        title,
        summary,
        content,
        tags: Vec::new(),
    })
}

/// A text construct or content (RFC 4287 §3.1, §4.1.3) as HTML.
fn construct(node: Node<'_, '_>) -> String {
    match node.attribute("type").unwrap_or("text") {
        "text" | "text/plain" if node.attribute("mode").is_none() => xml::escape(&text(node)),
        // The one `div` around it belongs to nobody (RFC 4287 §3.1.1.3); the cleaning of HTML passes over it.
        "xhtml" | "application/xhtml+xml" => xml::markup(node),
        "html" | "text/html" | "text" | "text/plain" => xml::html(node),
        // A picture or another document in the feed itself is no text.
        _ => String::new(),
    }
}

/// The page that an entry stands for: an alternate link, one of HTML before others.
fn alternate(entry: Node<'_, '_>) -> Option<String> {
    let of = |html: bool| {
        let mut links =
            children(entry, "link").filter(|link| link.attribute("rel").is_none_or(|rel| rel == "alternate"));
        links.find_map(|link| {
            let is_html = link.attribute("type").is_none_or(|t| t.contains("html"));
            link.attribute("href").filter(|href| is_html == html && !href.trim().is_empty())
        })
    };
    of(true).or_else(|| of(false)).map(str::to_owned)
}

fn pictures(entry: Node<'_, '_>) -> Vec<Candidate> {
    let enclosures = children(entry, "link").filter(|link| link.attribute("rel") == Some("enclosure"));
    let enclosures = enclosures.map(|link| Candidate {
        url: link.attribute("href").unwrap_or_default().to_owned(),
        media_type: link.attribute("type").unwrap_or_default().to_owned(),
        length: link.attribute("length").and_then(|n| n.trim().parse().ok()),
        ..Candidate::default()
    });
    let mut found: Vec<Candidate> = enclosures.collect();
    found.extend(rss::pictures(entry));
    found
}
