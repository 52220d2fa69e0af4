//! What a page says of itself to machines: JSON-LD of schema.org, Open Graph, `meta`. Fallbacks for selectors; believes
//! nothing that a person would not also read there.

use scraper::{ElementRef, Html};
use serde_json::Value;

use super::rules::Choice;

/// JSON-LD blocks that are read, and bytes of each.
const BLOCKS: usize = 20;
const BLOCK_BYTES: usize = 256 * 1024;

/// Types of schema.org that are articles.
const ARTICLES: [&str; 6] =
    ["Article", "NewsArticle", "BlogPosting", "Report", "SocialMediaPosting", "AnalysisNewsArticle"];

/// What the page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// `headline` of the article in JSON-LD.
    pub headline: Option<String>,
    /// `og:title`.
    pub og_title: Option<String>,
    /// `datePublished`, then `article:published_time`, then microdata.
    pub published: Vec<String>,
    /// `dateModified`, then `article:modified_time`.
    pub modified: Vec<String>,
    /// Names of authors in JSON-LD, else `<meta name=author>`.
    pub authors: Vec<String>,
    /// `image` in JSON-LD and `og:image`.
    pub images: Vec<String>,
    /// The last `BreadcrumbList`: name and address of each step.
    pub crumbs: Vec<(String, Option<String>)>,
    /// `article:section`.
    pub section: Option<String>,
    /// `<link rel=canonical>`.
    pub canonical: Option<String>,
    /// `<html lang>`.
    pub language: Option<String>,
}

impl Metadata {
    /// Reads the whole page.
    pub(super) fn read(page: &Html) -> Self {
        let root = page.root_element();
        let mut said = Self { language: root.attr("lang").map(str::to_owned), ..Self::default() };
        for script in Choice::own(&["script[type=\"application/ld+json\"]"]).all(root).into_iter().take(BLOCKS) {
            let text: String = script.text().collect();
            // Editors' plugins leave comments and line breaks around the data.
            let text = text.trim().trim_start_matches("<!--").trim_end_matches("-->").trim();
            if text.len() <= BLOCK_BYTES
                && let Ok(value) = serde_json::from_str::<Value>(text)
            {
                said.block(&value);
            }
        }
        let meta = |selector: &str| {
            let found = Choice::own(&[selector]).all(root);
            found.into_iter().filter_map(|element| filled(element.attr("content")?)).collect::<Vec<_>>()
        };
        said.og_title = meta("meta[property=\"og:title\"]").into_iter().next();
        said.published.extend(meta("meta[property=\"article:published_time\"]"));
        said.published.extend(dates(root, "datePublished"));
        said.modified.extend(meta("meta[property=\"article:modified_time\"]"));
        said.modified.extend(dates(root, "dateModified"));
        if said.authors.is_empty() {
            said.authors = meta("meta[name=author]");
        }
        said.images.extend(meta("meta[property=\"og:image\"]"));
        said.section = meta("meta[property=\"article:section\"]").into_iter().next();
        let canonical = Choice::own(&["link[rel=canonical]"]).first(root);
        said.canonical = canonical.and_then(|link| filled(link.attr("href")?));
        said
    }

    /// One block: an object, a list of them, or a `@graph`.
    fn block(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.block(value)),
            Value::Object(object) => {
                if let Some(graph) = object.get("@graph") {
                    self.block(graph);
                }
                if is(value, &["BreadcrumbList"]) {
                    self.crumbs = crumbs(value);
                }
                if is(value, &ARTICLES) && self.headline.is_none() {
                    self.headline = text(value.get("headline"));
                    self.published.extend(text(value.get("datePublished")));
                    self.modified.extend(text(value.get("dateModified")));
                    self.authors = names(value.get("author"));
                    self.images.extend(address(value.get("image")));
                }
            }
            _ => {}
        }
    }
}

fn dates(root: ElementRef<'_>, property: &str) -> Vec<String> {
    let selector = format!("meta[itemprop={property}], time[itemprop={property}]");
    let found = Choice::own(&[&selector]).all(root);
    found.into_iter().filter_map(|e| filled(e.attr("datetime").or_else(|| e.attr("content"))?)).collect()
}

fn is(value: &Value, types: &[&str]) -> bool {
    match value.get("@type") {
        Some(Value::String(own)) => types.contains(&own.as_str()),
        Some(Value::Array(own)) => own.iter().filter_map(Value::as_str).any(|own| types.contains(&own)),
        _ => false,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    filled(value?.as_str()?)
}

/// A text, an object with a `name`, or a list of either.
fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(name)) => filled(name).into_iter().collect(),
        Some(Value::Object(person)) => text(person.get("name")).into_iter().collect(),
        Some(Value::Array(people)) => people
            .iter()
            .take(10)
            .flat_map(|person| match person {
                Value::Array(_) => Vec::new(),
                person => names(Some(person)),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A text, an object with a `url`, or a list that begins with either.
fn address(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(url) => filled(url),
        Value::Object(image) => text(image.get("url")),
        Value::Array(images) => images.first().filter(|first| !first.is_array()).and_then(|first| address(Some(first))),
        _ => None,
    }
}

fn crumbs(list: &Value) -> Vec<(String, Option<String>)> {
    let Some(Value::Array(steps)) = list.get("itemListElement") else { return Vec::new() };
    let mut numbered: Vec<(i64, String, Option<String>)> = Vec::new();
    for step in steps.iter().take(20) {
        let item = step.get("item");
        let name = text(step.get("name")).or_else(|| text(item.and_then(|item| item.get("name"))));
        let url = text(item).or_else(|| text(item.and_then(|item| item.get("@id"))));
        if let Some(name) = name {
            let at = step.get("position").and_then(|p| p.as_i64().or_else(|| p.as_str()?.parse().ok()));
            numbered.push((at.unwrap_or(i64::MAX), name, url));
        }
    }
    numbered.sort_by_key(|(at, ..)| *at);
    numbered.into_iter().map(|(_, name, url)| (name, url)).collect()
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Metadata {
        Metadata::read(&Html::parse_document(&format!("<script type=\"application/ld+json\">{json}</script>")))
    }

    #[test]
    fn schema_org_is_read_in_its_many_forms() {
        let said = read(
            r#"{"@graph":[{"@type":"WebSite","name":"x","headline":"no"},
              {"@type":["NewsArticle","Thing"],"headline":"Hội nghị","datePublished":"2021-11-23T14:05:00+07:00",
               "author":[{"@type":"Person","name":"Trúc Linh"},"Văn An"],"image":[{"url":"/a.jpg"}]},
              {"@type":"BreadcrumbList","itemListElement":[
               {"position":"2","name":"Công tác tổ chức","item":"/cttc"},{"position":1,"item":{"@id":"/","name":"Trang chủ"}}]}]}"#,
        );
        assert_eq!(said.headline.as_deref(), Some("Hội nghị"));
        assert_eq!(said.published, ["2021-11-23T14:05:00+07:00"]);
        assert_eq!(said.authors, ["Trúc Linh", "Văn An"]);
        assert_eq!(said.images, ["/a.jpg"]);
        let crumbs: Vec<&str> = said.crumbs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(crumbs, ["Trang chủ", "Công tác tổ chức"]);
        assert_eq!(said.crumbs[0].1.as_deref(), Some("/"));
    }

    #[test]
    fn what_is_not_as_the_standard_says_is_passed_over() {
        for odd in [
            "",
            "{",
            "[[[[]]]]",
            "1",
            "{\"@type\":\"Article\",\"headline\":{},\"author\":[[[\"a\"]]],\"image\":[[\"a\"]]}",
        ] {
            assert_eq!(read(odd), Metadata::default(), "{odd}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(read(&deep), Metadata::default());
    }
}
