//! Publishing: each version of a feed is rendered, proven and packed once, off the threads that answer, and kept in
//! memory. A version that fails its proof never replaces the last good one, which goes on with the reason beside it.

pub mod archive;
mod delta;
pub mod outlook;
mod pack;
pub mod part;
pub mod published;
pub mod ready;
pub mod shelf;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::archive::Parts;
use self::outlook::Watch;
use self::published::{Published, Trouble, index};
use self::ready::Ready;
use self::shelf::{Key, Shelf};
use crate::clock::{Clock, Timestamp};
use crate::domain::article::StoredArticle;
use crate::domain::feed::{Feed, FeedOrigin};
use crate::domain::site::Site;
use crate::feed::document::{Document, Format, Place, Tombstone};
use crate::feed::edition::Edition;
use crate::feed::opml;
use crate::store::engine::{Result, Store, StoreError};
use crate::text::collate;

/// The window over which "about N articles a week" is counted.
const RHYTHM: Duration = Duration::from_hours(28 * 24);

/// How long a feed tells of what left it.
const MOURNING: Duration = Duration::from_hours(30 * 24);

/// Tombstones at most in a document.
const TOMBSTONES: i64 = 100;

/// Feeds that a retired one names.
const INSTEAD: i64 = 5;

/// Bytes of unpacked and compressed documents that are kept for readers.
const SHELF: usize = 16 << 20;

/// One feed: what is served, and what is to be served.
struct Slot {
    /// Held while a version is made: two never are at once.
    flight: tokio::sync::Mutex<()>,
    state: RwLock<State>,
}

struct State {
    /// The feed as it stands in the store.
    newest: Feed,
    /// The version that was last tried, well or in vain.
    tried: i64,
    /// What is served.
    published: Arc<Published>,
}

impl Slot {
    fn published(&self) -> Arc<Published> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).published)
    }

    /// The feed, if there is a version of it that was not tried.
    fn untried(&self) -> Option<Feed> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.tried < state.newest.version).then(|| state.newest.clone())
    }
}

/// What a document of the newest articles is made of.
struct Material {
    articles: Vec<StoredArticle>,
    deleted: Vec<Tombstone>,
    weekly: i64,
    ended: Option<Timestamp>,
    instead: Vec<Feed>,
}

/// The feeds as they are served. One for the process; read without waiting.
pub struct Publisher {
    /// Whose threads render: one pool for all that ask, or each server thread would make one of its own.
    runtime: Option<Handle>,
    /// Versions that are made at once: no more than there are processors, since each takes several buffers of a megabyte.
    making: Semaphore,
    store: Store,
    clock: Clock,
    site: Site,
    hub: Option<String>,
    items: usize,
    /// Names of the sources that are configured; where none is named, every row of the database counts.
    sources: Vec<String>,
    outlook: Watch,
    seen: AtomicI64,
    feeds: RwLock<HashMap<String, Arc<Slot>>>,
    shelf: Shelf,
    parts: Mutex<Parts>,
    opml: RwLock<Option<Arc<Ready>>>,
}

impl Publisher {
    /// A publisher of so many articles a feed.
    #[must_use]
    pub fn new(store: Store, clock: Clock, site: Site, items: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            runtime: Handle::try_current().ok(),
            making: Semaphore::new(processors),
            store,
            clock,
            site,
            hub: None,
            items,
            sources: Vec::new(),
            outlook: Watch::default(),
            seen: AtomicI64::new(-1),
            feeds: RwLock::default(),
            shelf: Shelf::new(SHELF),
            parts: Mutex::default(),
            opml: RwLock::default(),
        }
    }

    /// Articles in a document, at most.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.items
    }

    /// The same, naming a `WebSub` hub in every document and header.
    #[must_use]
    pub fn with_hub(mut self, url: impl Into<String>) -> Self {
        self.hub = Some(url.into());
        self
    }

    /// The same, over the sources of these names.
    #[must_use]
    pub fn over(mut self, sources: impl IntoIterator<Item = String>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// The feed of that name, if there ever was one. Before it was read it has no documents: see [`Publisher::open`].
    #[must_use]
    pub fn get(&self, slug: &str) -> Option<Arc<Published>> {
        self.slot(slug).map(|slot| slot.published())
    }

    /// The feed of that name with its documents: read now if it was not yet, by one of those who ask.
    ///
    /// # Errors
    /// When the database fails and the feed was never read.
    pub async fn open(&self, slug: &str) -> Result<Option<Arc<Published>>> {
        self.open_for(slug, None).await
    }

    /// The same, for who is going to ask for this document: if the feed is read now, it is made ready in one go.
    ///
    /// # Errors
    /// When the database fails and the feed was never read.
    pub async fn open_for(&self, slug: &str, format: Option<Format>) -> Result<Option<Arc<Published>>> {
        let Some(slot) = self.slot(slug) else { return Ok(None) };
        let published = slot.published();
        if !published.is_read() {
            self.make(&slot, format).await?;
            return Ok(Some(slot.published()));
        }
        Ok(Some(published))
    }

    /// Runs what takes long, off the threads that answer.
    fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.runtime {
            Some(runtime) => runtime.spawn_blocking(work),
            None => tokio::task::spawn_blocking(work),
        }
    }

    /// A document of a feed, if it stands ready.
    #[must_use]
    pub fn at_hand(&self, published: &Published, format: Format) -> Option<Arc<Ready>> {
        self.shelf.get(&Key::Document { feed: published.feed.id, version: published.feed.version, format })
    }

    /// A document of a feed, ready to be sent: from the shelf, or unpacked and compressed by the first who asks.
    pub async fn document(&self, published: &Arc<Published>, format: Format) -> Arc<Ready> {
        if let Some(ready) = self.at_hand(published, format) {
            return ready;
        }
        let key = Key::Document { feed: published.feed.id, version: published.feed.version, format };
        let work = Arc::clone(published);
        // Work that is spawned begins at once, awaited or not: only whoever makes it may spawn it.
        let make = async { self.aside(move || work.ready(format)).await };
        let made = self.shelf.get_or_make(key, make).await;
        made.unwrap_or_else(|e| {
            tracing::error!(feed = published.feed.spec.slug, "a document was not compressed: {e}");
            Arc::new(Ready::tagged(format.content_type(), published.head(format).etag.clone(), published.bytes(format)))
        })
    }

    /// The newest articles of a feed, whole: as many as its documents show.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn articles(&self, published: &Published) -> Result<Vec<StoredArticle>> {
        let limit = i64::try_from(self.items).unwrap_or(i64::MAX);
        self.store.feed_articles(published.feed.id, limit).await
    }

    /// What may be followed in place of a feed that has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn instead(&self, published: &Published) -> Result<Vec<Feed>> {
        self.store.feed_kin(published.feed.id, INSTEAD).await
    }

    /// All feeds that are still declared, by title in the order of the alphabet.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Published>> {
        let mut all: Vec<Arc<Published>> = self.slots().iter().map(|slot| slot.published()).collect();
        all.retain(|published| !published.feed.retired);
        all.sort_by_cached_key(|p| (collate::key(&p.feed.spec.title), p.feed.id));
        all
    }

    /// The feeds that were declared once, by slug.
    #[must_use]
    pub fn retired(&self) -> Vec<Arc<Published>> {
        let mut all: Vec<Arc<Published>> = self.slots().iter().map(|slot| slot.published()).collect();
        all.retain(|published| published.feed.retired && published.feed.origin != FeedOrigin::Selection);
        all.sort_by(|a, b| a.feed.spec.slug.cmp(&b.feed.spec.slug));
        all
    }

    /// The list of all feeds, as OPML.
    #[must_use]
    pub fn opml(&self) -> Option<Arc<Ready>> {
        self.opml.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether feeds were read from the store at least once: before that, nothing can be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.seen.load(Ordering::Acquire) >= 0
    }

    /// Looks which feeds there are and which moved, and makes none of them. Answers how many moved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(&self) -> Result<usize> {
        let seen = self.seen.load(Ordering::Acquire);
        let moved = self.store.feeds_since(seen).await?;
        let highest = moved.iter().map(|feed| feed.version).fold(seen.max(0), i64::max);
        let count = moved.len();
        {
            let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
            // What one reader put together is found by its search.
            for feed in moved.into_iter().filter(|feed| feed.origin != FeedOrigin::Selection) {
                if let Some(slot) = feeds.get(&feed.spec.slug) {
                    slot.state.write().unwrap_or_else(PoisonError::into_inner).newest = feed;
                } else {
                    let published = Arc::new(Published::unread(feed.clone()));
                    let state = State { newest: feed, tried: -1, published };
                    let slug = state.newest.spec.slug.clone();
                    feeds.insert(slug, Arc::new(Slot { flight: tokio::sync::Mutex::default(), state: state.into() }));
                }
            }
        }
        if count > 0 || self.opml().is_none() {
            self.refresh_opml();
        }
        if self.outlook().is_unread() {
            self.look_ahead(true).await?;
        }
        self.seen.store(highest, Ordering::Release);
        Ok(count)
    }

    /// Makes every feed that moved since the last call. Answers how many moved.
    ///
    /// # Errors
    /// When the database fails; what was published stays, and the next call goes on.
    pub async fn refresh(&self) -> Result<usize> {
        let count = self.look().await?;
        let waiting: Vec<Arc<Slot>> = self.slots().into_iter().filter(|slot| slot.untried().is_some()).collect();
        for slot in waiting {
            self.make(&slot, None).await?;
        }
        self.look_ahead(count > 0).await?;
        Ok(count)
    }

    fn slot(&self, slug: &str) -> Option<Arc<Slot>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned()
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes the newest version of a feed, unless somebody just did, and the document ready that somebody waits for.
    async fn make(&self, slot: &Slot, wanted: Option<Format>) -> Result<()> {
        let _alone = slot.flight.lock().await;
        let Some(feed) = slot.untried() else { return Ok(()) };
        // Never closed, so it is never refused.
        let _turn = self.making.acquire().await;
        let before = slot.published();
        let (material, document) = match self.draft(&feed).await {
            Ok(Ok(drafted)) => drafted,
            Ok(Err(why)) => {
                self.keep(slot, feed.version, why);
                return Ok(());
            }
            // The same on every try: this feed's trouble, not the others'.
            Err(corrupt @ StoreError::Corrupt(_)) => {
                self.keep(slot, feed.version, corrupt.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // What readers have on the shelf of the version before is what they will ask of this one.
        let (id, version) = (feed.id, feed.version);
        let keys = |version: i64| Format::ALL.map(|format| Key::Document { feed: id, version, format });
        let warm = keys(before.feed.version).map(|key| self.shelf.get(&key));
        let slug = feed.spec.slug.clone();
        let made = self.aside(move || {
            let Material { articles, weekly, ended, .. } = material;
            let made = Published::of(feed, document, &articles, weekly, ended, Some(&before));
            made.map(|(published, edition)| (shelve(&published, edition, &warm, wanted), published))
        });
        let failed = match made.await {
            Ok(Ok((ready, published))) => {
                for (key, ready) in keys(version).into_iter().zip(ready) {
                    if let Some(ready) = ready {
                        self.shelf.put(key, ready);
                    }
                }
                for finding in &published.findings {
                    tracing::warn!(
                        feed = slug,
                        article.id = finding.article,
                        "an article of the feed: {}",
                        finding.what
                    );
                }
                let mut state = slot.state.write().unwrap_or_else(PoisonError::into_inner);
                state.tried = version;
                state.published = Arc::new(published);
                drop(state);
                self.shelf.remove(|key| {
                    matches!(key, Key::Document { feed, version: old, .. } | Key::Delta { feed, version: old, .. }
                        if *feed == id && *old != version)
                });
                return Ok(());
            }
            Ok(Err(e)) => e.to_string(),
            Err(e) => format!("rendering broke off: {e}"),
        };
        self.keep(slot, version, failed);
        Ok(())
    }

    /// Goes on with what is served, for this reason.
    fn keep(&self, slot: &Slot, version: i64, reason: String) {
        let mut state = slot.state.write().unwrap_or_else(PoisonError::into_inner);
        let slug = &state.newest.spec.slug;
        tracing::error!(feed = slug, "this version is not published, the last good one stays: {reason}");
        let mut kept = Published::clone(&state.published);
        let since = kept.trouble.as_ref().map_or_else(|| self.clock.now(), |trouble| trouble.since);
        kept.trouble = Some(Trouble { since, version, reason });
        state.tried = version;
        state.published = Arc::new(kept);
    }

    /// Reads what a feed's document is made of, and drafts it; or says why that broke off.
    async fn draft(&self, feed: &Feed) -> Result<std::result::Result<(Material, Document), String>> {
        let mut material = self.material(feed).await?;
        let site = self.site.clone();
        if let Some(ended) = material.ended {
            let document = Document::of_ended(&site, feed, ended, &material.instead);
            return Ok(Ok((material, self.hubbed(document))));
        }
        // One more was read than is shown, to know whether there is more.
        let more = (material.articles.len() > self.items).then(|| material.articles.pop()).flatten();
        let (owned, articles) = (feed.clone(), std::mem::take(&mut material.articles));
        let drafted = self.aside(move || {
            let document = Document::new(&site, &owned, &articles);
            (document, articles)
        });
        let (document, articles) = match drafted.await {
            Ok(both) => both,
            Err(e) => return Ok(Err(format!("rendering broke off: {e}"))),
        };
        material.articles = articles;
        let beyond = if document.cut > 0 {
            let last = document.items.last().map(|item| item.article);
            let at = material.articles.iter().position(|stored| Some(stored.id) == last).map_or(0, |at| at + 1);
            material.articles.get(at).or(more.as_ref())
        } else {
            more.as_ref()
        };
        let older = match beyond {
            Some(stored) => self.part_of(feed, stored).await?.map(|part| self.site.link(&part.path(&feed.spec.slug))),
            None => None,
        };
        let place = Place { complete: beyond.is_none(), older, ..Place::default() };
        let document = document.at(place).with_deleted(std::mem::take(&mut material.deleted));
        Ok(Ok((material, self.hubbed(document))))
    }

    async fn material(&self, feed: &Feed) -> Result<Material> {
        if feed.retired {
            let ended = self.store.feed_ended(feed.id).await?.or(Some(feed.changed));
            let instead = self.store.feed_kin(feed.id, INSTEAD).await?;
            return Ok(Material { articles: Vec::new(), deleted: Vec::new(), weekly: 0, ended, instead });
        }
        let limit = i64::try_from(self.items.saturating_add(1)).unwrap_or(i64::MAX);
        let articles = self.store.feed_articles(feed.id, limit).await?;
        // Seen from the feed's last change, not from now: the same version gives the same bytes.
        let gone = self.store.feed_departed(feed.id, feed.changed.minus(MOURNING), TOMBSTONES).await?;
        let deleted = gone.into_iter().map(|gone| Tombstone { id: gone.entry_id, when: gone.at }).collect();
        let since = self.clock.now().minus(RHYTHM);
        let weekly = (self.store.feed_count_since(feed.id, since).await? + 2) / 4;
        Ok(Material { articles, deleted, weekly, ended: None, instead: Vec::new() })
    }

    fn hubbed(&self, document: Document) -> Document {
        match &self.hub {
            Some(hub) => document.with_hub(hub.clone()),
            None => document,
        }
    }

    fn refresh_opml(&self) {
        let feeds: Vec<Feed> = {
            let mut slots: Vec<Feed> = self
                .slots()
                .iter()
                .map(|slot| slot.state.read().unwrap_or_else(PoisonError::into_inner).newest.clone())
                .filter(|feed| !feed.retired)
                .collect();
            slots.sort_by_cached_key(|feed| (collate::key(&feed.spec.title), feed.id));
            slots
        };
        match opml::render(&self.site, &feeds) {
            Ok(bytes) => {
                let ready = Arc::new(Ready::new(opml::CONTENT_TYPE, bytes));
                *self.opml.write().unwrap_or_else(PoisonError::into_inner) = Some(ready);
            }
            Err(e) => tracing::error!("the list of feeds cannot be made: {e}"),
        }
    }
}

/// Makes the documents ready that readers had ready before, and the one that somebody waits for.
fn shelve(
    published: &Published,
    edition: Edition,
    warm: &[Option<Arc<Ready>>; 3],
    wanted: Option<Format>,
) -> [Option<Arc<Ready>>; 3] {
    let Edition { rss, atom, json, .. } = edition;
    let mut bytes = [Some(rss), Some(atom), Some(json)];
    Format::ALL.map(|format| {
        let before = warm[index(format)].as_ref();
        if before.is_none() && wanted != Some(format) {
            return None;
        }
        let etag = published.head(format).etag.clone();
        let ready = Ready::tagged(format.content_type(), etag, bytes[index(format)].take()?);
        if let Some(before) = before {
            ready.prepare_as(before);
        }
        Some(Arc::new(ready))
    })
}
