//! A feed as it was read: RSS 0.9 to 2.0, RSS 1.0, Atom 0.3 and 1.0, JSON Feed, all in one shape. Pure: text in, items out.
//! Never fetches and never judges what is public.
//!
//! XML is read into a tree by `roxmltree` rather than streamed by a feed library: one bad item must be a fault that is named
//! while the others go on, a document that breaks off must be no document, and dates, bases and links follow our rules.

use jiff::tz::TimeZone;
use url::Url;

use super::link;
use super::{atom, json, rss, xml};
use crate::clock::Timestamp;
use crate::domain::article::Image;

/// How many items of one feed are read. Feeds hold ten to fifty.
pub(super) const MOST_ITEMS: usize = 1000;

/// One item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// Its id: Joomla's number of the article, else guid or id, else the link.
    pub id: String,
    /// The absolute address of its page.
    pub link: String,
    /// As HTML.
    pub title: String,
    /// The lede as HTML; empty if there is one text only.
    pub summary: String,
    /// The text as HTML.
    pub content: String,
    /// Names.
    pub authors: Vec<String>,
    /// Titles of its categories.
    pub categories: Vec<String>,
    /// Its tags, where the format tells them from categories.
    pub tags: Vec<String>,
    /// When it was published, if it says so in words that are surely a date.
    pub published: Option<Timestamp>,
    /// When it was changed.
    pub updated: Option<Timestamp>,
    /// BCP 47 tag, or empty.
    pub language: String,
    /// Its picture.
    pub image: Option<Image>,
    /// What relative addresses of its text are relative to, where it says so (`xml:base`).
    pub base: Option<Url>,
}

/// A whole feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    /// `RSS 2.0`.
    pub format: String,
    /// Its title, as written.
    pub title: String,
    /// Its items, each id once, in the feed's order.
    pub items: Vec<Item>,
    /// What could not be read in it, one sentence each.
    pub faults: Vec<String>,
}

/// What reading needs to know.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Where the document was found.
    pub at: Url,
    /// The portal's address, where the operator gave it.
    pub site: Option<Url>,
    /// For dates without a zone.
    pub zone: TimeZone,
    /// What the server says of the language (`Content-Language`); may be empty.
    pub language: String,
}

impl Reading {
    /// A date; one that cannot be read is told.
    pub fn date(&self, text: Option<&str>, faults: &mut Vec<String>) -> Option<Timestamp> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        let found = super::when::date(text, &self.zone);
        if found.is_none() {
            let text: String = text.chars().take(60).collect();
            faults.push(format!(
                "has a date that cannot be read, \"{text}\"; its article is dated when it is first seen"
            ));
        }
        found
    }
}

/// Reads a feed.
///
/// # Errors
/// What it is instead, in words that follow its address.
pub(super) fn read(text: &str, reading: &Reading) -> Result<Document, String> {
    let mut document = match text.trim_start().chars().next() {
        Some('{') => json::read(text, reading)?,
        Some('<') => {
            let (parts, faults) = xml::parts(text)?;
            let mut whole = Document { faults, ..Document::default() };
            for part in parts {
                let tree = xml::tree(&part)?;
                let read = of_tree(&tree, reading)?;
                let (mut items, mut faults) = (whole.items, whole.faults);
                items.extend(read.items);
                faults.extend(read.faults);
                whole = Document { items, faults, ..read };
            }
            whole
        }
        None => return Err("answers with nothing".to_owned()),
        Some(_) => return Err("answers with something that is neither XML nor JSON".to_owned()),
    };
    unique(&mut document);
    Ok(document)
}

fn of_tree(tree: &roxmltree::Document<'_>, reading: &Reading) -> Result<Document, String> {
    let root = tree.root_element();
    match root.tag_name().name() {
        "rss" | "RDF" => rss::read(root, reading),
        "feed" => Ok(atom::read(root, reading)),
        "error" => {
            let field = |name: &str| xml::child(root, name).map(xml::text).unwrap_or_default();
            let (code, message) = (field("code"), field("message"));
            let said: String = format!("{code} {message}").trim().chars().take(120).collect();
            Err(format!("answers with an error document ({said}) under the status of success"))
        }
        "html" => Err("is a page for people (HTML)".to_owned()),
        "urlset" | "sitemapindex" => Err("is a sitemap, which the kind `html` reads".to_owned()),
        "opml" => Err("is a list of feeds (OPML), not a feed".to_owned()),
        other => {
            let other: String = other.chars().take(40).collect();
            Err(format!("is an XML document <{other}>, which is no feed"))
        }
    }
}

/// What an item says of itself, before its id is chosen.
pub(super) struct Named<'a> {
    /// Its guid or id; may be empty.
    pub guid: &'a str,
    /// Its link, as written.
    pub link: &'a str,
    /// What the link is relative to.
    pub base: &'a Url,
    /// Whether Joomla made the feed.
    pub joomla: bool,
    /// What to call it in a fault.
    pub place: usize,
}

/// The id and the address of an item.
///
/// # Errors
/// The fault that names it.
pub(super) fn name(named: &Named<'_>, title: &str) -> Result<(String, String), String> {
    let title: String = title.chars().take(80).collect();
    let Some(page) = link::page(named.link, named.base) else {
        return Err(format!(
            "item {} (\"{}\") has no address of a page and is left out; the portal must give it a link",
            named.place + 1,
            title.trim()
        ));
    };
    let guid = named.guid.trim();
    let id = match link::joomla_number(&page).filter(|_| named.joomla) {
        Some(number) => format!("joomla:{number}"),
        // A guid that is the link wears the link's Joomla tail, too.
        None if guid.is_empty() || guid == named.link.trim() => page.to_string(),
        None => guid.chars().take(500).collect(),
    };
    Ok((id, page.into()))
}

/// Leaves each id once. The newer of two versions stands; two articles under one id are a fault.
fn unique(document: &mut Document) {
    let mut items: Vec<Item> = Vec::with_capacity(document.items.len());
    for item in std::mem::take(&mut document.items) {
        let Some(first) = items.iter_mut().find(|first| first.id == item.id) else {
            items.push(item);
            continue;
        };
        if first.link != item.link || first.title != item.title && item.id == item.link {
            let id: String = item.id.chars().take(120).collect();
            document.faults.push(format!(
                "has two items with the id \"{id}\"; the newer one is taken, and the portal should give each its own"
            ));
        }
        if (item.updated, item.published) > (first.updated, first.published) {
            *first = item;
        }
    }
    document.items = items;
}
