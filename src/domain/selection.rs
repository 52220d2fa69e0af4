//! Selections: which articles a feed, a mail or a webhook is about. One object for every channel; nothing may match in
//! the feed and not in the mail.

use serde::{Deserialize, Serialize};

use crate::domain::article::Article;

/// Criteria over articles. An article matches if it lies in one of the categories (or below) **or** carries one of the
/// phrases, and passes every other criterion that is set. An empty selection matches every article.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Names of sources; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Slugs of categories; descendants are included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Phrases in Vietnamese, with their marks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<String>,
    /// Phrases that are masked before `phrases` are looked for: a sports congress is no party congress.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_phrases: Vec<String>,
    /// Tags, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Authors, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// BCP 47 language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Why an article matched, in words that can be shown: stored with the match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The selection has no category and no phrase: everything that passes its other criteria matches.
    Everything,
    /// It lies in this category (slug) or below.
    Category(String),
    /// It carries this phrase, in this place (`title`, `category`, `lede`, `body`).
    Phrase {
        /// The phrase as the selection has it.
        phrase: String,
        /// Where it stood.
        place: String,
    },
}

/// A selection made ready to be tried on many articles.
#[derive(Clone, Debug)]
pub struct Matcher {
    selection: Selection,
}

impl Selection {
    /// What is wrong with the selection, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    /// Prepares the selection (folding its phrases once).
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        Matcher { selection: self.clone() }
    }
}

impl Matcher {
    /// Whether and why the article matches.
    #[must_use]
    pub fn matches(&self, article: &Article) -> Option<Reason> {
        let category = article
            .categories
            .iter()
            .find(|c| self.selection.categories.iter().any(|s| *s == c.slug || c.ancestors.contains(s)));
        category.map(|c| Reason::Category(c.slug.clone()))
    }
}
