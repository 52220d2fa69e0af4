//! The ledger read back: what happened between one person and one article.

use sqlx::FromRow;

use super::engine::{Result, Store, read};

/// One delivery as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LedgerRow {
    /// Row id.
    pub id: i64,
    /// Kind.
    pub kind: String,
    /// State.
    pub state: String,
    /// Tries.
    pub attempts: i64,
    /// What class of thing went wrong last.
    pub cause: Option<String>,
    /// The receiver's last reply.
    pub detail: Option<String>,
    /// The digest content, for digests.
    pub set_id: Option<i64>,
    /// The article, for article mails.
    pub article_id: Option<i64>,
    /// When it was made, UTC milliseconds.
    pub created_at: i64,
    /// When it is or was due, UTC milliseconds.
    pub due_at: i64,
    /// When it was settled, UTC milliseconds.
    pub settled_at: Option<i64>,
}

/// A subscription, live or ended.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SubscriptionRow {
    /// The feed.
    pub feed_id: i64,
    /// Its name.
    pub slug: String,
    /// Frequency.
    pub frequency: String,
    /// `confirmed` or `ended`.
    pub state: String,
    /// Since when, UTC milliseconds.
    pub since: i64,
    /// When it ended, UTC milliseconds.
    pub ended_at: Option<i64>,
    /// Why.
    pub end_reason: Option<String>,
}

/// A change of an article.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ChangeRow {
    /// Row id.
    pub id: i64,
    /// Kind.
    pub kind: String,
    /// Revision.
    pub revision: i64,
    /// When it was seen, UTC milliseconds.
    pub seen_at: i64,
    /// Whether people are told.
    pub people: bool,
    /// Whether the flood guard holds it.
    pub held: bool,
    /// When it was fanned out, UTC milliseconds.
    pub processed_at: Option<i64>,
}

/// A feed's membership of an article, past ones too.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct MembershipRow {
    /// The feed.
    pub feed_id: i64,
    /// Its name.
    pub slug: String,
    /// Why, as JSON.
    pub reason: String,
    /// Since when, UTC milliseconds.
    pub since: i64,
    /// Until when, UTC milliseconds.
    pub left_at: Option<i64>,
    /// Whether people are told of it.
    pub people: bool,
}

const LEDGER: &str = "
    SELECT id, kind, state, attempts, cause, detail, set_id, article_id, created_at, due_at, settled_at FROM delivery
    WHERE subscriber_id = $1 AND (article_id = $2 OR kind = 'digest') ORDER BY id";

impl Store {
    /// A person's deliveries of one article, and all of their digests.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ledger(&self, subscriber_id: i64, article_id: i64) -> Result<Vec<LedgerRow>> {
        Ok(read!(self, p => sqlx::query_as(LEDGER).bind(subscriber_id).bind(article_id).fetch_all(p))?)
    }

    /// All subscriptions of a subscriber, ended ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn subscriptions_of(&self, subscriber_id: i64) -> Result<Vec<SubscriptionRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT s.feed_id, f.slug, s.frequency, s.state, s.since, s.ended_at, s.end_reason
            FROM subscription s JOIN feed f ON f.id = s.feed_id WHERE s.subscriber_id = $1 ORDER BY s.id")
            .bind(subscriber_id).fetch_all(p))?)
    }

    /// All changes of an article, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_of(&self, article_id: i64) -> Result<Vec<ChangeRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, kind, revision, seen_at, people, held, processed_at FROM change WHERE article_id = $1 ORDER BY id")
            .bind(article_id).fetch_all(p))?)
    }

    /// One change, for composing an event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change(&self, id: i64) -> Result<Option<ChangeRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, kind, revision, seen_at, people, held, processed_at FROM change WHERE id = $1")
            .bind(id).fetch_optional(p))?)
    }

    /// All feeds that an article is or was in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn memberships_of(&self, article_id: i64) -> Result<Vec<MembershipRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT fa.feed_id, f.slug, fa.reason, fa.since, fa.left_at, fa.people
            FROM feed_article fa JOIN feed f ON f.id = fa.feed_id WHERE fa.article_id = $1 ORDER BY fa.feed_id")
            .bind(article_id).fetch_all(p))?)
    }
}
