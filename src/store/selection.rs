//! Selections that somebody follows, as feeds without a file: they begin with the first who follows them and end with the
//! last. Decides nothing about what matches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::article::next_version;
use super::engine::{Result, Store, Tx, exec, read, to_json, tx};
use super::feed::Membership;
use crate::clock::Timestamp;
use crate::domain::feed::FeedSpec;
use crate::domain::selection::query;
use crate::domain::subscriber::Frequency;

/// At most so many selections are followed at a time: each is tried on each new article.
pub const MOST_SELECTIONS: i64 = 1_000;

/// At most so many by one person.
pub const MOST_OF_ONE: usize = 20;

/// A selection that somebody wishes to follow, as the feed that it will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionWish {
    /// How often.
    pub frequency: Frequency,
    /// The feed.
    pub spec: FeedSpec,
}

const FOLLOWED: &str = "SELECT count(*) FROM feed WHERE selection IS NOT NULL AND retired_at IS NULL AND slug <> $1";

// `origin` has to say something; what counts is `selection`.
const BEGIN: &str = "
    INSERT INTO feed (slug, origin, spec, version, changed_at, selection) VALUES ($1, 'file', $2, $3, $4, $5)
    ON CONFLICT (slug) DO UPDATE SET retired_at = NULL RETURNING id";

// Nobody is told of what a feed holds when it begins; what a poll has put in meanwhile stays as it is.
const FILL: &str = "
    INSERT INTO feed_article (feed_id, article_id, reason, since, people, rank, entered)
    VALUES ($1, $2, $3, $4, FALSE, $5, (SELECT version FROM feed WHERE id = $1))
    ON CONFLICT (feed_id, article_id) DO NOTHING";

// One that was just made is about to be followed.
const UNUSED: &str = "
    UPDATE feed SET retired_at = $1 WHERE selection IS NOT NULL AND retired_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM subscription s WHERE s.feed_id = feed.id AND s.state = 'confirmed')
    AND (changed_at <= $2 OR EXISTS (SELECT 1 FROM subscription s WHERE s.feed_id = feed.id))";

const FORGET: &str = "
    DELETE FROM feed_article WHERE feed_id IN (
        SELECT id FROM feed WHERE selection IS NOT NULL AND retired_at IS NOT NULL)";

// For so long after its end a selection's name still leads to its search.
const OVER: &str = "
    DELETE FROM subscription WHERE state = 'ended' AND feed_id IN (
        SELECT f.id FROM feed f WHERE f.selection IS NOT NULL AND f.retired_at <= $1 AND NOT EXISTS (
            SELECT 1 FROM subscription s WHERE s.feed_id = f.id AND s.state = 'confirmed'))";
const LOST: &str = "
    DELETE FROM feed WHERE selection IS NOT NULL AND retired_at <= $1
    AND NOT EXISTS (SELECT 1 FROM subscription s WHERE s.feed_id = feed.id)
    AND NOT EXISTS (SELECT 1 FROM feed_article fa WHERE fa.feed_id = feed.id)";

/// A selection that nobody has followed since it was made is let go after this.
const GRACE: Duration = Duration::from_mins(10);

impl Store {
    /// Whether one more selection can be followed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_room_for(&self, spec: &FeedSpec) -> Result<bool> {
        let slug = spec.select.slug();
        let others: i64 = read!(self, p => sqlx::query_scalar(FOLLOWED).bind(&slug).fetch_one(p))?;
        Ok(others < MOST_SELECTIONS)
    }

    /// Makes a selection a feed, unless it is one. Answers its row id; nothing if too many are followed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow_selection(&self, spec: &FeedSpec, now: Timestamp) -> Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let id = begin_selection(&mut tx, spec, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Puts into a selection's feed what it holds when it begins.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fill_selection(&self, slug: &str, members: &[Membership], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let id: Option<i64> = tx!(&mut tx, c => sqlx::query_scalar(
            "SELECT id FROM feed WHERE slug = $1 AND selection IS NOT NULL AND retired_at IS NULL")
            .bind(slug).fetch_optional(c))?;
        let Some(id) = id else { return Ok(()) };
        for member in members {
            let reason = to_json(&member.reason)?;
            exec!(
                &mut tx,
                sqlx::query(FILL).bind(id).bind(member.article_id).bind(&reason).bind(now.0).bind(member.first_seen.0)
            )?;
        }
        tx.commit().await
    }

    /// The canonical query of the selection with this slug, if anybody ever followed it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn selection_query(&self, slug: &str) -> Result<Option<String>> {
        let query: Option<Option<String>> = read!(self, p => sqlx::query_scalar(
            "SELECT selection FROM feed WHERE slug = $1").bind(slug).fetch_optional(p))?;
        Ok(query.flatten())
    }

    /// Retires selections that nobody follows any more, and forgets what they held. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_selections(&self, now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let gone = exec!(&mut tx, sqlx::query(UNUSED).bind(now.0).bind(now.minus(GRACE).0))?;
        if gone > 0 {
            exec!(&mut tx, sqlx::query(FORGET))?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Forgets selections that ended before `until`, and who followed them then. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_selections(&self, until: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query(OVER).bind(until.0))?;
        let gone = exec!(&mut tx, sqlx::query(LOST).bind(until.0))?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// Makes a selection a feed within a transaction; nothing if too many are followed.
pub(super) async fn begin_selection(tx: &mut Tx, spec: &FeedSpec, now: Timestamp) -> Result<Option<i64>> {
    let slug = spec.select.slug();
    // Before anything is read: from here on a poll that does not know this feed cannot commit.
    let version = next_version(tx).await?;
    let others: i64 = tx!(&mut *tx, c => sqlx::query_scalar(FOLLOWED).bind(&slug).fetch_one(c))?;
    if others >= MOST_SELECTIONS {
        return Ok(None);
    }
    let (json, query) = (to_json(spec)?, query::write(&spec.select));
    let id = tx!(&mut *tx, c => sqlx::query_scalar(BEGIN)
        .bind(&slug).bind(&json).bind(version).bind(now.0).bind(&query).fetch_one(c))?;
    Ok(Some(id))
}
