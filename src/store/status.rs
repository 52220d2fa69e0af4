//! Numbers for the operator: sources, queues, recent changes. Reads only.

use sqlx::FromRow;

use super::engine::{Result, Store, read};

/// A source as the dashboard shows it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SourceRow {
    /// Name.
    pub name: String,
    /// When its baseline was complete, UTC milliseconds.
    pub baseline_at: Option<i64>,
    /// When it was last read without error, UTC milliseconds.
    pub polled_at: Option<i64>,
    /// The last error, if the last poll failed.
    pub error: Option<String>,
    /// When, UTC milliseconds.
    pub error_at: Option<i64>,
    /// Polls in a row that found suspiciously many articles gone.
    pub missing_polls: i64,
    /// When visibility next changes by the clock, UTC milliseconds.
    pub next_flip: Option<i64>,
    /// Articles that could not be read: a JSON list of sentences.
    pub faults: String,
    /// Public articles.
    pub visible: i64,
    /// Changes that the flood guard holds.
    pub held: i64,
}

/// A change as the dashboard lists it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RecentChange {
    /// The article.
    pub article_id: i64,
    /// Its title.
    pub title: String,
    /// Kind.
    pub kind: String,
    /// When, UTC milliseconds.
    pub seen_at: i64,
    /// Whether the flood guard holds it.
    pub held: bool,
    /// Whether it was fanned out.
    pub processed: bool,
    /// Deliveries sent.
    pub sent: i64,
    /// Deliveries that wait.
    pub pending: i64,
    /// Deliveries given up.
    pub dead: i64,
}

impl Store {
    /// Every source that was ever polled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sources(&self) -> Result<Vec<SourceRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT s.name, s.baseline_at, s.polled_at, s.error, s.error_at, s.missing_polls, s.faults,
                   (SELECT min(at) FROM flip WHERE flip.source = s.name) AS next_flip,
                   (SELECT count(*) FROM article a WHERE a.source = s.name AND a.visible) AS visible,
                   (SELECT count(*) FROM change c JOIN article a ON a.id = c.article_id
                    WHERE a.source = s.name AND c.held) AS held
            FROM source s ORDER BY s.name").fetch_all(p))?)
    }

    /// The newest changes with what became of their deliveries.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recent_changes(&self, limit: i64) -> Result<Vec<RecentChange>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT c.article_id, a.title, c.kind, c.seen_at, c.held, c.processed_at IS NOT NULL AS processed,
                   (SELECT count(*) FROM delivery d WHERE d.article_id = c.article_id AND d.change_id = c.id AND d.state = 'sent') AS sent,
                   (SELECT count(*) FROM delivery d WHERE d.article_id = c.article_id AND d.change_id = c.id AND d.state = 'pending') AS pending,
                   (SELECT count(*) FROM delivery d WHERE d.article_id = c.article_id AND d.change_id = c.id AND d.state = 'dead') AS dead
            FROM change c JOIN article a ON a.id = c.article_id ORDER BY c.id DESC LIMIT $1")
            .bind(limit).fetch_all(p))?)
    }
}
