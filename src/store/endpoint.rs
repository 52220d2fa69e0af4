//! Endpoints: sites that hear by webhook. An endpoint is a subscriber; its subscriptions are all immediate.

use sqlx::FromRow;

use super::engine::{Result, Store, exec, read, to_json, tx};
use super::push;
use crate::clock::Timestamp;
use crate::domain::subscriber::EndReason;

/// An endpoint as it stands.
#[derive(Clone, FromRow)]
pub struct Endpoint {
    /// Row id, as subscriber.
    pub subscriber_id: i64,
    /// The id in addresses of the API: `ep_…`.
    pub public_id: String,
    /// What its owner calls it.
    pub name: String,
    /// Where events are posted.
    pub url: String,
    /// Its signing secret, `whsec_…`.
    pub secret: String,
    /// When it was made, UTC milliseconds.
    pub created_at: i64,
    /// When it was disabled, UTC milliseconds. Its events wait.
    pub disabled_at: Option<i64>,
    /// Why it was disabled.
    pub disabled_reason: Option<String>,
    /// How much an event says: `thin` or `full`.
    pub payload: String,
    /// The hash of the token by which its site catches up, if it has one.
    pub token_hash: Option<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("public_id", &self.public_id).finish_non_exhaustive()
    }
}

/// An endpoint to be made.
#[derive(Clone)]
pub struct NewEndpoint<'a> {
    /// `ep_…`, unguessable.
    pub public_id: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// Where events are posted.
    pub url: &'a str,
    /// Its signing secret.
    pub secret: &'a str,
    /// The feeds it follows.
    pub feeds: &'a [i64],
}

const SELECT: &str = "
    SELECT subscriber_id, public_id, name, url, secret, created_at, disabled_at, disabled_reason, payload, token_hash
    FROM endpoint WHERE deleted_at IS NULL AND ($1 = '' OR public_id = $1) AND ($2 < 0 OR subscriber_id = $2)
    ORDER BY subscriber_id";

const OF_SUBSCRIBERS: &str = "
    SELECT subscriber_id, public_id, name, url, secret, created_at, disabled_at, disabled_reason, payload, token_hash
    FROM endpoint WHERE deleted_at IS NULL AND subscriber_id IN (SELECT value FROM json_each($1))";
const OF_SUBSCRIBERS_JSONB: &str = "
    SELECT subscriber_id, public_id, name, url, secret, created_at, disabled_at, disabled_reason, payload, token_hash
    FROM endpoint WHERE deleted_at IS NULL
      AND subscriber_id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value))";

/// How an endpoint catches up on what waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// Everything, in its order.
    Oldest,
    /// Everything, the newest articles first.
    Newest,
    /// One event that names all articles.
    Digest,
}

impl Store {
    /// Makes an endpoint with its subscriptions. Answers its subscriber id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_endpoint(&self, new: &NewEndpoint<'_>, now: Timestamp) -> Result<i64> {
        let mut tx = self.begin().await?;
        let id: i64 = tx!(&mut tx, c => sqlx::query_scalar(
            "INSERT INTO subscriber (kind, locale, created_at) VALUES ('endpoint', 'vi', $1) RETURNING id")
            .bind(now.0).fetch_one(c))?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            INSERT INTO endpoint (subscriber_id, public_id, name, url, secret, created_at)
            VALUES ($1, $2, $3, $4, $5, $6)"
            )
            .bind(id)
            .bind(new.public_id)
            .bind(new.name)
            .bind(new.url)
            .bind(new.secret)
            .bind(now.0)
        )?;
        push::begin_queue(&mut tx, id).await?;
        for feed in new.feeds {
            exec!(
                &mut tx,
                sqlx::query(
                    "
                INSERT INTO subscription (subscriber_id, feed_id, channel, frequency, state, since, told_until)
                VALUES ($1, $2, 'webhook', 'immediate', 'confirmed', $3, 0) ON CONFLICT DO NOTHING"
                )
                .bind(id)
                .bind(feed)
                .bind(now.0)
            )?;
        }
        tx.commit().await?;
        Ok(id)
    }

    /// Every endpoint that was not deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>> {
        Ok(read!(self, p => sqlx::query_as(SELECT).bind("").bind(-1_i64).fetch_all(p))?)
    }

    /// The endpoint with this public id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint(&self, public_id: &str) -> Result<Option<Endpoint>> {
        if public_id.is_empty() {
            return Ok(None);
        }
        Ok(read!(self, p => sqlx::query_as(SELECT).bind(public_id).bind(-1_i64).fetch_optional(p))?)
    }

    /// The endpoint that is this subscriber.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_by_subscriber(&self, id: i64) -> Result<Option<Endpoint>> {
        Ok(read!(self, p => sqlx::query_as(SELECT).bind("").bind(id.max(0)).fetch_optional(p))?)
    }

    /// The feeds that an endpoint follows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_feeds(&self, subscriber_id: i64) -> Result<Vec<i64>> {
        Ok(read!(self, p => sqlx::query_scalar("
            SELECT feed_id FROM subscription WHERE subscriber_id = $1 AND channel = 'webhook' AND state = 'confirmed'
            ORDER BY feed_id").bind(subscriber_id).fetch_all(p))?)
    }

    /// Deletes an endpoint and cancels what is pending for it, in one transaction. `false` if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_endpoint(&self, public_id: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let id: Option<i64> = tx!(&mut tx, c => sqlx::query_scalar(
            "UPDATE endpoint SET deleted_at = $2, secret = '', token_hash = NULL WHERE public_id = $1 AND deleted_at IS NULL RETURNING subscriber_id")
            .bind(public_id).bind(now.0).fetch_optional(c))?;
        let Some(id) = id else { return Ok(false) };
        exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE subscription SET state = 'ended', ended_at = $2, end_reason = $3
            WHERE subscriber_id = $1 AND state = 'confirmed'"
            )
            .bind(id)
            .bind(now.0)
            .bind(EndReason::EndpointGone.as_str())
        )?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE delivery SET state = 'cancelled', cause = $3, settled_at = $2
            WHERE subscriber_id = $1 AND state = 'pending'"
            )
            .bind(id)
            .bind(now.0)
            .bind(EndReason::EndpointGone.as_str())
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// The endpoints that are these subscribers.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn endpoints_of(&self, subscribers: &[i64]) -> Result<Vec<Endpoint>> {
        let sql = self.pick(OF_SUBSCRIBERS, OF_SUBSCRIBERS_JSONB);
        Ok(read!(self, p => sqlx::query_as(sql).bind(to_json(&subscribers)?).fetch_all(p))?)
    }

    /// Disables an endpoint: nothing is posted to it until it is enabled; its events wait, and are counted on. Its last
    /// event says so, for whoever catches up. `false` if it is disabled already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn disable_endpoint(&self, subscriber_id: i64, reason: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let done = exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE endpoint SET disabled_at = $2, disabled_reason = $3
            WHERE subscriber_id = $1 AND disabled_at IS NULL AND deleted_at IS NULL"
            )
            .bind(subscriber_id)
            .bind(now.0)
            .bind(reason)
        )?;
        if done > 0 {
            push::append(&mut tx, subscriber_id, "disabled", now).await?;
            push::stop(&mut tx, subscriber_id).await?;
        }
        tx.commit().await?;
        Ok(done > 0)
    }

    /// Enables an endpoint again, with a clean bill of health, and says how it catches up. Also ends the rest of one that
    /// fails. Answers how many events wait for it then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enable_endpoint(&self, subscriber_id: i64, catch_up: CatchUp, now: Timestamp) -> Result<i64> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE endpoint SET disabled_at = NULL, disabled_reason = NULL WHERE subscriber_id = $1"
            )
            .bind(subscriber_id)
        )?;
        push::go_on(&mut tx, subscriber_id, now).await?;
        match catch_up {
            CatchUp::Oldest => {}
            CatchUp::Newest => push::newest_first(&mut tx, subscriber_id, now).await?,
            CatchUp::Digest => {
                push::together(&mut tx, subscriber_id, now).await?;
            }
        }
        let waiting: i64 = tx!(&mut tx, c => sqlx::query_scalar(
            "SELECT count(*) FROM delivery WHERE subscriber_id = $1 AND channel = 'webhook' AND state = 'pending'")
            .bind(subscriber_id).fetch_one(c))?;
        tx.commit().await?;
        Ok(waiting)
    }

    /// Appends a test event to an endpoint's queue. Answers its number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_test_event(&self, subscriber_id: i64, now: Timestamp) -> Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let seq = push::append(&mut tx, subscriber_id, "test", now).await?;
        tx.commit().await?;
        Ok(seq)
    }

    /// How much the events of an endpoint say from now on: `thin` or `full`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_payload(&self, subscriber_id: i64, full: bool) -> Result<()> {
        let mut tx = self.begin().await?;
        let word = if full { "full" } else { "thin" };
        exec!(
            &mut tx,
            sqlx::query("UPDATE endpoint SET payload = $2 WHERE subscriber_id = $1").bind(subscriber_id).bind(word)
        )?;
        tx.commit().await
    }

    /// Keeps the hash of the token by which an endpoint's site catches up; the one before is worth nothing any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_endpoint_token(&self, subscriber_id: i64, hash: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE endpoint SET token_hash = $2 WHERE subscriber_id = $1").bind(subscriber_id).bind(hash)
        )?;
        tx.commit().await
    }
}
