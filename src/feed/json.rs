//! A document as JSON Feed 1.1 (<https://www.jsonfeed.org/version/1.1/>). Ids are strings, equal to the Atom ids.

use serde::Serialize;

use crate::feed::document::{Document, Format, RenderError};
use crate::feed::item::Item;

/// The value of `version`, which names the format.
pub const VERSION: &str = "https://jsonfeed.org/version/1.1";

#[derive(Serialize)]
struct JsonFeed<'a> {
    version: &'static str,
    title: &'a str,
    home_page_url: &'a str,
    feed_url: String,
    description: &'a str,
    language: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    favicon: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hubs: Option<[Hub<'a>; 1]>,
    #[serde(rename = "_loa")]
    loa: FeedExtension<'a>,
    items: Vec<JsonItem<'a>>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct Hub<'a> {
    r#type: &'static str,
    url: &'a str,
}

/// What the other formats say and JSON Feed has no member for.
#[derive(Serialize)]
struct FeedExtension<'a> {
    id: &'a str,
    version: i64,
    updated: String,
    ttl: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    rights: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_archive: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<Deleted<'a>>,
}

/// As `at:deleted-entry` in Atom (RFC 6721).
#[derive(Serialize)]
struct Deleted<'a> {
    r#ref: &'a str,
    when: String,
}

#[derive(Serialize)]
struct JsonItem<'a> {
    id: &'a str,
    url: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_text: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    date_published: String,
    date_modified: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<[Attachment<'a>; 1]>,
    #[serde(rename = "_loa")]
    loa: ItemExtension<'a>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_in_bytes: Option<u64>,
}

#[derive(Serialize)]
struct ItemExtension<'a> {
    revision: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<Category<'a>>,
}

/// A category by its machine's name.
#[derive(Serialize)]
struct Category<'a> {
    term: &'a str,
    scheme: &'a str,
    label: &'a str,
}

/// Writes the document as JSON Feed 1.1.
///
/// # Errors
/// [`RenderError::Writer`] if the writing crate gives up.
pub fn render(document: &Document) -> Result<Vec<u8>, RenderError> {
    let site = document.site_title.trim();
    let feed = JsonFeed {
        version: VERSION,
        title: &document.title,
        home_page_url: &document.page,
        feed_url: document.address(Format::Json),
        description: &document.description,
        language: &document.language,
        authors: Some(Author { name: site, url: Some(&document.site_url) })
            .into_iter()
            .filter(|author| !author.name.is_empty())
            .collect(),
        hubs: document.hub.as_deref().map(|url| [Hub { r#type: "WebSub", url }]),
        icon: document.imprint.logo.as_ref().or(document.imprint.icon.as_ref()).map(url::Url::as_str),
        favicon: document.imprint.icon.as_ref().map(url::Url::as_str),
        loa: FeedExtension {
            id: &document.id,
            version: document.version,
            updated: document.rfc3339(document.updated),
            ttl: document.ttl,
            rights: document.imprint.rights.trim(),
            complete: document.place.complete,
            prev_archive: document.place.older.as_deref(),
            deleted: document
                .deleted
                .iter()
                .map(|gone| Deleted { r#ref: &gone.id, when: document.rfc3339(gone.when) })
                .collect(),
        },
        items: document.items.iter().map(|item| entry(document, item)).collect(),
    };
    serde_json::to_vec(&feed)
        .map_err(|error| RenderError::Writer { format: Format::Json.name(), reason: error.to_string() })
}

fn entry<'a>(document: &Document, item: &'a Item) -> JsonItem<'a> {
    let content_html = item.content_html.as_deref();
    // An item must have content of either kind; the title stands in where there is no other text.
    let short = if item.summary.is_empty() { &item.title } else { &item.summary };
    JsonItem {
        id: &item.id,
        url: &item.link,
        title: &item.title,
        content_html,
        content_text: content_html.is_none().then_some(short.as_str()),
        summary: &item.summary,
        image: item.picture.as_ref().map(|picture| picture.url.as_str()),
        date_published: document.rfc3339(item.published),
        date_modified: document.rfc3339(item.updated),
        authors: item.authors.iter().map(|name| Author { name, url: None }).collect(),
        tags: item.labels().map(|label| label.title.as_str()).collect(),
        language: item.language.as_deref(),
        attachments: item.picture.as_ref().map(|picture| {
            [Attachment {
                url: &picture.url,
                mime_type: &picture.media_type,
                title: &picture.alt,
                size_in_bytes: Some(picture.length).filter(|length| *length > 0),
            }]
        }),
        loa: ItemExtension {
            revision: item.revision,
            agency: item.agency.as_deref(),
            categories: item
                .categories
                .iter()
                .map(|label| Category { term: &label.term, scheme: &label.scheme, label: &label.title })
                .collect(),
        },
    }
}
