//! The newest articles, each as the set of its words: enough to rule out nearly all that do not match a search, in a few
//! kilobytes an article. Decides nothing by itself; what it lets through is tried by the matcher.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::WINDOW;
use crate::clock::Timestamp;
use crate::domain::article::{Article, StoredArticle};
use crate::domain::selection::keyword::is_exact;
use crate::domain::selection::title::Names;
use crate::domain::selection::{Matcher, Selection};
use crate::store::engine::{Result, Store};
use crate::text::fold::{fold, normal};
use crate::text::html::plain;

/// Articles read at a time.
const PAGE: usize = 250;

/// An article without its text.
pub(super) struct Row {
    id: i64,
    revision: i64,
    first_seen: Timestamp,
    light: Article,
    words: Box<[u32]>,
}

/// The newest articles at one version of the content.
pub(super) struct Window {
    pub(super) version: i64,
    /// When the oldest of them was first seen.
    pub(super) oldest: Option<Timestamp>,
    pub(super) names: Arc<Names>,
    /// The newest first.
    rows: Vec<Arc<Row>>,
}

impl Window {
    /// Reads the window, as far as it is not that of before.
    pub(super) async fn read(store: &Store, before: Option<&Self>, version: i64) -> Result<Self> {
        let newest = store.newest(i64::try_from(WINDOW).unwrap_or(i64::MAX)).await?;
        let mut known: HashMap<i64, Arc<Row>> =
            before.into_iter().flat_map(|window| &window.rows).map(|row| (row.id, Arc::clone(row))).collect();
        let fresh = |known: &HashMap<i64, Arc<Row>>, (id, revision): (i64, i64)| {
            known.get(&id).is_some_and(|row| row.revision == revision)
        };
        let missing: Vec<i64> = newest.iter().filter(|row| !fresh(&known, **row)).map(|(id, _)| *id).collect();
        for page in missing.chunks(PAGE) {
            let articles = store.articles_by_id(page).await?;
            // Splitting words is pure computing: not on a thread that answers requests.
            let rows = tokio::task::spawn_blocking(move || articles.into_iter().map(Row::of).collect::<Vec<_>>()).await;
            // A row that could not be made is missing from searches until the next version.
            known.extend(rows.unwrap_or_default().into_iter().map(|row| (row.id, Arc::new(row))));
        }
        let rows: Vec<Arc<Row>> = newest.iter().filter_map(|(id, _)| known.remove(id)).collect();
        let mut names = Names::default();
        for row in &rows {
            names.learn(&row.light);
        }
        Ok(Self { version, oldest: rows.last().map(|row| row.first_seen), names: Arc::new(names), rows })
    }

    /// Row ids of the articles that may match, the newest first.
    pub(super) fn candidates<'a>(&'a self, matcher: &'a Matcher, sieve: &'a Sieve) -> impl Iterator<Item = i64> + 'a {
        let may = |row: &&Arc<Row>| sieve.lets(&row.words) && matcher.may_match(&row.light);
        self.rows.iter().filter(may).map(|row| row.id)
    }
}

impl Row {
    fn of(stored: StoredArticle) -> Self {
        let words = words_of(&stored.article);
        let mut light = stored.article;
        light.content_html = "".into();
        light.summary = "".into();
        light.image = None;
        Self { id: stored.id, revision: stored.revision, first_seen: stored.first_seen, light, words }
    }
}

/// The words that an article must have to match a selection's keywords.
#[derive(Debug, Default)]
pub(super) struct Sieve(Vec<u32>);

impl Sieve {
    pub(super) fn of(selection: &Selection) -> Self {
        let exact = is_exact(&selection.keywords, &selection.not_keywords);
        let mut wanted = Vec::new();
        for keyword in &selection.keywords {
            each_word(keyword, |word| wanted.push(if exact { hashed(word, false) } else { hashed(&fold(word), true) }));
        }
        Self(wanted)
    }

    pub(super) fn lets(&self, words: &[u32]) -> bool {
        self.0.iter().all(|word| words.binary_search(word).is_ok())
    }
}

/// The words of an article as they are and folded, hashed and sorted.
pub(super) fn words_of(article: &Article) -> Box<[u32]> {
    let mut words = Vec::new();
    let mut take = |text: &str| {
        each_word(text, |word| {
            words.push(hashed(word, false));
            words.push(hashed(&fold(word), true));
        });
    };
    take(&article.title);
    article.categories.iter().for_each(|category| take(&category.title));
    article.tags.iter().for_each(|tag| take(tag));
    take(&article.summary);
    take(&plain(&article.content_html));
    words.sort_unstable();
    words.dedup();
    words.into()
}

/// The words of a text, split as phrases are.
fn each_word(text: &str, mut word: impl FnMut(&str)) {
    let is_word = |c: char| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    normal(text).split(|c| !is_word(c)).filter(|piece| !piece.is_empty()).for_each(&mut word);
}

/// Two words with one hash let a few articles through that do not match; the matcher refuses them.
fn hashed(word: &str, folded: bool) -> u32 {
    let mut hasher = DefaultHasher::new();
    (word, folded).hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
