//! Feeds: what is declared, which version each is at, and what they hold.

use std::collections::HashMap;

use sqlx::FromRow;

use super::article::{next_version, touch_feeds};
use super::engine::{Result, Store, exec, from_json, read, to_json, tx};
use crate::clock::Timestamp;
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::selection::Reason;

/// That an article is in a feed, and why.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The article.
    pub article_id: i64,
    /// Its place in the order of feeds.
    pub first_seen: Timestamp,
    /// Why it is in the feed.
    pub reason: Reason,
}

#[derive(FromRow)]
pub(super) struct FeedRow {
    id: i64,
    slug: String,
    origin: String,
    spec: String,
    version: i64,
    changed_at: i64,
    retired_at: Option<i64>,
}

impl FeedRow {
    pub(super) fn into_feed(self) -> Result<Feed> {
        let mut spec: FeedSpec = from_json("feed.spec", &self.spec)?;
        spec.slug = self.slug;
        Ok(Feed {
            id: self.id,
            spec,
            origin: match self.origin.as_str() {
                "category" => FeedOrigin::Category,
                "selection" => FeedOrigin::Selection,
                _ => FeedOrigin::File,
            },
            version: self.version,
            changed: Timestamp(self.changed_at),
            retired: self.retired_at.is_some(),
        })
    }
}

const COLUMNS: &str = "
    SELECT id, slug, CASE WHEN selection IS NULL THEN origin ELSE 'selection' END AS origin, spec, version, changed_at,
           retired_at
    FROM feed ORDER BY slug";

impl Store {
    /// Every feed ever declared, retired ones too, by slug.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn feeds(&self) -> Result<Vec<Feed>> {
        let rows: Vec<FeedRow> = read!(self, p => sqlx::query_as(COLUMNS).fetch_all(p))?;
        rows.into_iter().map(FeedRow::into_feed).collect()
    }

    /// Feeds whose version is above `version`: what changed since a replica last looked. One index probe.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feeds_since(&self, version: i64) -> Result<Vec<Feed>> {
        let rows: Vec<FeedRow> = read!(self, p => sqlx::query_as("
            SELECT id, slug, CASE WHEN selection IS NULL THEN origin ELSE 'selection' END AS origin, spec, version,
                   changed_at, retired_at
            FROM feed WHERE version > $1 ORDER BY version, id")
            .bind(version).fetch_all(p))?;
        rows.into_iter().map(FeedRow::into_feed).collect()
    }

    /// Makes the stored feeds of one origin equal to what is declared. Answers the feeds that are new or whose
    /// selection changed: their articles must be matched again (nobody is told of what they hold already).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_feeds(&self, origin: FeedOrigin, specs: &[FeedSpec], now: Timestamp) -> Result<Vec<Feed>> {
        let word = match origin {
            FeedOrigin::File => "file",
            FeedOrigin::Category => "category",
            // Selections begin and end with those who follow them.
            FeedOrigin::Selection => return Ok(Vec::new()),
        };
        let mut tx = self.begin().await?;
        let rows: Vec<FeedRow> = tx!(&mut tx, c => sqlx::query_as(COLUMNS).fetch_all(c))?;
        let before: HashMap<String, FeedRow> = rows.into_iter().map(|r| (r.slug.clone(), r)).collect();
        let mut moved = Vec::new();
        let mut rematch = Vec::new();
        for spec in specs {
            let json = to_json(spec)?;
            match before.get(&spec.slug) {
                // A file of the same name is the editor's own word; the category's feed yields to it.
                Some(row) if row.origin != word && row.retired_at.is_none() && origin == FeedOrigin::Category => {
                    continue;
                }
                Some(row) if row.origin == word && row.spec == json && row.retired_at.is_none() => continue,
                _ => {}
            }
            let id: i64 = tx!(&mut tx, c => sqlx::query_scalar("
                INSERT INTO feed (slug, origin, spec, version, changed_at) VALUES ($1, $2, $3, 0, $4)
                ON CONFLICT (slug) DO UPDATE SET origin = excluded.origin, spec = excluded.spec, retired_at = NULL
                RETURNING id")
                .bind(&spec.slug).bind(word).bind(&json).bind(now.0).fetch_one(c))?;
            moved.push(id);
            let same_selection = before
                .get(&spec.slug)
                .and_then(|row| from_json::<FeedSpec>("feed.spec", &row.spec).ok())
                // While a feed was retired, nobody kept what it holds.
                .is_some_and(|old| old.select == spec.select && before[&spec.slug].retired_at.is_none());
            if !same_selection {
                rematch.push(id);
            }
        }
        for row in before.values().filter(|r| r.origin == word && r.retired_at.is_none()) {
            if specs.iter().all(|s| s.slug != row.slug) {
                exec!(&mut tx, sqlx::query("UPDATE feed SET retired_at = $2 WHERE id = $1").bind(row.id).bind(now.0))?;
                moved.push(row.id);
            }
        }
        if !moved.is_empty() {
            let version = next_version(&mut tx).await?;
            touch_feeds(&mut tx, moved, version, now).await?;
        }
        tx.commit().await?;
        Ok(self.feeds().await?.into_iter().filter(|f| rematch.contains(&f.id)).collect())
    }

    /// Sets what a feed holds, after its selection was tried on every public article. Nobody is told of these.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refill_feed(&self, feed_id: i64, matches: &[Membership], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx).await?;
        let before: Vec<i64> = tx!(&mut tx, c => sqlx::query_scalar(
            "SELECT article_id FROM feed_article WHERE feed_id = $1 AND left_at IS NULL").bind(feed_id).fetch_all(c))?;
        let now_in: std::collections::HashSet<i64> = matches.iter().map(|m| m.article_id).collect();
        for id in before.iter().filter(|id| !now_in.contains(id)) {
            exec!(
                &mut tx,
                sqlx::query("UPDATE feed_article SET left_at = $3 WHERE feed_id = $1 AND article_id = $2")
                    .bind(feed_id)
                    .bind(id)
                    .bind(now.0)
            )?;
        }
        for member in matches {
            exec!(
                &mut tx,
                sqlx::query(
                    "
                INSERT INTO feed_article (feed_id, article_id, reason, since, people, rank, entered)
                VALUES ($1, $2, $3, $4, FALSE, $5, $6)
                ON CONFLICT (feed_id, article_id) DO UPDATE SET reason = excluded.reason, left_at = NULL"
                )
                .bind(feed_id)
                .bind(member.article_id)
                .bind(to_json(&member.reason)?)
                .bind(now.0)
                .bind(member.first_seen.0)
                .bind(version)
            )?;
        }
        touch_feeds(&mut tx, [feed_id], version, now).await?;
        tx.commit().await
    }

    /// How many public articles entered a feed since `from`; for "about N articles a week".
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_count_since(&self, feed_id: i64, from: Timestamp) -> Result<i64> {
        Ok(read!(self, p => sqlx::query_scalar("
            SELECT count(*) FROM feed_article fa JOIN article a ON a.id = fa.article_id
            WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible AND fa.rank >= $2")
            .bind(feed_id).bind(from.0).fetch_one(p))?)
    }

    /// The feeds that hold an article now, with why.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feeds_of(&self, article_id: i64) -> Result<Vec<(i64, Reason)>> {
        let rows: Vec<(i64, String)> = read!(self, p => sqlx::query_as("
            SELECT feed_id, reason FROM feed_article WHERE article_id = $1 AND left_at IS NULL ORDER BY feed_id")
            .bind(article_id).fetch_all(p))?;
        rows.into_iter().map(|(id, reason)| Ok((id, from_json("feed_article.reason", &reason)?))).collect()
    }
}
