//! The words that people see on pages and in short answers, in Vietnamese and English, from `templates/text/`. Mails have
//! their own templates. Never guesses: a word that is missing in one language fails a test.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Words of one language: by section, then by name.
pub type Words = BTreeMap<String, BTreeMap<String, String>>;

static VI: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../templates/text/vi.toml")));
static EN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../templates/text/en.toml")));

fn read(toml: &str) -> Words {
    toml::from_str(toml).expect("the compiled-in words are sections of texts, as a test of this module says")
}

/// The words of a language, by its BCP 47 tag; Vietnamese for every tag that does not begin with `en`.
#[must_use]
pub fn words(tag: &str) -> &'static Words {
    if tag.split(['-', '_']).next().is_some_and(|t| t.eq_ignore_ascii_case("en")) { &EN } else { &VI }
}

/// One text; empty if there is none of that name.
#[must_use]
pub fn say(tag: &str, section: &str, name: &str) -> &'static str {
    words(tag).get(section).and_then(|s| s.get(name)).map_or("", String::as_str)
}

/// Puts values into the `{name}` places of a text.
#[must_use]
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<&str> {
        let mut places: Vec<&str> =
            text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect();
        places.sort_unstable();
        places
    }

    #[test]
    fn both_languages_say_the_same_things_with_the_same_places() {
        let names = |words: &Words| -> Vec<(String, String)> {
            words.iter().flat_map(|(s, names)| names.keys().map(move |n| (s.clone(), n.clone()))).collect()
        };
        assert_eq!(names(&VI), names(&EN));
        for (section, name) in names(&VI) {
            let (vi, en) = (&VI[&section][&name], &EN[&section][&name]);
            assert!(!vi.trim().is_empty() && !en.trim().is_empty(), "{section}.{name} is empty");
            assert_eq!(places(vi), places(en), "{section}.{name}");
        }
    }

    #[test]
    fn vietnamese_words_are_composed() {
        for text in VI.values().flat_map(BTreeMap::values) {
            assert_eq!(&*crate::text::xml::XmlText::new(text), text.as_str());
        }
    }

    #[test]
    fn a_text_takes_its_values() {
        assert_eq!(fill("khoảng {n} tin", &[("n", "7")]), "khoảng 7 tin");
        assert_eq!(say("en-GB", "nothing", "here"), "");
    }
}
