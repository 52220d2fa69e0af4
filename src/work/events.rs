//! What a webhook says: the event that a row of the outbox stands for, worded now. The same for the worker that posts it
//! and for a site that asks for it. Of what was withdrawn meanwhile nothing is said but its withdrawal.

use crate::clock::Timestamp;
use crate::domain::article::{ChangeKind, StoredArticle};
use crate::domain::site::Site;
use crate::notify::webhook::event;
use crate::store::engine::{Result, Store};
use crate::store::push::Post;

/// Articles that a digest names.
const MOST_NAMED: usize = 200;

/// Words events.
#[derive(Clone)]
pub struct Events {
    store: Store,
    site: Site,
}

impl Events {
    /// Over this store, for this site.
    #[must_use]
    pub const fn new(store: Store, site: Site) -> Self {
        Self { store, site }
    }

    /// The `webhook-id`: the same at every try, and in every channel for a change of an article.
    #[must_use]
    pub fn id(post: &Post) -> String {
        match (ChangeKind::parse(&post.kind), post.article_id) {
            (Some(kind), Some(article)) => StoredArticle::event_id(article, post.revision, kind),
            _ => format!("ev_{}_{}", post.subscriber_id, post.seq),
        }
    }

    /// `article.published` and so on.
    #[must_use]
    pub fn name(kind: &str) -> String {
        let of = if matches!(kind, "test" | "disabled") { "endpoint" } else { "article" };
        format!("{of}.{kind}")
    }

    /// The body without its number ([`event::numbered`] adds it), whole texts if `full`; nothing if it must not go out any
    /// more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn body(&self, post: &Post, full: bool) -> Result<Option<Vec<u8>>> {
        let (at, zone) = (Timestamp(post.created_at), &self.site.zone);
        match post.kind.as_str() {
            "test" => return Ok(Some(event::test_body(at, zone))),
            "disabled" => return Ok(Some(event::disabled_body(at, zone))),
            "digest" => return self.digest(post, at).await.map(Some),
            _ => {}
        }
        let (Some(kind), Some(id)) = (ChangeKind::parse(&post.kind), post.article_id) else { return Ok(None) };
        let Some(mut stored) = self.store.article(id).await? else { return Ok(None) };
        if kind != ChangeKind::Withdrawn && !stored.visible {
            return Ok(None);
        }
        if kind == ChangeKind::Withdrawn {
            // It may be public again by now, under a higher one.
            stored.revision = post.revision;
        }
        let members = self.store.memberships_of(id).await?;
        let feeds: Vec<String> = members.into_iter().filter(|m| m.left_at.is_none()).map(|m| m.slug).collect();
        Ok(Some(if full {
            event::full_event_body(kind, at, &stored, &feeds, zone)
        } else {
            event::event_body(kind, at, &stored, &feeds, zone)
        }))
    }

    async fn digest(&self, post: &Post, at: Timestamp) -> Result<Vec<u8>> {
        let limit = i64::try_from(MOST_NAMED).unwrap_or(i64::MAX).saturating_add(1);
        let named = self.store.together(post.subscriber_id, post.seq, limit).await?;
        let mut articles = Vec::new();
        for (id, _) in named.iter().take(MOST_NAMED) {
            articles.extend(self.store.article(*id).await?);
        }
        Ok(event::digest_body(at, &articles, named.len() > MOST_NAMED, &self.site.zone))
    }
}
