//! Feed documents and mails as their readers get them, by parsers that are not loa's own.

use std::collections::{BTreeMap, BTreeSet};

use loa::feed::document::Format;
use loa::work::publish::published::Published;
use mail_parser::MessageParser;

/// What one feed tells its readers, the same in every format.
#[derive(Default)]
pub struct Feed {
    /// Joomla's ids of its articles, the first on top.
    pub ids: Vec<i64>,
    /// Title by id.
    pub titles: BTreeMap<i64, String>,
    /// Atom's `updated` by id.
    pub updated: BTreeMap<i64, String>,
    /// Address by id.
    pub links: BTreeMap<i64, String>,
    /// The whole text of each document.
    pub texts: Vec<String>,
}

const ATOM: &str = "http://www.w3.org/2005/Atom";

/// Joomla's id in the permanent id of an article.
pub fn id(entry: &str) -> i64 {
    let (head, id) = entry.rsplit_once("/article/").expect("an id of an article");
    assert_eq!(head, "tag:example.vn,2021:portal");
    id.parse().expect("a number")
}

/// A document without what it says of entries that left it: those are named there, and shall be.
fn without_tombstones(text: &str) -> String {
    let mut rest = text.to_owned();
    for (begin, end, instead) in
        [("<at:deleted-entry", "</at:deleted-entry>", ""), ("\"deleted\":[", "]", "\"told\":0")]
    {
        while let Some(from) = rest.find(begin) {
            let to = rest[from..].find(end).expect("an end") + from + end.len();
            rest.replace_range(from..to, instead);
        }
    }
    rest
}

/// Reads all three documents, which must agree.
pub fn feed(published: &Published) -> Feed {
    let texts: Vec<String> = Format::ALL
        .map(|format| without_tombstones(&String::from_utf8(published.bytes(format)).expect("UTF-8")))
        .into();
    if published.feed.retired {
        return Feed { texts, ..Feed::default() };
    }
    let text = |format: Format| &texts[Format::ALL.iter().position(|f| *f == format).expect("a format")];

    let rss = roxmltree::Document::parse(text(Format::Rss)).expect("RSS is well-formed");
    let inner = |node: roxmltree::Node<'_, '_>, name: &str| {
        let child = node.children().find(|child| child.is_element() && child.tag_name().name() == name);
        child.and_then(|child| child.text()).unwrap_or_default().to_owned()
    };
    let items: Vec<_> = rss.descendants().filter(|node| node.has_tag_name("item")).collect();
    let ids: Vec<i64> = items.iter().map(|item| id(&inner(*item, "guid"))).collect();
    let titles = items.iter().map(|item| (id(&inner(*item, "guid")), inner(*item, "title"))).collect();
    let links = items.iter().map(|item| (id(&inner(*item, "guid")), inner(*item, "link"))).collect();

    let atom = roxmltree::Document::parse(text(Format::Atom)).expect("Atom is well-formed");
    let entries: Vec<_> = atom.descendants().filter(|node| node.has_tag_name((ATOM, "entry"))).collect();
    let atom_ids: Vec<i64> = entries.iter().map(|entry| id(&inner(*entry, "id"))).collect();
    let updated = entries.iter().map(|entry| (id(&inner(*entry, "id")), inner(*entry, "updated"))).collect();

    let json: serde_json::Value = serde_json::from_str(text(Format::Json)).expect("JSON");
    let json_ids: Vec<i64> =
        json["items"].as_array().expect("items").iter().map(|item| id(item["id"].as_str().expect("an id"))).collect();

    assert_eq!(ids, atom_ids, "RSS and Atom differ");
    assert_eq!(ids, json_ids, "RSS and JSON differ");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an article stands twice");
    Feed { ids, titles, updated, links, texts }
}

/// Everything of a mail that a person could read: headers, text and HTML, decoded, and the source beside it.
pub fn mail(bytes: &[u8]) -> String {
    let mail = MessageParser::default().parse(bytes).expect("a mail");
    let mut text = mail.subject().unwrap_or_default().to_owned();
    for part in 0..mail.text_body_count() {
        text.push('\n');
        text.push_str(&mail.body_text(part).expect("a text part"));
    }
    for part in 0..mail.html_body_count() {
        text.push('\n');
        text.push_str(&mail.body_html(part).expect("an HTML part"));
    }
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(bytes));
    text
}

/// The word that only the title of this article has.
pub fn title_mark(id: i64) -> String {
    format!("td{id}q")
}

/// The word that only the text of this article has.
pub fn text_mark(id: i64) -> String {
    format!("tb{id}q")
}

/// Articles whose title, text, id or address stands in `text`, among `ids`.
pub fn named(text: &str, ids: &BTreeSet<i64>) -> BTreeSet<i64> {
    ids.iter()
        .copied()
        .filter(|id| {
            let number = |before: &str| {
                let key = format!("{before}{id}");
                text.match_indices(&key)
                    .any(|(at, _)| !text[at + key.len()..].starts_with(|c: char| c.is_ascii_digit()))
            };
            text.contains(&title_mark(*id)) || text.contains(&text_mark(*id)) || number("/article/") || number("/bai/")
        })
        .collect()
}
