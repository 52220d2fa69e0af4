//! A document as RSS 2.0 (<https://www.rssboard.org/rss-specification> and the RSS profile), with the extensions that
//! readers use: content, dc, dcterms, atom, media, sy. Decides nothing that the [`Document`] has decided.

use rss::extension::dublincore::DublinCoreExtension;
use rss::{Category, Channel, Enclosure, Guid, Image};

use crate::feed::document::{Document, Format, GENERATOR, GENERATOR_VERSION, RenderError, mailbox};
use crate::feed::item::{Item, Label};
use crate::feed::wire::{self, Element};

/// Writes the document as RSS 2.0.
///
/// # Errors
/// [`RenderError::Writer`] if the writing crate gives up.
pub fn render(document: &Document) -> Result<Vec<u8>, RenderError> {
    let channel = Channel {
        title: document.title.to_string(),
        link: document.page.clone(),
        description: document.description.to_string(),
        language: Some(document.language.clone()),
        last_build_date: Some(document.rfc2822(document.updated)),
        generator: Some(format!("{GENERATOR} {GENERATOR_VERSION}")),
        docs: Some("https://www.rssboard.org/rss-specification".to_owned()),
        ttl: Some(document.ttl.to_string()),
        skip_hours: document.skip_hours.iter().map(u8::to_string).collect(),
        copyright: Some(document.imprint.rights.to_string()).filter(|rights| !rights.trim().is_empty()),
        managing_editor: document.imprint.editor.as_ref().map(mailbox),
        webmaster: document.imprint.webmaster.as_ref().map(mailbox),
        image: document.imprint.logo.as_ref().or(document.imprint.icon.as_ref()).map(|picture| Image {
            url: picture.to_string(),
            title: document.title.to_string(),
            link: document.page.clone(),
            ..Image::default()
        }),
        categories: document.categories.iter().map(category).collect(),
        extensions: wire::rss_extensions(links(document).chain(wire::rhythm(document)).chain(wire::history(document))),
        items: document.items.iter().map(|item| entry(document, item)).collect(),
        ..Channel::default()
    };
    wire::rss(channel, &document.stylesheet)
}

fn links(document: &Document) -> impl Iterator<Item = Element> {
    let link = |rel: &'static str, href: String| Element::new("atom:link").attr("rel", rel).attr("href", href);
    let own = link("self", document.own(Format::Rss)).attr("type", Format::Rss.media_type());
    let others = [Format::Atom, Format::Json]
        .map(|format| link("alternate", document.address(format)).attr("type", format.media_type()));
    let hub = document.hub.clone().map(|hub| link("hub", hub));
    let older = document.place.older.clone();
    let older = older.map(|older| link("prev-archive", older).attr("type", Format::Atom.media_type()));
    std::iter::once(own).chain(others).chain(hub).chain(older)
}

fn entry(document: &Document, item: &Item) -> rss::Item {
    let dates = [
        Element::new("atom:updated").text(document.rfc3339(item.updated)),
        Element::new("dcterms:modified").text(document.rfc3339(item.updated)),
    ];
    rss::Item {
        title: Some(item.title.to_string()),
        link: Some(item.link.clone()),
        // Readers show a description as HTML, so plain text is escaped once for that, and CDATA does the rest.
        description: Some(wire::text(&item.summary)).filter(|text| !text.is_empty()),
        categories: item.labels().map(category).collect(),
        enclosure: item.picture.as_ref().map(|picture| Enclosure {
            url: picture.url.clone(),
            length: picture.length.to_string(),
            mime_type: picture.media_type.clone(),
        }),
        guid: Some(Guid { value: item.id.clone(), permalink: false }),
        pub_date: Some(document.rfc2822(item.published)),
        content: item.content_html.as_ref().map(ToString::to_string),
        extensions: wire::rss_extensions(dates.into_iter().chain(wire::media(item))),
        dublin_core_ext: Some(DublinCoreExtension {
            creators: item.authors.iter().map(ToString::to_string).collect(),
            publishers: item.agency.iter().map(ToString::to_string).collect(),
            languages: item.language.iter().cloned().collect(),
            ..DublinCoreExtension::default()
        })
        .filter(|dc| !dc.creators.is_empty() || !dc.publishers.is_empty() || !dc.languages.is_empty()),
        ..rss::Item::default()
    }
}

fn category(label: &Label) -> Category {
    Category { name: label.title.to_string(), domain: Some(label.scheme.clone()) }
}
