//! Selections: which articles a feed, a mail or a webhook is about. One object for every channel; nothing may match in
//! the feed and not in the mail. Never a query in some database's words: an article in hand is enough to decide.

pub mod day;
pub mod groups;
pub mod keyword;
mod matcher;
pub mod query;
pub mod score;
pub mod title;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::day::Day;
use self::groups::{Group, Scale};
use self::keyword::{Keywords, spelled};
use crate::clock::Timestamp;
use crate::domain::article::Article;
use crate::text::phrase::{MAX_GAPS, Phrases, Text, gaps};
use crate::text::slug::is_slug;
use crate::text::xml::XmlText;

/// The most entries that one list of a selection may have.
pub const MAX_ENTRIES: usize = 400;
/// The longest entry, in characters.
pub const MAX_CHARS: usize = 100;

/// Criteria over articles. An article matches if it lies in one of the categories **or** carries one of the phrases, and
/// passes every other criterion that is set: all keywords, one of the tags, one of the authors, and so on. An empty
/// selection matches every article.
///
/// A phrase counts by where it stands: in the title or the title of a category of the article, or in the lede, one is
/// enough; the body alone must have at least three. A phrase of several parts (` + `) counts where title and lede together
/// have them all. What a phrase matches is told in [`crate::text::phrase`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Names of sources; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Slugs of categories; descendants are included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Slugs of categories whose own articles are meant, without those of descendants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories_alone: Vec<String>,
    /// Slugs of categories that are left out, with descendants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_categories: Vec<String>,
    /// Phrases in Vietnamese, with their marks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<String>,
    /// Words that are too common for a lede and say enough in a title: they count there alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub title_phrases: Vec<String>,
    /// Phrases that are masked before `phrases` are looked for: a sports congress is no party congress.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_phrases: Vec<String>,
    /// Phrases that say that an article is about something else: with one of these in its title or lede, only `phrases`
    /// (not `title_phrases`) that stand in its title or in the title of a category count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// Phrases that are counted together, by name; see [`groups`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// Words and phrases that must all stand in the article, anywhere; see [`keyword`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Words and phrases of which none may stand in the article.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_keywords: Vec<String>,
    /// Tags, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Authors, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// Agencies whose tag opens the lede, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agencies: Vec<String>,
    /// BCP 47 language; `vi` takes `vi-VN` too (RFC 4647 §3.3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The first day of publication that counts, on the clock of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day of publication that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

/// Where a keyword stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The keyword as the selection has it.
    pub keyword: String,
    /// The weightiest place (`title`, `category`, `tag`, `lede`, `body`).
    pub place: String,
}

/// Why an article matched, in words that can be shown: stored with the match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The selection has no category and no phrase: everything that passes its other criteria matches.
    Everything,
    /// It lies in this category of the selection (slug) or below.
    Category(String),
    /// It carries this phrase, in this place (`title`, `category`, `lede`, `body`).
    Phrase {
        /// The phrase as the selection has it.
        phrase: String,
        /// Where it stood.
        place: String,
    },
    /// All the keywords stand in it.
    Keywords(Vec<Found>),
}

/// As the end of a sentence for operators, in English.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("the feed takes every article"),
            Self::Category(slug) => write!(f, "it lies in the category {slug}"),
            Self::Phrase { phrase, place } => write!(f, "\"{phrase}\" stands in its {place}"),
            Self::Keywords(found) => {
                for (nth, Found { keyword, place }) in found.iter().enumerate() {
                    let and = if nth == 0 { "" } else { " and " };
                    write!(f, "{and}\"{keyword}\" stands in its {place}")?;
                }
                Ok(())
            }
        }
    }
}

/// A selection made ready to be tried on many articles.
#[derive(Clone, Debug)]
pub struct Matcher {
    selection: Selection,
    phrases: Phrases,
    title_phrases: Phrases,
    unless: Phrases,
    scale: Scale,
    keywords: Keywords,
    /// From when, and until before when, an article was published.
    span: (Option<Timestamp>, Option<Timestamp>),
}

/// An article made ready to be tried by many matchers: its words are split once, those of its body only if some matcher
/// gets that far.
#[derive(Debug)]
pub struct Reading<'a> {
    article: &'a Article,
    title: Text,
    categories: Vec<Text>,
    lede: Text,
    body: std::sync::OnceLock<Text>,
}

impl Selection {
    /// Prepares the selection (normalising its phrases once). For what a person typed: a phrase without any mark finds
    /// words with marks too.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self, Phrases::typed)
    }

    /// The same for a topic that an editor wrote, whose phrases are never folded.
    #[must_use]
    pub fn topic_matcher(&self) -> Matcher {
        Matcher::new(self, Phrases::exact)
    }

    fn has_phrases(&self) -> bool {
        !self.phrases.is_empty() || !self.title_phrases.is_empty() || !self.groups.is_empty()
    }

    /// Whether nothing is asked for, so that every article matches.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it, one sentence each; empty when nothing is. Checked where a selection comes in: feed files,
    /// search addresses, the API.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let lists = [
            ("sources", &self.sources),
            ("categories", &self.categories),
            ("categories_alone", &self.categories_alone),
            ("not_categories", &self.not_categories),
            ("phrases", &self.phrases),
            ("title_phrases", &self.title_phrases),
            ("not_phrases", &self.not_phrases),
            ("unless", &self.unless),
            ("keywords", &self.keywords),
            ("not_keywords", &self.not_keywords),
            ("tags", &self.tags),
            ("authors", &self.authors),
            ("agencies", &self.agencies),
        ];
        for (name, list) in lists {
            if list.len() > MAX_ENTRIES {
                faults.push(format!("`{name}` has {} entries; at most {MAX_ENTRIES} are allowed", list.len()));
            }
            // One sentence a list is enough to act upon, however many entries share the fault.
            if let Some(long) = list.iter().find(|entry| entry.chars().count() > MAX_CHARS) {
                let start: String = long.chars().take(30).collect();
                faults.push(format!("`{name}` has an entry of over {MAX_CHARS} characters (\"{start}…\"): shorten it"));
            }
            if list.iter().any(|entry| !entry.chars().any(char::is_alphanumeric)) {
                faults.push(format!("`{name}` has an entry without a letter or digit: remove it or write its words"));
            }
        }
        let gapped = [
            ("phrases", &self.phrases),
            ("title_phrases", &self.title_phrases),
            ("not_phrases", &self.not_phrases),
            ("unless", &self.unless),
            ("keywords", &self.keywords),
            ("not_keywords", &self.not_keywords),
        ];
        for (name, list) in gapped {
            if let Some(phrase) = list.iter().find(|phrase| gaps(phrase) > MAX_GAPS) {
                let start: String = phrase.chars().take(30).collect();
                faults.push(format!(
                    "`{name}` has \"{start}…\" with more than {MAX_GAPS} gaps (…): write fewer, or two phrases"
                ));
            }
        }
        let slugs = [
            ("categories", &self.categories),
            ("categories_alone", &self.categories_alone),
            ("not_categories", &self.not_categories),
        ];
        let bad = slugs.iter().flat_map(|(name, list)| list.iter().map(move |slug| (name, slug)));
        for (name, slug) in bad.filter(|(_, slug)| !is_slug(slug)).take(3) {
            let start: String = slug.chars().take(30).collect();
            faults.push(format!("`{name}` has \"{start}\", which is no slug: use the name in the category's address, of a-z, 0-9 and hyphens"));
        }
        if let Some(language) = self.language.as_deref().filter(|language| !is_language(language)) {
            let start: String = language.chars().take(30).collect();
            faults
                .push(format!("`language` is \"{start}\", which is no BCP 47 tag: write for example \"vi\" or \"en\""));
        }
        for (name, list) in [("title_phrases", &self.title_phrases), ("not_phrases", &self.not_phrases)] {
            if let Some(joint) = list.iter().find(|phrase| phrase.contains(" + ")) {
                let start: String = joint.chars().take(30).collect();
                faults.push(format!(
                    "`{name}` has \"{start}\", but a + is known in `phrases` and `unless` alone: move it there"
                ));
            }
        }
        for (name, list) in [("not_phrases", &self.not_phrases), ("unless", &self.unless)] {
            if !self.has_phrases() && !list.is_empty() {
                faults.push(format!("`{name}` without `phrases` or `groups` does nothing: add some or remove it"));
            }
        }
        faults.extend(groups::faults(&self.groups));
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until < from
        {
            faults.push(format!("`until` is {until}, before `from`, which is {from}: change one of them"));
        }
        faults
    }

    /// The one form of all selections that ask for the same: entries sorted, twins and empty ones gone; words in the one
    /// spelling of [`spelled`], slugs and language in lower case, agencies in capitals. Keywords alone stay in the order in
    /// which they were typed: they are what the selection is called by. [`Selection::key`] does not look at it.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let list = |entries: &[String]| {
            let mut entries: Vec<String> = entries.iter().map(|entry| tidy(entry)).filter(|e| !e.is_empty()).collect();
            entries.sort_unstable();
            entries.dedup();
            entries
        };
        let each = |entries: &[String], form: fn(&str) -> String| {
            list(&entries.iter().map(|entry| form(entry)).collect::<Vec<_>>())
        };
        let typed = |entries: &[String]| {
            let mut seen = BTreeSet::new();
            let entries = entries.iter().map(|entry| tidy(&spelled(entry))).filter(|entry| !entry.is_empty());
            entries.filter(|entry| seen.insert(entry.clone())).collect::<Vec<_>>()
        };
        let categories = each(&self.categories, str::to_lowercase);
        let mut categories_alone = each(&self.categories_alone, str::to_lowercase);
        categories_alone.retain(|slug| !categories.contains(slug));
        Self {
            sources: list(&self.sources),
            categories,
            categories_alone,
            not_categories: each(&self.not_categories, str::to_lowercase),
            phrases: each(&self.phrases, spelled),
            // Without phrases there is nothing to mask.
            title_phrases: each(&self.title_phrases, spelled),
            not_phrases: if self.has_phrases() { each(&self.not_phrases, spelled) } else { Vec::new() },
            unless: if self.has_phrases() { each(&self.unless, spelled) } else { Vec::new() },
            groups: self
                .groups
                .iter()
                .map(|(name, group)| (name.clone(), Group { phrases: each(&group.phrases, spelled), ..group.clone() }))
                .collect(),
            keywords: typed(&self.keywords),
            not_keywords: typed(&self.not_keywords),
            tags: each(&self.tags, spelled),
            authors: each(&self.authors, spelled),
            agencies: each(&self.agencies, str::to_uppercase),
            language: self.language.as_deref().map(|l| tidy(l).to_ascii_lowercase()).filter(|l| !l.is_empty()),
            from: self.from,
            until: self.until,
        }
    }

    /// The name under which the selection is a feed: `s-` and 20 hexadecimal digits of [`Selection::key`]. Its entry in
    /// feed ids, so it is the same whether or not anybody follows it.
    #[must_use]
    pub fn slug(&self) -> String {
        format!("s-{}", &self.key()[..20])
    }

    /// The same text for all selections that ask for the same: SHA-256 of their canonical form's JSON, keywords sorted, in
    /// hex (64 characters).
    ///
    /// # Panics
    /// Never: lists of text always have a JSON.
    #[must_use]
    pub fn key(&self) -> String {
        use std::fmt::Write;
        let mut canonical = self.canonical();
        canonical.keywords.sort_unstable();
        canonical.not_keywords.sort_unstable();
        let json = serde_json::to_vec(&canonical).expect("a selection is lists of text");
        Sha256::digest(json).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

fn tidy(entry: &str) -> String {
    XmlText::new(entry).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Enough of BCP 47 (RFC 5646 §2.1) to tell a tag from a slip: subtags of 1 to 8 letters and digits, the first of letters.
fn is_language(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let first = subtags.next().unwrap_or_default();
    (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && tag.len() <= 35
        && subtags.all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&e| e.to_owned()).collect()
    }

    #[test]
    fn a_selection_reads_the_same_from_toml_and_json() {
        let toml: Selection =
            toml::from_str("categories = [\"tin\"]\nphrases = [\"đại hội đảng\"]\nlanguage = \"vi\"").expect("valid");
        let json: Selection =
            serde_json::from_str(r#"{"categories":["tin"],"phrases":["đại hội đảng"],"language":"vi"}"#)
                .expect("valid");
        assert_eq!(toml, json);
        assert_eq!(toml::from_str::<Selection>(&toml::to_string(&toml).expect("writes")).expect("reads"), toml);
        assert!(toml::from_str::<Selection>("phrase = [\"x\"]").is_err());
        assert!(serde_json::from_str::<Selection>(r#"{"regex":"x"}"#).is_err());
    }

    #[test]
    fn selections_that_ask_for_the_same_have_one_key() {
        let a =
            Selection { phrases: list(&["Đảng  ủy", "b"]), categories: list(&["Tin"]), ..Selection::default() };
        let b = Selection {
            phrases: list(&["b", " Đa\u{309}ng u\u{309}y ", "b", ""]),
            categories: list(&["tin"]),
            ..Selection::default()
        };
        assert_eq!(a.key(), b.key());
        assert_eq!(a.canonical(), b.canonical().canonical());
        assert_eq!(a.key().len(), 64);
        assert_ne!(a.key(), Selection::default().key());
        let spelling = |word: &str| Selection { keywords: list(&[word]), ..Selection::default() }.key();
        assert_eq!(spelling("Hoà bình"), spelling("hòa  BÌNH"));
        assert_eq!(spelling("quản lý"), spelling("quản lí"));
        assert_ne!(spelling("đảng viên"), spelling("dang vien"));
        let own = Selection { categories: list(&["tin"]), categories_alone: list(&["tin"]), ..Selection::default() };
        assert_eq!(own.key(), Selection { categories: list(&["tin"]), ..Selection::default() }.key());
        assert_eq!(own.slug().len(), 22);
        // All must stand in the article: their order is only what it is called by.
        let words = |words: &[&str]| Selection { keywords: list(words), ..Selection::default() };
        assert_eq!(words(&["đại", "hội"]).key(), words(&["hội", "Đại", "hội"]).key());
        assert_eq!(words(&["Hội", "đại", "hội"]).canonical().keywords, ["hội", "đại"]);
        // The same word in another list is another question.
        let tag = Selection { tags: list(&["b"]), ..Selection::default() };
        let author = Selection { authors: list(&["b"]), ..Selection::default() };
        assert_ne!(tag.key(), author.key());
    }

    #[test]
    fn what_is_wrong_with_a_selection_is_told_at_once() {
        assert!(Selection::default().faults().is_empty());
        let bad = Selection {
            phrases: vec!["a".repeat(101), " … ".to_owned()],
            tags: vec!["x".to_owned(); 401],
            categories: list(&["Công tác"]),
            language: Some("tiếng Việt".to_owned()),
            ..Selection::default()
        };
        let faults = bad.faults();
        assert_eq!(faults.len(), 5, "{faults:#?}");
        let gapped = Selection { phrases: list(&["a … b", "a … b … c"]), ..Selection::default() };
        assert_eq!(gapped.faults().len(), 1, "{:#?}", gapped.faults());
        let alone = Selection { not_phrases: list(&["a"]), ..Selection::default() };
        assert_eq!(alone.faults().len(), 1);
        for tag in ["vi", "vi-VN", "en-GB", "zh-Hant-TW"] {
            assert!(Selection { language: Some(tag.to_owned()), ..Selection::default() }.faults().is_empty(), "{tag}");
        }
    }

    #[test]
    fn only_the_selection_that_asks_for_nothing_is_everything() {
        assert!(Selection::default().is_everything());
        assert!(!Selection { sources: list(&["a"]), ..Selection::default() }.is_everything());
        assert!(!Selection { language: Some("vi".to_owned()), ..Selection::default() }.is_everything());
    }
}
