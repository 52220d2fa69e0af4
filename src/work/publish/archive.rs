//! Archives (RFC 5005 §4): what a feed ever held and still may show, in parts by month. A part is made when somebody asks
//! for it, and its address names its content, so that it may be kept for a year; the address of its month leads to it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};

use super::Publisher;
use super::part::{MOST, Name};
use super::published::Published;
use super::ready::{Ready, etag};
use super::shelf::Key;
use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::feed::Feed;
use crate::feed::document::{Document, Format, GENERATOR_VERSION, Place, RenderError};
use crate::feed::edition::atom;
use crate::store::engine::{Result, Store, StoreError};
use crate::store::history::Placed;

/// Parts that are known without asking the database, at most.
const KNOWN: usize = 4_096;

/// A part of a feed's archive as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    name: Name,
    range: (Timestamp, Timestamp),
    older: Option<Name>,
    newer: Option<Name>,
    /// Names its content: a hash of all that goes into it.
    pub version: String,
}

impl Part {
    /// Its address below the site's, with its version: what is read there never changes.
    pub fn path(&self, slug: &str) -> String {
        format!("feeds/{slug}/archive/{}/{}.atom", self.version, self.name)
    }
}

/// The parts that were looked up, by feed, the feed's version, and name.
pub(super) type Parts = HashMap<(i64, i64, Name), Option<Arc<Part>>>;

/// What lies at an address of an archive.
#[derive(Clone, Debug)]
pub enum Found {
    /// The document, for good; or until the clock alone hides an article of it.
    Document(Arc<Ready>, Option<Timestamp>),
    /// It has another address now, for a while.
    Now(String),
    /// It had this address once: the month's address leads to what there is now.
    Moved(String),
    /// It was there and is no more.
    Gone,
    /// There was never anything.
    Nothing,
}

/// How far somebody has walked through an archive.
#[derive(Clone, Copy, Debug, Default)]
pub enum Walk {
    /// Nowhere yet.
    #[default]
    Begin,
    /// This part is next.
    At(Name),
    /// All was seen.
    End,
}

/// A part of an archive that was walked to.
#[derive(Debug)]
pub struct Walked {
    /// The address of its month, below the site's: it leads to what there is now.
    pub month: String,
    /// Its own address, where it never changes.
    pub path: String,
    /// What lies there.
    pub document: Ready,
}

/// Why an archive is not answered.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document cannot be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The feed changed while the document was made.
    #[error("the feed changed while its archive was made")]
    Outrun,
    /// It broke off.
    #[error("making the archive broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl Publisher {
    /// What lies at `/feeds/{slug}/archive/[{version}/]{name}.atom`.
    ///
    /// # Errors
    /// When the database fails, or the archive fails its proof.
    pub async fn archive(
        &self,
        published: &Published,
        version: Option<&str>,
        name: &str,
    ) -> std::result::Result<Found, ArchiveError> {
        let Some(name) = Name::parse(name) else { return Ok(Found::Nothing) };
        let feed = &published.feed;
        let slug = &feed.spec.slug;
        let Some(part) = self.part(feed, name).await? else {
            // A version is long and random: whoever has one had it from us.
            let ours = version.is_some_and(|v| v.len() == VERSION && v.bytes().all(|b| b.is_ascii_hexdigit()));
            return Ok(if ours { Found::Gone } else { Found::Nothing });
        };
        match version {
            None => Ok(Found::Now(part.path(slug))),
            Some(version) if version != part.version => Ok(Found::Moved(format!("feeds/{slug}/archive/{name}.atom"))),
            Some(_) => {
                let key = Key::Archive { feed: feed.id, version: part.version.clone() };
                let ends = self.part_ends(feed.id, part.range).await?;
                if let Some(ready) = self.shelf.get(&key) {
                    return Ok(Found::Document(ready, ends));
                }
                match self.shelf.get_or_make(key, self.render_part(feed, &part)).await {
                    Ok(made) => Ok(Found::Document(made, ends)),
                    Err(ArchiveError::Outrun) => {
                        self.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(&(
                            feed.id,
                            feed.version,
                            name,
                        ));
                        Ok(Found::Now(format!("feeds/{slug}/archive/{name}.atom")))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// The next part of a feed's archive as it stands now, the newest first. One by one, for together they are all that
    /// the feed ever held.
    ///
    /// # Errors
    /// When the database fails, or the part fails its proof.
    pub async fn next_part(
        &self,
        published: &Published,
        walk: &mut Walk,
    ) -> std::result::Result<Option<Walked>, ArchiveError> {
        let (feed, zone) = (&published.feed, &self.site.zone);
        let name = match walk {
            Walk::Begin => {
                let end = Timestamp(i64::MAX);
                match self.store.feed_around(feed.id, end, end).await?.0 {
                    Some(at) => Some(last_part(&self.store, feed.id, Name::of(at, zone), zone).await?),
                    None => None,
                }
            }
            Walk::At(name) => Some(*name),
            Walk::End => None,
        };
        *walk = Walk::End;
        let Some(name) = name else { return Ok(None) };
        let Some(part) = self.part(feed, name).await? else { return Ok(None) };
        let document = self.render_part(feed, &part).await?;
        *walk = part.older.map_or(Walk::End, Walk::At);
        let slug = &feed.spec.slug;
        Ok(Some(Walked { month: format!("feeds/{slug}/archive/{name}.atom"), path: part.path(slug), document }))
    }

    async fn render_part(&self, feed: &Feed, part: &Part) -> std::result::Result<Ready, ArchiveError> {
        let skip = (part.name.part - 1) * MOST;
        let (limit, skip) = (i64::try_from(MOST).unwrap_or(i64::MAX), i64::try_from(skip).unwrap_or(i64::MAX));
        let mut articles = self.store.feed_articles_between(feed.id, part.range, limit, skip).await?;
        let own: Vec<Placed> =
            articles.iter().map(|stored| Placed { id: stored.id, revision: stored.revision }).collect();
        // Under an address that is kept for a year there must be nothing but what it names.
        if self.version_of(feed, part.name, part.older, part.newer, &own) != part.version {
            return Err(ArchiveError::Outrun);
        }
        articles.reverse();
        let slug = &feed.spec.slug;
        let month = |name: Name| self.site.link(&format!("feeds/{slug}/archive/{name}.atom"));
        let place = Place {
            archive: Some(self.site.link(&part.path(slug))),
            older: part.older.map(month),
            newer: part.newer.map(month),
            complete: false,
        };
        let (site, feed) = (self.site.clone(), feed.clone());
        let made = tokio::task::spawn_blocking(move || {
            let (bytes, left_out) = atom(Document::of_archive(&site, &feed, &articles, place))?;
            for (id, why) in left_out {
                tracing::warn!(feed = feed.spec.slug, article.id = id, "an article is left out of the archive: {why}");
            }
            let tag = etag(&bytes);
            Ok::<_, RenderError>(Ready::tagged(Format::Atom.content_type(), tag, bytes))
        });
        Ok(made.await??)
    }

    /// The part that an article lies in.
    pub(super) async fn part_of(&self, feed: &Feed, stored: &StoredArticle) -> Result<Option<Arc<Part>>> {
        let month = Name::of(stored.first_seen, &self.site.zone);
        let Some((from, to)) = month.range(&self.site.zone) else { return Ok(None) };
        let placed = self.store.feed_between(feed.id, from, to).await?;
        let at = placed.iter().position(|placed| placed.id == stored.id).unwrap_or(0);
        self.part(feed, month.with_part(at / MOST + 1)).await
    }

    /// A part of a feed's archive, as it stands at the feed's version.
    async fn part(&self, feed: &Feed, name: Name) -> Result<Option<Arc<Part>>> {
        let key = (feed.id, feed.version, name);
        if let Some(known) = self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let found = self.look_up(feed, name).await?.map(Arc::new);
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= KNOWN {
            parts.clear();
        }
        parts.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(&self, feed: &Feed, name: Name) -> Result<Option<Part>> {
        let zone = &self.site.zone;
        let Some(range) = name.range(zone) else { return Ok(None) };
        let placed = self.store.feed_between(feed.id, range.0, range.1).await?;
        let Some(own) = placed.chunks(MOST).nth(name.part - 1) else { return Ok(None) };
        let (before, after) = self.store.feed_around(feed.id, range.0, range.1).await?;
        let older = match before {
            _ if name.part > 1 => Some(name.with_part(name.part - 1)),
            None => None,
            Some(at) => Some(last_part(&self.store, feed.id, Name::of(at, zone), zone).await?),
        };
        let newer = if placed.len() > name.part * MOST {
            Some(name.with_part(name.part + 1))
        } else {
            after.map(|at| Name::of(at, zone))
        };
        let version = self.version_of(feed, name, older, newer, own);
        Ok(Some(Part { name, range, older, newer, version }))
    }

    /// A hash of all that an archive's document is made of.
    fn version_of(&self, feed: &Feed, name: Name, older: Option<Name>, newer: Option<Name>, own: &[Placed]) -> String {
        use std::fmt::Write as _;
        let mut hash = Sha256::new();
        // The debug forms tell all fields; they are never read back.
        let said = (GENERATOR_VERSION, &self.site, &feed.spec, &feed.spec.slug, &self.hub);
        hash.update(format!("{said:?} {name} {older:?} {newer:?}"));
        for placed in own {
            hash.update(placed.id.to_le_bytes());
            hash.update(placed.revision.to_le_bytes());
        }
        hash.finalize().iter().take(VERSION / 2).fold(String::with_capacity(VERSION), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Letters of a part's version.
const VERSION: usize = 20;

async fn last_part(store: &Store, feed: i64, month: Name, zone: &jiff::tz::TimeZone) -> Result<Name> {
    let Some((from, to)) = month.range(zone) else { return Ok(month) };
    let count = store.feed_between(feed, from, to).await?.len();
    Ok(month.with_part(count.div_ceil(MOST).max(1)))
}
