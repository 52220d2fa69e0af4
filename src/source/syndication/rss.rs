//! RSS 0.9x, 1.0 and 2.0, with the modules that portals use: content, Dublin Core, Media RSS. Pure.

use roxmltree::Node;
use url::Url;

use super::document::{Document, Item, MOST_ITEMS, Named, Reading, name};
use super::picture::{self, Candidate};
use super::xml::{self, CONTENT, DC, child, children, in_space, text};
use crate::clock::Timestamp;

/// The items of an `rss` or `rdf:RDF` document.
///
/// # Errors
/// What is missing, in words that follow the document's address.
pub(super) fn read(root: Node<'_, '_>, reading: &Reading) -> Result<Document, String> {
    let channel = child(root, "channel").ok_or("is an RSS document without <channel>")?;
    let rdf = root.tag_name().name() == "RDF";
    let mut document = Document {
        format: if rdf { "RSS 1.0".to_owned() } else { format!("RSS {}", root.attribute("version").unwrap_or("2.0")) },
        title: child(channel, "title").map(text).unwrap_or_default(),
        ..Document::default()
    };
    let own = |name: &str| children(channel, name).map(text).find(|text| !text.is_empty());
    let dc_language = || in_space(channel, DC, "language").map(text).next();
    let around = Around {
        joomla: own("generator").is_some_and(|by| by.starts_with("Joomla")),
        language: own("language").or_else(dc_language).unwrap_or_else(|| reading.language.clone()),
        base: reading.site.clone().or_else(|| own("link").and_then(|link| Url::parse(&link).ok())),
        reading,
    };
    // RSS 1.0 and 0.90 have their items beside the channel.
    let items = children(channel, "item").chain(children(root, "item"));
    for (place, node) in items.enumerate() {
        if place == MOST_ITEMS {
            document.faults.push(format!("has more than {MOST_ITEMS} items; the rest is not read"));
            break;
        }
        match item(node, place, &around, &mut document.faults) {
            Ok(item) => document.items.push(item),
            Err(fault) => document.faults.push(fault),
        }
    }
    Ok(document)
}

struct Around<'a> {
    joomla: bool,
    language: String,
    base: Option<Url>,
    reading: &'a Reading,
}

fn item(node: Node<'_, '_>, place: usize, around: &Around<'_>, faults: &mut Vec<String>) -> Result<Item, String> {
    let own = |name: &str| children(node, name).map(text).find(|text| !text.is_empty());
    let dc = |name: &str| in_space(node, DC, name).map(text).find(|text| !text.is_empty());
    let title = child(node, "title").map(xml::html).filter(|title| !title.is_empty()).or_else(|| dc("title"));
    let title = title.unwrap_or_default();
    let base = xml::base(node, &around.reading.at);
    let root = base.as_ref().or(around.base.as_ref()).unwrap_or(&around.reading.at);

    let guid = child(node, "guid");
    let permalink = guid.filter(|guid| guid.attribute("isPermaLink").is_none_or(|is| is.trim() == "true"));
    let alternate = || {
        let links = in_space(node, xml::ATOM, "link");
        let mut links = links.filter(|link| link.attribute("rel").is_none_or(|rel| rel == "alternate"));
        links.find_map(|link| link.attribute("href")).map(str::to_owned)
    };
    let guid_link = || permalink.map(text).filter(|guid| guid.starts_with("http"));
    // `link` may be Atom's, which has no text and is passed over.
    let link = own("link").or_else(alternate).or_else(guid_link).unwrap_or_default();
    let guid = guid.map(text).unwrap_or_default();
    let (id, link) = name(&Named { guid: &guid, link: &link, base: root, joomla: around.joomla, place }, &title)?;

    let description = children(node, "description").map(xml::html).find(|text| !text.is_empty()).unwrap_or_default();
    let whole = in_space(node, CONTENT, "encoded").map(xml::html).find(|text| !text.is_empty());
    let (summary, content) = match whole {
        Some(whole) => (description, whole),
        None => (String::new(), description),
    };
    let mut date = |text: Option<String>| -> Option<Timestamp> { around.reading.date(text.as_deref(), faults) };
    let updated = in_space(node, xml::ATOM, "updated").map(text).next();
    let published = date(own("pubDate").or_else(|| dc("date")))
        .or_else(|| date(in_space(node, xml::ATOM, "published").map(text).next()));
    let mut authors: Vec<String> = children(node, "author")
        .map(|author| child(author, "name").map_or_else(|| text(author), text))
        .chain(in_space(node, DC, "creator").map(text))
        .filter_map(|raw| person(&raw))
        .collect();
    authors.dedup();
    Ok(Item {
        authors,
        categories: children(node, "category")
            .chain(in_space(node, DC, "subject"))
            .map(text)
            .filter(|c| !c.is_empty())
            .collect(),
        published,
        updated: date(updated),
        language: xml::language(node).or_else(|| dc("language")).unwrap_or_else(|| around.language.clone()),
        image: picture::best(pictures(node), root),
        id,
        link,
        title,
        summary,
        content,
        tags: Vec::new(),
        base: base.and_then(|base| base.join("./").ok()),
    })
}

/// The name in `ten@example.vn (Trúc Linh)`, `Trúc Linh <ten@example.vn>` or `Trúc Linh`; a mere address of mail is nobody's
/// to publish.
fn person(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let name = match (raw.split_once('('), raw.split_once('<')) {
        (Some((before, rest)), _) if before.contains('@') => rest.trim_end().trim_end_matches(')'),
        (_, Some((before, _))) => before,
        _ => raw,
    };
    let name = name.trim().trim_matches('"').trim();
    (!name.is_empty() && !name.contains('@')).then(|| name.to_owned())
}

/// Pictures that an item names beside its text, in the order of preference.
pub(super) fn pictures(node: Node<'_, '_>) -> Vec<Candidate> {
    let media = |name: &'static str| {
        node.descendants().filter(move |n| n.tag_name().name() == name && n.tag_name().namespace() == Some(xml::MEDIA))
    };
    let number = |node: &Node<'_, '_>, name: &str| node.attribute(name).and_then(|n| n.trim().parse::<u64>().ok());
    let attributes = |node: Node<'_, '_>, length: &str, sure: bool| Candidate {
        url: node.attribute("url").unwrap_or_default().to_owned(),
        media_type: node.attribute("type").unwrap_or_default().to_owned(),
        sure: sure || node.attribute("medium") == Some("image"),
        width: number(&node, "width").and_then(|n| u32::try_from(n).ok()),
        height: number(&node, "height").and_then(|n| u32::try_from(n).ok()),
        length: number(&node, length),
    };
    let mut found: Vec<Candidate> = media("content").map(|node| attributes(node, "fileSize", false)).collect();
    // The widest first; what does not say how wide it is stays in its order.
    found.sort_by_key(|candidate| std::cmp::Reverse(candidate.width));
    found.extend(children(node, "enclosure").map(|node| attributes(node, "length", false)));
    found.extend(media("thumbnail").map(|node| attributes(node, "", true)));
    found.extend(children(node, "image").map(|image| Candidate {
        url: child(image, "url").map_or_else(|| text(image), text),
        sure: true,
        ..Candidate::default()
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::person;

    #[test]
    fn an_author_is_a_name_and_never_an_address_of_mail() {
        for (raw, name) in [
            ("ten@example.vn (Trúc Linh)", Some("Trúc Linh")),
            ("Trúc Linh <ten@example.vn>", Some("Trúc Linh")),
            (" Trúc Linh ", Some("Trúc Linh")),
            ("Trúc Linh (An Giang)", Some("Trúc Linh (An Giang)")),
            ("ten@example.vn", None),
            ("", None),
        ] {
            assert_eq!(person(raw).as_deref(), name, "{raw}");
        }
    }
}
