//! Selections as the query of an address: `q=…&category=…`. One selection has one canonical query. Knows no host and no
//! path, and takes no regular expressions.

use url::form_urlencoded;

use super::day::Day;
use super::keyword::{typed, untyped};
use super::{MAX_CHARS, Selection, is_language};
use crate::text::catalog;
use crate::text::slug::{is_slug, try_slug};

/// The longest query, in bytes as sent.
pub const MAX_BYTES: usize = 2_000;
/// The most words and phrases in one query.
pub const MAX_TERMS: usize = 16;
/// The most values of one other parameter.
pub const MAX_VALUES: usize = 20;

/// Every parameter, in the order of the canonical query.
pub const NAMES: [&str; 11] = [
    "q",
    "category",
    "category_alone",
    "not_category",
    "tag",
    "author",
    "agency",
    "source",
    "language",
    "from",
    "until",
];

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// In its canonical form.
    pub selection: Selection,
    /// The words as they were typed.
    pub typed: String,
    /// Whether the address is the canonical one, apart from parameters that mean nothing here.
    pub canonical: bool,
}

/// Why a query asks for nothing that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryFault {
    /// It is longer than [`MAX_BYTES`].
    Long,
    /// It has more than [`MAX_TERMS`] words and phrases.
    Terms,
    /// This parameter has more than [`MAX_VALUES`] values.
    Values(&'static str),
    /// A value, by its beginning, is longer than [`MAX_CHARS`] characters.
    Entry(String),
    /// This is not UTF-8, or has no letter and no digit.
    Unreadable(String),
    /// This is no name of a category.
    Category(String),
    /// This is no language tag.
    Language(String),
    /// This is no day.
    Day(String),
    /// The last day is before the first.
    Reversed,
}

impl QueryFault {
    /// One sentence for whoever asked.
    #[must_use]
    pub fn say(&self, locale: &str) -> String {
        let number = |n: usize| n.to_string();
        let (word, values): (&str, Vec<(&str, String)>) = match self {
            Self::Long => ("long", vec![("n", number(MAX_BYTES))]),
            Self::Terms => ("terms", vec![("n", number(MAX_TERMS))]),
            Self::Values(name) => ("values", vec![("name", (*name).to_owned()), ("n", number(MAX_VALUES))]),
            Self::Entry(start) => ("entry", vec![("text", start.clone()), ("n", number(MAX_CHARS))]),
            Self::Unreadable(text) => ("unreadable", vec![("text", text.clone())]),
            Self::Category(text) => ("category", vec![("text", text.clone())]),
            Self::Language(text) => ("language", vec![("text", text.clone())]),
            Self::Day(text) => ("day", vec![("text", text.clone())]),
            Self::Reversed => ("reversed", Vec::new()),
        };
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        catalog::words(locale).say(&format!("query.{word}"), &values)
    }
}

/// Reads a query. Parameters that mean nothing here are passed over: caches are broken with them, and trackers add them.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(raw: &str) -> Result<Asked, Vec<QueryFault>> {
    if raw.len() > MAX_BYTES {
        return Err(vec![QueryFault::Long]);
    }
    let pairs: Vec<(&'static str, String)> = form_urlencoded::parse(raw.as_bytes())
        .filter_map(|(name, value)| Some((*NAMES.iter().find(|known| **known == name)?, value.into_owned())))
        .filter(|(_, value)| !value.trim().is_empty())
        .collect();
    let mut reader = Reader { pairs: &pairs, faults: Vec::new() };
    let query = reader.pairs.iter().filter(|(name, _)| *name == "q").map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    let query = query.join(" ");
    if query.contains('\u{FFFD}') {
        reader.faults.push(QueryFault::Unreadable(start(&query)));
    }
    let (keywords, not_keywords) = typed(&query);
    if keywords.len() + not_keywords.len() > MAX_TERMS {
        reader.faults.push(QueryFault::Terms);
    }
    if let Some(long) = keywords.iter().chain(&not_keywords).find(|k| k.chars().count() > MAX_CHARS) {
        reader.faults.push(QueryFault::Entry(start(long)));
    }
    let selection = Selection {
        sources: reader.texts("source"),
        categories: reader.slugs("category"),
        categories_alone: reader.slugs("category_alone"),
        not_categories: reader.slugs("not_category"),
        keywords,
        not_keywords,
        tags: reader.texts("tag"),
        authors: reader.texts("author"),
        agencies: reader.texts("agency"),
        language: reader.language(),
        from: reader.day("from"),
        until: reader.day("until"),
        ..Selection::default()
    };
    if let (Some(from), Some(until)) = (selection.from, selection.until)
        && until < from
    {
        reader.faults.push(QueryFault::Reversed);
    }
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let selection = selection.canonical();
    // What the letters are encoded by is nobody's fault: some programs write `%20` for every `+`, whatever they are told.
    let canonical = pairs == canonical_pairs(&selection);
    Ok(Asked { selection, typed: query.trim().to_owned(), canonical })
}

/// The canonical query of a selection, without `?`; empty for the selection of everything. Words stand in the order in
/// which they were typed. Phrases and masks are not in it: they belong to feeds that have a name
/// (`docs/decisions/0017-what-a-query-can-say.md`).
#[must_use]
pub fn write(selection: &Selection) -> String {
    let pairs = canonical_pairs(&selection.canonical());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn canonical_pairs(canonical: &Selection) -> Vec<(&'static str, String)> {
    let day = |day: Option<Day>| day.map(|day| day.to_string()).into_iter().collect::<Vec<_>>();
    let query = untyped(&canonical.keywords, &canonical.not_keywords);
    let lists = [
        if query.is_empty() { Vec::new() } else { vec![query] },
        canonical.categories.clone(),
        canonical.categories_alone.clone(),
        canonical.not_categories.clone(),
        canonical.tags.clone(),
        canonical.authors.clone(),
        canonical.agencies.clone(),
        canonical.sources.clone(),
        canonical.language.clone().into_iter().collect(),
        day(canonical.from),
        day(canonical.until),
    ];
    NAMES.into_iter().zip(lists).flat_map(|(name, list)| list.into_iter().map(move |value| (name, value))).collect()
}

/// Takes parameters one by one and notes every fault.
struct Reader<'p> {
    pairs: &'p [(&'static str, String)],
    faults: Vec<QueryFault>,
}

impl Reader<'_> {
    fn values(&mut self, name: &'static str) -> Vec<String> {
        let mut values = Vec::new();
        for (_, value) in self.pairs.iter().filter(|(known, _)| *known == name) {
            if value.chars().count() > MAX_CHARS {
                self.faults.push(QueryFault::Entry(start(value)));
            } else if value.contains('\u{FFFD}') || !value.chars().any(char::is_alphanumeric) {
                self.faults.push(QueryFault::Unreadable(start(value)));
            } else {
                values.push(value.trim().to_owned());
            }
        }
        values
    }

    fn bounded(&mut self, name: &'static str, mut values: Vec<String>) -> Vec<String> {
        if values.len() > MAX_VALUES {
            self.faults.push(QueryFault::Values(name));
            values.truncate(MAX_VALUES);
        }
        values
    }

    fn texts(&mut self, name: &'static str) -> Vec<String> {
        let values = self.values(name);
        self.bounded(name, values)
    }

    /// Names of categories, several with commas between them; who types a title means the category of that name.
    fn slugs(&mut self, name: &'static str) -> Vec<String> {
        let values = self.values(name);
        let mut slugs = Vec::new();
        for value in values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty()) {
            let small = value.to_lowercase();
            match Some(small).filter(|small| is_slug(small)).or_else(|| try_slug(value)) {
                Some(slug) => slugs.push(slug),
                None => self.faults.push(QueryFault::Category(start(value))),
            }
        }
        self.bounded(name, slugs)
    }

    fn one(&mut self, name: &'static str) -> Option<String> {
        // Of several, the last: a form that was filled in twice.
        self.values(name).pop()
    }

    fn language(&mut self) -> Option<String> {
        let tag = self.one("language")?.replace('_', "-");
        if !is_language(&tag) {
            self.faults.push(QueryFault::Language(start(&tag)));
            return None;
        }
        Some(tag)
    }

    fn day(&mut self, name: &'static str) -> Option<Day> {
        let text = self.one(name)?;
        let day = text.parse().ok();
        if day.is_none() {
            self.faults.push(QueryFault::Day(start(&text)));
        }
        day
    }
}

fn start(text: &str) -> String {
    let cut: String = text.chars().take(30).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> String {
        write(&parse(raw).unwrap_or_else(|faults| panic!("{raw}: {faults:?}")).selection)
    }

    #[test]
    fn one_selection_has_one_query() {
        let wanted =
            "q=x+%22%C4%91%E1%BA%A1i+h%E1%BB%99i%22&category=a&category=b&not_category=c&tag=t&from=2026-01-01";
        for raw in [
            wanted,
            "tag=T&q=x+%E2%80%9C%C4%90%E1%BA%A1i%20h%E1%BB%99i%E2%80%9D&from=2026-01-01&category=b,a&not_category=C",
            "utm_source=x&_=17&q=x&q=%22%C4%91a%CC%A3i%20h%C3%B4%CC%A3i%22&category=A&category=b&category=a&not_category=c&tag=t&from=2026-01-01&until=",
        ] {
            assert_eq!(canonical(raw), wanted);
        }
        assert_eq!(canonical("category=C%C3%B4ng%20t%C3%A1c%20t%E1%BB%95%20ch%E1%BB%A9c"), "category=cong-tac-to-chuc");
        assert_eq!(canonical("lang=en&page=2"), "");
    }

    #[test]
    fn only_the_order_of_parameters_and_spelling_make_an_address_not_canonical() {
        for same in ["q=a+b", "q=b+a", "q=a%20b", "x=1&q=a+b&_=5", "q=%61+b&tag="] {
            assert!(parse(same).expect("right").canonical, "{same}");
        }
        for other in ["q=-b+a", "q=a+a", "q=A+b", "tag=x&q=a", "category=b,a", "q=a&q=b", "q=a++b"] {
            assert!(!parse(other).expect("right").canonical, "{other}");
        }
    }

    #[test]
    fn everything_wrong_with_a_query_is_told_in_the_language_of_the_reader() {
        let faults = parse("category=%E2%80%A6&from=1/2/2026&language=ti%E1%BA%BFng&tag=%FF").expect_err("faulty");
        assert_eq!(faults.len(), 4, "{faults:?}");
        for fault in &faults {
            assert!(crate::text::fold::has_marks(&fault.say("vi")), "{fault:?}");
            assert!(!fault.say("en").contains("query."), "{fault:?}");
        }
        assert_eq!(parse("from=2026-02-01&until=2026-01-01"), Err(vec![QueryFault::Reversed]));
        assert_eq!(parse(&format!("q={}", "a ".repeat(17))), Err(vec![QueryFault::Terms]));
        assert_eq!(parse(&format!("q={}", "a".repeat(2_000))), Err(vec![QueryFault::Long]));
        assert_eq!(parse(&"tag=x&".repeat(21)), Err(vec![QueryFault::Values("tag")]));
        assert!(matches!(parse(&format!("author={}", "a".repeat(101))).expect_err("long")[0], QueryFault::Entry(_)));
    }

    proptest! {
        #[test]
        fn a_canonical_query_reads_back_as_itself(raw in "(q|tag|category|author|until|x)=[a-zA-Zđảý0-9,+%\" -]{0,12}(&(q|tag|agency|not_category)=[a-zA-Zđảý,+\" -]{0,12}){0,3}") {
            if let Ok(asked) = parse(&raw) {
                let query = write(&asked.selection);
                let again = parse(&query).expect("what is written can be read");
                prop_assert!(again.canonical);
                prop_assert_eq!(again.selection, asked.selection);
            }
        }
    }
}
