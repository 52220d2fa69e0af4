//! The words that people see, in Vietnamese and English, from `templates/text/`. Both are in the binary; a missing or
//! empty word is a fault that a test finds, never one that a person meets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

static VI: LazyLock<Words> = LazyLock::new(|| Words::parse(include_str!("../../templates/text/vi.toml")));
static EN: LazyLock<Words> = LazyLock::new(|| Words::parse(include_str!("../../templates/text/en.toml")));

/// The words of one language: a tree of tables, so that a template can say `{{ t.subscribe.title }}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Words(BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(String),
    Table(BTreeMap<String, Entry>),
}

/// The words for a BCP 47 tag: English for `en` and what begins with `en-`, else Vietnamese.
#[must_use]
pub fn words(locale: &str) -> &'static Words {
    let is_english = locale.split(['-', '_']).next().is_some_and(|tag| tag.eq_ignore_ascii_case("en"));
    if is_english { &EN } else { &VI }
}

impl Words {
    fn parse(toml: &str) -> Self {
        // A test reads both files; what it accepted cannot fail here.
        Self(toml::from_str(toml).expect("the words in the binary are valid TOML"))
    }

    /// The words under a dotted key such as `subscribe.title`; the key itself if there are none, so that a slip shows
    /// on the page and breaks nothing.
    #[must_use]
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.find(key).unwrap_or(key)
    }

    /// The words under a dotted key with `{name}`s filled in; see [`fill`].
    #[must_use]
    pub fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        fill(self.get(key), values)
    }

    /// The words for a number of things: `<key>.one` for 1, else `<key>.many`, with `{count}` filled in. Vietnamese says
    /// both the same way.
    #[must_use]
    pub fn count(&self, key: &str, count: u64) -> String {
        let form = if count == 1 { "one" } else { "many" };
        self.say(&format!("{key}.{form}"), &[("count", &count.to_string())])
    }

    fn find(&self, key: &str) -> Option<&str> {
        let mut table = &self.0;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            match table.get(part)? {
                Entry::Table(inner) => table = inner,
                Entry::Text(text) => return parts.peek().is_none().then_some(text),
            }
        }
        None
    }
}

/// Puts values in the place of `{name}`s, once: what a value holds is never filled in turn. A name without a value stays
/// as it is. Nothing is escaped: that is the template's part.
#[must_use]
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let name = from[1..].split_once('}').map(|(name, _)| name);
        let value = name.and_then(|name| values.iter().find(|(n, _)| *n == name));
        if let Some((name, value)) = value {
            out.push_str(value);
            rest = &from[name.len() + 2..];
        } else {
            out.push('{');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn flat(table: &BTreeMap<String, Entry>, under: &str, into: &mut BTreeMap<String, String>) {
        for (key, entry) in table {
            match entry {
                Entry::Text(text) => assert!(into.insert(format!("{under}{key}"), text.clone()).is_none()),
                Entry::Table(inner) => flat(inner, &format!("{under}{key}."), into),
            }
        }
    }

    fn all(locale: &str) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        flat(&words(locale).0, "", &mut all);
        all
    }

    fn names(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_have_the_same_words_and_none_is_empty() {
        let (vi, en) = (all("vi"), all("en"));
        let (vi_keys, en_keys): (BTreeSet<_>, BTreeSet<_>) = (vi.keys().collect(), en.keys().collect());
        assert_eq!(vi_keys.symmetric_difference(&en_keys).collect::<Vec<_>>(), Vec::<&&String>::new());
        for (key, text) in vi.iter().chain(&en) {
            assert!(!text.trim().is_empty() && text.trim() == text, "{key} is empty or has blanks around it");
        }
        for (key, text) in &vi {
            assert_eq!(names(text), names(&en[key]), "{key} has other {{names}} in English");
        }
        assert!(vi.len() > 100);
    }

    #[test]
    fn vietnamese_words_are_composed_and_have_their_marks() {
        for (key, text) in all("vi") {
            assert_eq!(crate::text::xml::XmlText::new(&text).as_str(), text, "{key}");
            let long = text.split_whitespace().count() > 4;
            assert!(!long || crate::text::fold::has_marks(&text), "{key} has no marks");
        }
    }

    #[test]
    fn words_are_found_by_dotted_keys() {
        assert_eq!(words("vi-VN").get("frequency.daily"), "Mỗi ngày một thư");
        assert_eq!(words("en-GB").get("frequency.daily"), "One mail a day");
        assert_eq!(words("fr").get("frequency.daily"), "Mỗi ngày một thư");
        for none in ["frequency", "frequency.daily.x", "nothing", ""] {
            assert_eq!(words("vi").get(none), none);
        }
        assert_eq!(words("en").count("count.articles", 1), "1 article");
        assert_eq!(words("en").count("count.articles", 12), "12 articles");
        assert_eq!(words("vi").count("count.articles", 1), "1 bài viết");
    }

    #[test]
    fn names_are_filled_once_and_others_stay() {
        assert_eq!(fill("{a} và {b}, {c} {", &[("a", "{b}"), ("b", "x")]), "{b} và x, {c} {");
        assert_eq!(fill("{{a}}", &[("a", "x")]), "{x}");
    }

    #[test]
    fn templates_can_walk_the_words() {
        let json = serde_json::to_value(words("vi")).expect("words serialise");
        assert_eq!(json["frequency"]["daily"], "Mỗi ngày một thư");
    }
}
