//! Publishing: each version of a feed is rendered and compressed once, off the request path, and kept in memory with
//! everything that a reader's request needs. A version that fails its proof never replaces the last good one.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::domain::article::StoredArticle;
use crate::domain::feed::{Feed, FeedOrigin};
use crate::domain::site::Site;
use crate::feed::document::{Document, Format};
use crate::feed::edition::Edition;
use crate::feed::opml;
use crate::store::engine::{Result, Store};
use crate::text::collate;

/// The window over which "about N articles a week" is counted.
const RHYTHM: Duration = Duration::from_hours(28 * 24);

/// One document, ready to be sent.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Media type with its charset.
    pub content_type: &'static str,
    /// Weak entity tag: one for a version, whatever the coding (RFC 9110 §8.8.1).
    pub etag: String,
    /// The bytes as they are.
    pub identity: Bytes,
    /// The same, compressed by gzip.
    pub gzip: Bytes,
}

/// Everything about one version of a feed.
#[derive(Clone, Debug)]
pub struct Published {
    /// The feed.
    pub feed: Feed,
    /// RSS, Atom and JSON.
    documents: [Ready; 3],
    /// When it last changed: `Last-Modified`.
    pub changed: Timestamp,
    /// Articles that it shows, the newest first; for its page.
    pub articles: Arc<Vec<StoredArticle>>,
    /// About how many articles a week it brings.
    pub weekly: i64,
    /// Seconds for which a reader need not ask again.
    pub max_age: u64,
}

impl Published {
    /// The document in one format.
    #[must_use]
    pub fn document(&self, format: Format) -> &Ready {
        match format {
            Format::Rss => &self.documents[0],
            Format::Atom => &self.documents[1],
            Format::Json => &self.documents[2],
        }
    }
}

/// The feeds as they are served. One for the process; read without waiting.
pub struct Publisher {
    store: Store,
    clock: Clock,
    site: Site,
    items: i64,
    seen: AtomicI64,
    feeds: RwLock<HashMap<String, Arc<Published>>>,
    opml: RwLock<Option<Ready>>,
}

impl Publisher {
    /// A publisher of so many articles a feed.
    #[must_use]
    pub fn new(store: Store, clock: Clock, site: Site, items: usize) -> Self {
        Self {
            store,
            clock,
            site,
            items: i64::try_from(items).unwrap_or(i64::MAX),
            seen: AtomicI64::new(-1),
            feeds: RwLock::default(),
            opml: RwLock::default(),
        }
    }

    /// Articles in a document, at most.
    #[must_use]
    pub fn items(&self) -> usize {
        usize::try_from(self.items).unwrap_or(usize::MAX)
    }

    /// The feed of that name, if it was ever published.
    #[must_use]
    pub fn get(&self, slug: &str) -> Option<Arc<Published>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned()
    }

    /// All feeds that are still declared, by title in the order of the alphabet.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Published>> {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Published>> = feeds.values().filter(|p| !p.feed.retired).cloned().collect();
        all.sort_by_cached_key(|p| (collate::key(&p.feed.spec.title), p.feed.id));
        all
    }

    /// The list of all feeds, as OPML.
    #[must_use]
    pub fn opml(&self) -> Option<Ready> {
        self.opml.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether feeds were read from the store at least once: before that, nothing can be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.seen.load(Ordering::Acquire) >= 0
    }

    /// Renders every feed that moved since the last call. Answers how many.
    ///
    /// # Errors
    /// When the database fails; what was published stays.
    pub async fn refresh(&self) -> Result<usize> {
        let moved = self.store.feeds_since(self.seen.load(Ordering::Acquire)).await?;
        let mut highest = self.seen.load(Ordering::Acquire).max(0);
        let count = moved.len();
        for feed in moved {
            highest = highest.max(feed.version);
            // What one reader put together is found by its search.
            if feed.origin == FeedOrigin::Selection {
                continue;
            }
            let articles = self.store.feed_articles(feed.id, self.items).await?;
            let since = self.clock.now().minus(RHYTHM);
            let weekly = (self.store.feed_count_since(feed.id, since).await? + 2) / 4;
            let (site, slug) = (self.site.clone(), feed.spec.slug.clone());
            // Compression takes milliseconds of pure computing: not on a thread that answers requests.
            match tokio::task::spawn_blocking(move || publish(&site, feed, articles, weekly)).await {
                Ok(Ok(published)) => {
                    let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
                    feeds.insert(slug, Arc::new(published));
                }
                Ok(Err(e)) => {
                    tracing::error!(feed = slug, "this version is not published, the last good one stays: {e}");
                }
                Err(e) => tracing::error!(feed = slug, "rendering failed, the last good version stays: {e}"),
            }
        }
        if count > 0 || self.opml().is_none() {
            self.refresh_opml();
        }
        self.seen.store(highest, Ordering::Release);
        Ok(count)
    }

    fn refresh_opml(&self) {
        let all = self.all();
        let feeds: Vec<Feed> = all.iter().map(|p| p.feed.clone()).collect();
        match opml::render(&self.site, &feeds) {
            Ok(bytes) => {
                let ready = ready(opml::CONTENT_TYPE, bytes);
                *self.opml.write().unwrap_or_else(PoisonError::into_inner) = Some(ready);
            }
            Err(e) => tracing::error!("the list of feeds cannot be made: {e}"),
        }
    }
}

fn publish(
    site: &Site,
    feed: Feed,
    articles: Vec<StoredArticle>,
    weekly: i64,
) -> std::result::Result<Published, crate::feed::document::RenderError> {
    let document = Document::new(site, &feed, &articles);
    let max_age = u64::from(document.ttl) * 60;
    let edition = Edition::of(document)?;
    for (id, why) in &edition.left_out {
        tracing::warn!(feed = feed.spec.slug, article.id = id, "an article is left out of the feed: {why}");
    }
    let documents = [Format::Rss, Format::Atom, Format::Json]
        .map(|format| ready(format.content_type(), edition.bytes(format).to_vec()));
    Ok(Published { changed: feed.changed, feed, documents, articles: Arc::new(articles), weekly, max_age })
}

/// Bytes ready to be sent: with their tag, and compressed.
pub(super) fn ready(content_type: &'static str, bytes: Vec<u8>) -> Ready {
    use std::fmt::Write as _;
    let hash = Sha256::digest(&bytes).iter().take(12).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(6));
    // Writing into memory does not fail; were it to, readers would get the plain bytes.
    let gzip = gzip.write_all(&bytes).and_then(|()| gzip.finish()).unwrap_or_default();
    Ready { content_type, etag: format!("W/\"{hash}\""), identity: bytes.into(), gzip: gzip.into() }
}
