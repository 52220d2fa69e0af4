//! Searches: any selection as a feed, found among the newest articles and rendered once for each version of the content.
//! Never reads the whole store: a window of the newest articles is kept in memory as sets of words, and only articles
//! that can match are read. What matches is decided by the one matcher of every feed.

mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::window::{Sieve, Window};
use super::publish::published::index;
use super::publish::ready::Ready;
use super::shelf::Shelf;
use crate::clock::{Clock, Timestamp};
use crate::domain::article::StoredArticle;
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::selection::title::{Names, title};
use crate::domain::selection::{Reason, Selection, query};
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::feed::document::{Document, Format, RenderError, proof};
use crate::feed::edition::{Edition, render as render_one};
use crate::feed::item::Item;
use crate::store::engine::{Store, StoreError};
use crate::store::feed::Membership;

/// How many of the newest public articles a search looks at.
pub const WINDOW: usize = 5_000;

/// How many articles one search reads from the store at most, after the words of the others ruled them out.
const MOST_READ: usize = 1_000;

/// Articles read at a time.
const CHUNK: usize = 50;

/// Searches that are kept.
const MOST_KEPT: usize = 256;

/// Bytes of the documents of all searches that are kept.
const MOST_BYTES: usize = 64 << 20;

/// Findings before the last that deltas are made from.
const MOST_PAST: usize = 4;

/// How long the content is taken for unchanged without asking the database.
const FRESH: Duration = Duration::from_secs(1);

/// The window over which "about N articles a week" is counted.
const RHYTHM: Duration = Duration::from_hours(28 * 24);

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No document could be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The process is going down.
    #[error("the search was broken off")]
    Broken,
}

/// What a selection finds, ready to be sent.
#[derive(Debug)]
pub struct Results {
    /// The selection as a feed; its row id is 0.
    pub feed: Feed,
    /// The canonical query, without `?`.
    pub query: String,
    documents: [Ready; 3],
    /// What readers may have of it, the last first.
    past: Vec<Past>,
    left_out: Vec<i64>,
    /// When a reader would last have seen it change: `Last-Modified`.
    pub changed: Timestamp,
    /// What it shows, the newest first, and why.
    pub articles: Vec<(StoredArticle, Reason)>,
    /// About how many articles a week it brings.
    pub weekly: i64,
    /// Seconds for which a reader need not ask again.
    pub max_age: u64,
}

impl Results {
    /// The document in one format.
    #[must_use]
    pub fn document(&self, format: Format) -> &Ready {
        &self.documents[index(format)]
    }

    /// Entity tags in one format of what it found before, the last first.
    pub fn past(&self, format: Format) -> impl Iterator<Item = &str> {
        self.past.iter().map(move |past| past.etags[index(format)].as_str())
    }

    /// The same with what was found before it.
    fn after(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        if self.etags() == before.etags() {
            self.past.clone_from(&before.past);
        } else {
            let last = Past { etags: before.etags(), items: before.items() };
            self.past = std::iter::once(last).chain(before.past.iter().cloned()).take(MOST_PAST).collect();
        }
        self
    }

    fn etags(&self) -> [String; 3] {
        self.documents.each_ref().map(|ready| ready.etag.clone())
    }

    fn items(&self) -> Vec<(i64, i64)> {
        let items = self.articles.iter().map(|(article, _)| (article.id, article.revision));
        items.filter(|(id, _)| !self.left_out.contains(id)).collect()
    }
}

/// What a search found before.
#[derive(Clone, Debug)]
struct Past {
    etags: [String; 3],
    /// Articles and their revisions.
    items: Vec<(i64, i64)>,
}

/// The address of a selection below the site, with or without an ending: `feeds/search.rss?q=…`.
#[must_use]
pub fn path(query: &str, ending: Option<Format>) -> String {
    let dot = ending.map(|format| format!(".{}", format.extension())).unwrap_or_default();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("feeds/search{dot}{mark}{query}")
}

/// The searches of a process.
pub struct Search {
    store: Store,
    clock: Clock,
    site: Site,
    items: usize,
    /// The version of the content, and when it was asked for.
    seen: Mutex<Option<(i64, Timestamp)>>,
    window: tokio::sync::Mutex<Option<Arc<Window>>>,
    shelf: Shelf<Results>,
}

impl Search {
    /// Searches that show so many articles each. Reads nothing until somebody searches.
    #[must_use]
    pub fn new(store: Store, clock: Clock, site: Site, items: usize) -> Self {
        Self {
            store,
            clock,
            site,
            items,
            seen: Mutex::default(),
            window: tokio::sync::Mutex::default(),
            shelf: Shelf::new(MOST_KEPT, MOST_BYTES),
        }
    }

    /// Whether this selection was asked for lately: then it costs little.
    #[must_use]
    pub fn is_known(&self, selection: &Selection) -> bool {
        self.shelf.has(&query::write(selection))
    }

    /// The names that people know categories, tags and authors by.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn names(&self) -> Result<Arc<Names>, SearchError> {
        Ok(Arc::clone(&self.window(self.version().await?).await?.names))
    }

    /// What a selection finds among the newest articles.
    ///
    /// # Errors
    /// When the database fails, or no document can be made.
    pub async fn find(&self, selection: &Selection) -> Result<Arc<Results>, SearchError> {
        let version = self.version().await?;
        let query = query::write(selection);
        let before = self.shelf.last(&query);
        self.shelf
            .get(&query, version, async {
                let results = self.make(selection.canonical(), query.clone(), version).await?.after(before.as_deref());
                let bytes = results.documents.iter().map(Ready::weight).sum::<usize>();
                let shown = results.articles.iter().map(|(a, _)| a.article.content_html.len() + 1_000).sum::<usize>();
                Ok((results, bytes + shown))
            })
            .await
    }

    /// What is new since what stands at `past` in [`Results::past`] (RFC 3229); nothing where the whole is the better
    /// answer.
    pub async fn delta(&self, results: &Arc<Results>, format: Format, past: usize) -> Option<Ready> {
        let known: HashMap<i64, i64> = results.past.get(past)?.items.iter().copied().collect();
        let (site, results) = (self.site.clone(), Arc::clone(results));
        let made = tokio::task::spawn_blocking(move || {
            let new = |item: &Item| known.get(&item.article) != Some(&item.revision);
            let mut document = draft(&site, &results.feed, &results.query, &results.articles);
            document.items.retain(|item| new(item) && !results.left_out.contains(&item.article));
            let (part, whole) = (render_one(&document, format).ok()?, results.document(format));
            // Not worth the trouble of caches that do not know deltas.
            let small = part.len() * 4 < whole.identity.len() * 3;
            (small && proof(format, &part).is_ok())
                .then(|| Ready::tagged(format.content_type(), whole.etag.clone(), part))
        });
        made.await.ok().flatten()
    }

    /// What a new feed of a selection holds already, among the newest articles.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members(&self, selection: &Selection) -> Result<Vec<Membership>, SearchError> {
        // Asked anew: what was published a moment ago must not be told as news later.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let window = self.window(self.version().await?).await?;
        let found = self.matching(&window, selection, usize::MAX, usize::MAX).await?;
        Ok(found
            .into_iter()
            .map(|(a, reason)| Membership { article_id: a.id, first_seen: a.first_seen, reason })
            .collect())
    }

    async fn version(&self) -> Result<i64, StoreError> {
        let now = self.clock.now();
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, at)) = seen
            && at.plus(FRESH) > now
        {
            return Ok(version);
        }
        let version = self.store.content_version().await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, now));
        Ok(version)
    }

    /// The window of a version or a newer one. One task brings it up to date, the others wait for it.
    async fn window(&self, version: i64) -> Result<Arc<Window>, SearchError> {
        let mut kept = self.window.lock().await;
        if let Some(window) = kept.as_ref().filter(|window| window.version >= version) {
            return Ok(Arc::clone(window));
        }
        let window = Arc::new(Window::read(&self.store, kept.as_deref(), version).await?);
        *kept = Some(Arc::clone(&window));
        Ok(window)
    }

    async fn make(&self, selection: Selection, query: String, version: i64) -> Result<Results, SearchError> {
        let window = self.window(version).await?;
        let articles = self.matching(&window, &selection, self.items, MOST_READ).await?;
        let weekly = weekly(&articles, self.items, self.clock.now());
        let names = Arc::clone(&window.names);
        // Nothing but content decides the date: the same articles give the same bytes on every replica.
        let moved = articles.iter().map(|(a, _)| a.updated.max(a.first_seen)).max();
        let changed = moved.or(window.oldest).unwrap_or_else(|| self.clock.now());
        let site = self.site.clone();
        let made =
            tokio::task::spawn_blocking(move || render(&site, &selection, query, &names, changed, weekly, articles));
        Ok(made.await.map_err(|_| SearchError::Broken)??)
    }

    /// The newest articles of the window that match, at most `most`, after reading at most `reads`.
    async fn matching(
        &self,
        window: &Window,
        selection: &Selection,
        most: usize,
        reads: usize,
    ) -> Result<Vec<(StoredArticle, Reason)>, SearchError> {
        let matcher = Arc::new(selection.matcher().on_the_clock_of(&self.site.zone));
        let sieve = Sieve::of(selection);
        let candidates = window.candidates(&matcher, &sieve);
        let mut found = Vec::new();
        for chunk in candidates.take(reads).collect::<Vec<_>>().chunks(CHUNK) {
            if found.len() >= most {
                break;
            }
            let articles = self.store.articles_by_id(chunk).await?;
            let matcher = Arc::clone(&matcher);
            let tried = move || -> Vec<(StoredArticle, Reason)> {
                articles.into_iter().filter_map(|a| matcher.matches(&a.article).map(|why| (a, why))).collect()
            };
            found.extend(tokio::task::spawn_blocking(tried).await.map_err(|_| SearchError::Broken)?);
        }
        found.truncate(most);
        Ok(found)
    }
}

/// The feed that a selection is.
#[must_use]
pub fn spec(selection: &Selection, names: &Names) -> FeedSpec {
    let selection = selection.canonical();
    FeedSpec {
        slug: selection.slug(),
        title: title(&selection, Locale::Vi, names).into(),
        description: "".into(),
        title_en: Some(title(&selection, Locale::En, names).into()),
        description_en: None,
        select: selection,
    }
}

fn render(
    site: &Site,
    selection: &Selection,
    query: String,
    names: &Names,
    changed: Timestamp,
    weekly: i64,
    articles: Vec<(StoredArticle, Reason)>,
) -> Result<Results, RenderError> {
    let spec = spec(selection, names);
    let feed = Feed { id: 0, spec, origin: FeedOrigin::Selection, version: changed.millis(), changed, retired: false };
    let document = draft(site, &feed, &query, &articles);
    let max_age = u64::from(document.ttl) * 60;
    let edition = Edition::of(document)?;
    for (id, why) in &edition.left_out {
        tracing::warn!(query, article.id = id, "an article is left out of a search: {why}");
    }
    let documents = Format::ALL.map(|format| Ready::new(format.content_type(), edition.bytes(format).to_vec()));
    let left_out = edition.left_out.iter().map(|(id, _)| *id).collect();
    Ok(Results { feed, query, documents, past: Vec::new(), left_out, changed, articles, weekly, max_age })
}

/// What a search found, before it has a format. It names no hub: nobody is told of searches but those who ask.
fn draft(site: &Site, feed: &Feed, query: &str, articles: &[(StoredArticle, Reason)]) -> Document {
    let shown: Vec<StoredArticle> = articles.iter().map(|(article, _)| article.clone()).collect();
    let mut document = Document::new(site, feed, &shown);
    document.page = site.link(&path(query, None));
    document
}

/// About how many articles a week: those of four weeks, or, where the newest of them fill the document, their rhythm.
fn weekly(articles: &[(StoredArticle, Reason)], most: usize, now: Timestamp) -> i64 {
    let since = now.minus(RHYTHM);
    let recent = articles.iter().filter(|(a, _)| a.first_seen >= since).count();
    let count = i64::try_from(recent).unwrap_or(i64::MAX);
    let oldest = articles.last().map_or(now, |(a, _)| a.first_seen);
    if recent < most || oldest < since {
        return (count + 2) / 4;
    }
    let hours = i64::try_from(now.since(oldest).as_secs() / 3600).unwrap_or(i64::MAX).max(1);
    count * 168 / hours
}

#[cfg(test)]
mod tests;
