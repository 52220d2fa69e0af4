//! Addresses of articles by a template, for a SELECT that gives none. Pure.

use std::fmt::Write;

use jiff::tz::TimeZone;
use url::Url;

use crate::clock::Timestamp;

const NAMES: [&str; 9] = ["base", "id", "alias", "category", "category_id", "language", "year", "month", "day"];

/// A checked template.
#[derive(Clone, Debug)]
pub(super) struct Template(String);

/// What an article fills a template with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) base: &'a Url,
    pub(super) id: &'a str,
    pub(super) alias: &'a str,
    pub(super) category: &'a str,
    pub(super) category_id: &'a str,
    pub(super) language: &'a str,
    pub(super) published: Timestamp,
    pub(super) zone: &'a TimeZone,
}

impl Template {
    /// Checks that the template names an article and only what an article has.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let end = rest[at..].find('}').ok_or("has a { without a }")? + at;
            let name = &rest[at + 1..end];
            if !NAMES.contains(&name) {
                return Err(format!("has {{{name}}}, but known are {{{}}}", NAMES.join("} {")));
            }
            rest = &rest[end + 1..];
        }
        if !text.contains("{id}") && !text.contains("{alias}") {
            return Err("has neither {id} nor {alias}, so that all articles would share one address".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The template as written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of one article. Without an alias the id stands alone (`9019`, not `-9019`).
    pub(super) fn fill(&self, parts: Parts<'_>) -> String {
        let mut template = self.0.clone();
        if parts.alias.is_empty() {
            template = template.replace("{alias}-{id}", "{id}").replace("{id}-{alias}", "{id}");
            if !template.contains("{id}") {
                template = template.replace("{alias}", "{id}");
            }
        }
        let day = parts.published.in_zone(parts.zone);
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template.as_str();
        // In one pass, so that a value that looks like a name is not filled in turn.
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or(("", after));
            match name {
                "base" => out.push_str(parts.base.as_str()),
                "id" => escape(parts.id, &mut out),
                "alias" => escape(parts.alias, &mut out),
                "category" => escape(parts.category, &mut out),
                "category_id" => escape(parts.category_id, &mut out),
                "language" => escape(&parts.language.to_ascii_lowercase(), &mut out),
                "year" => out.push_str(&day.strftime("%Y").to_string()),
                "month" => out.push_str(&day.strftime("%m").to_string()),
                "day" => out.push_str(&day.strftime("%d").to_string()),
                _ => {}
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// Everything but RFC 3986's unreserved characters and `/` as `%XX`: a value is a part of a path and never more.
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, id: &str, alias: &str) -> String {
        let base = Url::parse("https://portal.example.vn/").unwrap();
        let parts = Parts {
            base: &base,
            id,
            alias,
            category: "tin-tuc",
            category_id: "7",
            language: "vi",
            published: Timestamp::from_millis(1_637_690_400_000),
            zone: &TimeZone::fixed(jiff::tz::offset(7)),
        };
        Template::parse(template).unwrap().fill(parts)
    }

    #[test]
    fn each_form_of_address_can_be_written() {
        assert_eq!(
            fill("{base}{language}/{category}/{alias}-{id}.html", "5", "bai"),
            "https://portal.example.vn/vi/tin-tuc/bai-5.html"
        );
        assert_eq!(
            fill("{base}{year}/{month}/{day}/{id}?c={category_id}", "5", ""),
            "https://portal.example.vn/2021/11/24/5?c=7"
        );
    }

    #[test]
    fn a_value_is_a_part_of_the_path_and_never_more() {
        assert_eq!(
            fill("{base}tin?id={id}&x={alias}", "1&b=2 #", "{id}\"đ"),
            "https://portal.example.vn/tin?id=1%26b%3D2%20%23&x=%7Bid%7D%22%C4%91"
        );
    }

    #[test]
    fn without_an_alias_the_id_stands_alone() {
        assert_eq!(fill("{base}tin/{alias}-{id}.html", "5", ""), "https://portal.example.vn/tin/5.html");
        assert_eq!(fill("{base}tin/{alias}", "5", ""), "https://portal.example.vn/tin/5");
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for wrong in ["{base}tin", "{base}{id", "{base}{slug}{id}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
