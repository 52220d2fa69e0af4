//! The rules of RFC 4287 for a feed document, as far as loa's feeds use it. Knows no other format.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::{at_most_one, filled, named, new_id, one, one_filled, place, rfc3339, web, words};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const HISTORY: &str = "http://purl.org/syndication/history/1.0";
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

pub(super) fn check(root: Node<'_, '_>) -> Result<(), String> {
    if !root.has_tag_name((ATOM, "feed")) {
        return Err("the root is not an Atom feed".to_owned());
    }
    filled(root.attribute((XML, "lang")), root, "xml:lang")?;
    one_filled(root, ATOM, "title")?;
    rfc3339(&one_filled(root, ATOM, "updated")?)?;
    let mut ids = BTreeSet::from([one_filled(root, ATOM, "id")?]);
    if link(root, "self").count() != 1 {
        return Err("the feed does not name its own address once".to_owned());
    }
    links(root)?;
    // RFC 4287 §4.1.1 and appendix B: everything that is about the feed comes before the first entry.
    let behind = root.children().filter(Node::is_element).skip_while(|node| !is_entry(*node));
    if let Some(node) = behind.into_iter().find(|node| !is_entry(*node)) {
        return Err(format!("{} at {} stands behind the first entry", node.tag_name().name(), place(node)));
    }
    history(root)?;
    let signed = named(root, ATOM, "author").next().is_some();
    for entry in named(root, ATOM, "entry") {
        if !signed && named(entry, ATOM, "author").next().is_none() {
            return Err(format!("neither the feed nor the entry at {} has an author", place(entry)));
        }
        self::entry(entry, &mut ids)?;
    }
    Ok(())
}

/// RFC 5005 §4: an archive names the current document, and only archives do; RFC 6721 §3: a tombstone has both its words
/// and does not stand beside the entry that it buries.
fn history(root: Node<'_, '_>) -> Result<(), String> {
    let archive = named(root, HISTORY, "archive").next().is_some();
    if archive != link(root, "current").next().is_some() {
        return Err("an archive does not name the current document, or another document does".to_owned());
    }
    if named(root, HISTORY, "complete").next().is_some() && (archive || link(root, "prev-archive").next().is_some()) {
        return Err("the document says that it is complete, and that there is more".to_owned());
    }
    let mut living = BTreeSet::new();
    for entry in named(root, ATOM, "entry") {
        living.insert(words(one(entry, ATOM, "id")?));
    }
    for tombstone in named(root, TOMBSTONES, "deleted-entry") {
        let id = filled(tombstone.attribute("ref"), tombstone, "ref")?;
        rfc3339(filled(tombstone.attribute("when"), tombstone, "when")?)?;
        if living.contains(id) {
            return Err(format!("the tombstone at {} is of an entry that is there", place(tombstone)));
        }
    }
    Ok(())
}

fn is_entry(node: Node<'_, '_>) -> bool {
    node.has_tag_name((ATOM, "entry"))
}

fn entry(entry: Node<'_, '_>, ids: &mut BTreeSet<String>) -> Result<(), String> {
    one_filled(entry, ATOM, "title")?;
    rfc3339(&one_filled(entry, ATOM, "updated")?)?;
    if let Some(published) = at_most_one(entry, ATOM, "published")? {
        rfc3339(&words(published))?;
    }
    new_id(ids, one_filled(entry, ATOM, "id")?)?;
    links(entry)?;
    if link(entry, "alternate").next().is_none() {
        return Err(format!("the entry at {} has no alternate link", place(entry)));
    }
    at_most_one(entry, ATOM, "summary")?;
    if let Some(content) = at_most_one(entry, ATOM, "content")?
        && content.attribute("type") != Some("html")
    {
        return Err(format!("the content at {} does not say that it is html", place(content)));
    }
    for author in named(entry, ATOM, "author") {
        one(author, ATOM, "name")?;
    }
    Ok(())
}

fn link<'a, 'i>(parent: Node<'a, 'i>, rel: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    named(parent, ATOM, "link").filter(move |link| link.attribute("rel").unwrap_or("alternate") == rel)
}

fn links(parent: Node<'_, '_>) -> Result<(), String> {
    for link in named(parent, ATOM, "link") {
        web(filled(link.attribute("href"), link, "href")?)?;
    }
    // RFC 4287 §4.1.1, §4.1.2: no two alternates of one type and language.
    let mut kinds = BTreeSet::new();
    for alternate in link(parent, "alternate") {
        if !kinds.insert((alternate.attribute("type"), alternate.attribute("hreflang"))) {
            return Err(format!("the link at {} is a second alternate of its kind", place(alternate)));
        }
    }
    Ok(())
}
