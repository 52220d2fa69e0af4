//! A document as Atom 1.0 (RFC 4287). Content is `type="html"`, said aloud; never XHTML, which clean HTML is not.

use atom_syndication::{Category, Content, Entry, Feed, Generator, Link, Person, Text};

use crate::clock::Timestamp;
use crate::feed::document::{Document, Format, GENERATOR, GENERATOR_VERSION, RenderError};
use crate::feed::item::{Item, Label};
use crate::feed::wire;
use crate::text::xml::XmlText;

/// Writes the document as Atom 1.0.
///
/// # Errors
/// [`RenderError::Writer`] if the writing crate gives up.
pub fn render(document: &Document) -> Result<Vec<u8>, RenderError> {
    let entries = document.items.iter().map(|item| entry(document, item)).collect::<Result<_, _>>()?;
    let feed = Feed {
        title: Text::plain(document.title.as_str()),
        id: document.id.clone(),
        updated: date(document, document.updated)?,
        authors: vec![person(&document.site_title)],
        categories: document.categories.iter().map(category).collect(),
        generator: Some(Generator {
            value: GENERATOR.to_owned(),
            uri: Some(document.site_url.clone()),
            version: Some(GENERATOR_VERSION.to_owned()),
        }),
        links: links(document),
        subtitle: Some(Text::plain(document.description.as_str())),
        lang: Some(document.language.clone()),
        rights: Some(&document.imprint.rights)
            .filter(|rights| !rights.trim().is_empty())
            .map(|r| Text::plain(r.as_str())),
        icon: document.imprint.icon.as_ref().map(ToString::to_string),
        logo: document.imprint.logo.as_ref().map(ToString::to_string),
        extensions: wire::atom_extensions(
            wire::rhythm(document).into_iter().chain(wire::history(document)).chain(wire::tombstones(document)),
        ),
        entries,
        ..Feed::default()
    };
    wire::atom(feed, &document.stylesheet)
}

fn links(document: &Document) -> Vec<Link> {
    let link = |rel: &str, href: String, kind: Option<&str>| Link {
        href,
        rel: rel.to_owned(),
        mime_type: kind.map(str::to_owned),
        ..Link::default()
    };
    let page = Link {
        hreflang: Some(document.language.clone()),
        ..link("alternate", document.page.clone(), Some("text/html"))
    };
    let atom = Some(Format::Atom.media_type());
    let mut links = vec![link("self", document.own(Format::Atom), atom), page];
    if document.place.archive.is_some() {
        links.push(link("current", document.address(Format::Atom), atom));
    } else {
        // Of an archive there is no other format.
        let others = [Format::Rss, Format::Json];
        links.extend(others.map(|format| link("alternate", document.address(format), Some(format.media_type()))));
    }
    links.extend(document.place.older.clone().map(|older| link("prev-archive", older, atom)));
    links.extend(document.place.newer.clone().map(|newer| link("next-archive", newer, atom)));
    links.extend(document.hub.clone().map(|hub| link("hub", hub, None)));
    links
}

fn entry(document: &Document, item: &Item) -> Result<Entry, RenderError> {
    let page = Link { href: item.link.clone(), mime_type: Some("text/html".to_owned()), ..Link::default() };
    let enclosure = item.picture.as_ref().map(|picture| Link {
        href: picture.url.clone(),
        rel: "enclosure".to_owned(),
        mime_type: Some(picture.media_type.clone()),
        title: Some(picture.alt.to_string()).filter(|alt| !alt.is_empty()),
        length: Some(picture.length).filter(|length| *length > 0).map(|length| length.to_string()),
        ..Link::default()
    });
    let text = |value: &XmlText| Text { lang: item.language.clone(), ..Text::plain(value.as_str()) };
    Ok(Entry {
        title: text(&item.title),
        id: item.id.clone(),
        updated: date(document, item.updated)?,
        published: Some(date(document, item.published)?),
        authors: item.authors.iter().map(person).collect(),
        contributors: item.agency.iter().filter(|agency| !item.authors.contains(agency)).map(person).collect(),
        categories: item.labels().map(category).collect(),
        links: std::iter::once(page).chain(enclosure).collect(),
        summary: Some(&item.summary).filter(|summary| !summary.is_empty()).map(text),
        content: item.content_html.as_ref().map(|html| Content {
            value: Some(html.to_string()),
            content_type: Some("html".to_owned()),
            lang: item.language.clone(),
            ..Content::default()
        }),
        extensions: wire::atom_extensions(wire::media(item)),
        ..Entry::default()
    })
}

fn person(name: &XmlText) -> Person {
    // RFC 4287 §3.2.1 wants a name; a site without one signs as the software.
    let name = if name.trim().is_empty() { GENERATOR } else { name.trim() };
    Person { name: name.to_owned(), ..Person::default() }
}

fn category(label: &Label) -> Category {
    Category { term: label.term.clone(), scheme: Some(label.scheme.clone()), label: Some(label.title.to_string()) }
}

fn date(document: &Document, at: Timestamp) -> Result<atom_syndication::FixedDateTime, RenderError> {
    let written = document.rfc3339(at);
    written.parse().map_err(|error| RenderError::Writer {
        format: Format::Atom.name(),
        reason: format!("date {written}: {error}"),
    })
}
