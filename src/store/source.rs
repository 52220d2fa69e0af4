//! Sources: what the last polls left behind, for the next to compare with. Writes only what a failed poll says; what a
//! good one found is written with its articles.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt;
use sqlx::{FromRow, Row as _};

use super::engine::{Result, Store, Tx, exec, read, to_json};
use crate::clock::Timestamp;
use crate::domain::article::Category;
use crate::domain::roll::{Known, Roll};

/// What the store remembers of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceState {
    /// When its first poll was complete; until then nobody is told anything.
    pub baseline_at: Option<Timestamp>,
    /// When it was last polled with success.
    pub polled_at: Option<Timestamp>,
    /// When everything was last compared.
    pub swept_at: Option<Timestamp>,
    /// How many polls in a row found suspiciously many articles gone.
    pub missing_polls: i64,
    /// When it was last polled, well or in vain.
    pub looked_at: Option<Timestamp>,
    /// Whether the last poll failed.
    pub failed: bool,
}

#[derive(FromRow)]
struct StateRow {
    baseline_at: Option<i64>,
    missing_polls: i64,
    polled_at: Option<i64>,
    swept_at: Option<i64>,
    error_at: Option<i64>,
}

/// What a poll found out about coming flips: `(when, external id)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flips {
    /// All there are: those from before are forgotten.
    All(Vec<(Timestamp, String)>),
    /// Some more; of those from before, the past ones are forgotten.
    More(Vec<(Timestamp, String)>),
}

impl Default for Flips {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

const AMONG: &str = "
    SELECT id, external_id, light, visible FROM article
    WHERE source = $1 AND external_id IN (SELECT value FROM json_each($2))";
const AMONG_JSONB: &str = "
    SELECT id, external_id, light, visible FROM article
    WHERE source = $1 AND external_id IN (SELECT value FROM jsonb_array_elements_text($2::jsonb) AS value)";

const FINGERPRINTS: &str = "SELECT id, fingerprint FROM article WHERE id IN (SELECT value FROM json_each($1))";
const FINGERPRINTS_JSONB: &str = "
    SELECT id, fingerprint FROM article
    WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)";

// What readers see now: first seen lately, or among the first of a feed. The newest first, and no more than so many: a
// portal with very many categories must not make every poll a long one; the sweep sees the rest. Two lookups by index, then
// the rows: written as one condition with OR, it reads every article. CROSS keeps SQLite to this order of the tables.
const SHOWN: &str = "
    SELECT a.id, a.external_id, a.light, a.visible
    FROM (SELECT id FROM article WHERE source = $1 AND visible AND first_seen >= $2
          UNION
          SELECT fa.article_id FROM feed f CROSS JOIN feed_article fa
          WHERE fa.feed_id = f.id AND f.retired_at IS NULL AND fa.left_at IS NULL AND fa.rank >= coalesce(
              (SELECT x.rank FROM feed_article x WHERE x.feed_id = f.id AND x.left_at IS NULL
               ORDER BY x.rank DESC LIMIT 1 OFFSET $3), -9223372036854775807)) shown
    CROSS JOIN article a
    WHERE a.id = shown.id AND a.source = $1 AND a.visible
    ORDER BY a.first_seen DESC, a.id DESC LIMIT $4";

/// Reads what is known, row by row, into a [`Roll`]: never all rows as rows.
macro_rules! roll {
    ($store:expr, $query:expr) => {{
        let mut roll = Roll::new();
        let read: std::result::Result<(), sqlx::Error> = read!($store, p => async {
            let mut rows = $query.fetch(p);
            while let Some(row) = rows.try_next().await? {
                let [external_id, light] = [row.try_get::<&str, _>(1)?, row.try_get(2)?];
                roll.push(Known { row: row.try_get(0)?, external_id, light, visible: row.try_get(3)? });
            }
            Ok(())
        });
        read?;
        roll.order();
        Ok(roll)
    }};
}

impl Store {
    /// What is known of a source; nothing yet for a new one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn source_state(&self, source: &str) -> Result<SourceState> {
        let row: Option<StateRow> = read!(self, p => sqlx::query_as(
            "SELECT baseline_at, missing_polls, polled_at, swept_at, error_at FROM source WHERE name = $1")
            .bind(source).fetch_optional(p))?;
        Ok(row.map_or_else(SourceState::default, |row| SourceState {
            baseline_at: row.baseline_at.map(Timestamp),
            polled_at: row.polled_at.map(Timestamp),
            swept_at: row.swept_at.map(Timestamp),
            looked_at: row.polled_at.max(row.error_at).map(Timestamp),
            failed: row.error_at.is_some(),
            missing_polls: row.missing_polls,
        }))
    }

    /// Everything known of a source's articles, gone ones too. One row each, no content.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_articles(&self, source: &str) -> Result<Roll> {
        const ALL: &str = "SELECT id, external_id, light, visible FROM article WHERE source = $1";
        roll!(self, sqlx::query(ALL).bind(source))
    }

    /// What is known of these articles of a source, gone ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_among(&self, source: &str, external_ids: &[&str]) -> Result<Roll> {
        if external_ids.is_empty() {
            return Ok(Roll::new());
        }
        let (sql, ids) = (self.pick(AMONG, AMONG_JSONB), to_json(&external_ids)?);
        roll!(self, sqlx::query(sql).bind(source).bind(&ids))
    }

    /// The articles' own fingerprints of these rows: what they were when last fetched.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fingerprints(&self, articles: &[i64]) -> Result<HashMap<i64, String>> {
        if articles.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = self.pick(FINGERPRINTS, FINGERPRINTS_JSONB);
        let rows: Vec<(i64, String)> = read!(self, p => sqlx::query_as(sql).bind(to_json(&articles)?).fetch_all(p))?;
        Ok(rows.into_iter().collect())
    }

    /// The public articles of a source that readers see now: first seen since `since`, or among the first `window` of a
    /// feed; at most `limit`, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shown_articles(&self, source: &str, since: Timestamp, window: i64, limit: i64) -> Result<Roll> {
        roll!(self, sqlx::query(SHOWN).bind(source).bind(since.0).bind(window.max(1) - 1).bind(limit))
    }

    /// How many articles of a source are public.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn visible_count(&self, source: &str) -> Result<usize> {
        let count: i64 = read!(self, p => sqlx::query_scalar(
            "SELECT count(*) FROM article WHERE source = $1 AND visible").bind(source).fetch_one(p))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Ids of articles of a source whose time has come since the last poll.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn flips_due(&self, source: &str, now: Timestamp) -> Result<BTreeSet<String>> {
        let ids: Vec<String> = read!(self, p => sqlx::query_scalar(
            "SELECT external_id FROM flip WHERE source = $1 AND at <= $2").bind(source).bind(now.0).fetch_all(p))?;
        Ok(ids.into_iter().collect())
    }

    /// When the clock alone next changes what is public in a source.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_flip(&self, source: &str) -> Result<Option<Timestamp>> {
        let at: Option<i64> = read!(self, p => sqlx::query_scalar("SELECT min(at) FROM flip WHERE source = $1")
            .bind(source).fetch_one(p))?;
        Ok(at.map(Timestamp))
    }

    /// The categories of a source as the last scan that could tell them saw them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn categories(&self, source: &str) -> Result<Vec<Category>> {
        let rows: Vec<(String, Option<String>, String, String)> = read!(self, p => sqlx::query_as(
            "SELECT external_id, parent, slug, title FROM category WHERE source = $1 ORDER BY external_id")
            .bind(source).fetch_all(p))?;
        Ok(rows
            .into_iter()
            .map(|(external_id, parent, slug, title)| Category { external_id, parent, slug, title: title.into() })
            .collect())
    }

    /// Remembers that a poll failed, and why; nothing else changes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn poll_failed(&self, source: &str, error: &str, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            INSERT INTO source (name, error, error_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET error = excluded.error, error_at = excluded.error_at"
            )
            .bind(source)
            .bind(error)
            .bind(now.0)
        )?;
        tx.commit().await
    }
}

pub(super) async fn write_categories(tx: &mut Tx, source: &str, categories: &[Category]) -> Result<()> {
    exec!(tx, sqlx::query("DELETE FROM category WHERE source = $1").bind(source))?;
    for category in categories {
        exec!(
            tx,
            sqlx::query(
                "
            INSERT INTO category (source, external_id, parent, slug, title) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (source, external_id) DO NOTHING"
            )
            .bind(source)
            .bind(&category.external_id)
            .bind(category.parent.as_deref())
            .bind(&category.slug)
            .bind(category.title.as_str())
        )?;
    }
    Ok(())
}

pub(super) async fn write_flips(tx: &mut Tx, source: &str, flips: &Flips, now: Timestamp) -> Result<()> {
    let (flips, past) = match flips {
        Flips::All(flips) => (flips, i64::MAX),
        Flips::More(flips) => (flips, now.0),
    };
    exec!(tx, sqlx::query("DELETE FROM flip WHERE source = $1 AND at <= $2").bind(source).bind(past))?;
    for (at, external_id) in flips.iter().filter(|(at, _)| *at > now) {
        exec!(
            tx,
            sqlx::query(
                "INSERT INTO flip (source, at, external_id) VALUES ($1, $2, $3)
                 ON CONFLICT (source, at, external_id) DO NOTHING"
            )
            .bind(source)
            .bind(at.0)
            .bind(external_id)
        )?;
    }
    Ok(())
}
