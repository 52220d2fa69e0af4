//! One article as the web services write it. Pure; judges nothing.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{Resource, number};
use crate::clock::Timestamp;
use crate::source::joomla::{body, dates};
use crate::source::stamp::Stamp;

/// A row of the list, or one article: the same attributes.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) catid: i64,
    pub(super) state: i64,
    pub(super) access: i64,
    pub(super) title: String,
    pub(super) alias: String,
    /// Empty where the portal does not tell it apart from the body.
    pub(super) intro: String,
    pub(super) body: String,
    /// `*` and blanks are empty.
    pub(super) language: String,
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    pub(super) up: Option<Timestamp>,
    pub(super) down: Option<Timestamp>,
    /// The name that the editor wrote in place of the account's.
    pub(super) author_alias: String,
    pub(super) author: Option<i64>,
    /// The `images` column, as JSON.
    pub(super) images: String,
    pub(super) tags: Vec<i64>,
    /// Moves with everything above.
    pub(super) hash: String,
}

impl Row {
    /// Reads a resource.
    ///
    /// # Errors
    /// A clause for the operator. Without what decides about its visibility, an article may be shown to nobody.
    pub(super) fn read(resource: &Resource) -> Result<Self, String> {
        let lacks = |key: &str| {
            format!(
                "comes without `{key}`, so that loa cannot tell whether it is public; look for an extension that changes the API"
            )
        };
        let needed = |key: &str| resource.number(key).ok_or_else(|| lacks(key));
        for key in ["publish_up", "publish_down"] {
            if !resource.has(key) {
                return Err(lacks(key));
            }
        }
        let id = resource.id().ok_or_else(|| lacks("id"))?;
        let catid = resource.related("category").or_else(|| resource.number("catid"));
        let date = |key: &str| dates::parse(resource.value(key).as_str(), &TimeZone::UTC);
        // Old versions join both halves of the body with a blank and run the content plugins over it; newer ones tell
        // the halves too, as the editor wrote them.
        let (intro, rest) = (resource.text("introtext"), resource.text("fulltext"));
        let whole = body::join(intro, rest);
        let body = if whole.trim().is_empty() { resource.text("text").to_owned() } else { whole };
        let images = match resource.value("images") {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            images => images.to_string(),
        };
        let mut row = Self {
            id,
            catid: catid.ok_or_else(|| lacks("category"))?,
            state: needed("state")?,
            access: needed("access")?,
            title: resource.text("title").to_owned(),
            alias: resource.text("alias").to_owned(),
            intro: if rest.trim().is_empty() { String::new() } else { intro.to_owned() },
            body,
            language: resource.text("language").trim().trim_matches('*').to_owned(),
            created: date("created"),
            modified: date("modified"),
            up: date("publish_up"),
            down: date("publish_down"),
            author_alias: resource.text("created_by_alias").trim().to_owned(),
            author: resource.related("created_by").or_else(|| resource.number("created_by")).filter(|id| *id > 0),
            images,
            tags: tags(resource.value("tags")),
            hash: String::new(),
        };
        row.hash = row.stamp();
        Ok(row)
    }

    fn stamp(&self) -> String {
        let mut stamp = Stamp::default();
        for text in
            [&self.title, &self.alias, &self.intro, &self.body, &self.language, &self.author_alias, &self.images]
        {
            stamp.part(text);
        }
        for date in [self.created, self.modified, self.up, self.down] {
            stamp.part(date.map_or(i64::MIN, Timestamp::millis).to_le_bytes());
        }
        for number in [self.catid, self.access, self.author.unwrap_or_default()].into_iter().chain(self.tags.clone()) {
            stamp.part(number.to_le_bytes());
        }
        stamp.hex()
    }
}

/// Ids of an article's tags: `{"3": "Title"}`, and an empty list where there are none.
fn tags(tags: &Value) -> Vec<i64> {
    let mut ids: Vec<i64> = match tags {
        Value::Object(tags) => tags.keys().filter_map(|id| id.parse().ok()).collect(),
        Value::Array(tags) => tags.iter().filter_map(|tag| number(tag).or_else(|| number(tag.get("id")?))).collect(),
        _ => Vec::new(),
    };
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(change: impl FnOnce(&mut Value)) -> Resource {
        let mut value = json!({
            "type": "articles", "id": "7",
            "attributes": {
                "title": "Bài", "text": "<p>a</p> <p>b</p>", "state": 1, "access": "1", "language": "*",
                "publish_up": "2021-11-23 07:05:00", "publish_down": null, "created": "2021-11-22 00:00:00",
                "modified": "2021-11-23 07:05:00", "created_by_alias": " Trúc Linh ", "tags": {"12": "B", "3": "A"},
                "images": {"image_intro": "https://a.vn/b.jpg"},
            },
            "relationships": {
                "category": {"data": {"type": "categories", "id": "9"}},
                "created_by": {"data": {"type": "users", "id": "42"}},
            },
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_row_is_read_with_numbers_as_text_and_text_of_either_version() {
        let row = Row::read(&resource(|_| {})).unwrap();
        assert_eq!((row.id, row.catid, row.state, row.access, row.author), (7, 9, 1, 1, Some(42)));
        assert_eq!((row.language.as_str(), row.author_alias.as_str(), row.down), ("", "Trúc Linh", None));
        assert_eq!((row.intro.as_str(), row.body.as_str(), row.tags), ("", "<p>a</p> <p>b</p>", vec![3, 12]));
        let halves = |value: &mut Value| {
            value["attributes"]["introtext"] = json!("<p>x</p>");
            value["attributes"]["fulltext"] = json!("<p>y</p>");
        };
        let row = Row::read(&resource(halves)).unwrap();
        assert_eq!((row.intro.as_str(), row.body.as_str()), ("<p>x</p>", "<p>x</p>\n<p>y</p>"));
    }

    #[test]
    fn a_row_without_what_decides_about_its_visibility_is_refused() {
        for key in ["state", "access", "publish_up", "publish_down"] {
            let without = resource(|value| {
                value["attributes"].as_object_mut().unwrap().remove(key);
            });
            assert!(Row::read(&without).unwrap_err().contains(key));
        }
        let without = resource(|value| value["relationships"] = Value::Null);
        assert!(Row::read(&without).unwrap_err().contains("category"));
    }

    #[test]
    fn every_part_that_a_reader_sees_moves_the_hash() {
        let of = |change: &dyn Fn(&mut Value)| Row::read(&resource(change)).unwrap().hash;
        let before = of(&|_| {});
        assert_eq!(before, of(&|value| value["attributes"]["hits"] = json!(5)));
        for (key, value) in [
            ("title", json!("x")),
            ("alias", json!("x")),
            ("text", json!("x")),
            ("language", json!("vi-VN")),
            ("created", json!("2021-11-21 00:00:00")),
            ("publish_up", json!(null)),
            ("publish_down", json!("2031-01-01 00:00:00")),
            ("created_by_alias", json!("")),
            ("images", json!({})),
            ("tags", json!([])),
        ] {
            assert_ne!(before, of(&|row: &mut Value| row["attributes"][key] = value.clone()), "{key}");
        }
    }
}
