//! What a feed held and holds, back to its beginning: for its archives, its tombstones and its farewell. Reads only.

use sqlx::FromRow;

use super::article::ArticleRow;
use super::engine::{Result, Store, read};
use super::feed::FeedRow;
use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::feed::Feed;

/// An article as an archive counts it: enough to know whether the archive's content moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Placed {
    /// Row id of the article.
    pub id: i64,
    /// Its revision.
    pub revision: i64,
}

/// An article that left a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// Its entry id.
    pub entry_id: String,
    /// When it left.
    pub at: Timestamp,
}

// An article that is not public now has left every feed, whether or not its row in the feed says so.
const DEPARTED: &str = "
    SELECT entry_id, at FROM (
        SELECT a.entry_id, fa.left_at AS at FROM feed_article fa JOIN article a ON a.id = fa.article_id
        WHERE fa.feed_id = $1 AND fa.left_at >= $2
        UNION ALL
        SELECT a.entry_id, a.updated_at AS at FROM article a JOIN feed_article fa ON fa.article_id = a.id
        WHERE NOT a.visible AND a.updated_at >= $2 AND fa.feed_id = $1 AND fa.left_at IS NULL) AS gone
    ORDER BY at DESC, entry_id LIMIT $3";

const BETWEEN: &str = "
    SELECT a.id, a.revision FROM feed_article fa JOIN article a ON a.id = fa.article_id
    WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible AND fa.rank >= $2 AND fa.rank < $3
    ORDER BY fa.rank, fa.article_id";

const ARTICLES_BETWEEN: &str = "
    SELECT a.id, a.revision, a.entry_id, a.first_seen, a.updated_at, a.visible, a.body
    FROM feed_article fa JOIN article a ON a.id = fa.article_id
    WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible AND fa.rank >= $2 AND fa.rank < $3
    ORDER BY fa.rank, fa.article_id LIMIT $4 OFFSET $5";

const BEFORE: &str = "
    SELECT fa.rank FROM feed_article fa JOIN article a ON a.id = fa.article_id
    WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible AND fa.rank < $2
    ORDER BY fa.rank DESC, fa.article_id DESC LIMIT 1";

const AFTER: &str = "
    SELECT fa.rank FROM feed_article fa JOIN article a ON a.id = fa.article_id
    WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible AND fa.rank >= $2
    ORDER BY fa.rank, fa.article_id LIMIT 1";

const KIN: &str = "
    SELECT f.id, f.slug, f.origin, f.spec, f.version, f.changed_at, f.retired_at
    FROM feed f JOIN (
        SELECT other.feed_id, count(*) AS shared FROM feed_article mine
        JOIN feed_article other ON other.article_id = mine.article_id AND other.feed_id <> mine.feed_id
        WHERE mine.feed_id = $1 AND other.left_at IS NULL GROUP BY other.feed_id) AS kin ON kin.feed_id = f.id
    WHERE f.retired_at IS NULL AND f.selection IS NULL ORDER BY kin.shared DESC, f.slug LIMIT $2";

impl Store {
    /// What left a feed at `since` or later, the last first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_departed(&self, feed_id: i64, since: Timestamp, limit: i64) -> Result<Vec<Departed>> {
        let rows: Vec<(String, i64)> = read!(self, p => sqlx::query_as(DEPARTED)
            .bind(feed_id).bind(since.0).bind(limit).fetch_all(p))?;
        Ok(rows.into_iter().map(|(entry_id, at)| Departed { entry_id, at: Timestamp(at) }).collect())
    }

    /// The public articles of a feed whose place lies in `from..to`, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_between(&self, feed_id: i64, from: Timestamp, to: Timestamp) -> Result<Vec<Placed>> {
        Ok(read!(self, p => sqlx::query_as(BETWEEN).bind(feed_id).bind(from.0).bind(to.0).fetch_all(p))?)
    }

    /// The same articles whole: at most `limit`, after skipping `skip`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_articles_between(
        &self,
        feed_id: i64,
        (from, to): (Timestamp, Timestamp),
        limit: i64,
        skip: i64,
    ) -> Result<Vec<StoredArticle>> {
        let rows: Vec<ArticleRow> = read!(self, p => sqlx::query_as(ARTICLES_BETWEEN)
            .bind(feed_id).bind(from.0).bind(to.0).bind(limit).bind(skip).fetch_all(p))?;
        rows.into_iter().map(ArticleRow::into_article).collect()
    }

    /// The places of the nearest public articles of a feed before `from` and at `to` or after it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_around(
        &self,
        feed_id: i64,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        let before: Option<i64> =
            read!(self, p => sqlx::query_scalar(BEFORE).bind(feed_id).bind(from.0).fetch_optional(p))?;
        let after: Option<i64> =
            read!(self, p => sqlx::query_scalar(AFTER).bind(feed_id).bind(to.0).fetch_optional(p))?;
        Ok((before.map(Timestamp), after.map(Timestamp)))
    }

    /// When a feed was retired, if it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_ended(&self, feed_id: i64) -> Result<Option<Timestamp>> {
        let at: Option<Option<i64>> = read!(self, p => sqlx::query_scalar("SELECT retired_at FROM feed WHERE id = $1")
            .bind(feed_id).fetch_optional(p))?;
        Ok(at.flatten().map(Timestamp))
    }

    /// Feeds that hold the most of what a feed held: what to follow instead of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_kin(&self, feed_id: i64, limit: i64) -> Result<Vec<Feed>> {
        let rows: Vec<FeedRow> = read!(self, p => sqlx::query_as(KIN).bind(feed_id).bind(limit).fetch_all(p))?;
        rows.into_iter().map(FeedRow::into_feed).collect()
    }
}
