//! What is known of the time to come: when the clock alone will show or hide an article, and which sources do not answer.
//! For how long a document may be kept depends on it. Reads only.

use super::engine::{Result, Store, read};
use crate::clock::Timestamp;

// An article that is not public yet may enter any feed: it has no row in one. Sorted by nothing: one row a feed.
const FLIPS: &str = "
    SELECT fa.feed_id, min(f.at) FROM flip f
    LEFT JOIN article a ON a.source = f.source AND a.external_id = f.external_id AND a.visible
    LEFT JOIN feed_article fa ON fa.article_id = a.id AND fa.left_at IS NULL
    WHERE f.at > $1 AND f.at <= $2 GROUP BY fa.feed_id";

const OF_PART: &str = "
    SELECT min(f.at) FROM flip f
    JOIN article a ON a.source = f.source AND a.external_id = f.external_id AND a.visible
    JOIN feed_article fa ON fa.article_id = a.id AND fa.left_at IS NULL
    WHERE fa.feed_id = $1 AND fa.rank >= $2 AND fa.rank < $3 AND f.at > $4";

impl Store {
    /// The first flip in each feed after `from` and up to `to`; under no feed, the first one that may concern any.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_flips(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Option<i64>, Timestamp)>> {
        let rows: Vec<(Option<i64>, i64)> =
            read!(self, p => sqlx::query_as(FLIPS).bind(from.0).bind(to.0).fetch_all(p))?;
        Ok(rows.into_iter().map(|(feed, at)| (feed, Timestamp(at))).collect())
    }

    /// When the clock alone first hides an article after `now` whose place in a feed lies in `from..to`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn part_flip(
        &self,
        feed_id: i64,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let at: Option<i64> = read!(self, p => sqlx::query_scalar(OF_PART)
            .bind(feed_id).bind(from.0).bind(to.0).bind(now.0).fetch_one(p))?;
        Ok(at.map(Timestamp))
    }

    /// The sources whose last poll failed, and when each was last read without error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn silent_sources(&self) -> Result<Vec<(String, Timestamp)>> {
        let rows: Vec<(String, i64)> = read!(self, p => sqlx::query_as(
            "SELECT name, polled_at FROM source WHERE error_at IS NOT NULL AND polled_at IS NOT NULL ORDER BY name")
            .fetch_all(p))?;
        Ok(rows.into_iter().map(|(name, at)| (name, Timestamp(at))).collect())
    }
}
