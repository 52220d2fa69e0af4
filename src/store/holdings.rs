//! All that is held about one person, for the person themselves. Reads only.

use sqlx::FromRow;

use super::engine::{Result, Store, read};

/// A consent as it was given.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ConsentRow {
    /// When it was asked for, UTC milliseconds.
    pub requested_at: i64,
    /// When it was confirmed, UTC milliseconds.
    pub confirmed_at: Option<i64>,
    /// `subscribe`, `move` or `moved`.
    pub purpose: String,
    /// Which version of the text.
    pub text_version: String,
    /// SHA-256 of its words.
    pub text_hash: Option<String>,
    /// How.
    pub method: String,
    /// What whoever brought it says of it.
    pub evidence: Option<String>,
}

/// A mail as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct MailRow {
    /// Kind.
    pub kind: String,
    /// State.
    pub state: String,
    /// When it was made, UTC milliseconds.
    pub created_at: i64,
    /// When it was settled, UTC milliseconds.
    pub settled_at: Option<i64>,
    /// The article that it told of, by its entry id.
    pub article: Option<String>,
}

impl Store {
    /// Every consent of a person, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consents_of(&self, id: i64) -> Result<Vec<ConsentRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT requested_at, confirmed_at, purpose, text_version, text_hash, method, evidence FROM opt_in
            WHERE subscriber_id = $1 ORDER BY id").bind(id).fetch_all(p))?)
    }

    /// The newest mails of a person, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mails_of(&self, id: i64, limit: i64) -> Result<Vec<MailRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT d.kind, d.state, d.created_at, d.settled_at, a.entry_id AS article
            FROM delivery d LEFT JOIN article a ON a.id = d.article_id
            WHERE d.subscriber_id = $1 AND d.channel = 'email' ORDER BY d.id DESC LIMIT $2")
            .bind(id).bind(limit).fetch_all(p))?)
    }

    /// When a person first came, UTC milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn came_at(&self, id: i64) -> Result<Option<i64>> {
        Ok(read!(self, p => sqlx::query_scalar("SELECT created_at FROM subscriber WHERE id = $1")
            .bind(id).fetch_optional(p))?)
    }
}
