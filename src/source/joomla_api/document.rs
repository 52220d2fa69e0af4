//! JSON:API documents as Joomla writes them (<https://jsonapi.org/format/1.0/>), read leniently: numbers may be text, an empty
//! object is an empty list. Pure.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One resource of a document.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    id: Value,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    relationships: Value,
}

impl Resource {
    pub(super) fn id(&self) -> Option<i64> {
        number(&self.id)
    }

    /// Whether the attribute is there, were it null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.attributes.contains_key(key)
    }

    pub(super) fn value(&self, key: &str) -> &Value {
        self.attributes.get(key).unwrap_or(&Value::Null)
    }

    pub(super) fn number(&self, key: &str) -> Option<i64> {
        number(self.value(key))
    }

    /// The text; empty if there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        self.value(key).as_str().unwrap_or_default()
    }

    /// The id of a related resource.
    pub(super) fn related(&self, key: &str) -> Option<i64> {
        number(&self.relationships[key]["data"]["id"])
    }
}

/// A document that holds data.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The rows of a list, or the one resource.
    pub(super) rows: Vec<Resource>,
    /// Whether the list goes on behind this page.
    pub(super) more: bool,
    /// Pages of the whole list; 0 if the document does not say.
    pub(super) pages: usize,
}

/// What a body was.
#[derive(Debug)]
pub(super) enum Read {
    Document(Document),
    /// An error document, whatever the status said: its code and title.
    Errors(Option<i64>, String),
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    links: Value,
    #[serde(default)]
    meta: Value,
    #[serde(default)]
    errors: Value,
}

/// Reads a body.
///
/// # Errors
/// A clause for the operator when it is no such document.
pub(super) fn read(text: &str) -> Result<Read, String> {
    let wire: Wire =
        serde_json::from_str(text).map_err(|error| format!("answers with no JSON:API document ({error})"))?;
    if let Some(first) = wire.errors.as_array().and_then(|errors| errors.first()) {
        let title = first["title"].as_str().unwrap_or("no reason given");
        let title: String = title.chars().filter(|c| !c.is_control()).take(200).collect();
        return Ok(Read::Errors(number(&first["code"]).or_else(|| number(&first["status"])), title));
    }
    let rows = match wire.data {
        Value::Array(rows) => rows,
        one @ Value::Object(_) => vec![one],
        _ => return Err("answers with a document that holds neither data nor errors".to_owned()),
    };
    let rows: Result<Vec<Resource>, _> = rows.into_iter().map(serde_json::from_value).collect();
    Ok(Read::Document(Document {
        rows: rows.map_err(|error| format!("answers with a row that is none of JSON:API ({error})"))?,
        more: link(&wire.links["next"]),
        pages: number(&wire.meta["total-pages"]).and_then(|pages| usize::try_from(pages).ok()).unwrap_or(0),
    }))
}

/// A link is text or an object with `href` (JSON:API §5.6).
fn link(link: &Value) -> bool {
    link.as_str().or_else(|| link["href"].as_str()).is_some_and(|link| !link.is_empty())
}

/// Joomla writes numbers as numbers or as text.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        match read(text) {
            Ok(Read::Document(document)) => document,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_tells_its_rows_and_whether_there_are_more() {
        let list = document(
            r#"{"links":{"self":"x","next":"y"},"data":[{"type":"articles","id":"7","attributes":{"id":7,"state":"1","title":"A"},
                "relationships":{"category":{"data":{"type":"categories","id":"12"}}}}],"meta":{"total-pages":3}}"#,
        );
        assert_eq!((list.rows.len(), list.more, list.pages), (1, true, 3));
        let row = &list.rows[0];
        assert_eq!((row.id(), row.number("state"), row.text("title")), (Some(7), Some(1), "A"));
        assert_eq!((row.related("category"), row.related("created_by"), row.has("access")), (Some(12), None, false));
        let one = document(r#"{"data":{"type":"articles","id":"7","attributes":{}}}"#);
        assert_eq!((one.rows.len(), one.more), (1, false));
    }

    #[test]
    fn an_error_document_is_one_whatever_its_status_was() {
        let text = r#"{"errors":[{"title":"Resource not found","code":404}]}"#;
        assert!(matches!(read(text), Ok(Read::Errors(Some(404), title)) if title == "Resource not found"));
        for odd in ["", "<html>", "[]", "{}", r#"{"data":null}"#, r#"{"data":[1]}"#] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}
