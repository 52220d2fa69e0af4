//! Deltas (RFC 3229, `A-IM: feed`): for a reader who has one of the last versions, only what is new or changed since.

use std::collections::HashMap;
use std::sync::Arc;

use super::Publisher;
use super::published::{Published, index};
use super::ready::{Ready, etag};
use super::shelf::Key;
use crate::feed::document::{Format, proof};
use crate::feed::edition::render;
use crate::store::engine::StoreError;

impl Publisher {
    /// What is new since the version that stands at `past` in [`Published::past`]; `None` where the whole document is
    /// the better answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delta(
        &self,
        published: &Arc<Published>,
        format: Format,
        past: usize,
    ) -> Result<Option<Arc<Ready>>, StoreError> {
        let Some(since) = published.past.get(past) else { return Ok(None) };
        let version = published.feed.version;
        let key = Key::Delta { feed: published.feed.id, version, since: since.number, format };
        let known: HashMap<i64, i64> = since.items.iter().copied().collect();
        let ready = self.shelf.get_or_make(key, self.make_delta(published, format, known)).await?;
        Ok(Some(ready).filter(|ready| !ready.identity.is_empty()))
    }

    /// An empty document where there is nothing to be gained, so that this is found out once.
    async fn make_delta(
        &self,
        published: &Arc<Published>,
        format: Format,
        known: HashMap<i64, i64>,
    ) -> Result<Ready, StoreError> {
        let tag = published.heads[index(format)].etag.clone();
        let Ok((_, mut document)) = self.draft(&published.feed).await? else {
            return Ok(Ready::tagged(format.content_type(), tag, Vec::new()));
        };
        let made = tokio::task::spawn_blocking(move || {
            // The database may be ahead by now, and an article may have been left out by its proof: then the draft is
            // not what was published, and the reader gets the whole.
            let whole = render(&document, format).unwrap_or_default();
            if etag(&whole) != tag {
                return Vec::new();
            }
            document.items.retain(|item| known.get(&item.article) != Some(&item.revision));
            let part = render(&document, format).unwrap_or_default();
            // Not worth the trouble of caches that do not know deltas.
            let small = part.len() * 4 < whole.len() * 3;
            if small && proof(format, &part).is_ok() { part } else { Vec::new() }
        });
        let bytes = made.await.unwrap_or_default();
        Ok(Ready::tagged(format.content_type(), published.head(format).etag.clone(), bytes))
    }
}
