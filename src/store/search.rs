//! What searches read: how new the content is, and the newest public articles. Bounded, by index; writes nothing.

use super::article::ArticleRow;
use super::engine::{Engine, Result, Store, read};
use crate::domain::article::StoredArticle;

const BY_ID: &str = "
    SELECT id, revision, entry_id, first_seen, updated_at, visible, body FROM article
    WHERE visible AND id IN (SELECT value FROM json_each($1)) ORDER BY first_seen DESC, id DESC";
const BY_ID_JSONB: &str = "
    SELECT id, revision, entry_id, first_seen, updated_at, visible, body FROM article
    WHERE visible AND id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)
    ORDER BY first_seen DESC, id DESC";

impl Store {
    /// Moves with every change of articles or feeds. One row by its key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn content_version(&self) -> Result<i64> {
        Ok(read!(self, p => sqlx::query_scalar("SELECT value FROM counter WHERE name = 'feed_version'").fetch_one(p))?)
    }

    /// Row id and revision of the newest public articles, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest(&self, limit: i64) -> Result<Vec<(i64, i64)>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, revision FROM article WHERE visible ORDER BY first_seen DESC, id DESC LIMIT $1")
            .bind(limit).fetch_all(p))?)
    }

    /// Those of these articles that are public, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn articles_by_id(&self, ids: &[i64]) -> Result<Vec<StoredArticle>> {
        let sql = if matches!(self.engine, Engine::Sqlite { .. }) { BY_ID } else { BY_ID_JSONB };
        let ids = super::engine::to_json(&ids)?;
        let rows: Vec<ArticleRow> = read!(self, p => sqlx::query_as(sql).bind(&ids).fetch_all(p))?;
        rows.into_iter().map(ArticleRow::into_article).collect()
    }
}
