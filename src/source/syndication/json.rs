//! JSON Feed 1.0 and 1.1 (jsonfeed.org), read leniently: an odd item is a fault, not the end. Pure.

use serde_json::Value;

use super::document::{Document, Item, MOST_ITEMS, Named, Reading, name};
use super::picture::{self, Candidate};
use super::xml::escape;

/// The items of a JSON Feed.
///
/// # Errors
/// What it is instead, in words that follow its address.
pub(super) fn read(json: &str, reading: &Reading) -> Result<Document, String> {
    let feed: Value = serde_json::from_str(json).map_err(|error| format!("is no well-formed JSON ({error})"))?;
    let version = text(&feed, "version");
    let Some(items) = feed.get("items").and_then(Value::as_array).filter(|_| version.contains("jsonfeed.org/version/"))
    else {
        return Err("is JSON, but no JSON Feed: it has no version of jsonfeed.org or no items".to_owned());
    };
    let number = version.rsplit('/').next().unwrap_or_default();
    let mut document =
        Document { format: format!("JSON Feed {number}"), title: text(&feed, "title"), ..Document::default() };
    for (place, value) in items.iter().enumerate() {
        if place == MOST_ITEMS {
            document.faults.push(format!("has more than {MOST_ITEMS} items; the rest is not read"));
            break;
        }
        match item(value, place, &feed, reading, &mut document.faults) {
            Ok(item) => document.items.push(item),
            Err(fault) => document.faults.push(fault),
        }
    }
    Ok(document)
}

fn item(
    value: &Value,
    place: usize,
    feed: &Value,
    reading: &Reading,
    faults: &mut Vec<String>,
) -> Result<Item, String> {
    let field = |name: &str| text(value, name);
    let title = escape(&field("title"));
    let base = reading.site.as_ref().unwrap_or(&reading.at);
    let link = ["url", "external_url"].iter().map(|key| field(key)).find(|link| !link.is_empty());
    let id = field("id");
    let link = link.unwrap_or_else(|| if id.starts_with("http") { id.clone() } else { String::new() });
    let (id, link) = name(&Named { guid: &id, link: &link, base, joomla: false, place }, &title)?;
    let html = field("content_html");
    let plain = || {
        let paragraphs = field("content_text");
        let paragraphs = paragraphs.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
        let paragraphs: Vec<String> = paragraphs.map(|p| escape(p).replace('\n', "<br>")).collect();
        if paragraphs.is_empty() { String::new() } else { format!("<p>{}</p>", paragraphs.join("</p><p>")) }
    };
    let content = if html.is_empty() { plain() } else { html };
    let summary = escape(&field("summary"));
    let (summary, content) = if content.is_empty() { (String::new(), summary) } else { (summary, content) };
    let names = |of: &Value| -> Vec<String> {
        let many = of.get("authors").and_then(Value::as_array).into_iter().flatten();
        many.chain(of.get("author")).map(|author| text(author, "name")).filter(|name| !name.is_empty()).collect()
    };
    let mut authors = names(value);
    if authors.is_empty() {
        authors = names(feed);
    }
    authors.dedup();
    let language = Some(field("language")).filter(|own| !own.is_empty()).unwrap_or_else(|| text(feed, "language"));
    let language = if language.is_empty() { reading.language.clone() } else { language };
    let tags = value.get("tags").and_then(Value::as_array).into_iter().flatten();
    let mut pictures: Vec<Candidate> = ["image", "banner_image"]
        .iter()
        .map(|key| Candidate { url: field(key), sure: true, ..Candidate::default() })
        .collect();
    let attachments = value.get("attachments").and_then(Value::as_array).into_iter().flatten();
    pictures.extend(attachments.map(|attachment| Candidate {
        url: text(attachment, "url"),
        media_type: text(attachment, "mime_type"),
        length: attachment.get("size_in_bytes").and_then(Value::as_u64),
        ..Candidate::default()
    }));
    Ok(Item {
        authors,
        tags: tags.filter_map(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect(),
        published: reading.date(Some(&field("date_published")), faults),
        updated: reading.date(Some(&field("date_modified")), faults),
        image: picture::best(pictures, base),
        id,
        link,
        title,
        summary,
        content,
        language,
        categories: Vec::new(),
        base: None,
    })
}

/// A field as text; numbers too, since ids are often written so.
fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
