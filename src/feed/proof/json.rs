//! The rules of JSON Feed 1.1. Knows no other format.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{new_id, rfc3339, web};

pub(super) fn check(text: &str) -> Result<(), String> {
    let parsed: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let feed = parsed.as_object().ok_or("it is not an object")?;
    if string(feed, "version")? != crate::feed::json::VERSION {
        return Err("its version is not that of JSON Feed 1.1".to_owned());
    }
    string(feed, "title")?;
    let own = string(feed, "feed_url")?;
    web(own)?;
    web(string(feed, "home_page_url")?)?;
    if feed.get("next_url").and_then(Value::as_str) == Some(own) {
        return Err("its next page is itself".to_owned());
    }
    let items = feed.get("items").and_then(Value::as_array).ok_or("it has no items")?;
    let mut ids = BTreeSet::new();
    for item in items {
        self::item(item.as_object().ok_or("an item is not an object")?, &mut ids)?;
    }
    Ok(())
}

fn item(item: &Map<String, Value>, ids: &mut BTreeSet<String>) -> Result<(), String> {
    let id = string(item, "id")?;
    new_id(ids, id.to_owned())?;
    let told = |what: String| format!("item {id:?}: {what}");
    string(item, "title").map_err(told)?;
    string(item, "url").and_then(web).map_err(told)?;
    if string(item, "content_html").is_err() && string(item, "content_text").is_err() {
        return Err(told("it has no content".to_owned()));
    }
    for name in ["date_published", "date_modified"] {
        string(item, name).and_then(rfc3339).map_err(told)?;
    }
    for attachment in item.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let attachment = attachment.as_object().ok_or_else(|| told("an attachment is not an object".to_owned()))?;
        string(attachment, "url").and_then(web).map_err(told)?;
        string(attachment, "mime_type").map_err(told)?;
    }
    Ok(())
}

/// A member that is a string and says something.
fn string<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    object
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("it has an empty or no {name}, or one that is not a string"))
}
