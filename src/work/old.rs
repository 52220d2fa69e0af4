//! Feeds at the addresses that they had before loa. A reader there must not see one article twice, so that what the old
//! feed could have shown keeps the id that it had: its link. Rendered once a version; never sends anybody elsewhere, for
//! readers learn new addresses slowly, and new ids with them.

use std::collections::HashSet;
use std::sync::Arc;

use url::Url;

use super::publish::Publisher;
use super::publish::published::Published;
use super::publish::ready::Ready;
use super::shelf::Shelf;
use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::site::Site;
use crate::feed::address;
use crate::feed::document::{Document, Format, RenderError};
use crate::feed::edition::Edition;
use crate::store::engine::StoreError;

/// Documents that are kept: more than any portal had.
const MOST_KEPT: usize = 2_000;

/// Bytes of them.
const MOST_BYTES: usize = 64 << 20;

/// Which ids the articles of a document have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Those of every other document.
    Entries,
    /// Their links; of articles that were first seen at this moment or later, those of every other document.
    LinksUntil(Option<Timestamp>),
}

/// Where a feed was found before, and is found for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldAddress {
    /// Path, beginning with `/`.
    pub path: String,
    /// Parameters that the address must have, whatever else it has.
    pub query: Vec<(String, String)>,
    /// The feed that answers.
    pub feed: String,
    /// In which format.
    pub format: Format,
    /// With which ids.
    pub ids: Ids,
    /// Scheme and host that the old ids begin with, and the old address itself; else those of the articles' own links,
    /// and of loa.
    pub origin: Option<Url>,
}

impl OldAddress {
    /// The path as servers compare it: decoded, without a slash at its end.
    #[must_use]
    pub fn plain_path(&self) -> String {
        String::from_utf8_lossy(&plain(&self.path)).into_owned()
    }
}

/// Why an old address has no document.
#[derive(Debug, thiserror::Error)]
pub enum OldError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No document could be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The process is going down.
    #[error("making the document broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// The table of old addresses.
pub struct OldFeeds {
    site: Site,
    /// The most exacting first.
    table: Vec<OldAddress>,
    shelf: Shelf<Ready>,
}

impl OldFeeds {
    /// A table for a site.
    #[must_use]
    pub fn new(site: Site, mut table: Vec<OldAddress>) -> Self {
        table.sort_by_key(|old| std::cmp::Reverse(old.query.len()));
        Self { site, table, shelf: Shelf::new(MOST_KEPT, MOST_BYTES) }
    }

    /// Every address, the most exacting first.
    pub fn all(&self) -> impl Iterator<Item = &OldAddress> {
        self.table.iter()
    }

    /// What is behind an address, by its path and query as they were sent.
    #[must_use]
    pub fn find(&self, path: &str, query: &str) -> Option<&OldAddress> {
        if self.table.is_empty() {
            return None;
        }
        let path = plain(path);
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        self.table.iter().find(|old| plain(&old.path) == path && old.query.iter().all(|pair| pairs.contains(pair)))
    }

    /// The public address of an old address.
    #[must_use]
    pub fn link(&self, old: &OldAddress) -> String {
        let mut link = old.origin.clone().unwrap_or_else(|| self.site.base_url.clone());
        link.set_path(&old.path);
        if !old.query.is_empty() {
            link.query_pairs_mut().extend_pairs(&old.query);
        }
        link.into()
    }

    /// The document at an old address, of what its feed holds now; of a feed that has ended, that it has.
    ///
    /// # Errors
    /// When the database fails, or no document can be made.
    pub async fn document(
        &self,
        old: &OldAddress,
        feed: &Published,
        publisher: &Publisher,
    ) -> Result<Arc<Ready>, OldError> {
        let own = self.link(old);
        self.shelf
            .get(&own, feed.feed.version, async {
                let farewell = match feed.ended {
                    Some(ended) => Some((ended, publisher.instead(feed).await?)),
                    None => None,
                };
                let articles = if farewell.is_some() { Vec::new() } else { publisher.articles(feed).await? };
                let (site, feed, old, own) = (self.site.clone(), feed.feed.clone(), old.clone(), own.clone());
                let made = tokio::task::spawn_blocking(move || -> Result<Ready, RenderError> {
                    let mut document = match &farewell {
                        Some((ended, instead)) => Document::of_ended(&site, &feed, *ended, instead),
                        None => Document::new(&site, &feed, &articles),
                    };
                    rename(&mut document, &old, &articles);
                    document.elsewhere = Some((old.format, own));
                    let edition = Edition::of(document)?;
                    Ok(Ready::new(old.format.content_type(), edition.bytes(old.format).to_vec()))
                });
                let ready = made.await??;
                let weight = ready.weight();
                Ok((ready, weight))
            })
            .await
    }
}

/// Gives articles that the old feed could have shown the ids that they had there.
fn rename(document: &mut Document, old: &OldAddress, articles: &[StoredArticle]) {
    let Ids::LinksUntil(until) = old.ids else { return };
    let mut taken = HashSet::new();
    for item in &mut document.items {
        let known = articles.iter().find(|a| a.id == item.article);
        let Some(stored) = known.filter(|a| until.is_none_or(|until| a.first_seen < until)) else { continue };
        let link = old_link(&stored.article.url, old.origin.as_ref());
        // Two articles behind one link: a reader of the old feed saw one of them.
        if address::is_entry_id(&link) && taken.insert(link.clone()) {
            item.id = link;
        }
    }
}

/// The link of an article as the old feed had it.
fn old_link(url: &str, origin: Option<&Url>) -> String {
    let Some(origin) = origin else { return url.to_owned() };
    let rest = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at + 1..]));
    rest.map_or_else(|| url.to_owned(), |rest| format!("{origin}{rest}"))
}

/// A path as two spellings of one are compared: decoded, without a slash at its end.
fn plain(path: &str) -> Vec<u8> {
    let bytes = path.trim_end_matches('/').as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        if let Some(decoded) = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(decoded);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_as_it_began_in_the_old_feed() {
        let origin: Url = "http://tinhuy.example.vn/".parse().expect("a URL");
        let link = |url| old_link(url, Some(&origin));
        assert_eq!(link("https://www.tinhuy.example.vn/tin/1-a?x=1"), "http://tinhuy.example.vn/tin/1-a?x=1");
        assert_eq!(old_link("https://a.example/1", None), "https://a.example/1");
    }

    #[test]
    fn paths_are_compared_decoded_and_without_their_last_slash() {
        assert_eq!(plain("/tin-t%E1%BB%A9c/"), plain("/tin-tức"));
        assert_ne!(plain("/a+b"), plain("/a%20b"));
        assert_eq!(plain("/"), b"");
        assert_eq!(plain("/50%"), b"/50%");
    }
}
