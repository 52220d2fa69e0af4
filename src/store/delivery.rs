//! The outbox: fanning a change out into deliveries, claiming them with a lease, settling what became of them.
//!
//! A claim moves `due_at` to the end of the lease and writes a random token; only the holder of that token settles the
//! row. A process that dies settles nothing, and its rows are simply due again.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use sqlx::FromRow;

use super::bounce::write_reply;
use super::engine::{Result, Store, Tx, alone, exec, read, to_json};
use super::push;
use crate::clock::Timestamp;
use crate::domain::delivery::{Channel, Lane};

/// A claimed delivery, with what is needed to know what to make of it. One join; no content.
#[derive(Clone, Debug, FromRow)]
pub struct Claimed {
    /// Row id.
    pub id: i64,
    /// `published`, `revised`, `withdrawn`, `digest` or `confirm`.
    pub kind: String,
    /// The receiver.
    pub subscriber_id: i64,
    /// What stands for the receiver in links and message ids, if it is a person.
    pub public_id: i64,
    /// The receiver's address, if it is a person and was not erased.
    pub email: Option<String>,
    /// The receiver's language.
    pub locale: String,
    /// The article it is about.
    pub article_id: Option<i64>,
    /// The change that caused it.
    pub change_id: Option<i64>,
    /// The digest content it brings.
    pub set_id: Option<i64>,
    /// The digest run it belongs to.
    pub run_id: Option<i64>,
    /// The request that it asks to confirm.
    pub opt_in_id: Option<i64>,
    /// Tries so far, this one included.
    pub attempts: i64,
    /// Tries before this one that ended in doubt: the message may have arrived already.
    pub doubts: i64,
    /// When it was made: the date of the mail, the same on every retry.
    pub created_at: i64,
    /// The revision by the change that caused it; 0 without one. Part of ids that stay the same on every retry.
    pub revision: i64,
    /// For an article's mail: the feeds that hold the article and that the person follows at once, now. Empty if the
    /// article is no longer public or the person no longer follows: then nothing must go out.
    #[sqlx(skip)]
    pub feeds: Vec<i64>,
}

/// A claimed row as it comes: the feeds are a list of ids between commas.
#[derive(FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    claimed: Claimed,
    feeds: Option<String>,
}

impl From<ClaimedRow> for Claimed {
    fn from(row: ClaimedRow) -> Self {
        let feeds = row.feeds.as_deref().unwrap_or_default();
        Self { feeds: feeds.split(',').filter_map(|id| id.parse().ok()).collect(), ..row.claimed }
    }
}

/// How a delivery is left after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// The next server accepted it.
    Sent,
    /// Due again later.
    Pending,
    /// Never again.
    Dead,
    /// No longer wanted.
    Cancelled,
}

/// One line of a settle.
#[derive(Clone, Debug, Serialize)]
pub struct Settle {
    /// The delivery.
    pub id: i64,
    /// The token of the claim under which it was tried. As text: JSON numbers do not hold 64 bits everywhere.
    pub lease: String,
    /// How it is left.
    pub state: Settled,
    /// When it is due again, UTC milliseconds; ignored unless pending.
    pub due_at: i64,
    /// 1 if the claim did not lead to a try, so that it does not count as one; else 0.
    pub untried: i64,
    /// What class of thing went wrong, if anything.
    pub cause: Option<&'static str>,
    /// The receiver's reply or the fault, shortened.
    pub detail: String,
    /// What the reply says of the address, as a word of [`crate::domain::bounce::Cause`], if it says anything.
    #[serde(skip)]
    pub bounce: Option<&'static str>,
}

/// A change that was not fanned out yet.
#[derive(Clone, Debug, FromRow)]
pub struct OpenChange {
    /// Row id.
    pub id: i64,
    /// The article.
    pub article_id: i64,
    /// `published`, `revised` or `withdrawn`.
    pub kind: String,
}

/// How many deliveries wait and how old the oldest due one is.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct QueueDepth {
    /// Channel.
    pub channel: String,
    /// Lane.
    pub lane: String,
    /// Unfinished deliveries.
    pub pending: i64,
    /// When the oldest of them was due, UTC milliseconds; not of receivers that fail or are disabled.
    pub oldest: i64,
}

const TAKE_CHANGE: &str = "UPDATE change SET processed_at = $2 WHERE id = $1 AND processed_at IS NULL AND NOT held";

// People hear of an article once: when it enters a feed they follow (`since` equals the change's moment). The unique
// index turns away whoever had it already, by another feed or an earlier publication.
const FAN_OUT_PEOPLE: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, article_id, change_id, due_at, created_at)
    SELECT 'immediate', 'email', 'published', 'pending', s.subscriber_id, ch.article_id, ch.id, $2, ch.seen_at
    FROM change ch
    JOIN article a ON a.id = ch.article_id AND a.visible
    JOIN feed_article fa ON fa.article_id = ch.article_id AND fa.left_at IS NULL AND fa.people AND fa.since = ch.seen_at
    JOIN subscription s ON s.feed_id = fa.feed_id AND s.channel = 'email' AND s.frequency = 'immediate'
                       AND s.state = 'confirmed' AND s.since <= ch.seen_at
    WHERE ch.id = $1 AND ch.people AND ch.kind <> 'withdrawn'
      AND s.subscriber_id NOT IN (SELECT x.subscriber_id FROM suppression x WHERE x.subscriber_id IS NOT NULL)
    ON CONFLICT DO NOTHING";

// A mail that was cancelled while it was on its way (its article went and came back meanwhile) is that mail again: a second
// one beside it would go out twice.
const REVIVE: &str = "
    UPDATE delivery SET state = 'pending', cause = NULL, settled_at = NULL
    WHERE state = 'cancelled' AND lease IS NOT NULL AND channel = 'email' AND kind = 'published'
      AND article_id = (SELECT ch.article_id FROM change ch JOIN article a ON a.id = ch.article_id AND a.visible
                        WHERE ch.id = $1 AND ch.people AND ch.kind <> 'withdrawn')
      AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.subscriber_id = delivery.subscriber_id
                      AND o.article_id = delivery.article_id AND o.channel = 'email' AND o.state <> 'cancelled')";

// Who pauses hears of it when the pause is over. CROSS JOIN has SQLite begin with those who pause, who are few; what the state
// is not names the index by subscriber and article.
const HOLD_PAUSED: &str = "
    UPDATE delivery SET due_at = (SELECT p.paused_until FROM subscriber p WHERE p.id = delivery.subscriber_id)
    WHERE id IN (SELECT o.id FROM subscriber p CROSS JOIN delivery o
                 WHERE p.paused_until > $2 AND o.subscriber_id = p.id AND o.channel = 'email' AND o.change_id = $1
                   AND o.article_id = (SELECT ch.article_id FROM change ch WHERE ch.id = $1)
                   AND o.state <> 'cancelled' AND o.state = 'pending')";

// Endpoints hear of every change of every article that is, or until this change was, in a feed they follow.
const FAN_OUT_ENDPOINTS: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, article_id, change_id, due_at, created_at)
    SELECT 'immediate', 'webhook', ch.kind, 'pending', s.subscriber_id, ch.article_id, ch.id, $2, ch.seen_at
    FROM change ch
    JOIN feed_article fa ON fa.article_id = ch.article_id AND (fa.left_at IS NULL OR fa.left_at >= ch.seen_at)
    JOIN subscription s ON s.feed_id = fa.feed_id AND s.channel = 'webhook' AND s.state = 'confirmed'
                       AND s.since <= ch.seen_at
    JOIN endpoint e ON e.subscriber_id = s.subscriber_id AND e.deleted_at IS NULL
    WHERE ch.id = $1
    ON CONFLICT DO NOTHING";

// The first of each lane in the index of due rows, whatever the statistics say; places are those of Lane::ALL.
const DUE_LANE: &str = "
    SELECT CAST(CASE
        WHEN (SELECT due_at FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'transactional'
              ORDER BY due_at LIMIT 1) <= $2 THEN 0
        WHEN (SELECT due_at FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'immediate'
              ORDER BY due_at LIMIT 1) <= $2 THEN 1
        WHEN (SELECT due_at FROM delivery WHERE state = 'pending' AND channel = $1 AND lane = 'digest'
              ORDER BY due_at LIMIT 1) <= $2 THEN 2
    END AS BIGINT)";

// What a claim answers: one row with all that is needed. The feeds are those that hold the article and that the person
// follows at this moment: withdrawals and unsubscribes count up to the claim. What an earlier try left out says nothing of
// this one.
macro_rules! claim {
    ($among:literal, $lock:literal) => {
        concat!(
            "
    UPDATE delivery SET lease = $1, due_at = $2, attempts = attempts + 1, left_out = NULL
    WHERE id ",
            $among,
            "(SELECT id FROM delivery WHERE state = 'pending' AND channel = $3 AND lane = $4 AND due_at <= $5
              ORDER BY due_at, id LIMIT $6",
            $lock,
            "
    RETURNING id, kind, subscriber_id, article_id, change_id, set_id, run_id, opt_in_id, attempts, created_at,
        (SELECT s.email FROM subscriber s WHERE s.id = delivery.subscriber_id) AS email,
        COALESCE((SELECT s.public_id FROM subscriber s WHERE s.id = delivery.subscriber_id), 0) AS public_id,
        COALESCE((SELECT s.locale FROM subscriber s WHERE s.id = delivery.subscriber_id), 'vi') AS locale,
        COALESCE((SELECT ch.revision FROM change ch WHERE ch.id = delivery.change_id), 0) AS revision,
        CASE WHEN attempts > 1 THEN
            (SELECT count(*) FROM attempt t WHERE t.delivery_id = delivery.id AND t.cause = 'in_doubt')
        ELSE 0 END AS doubts,
        CASE WHEN channel = 'email' AND kind = 'published' THEN
            (SELECT string_agg(CAST(fa.feed_id AS TEXT), ',' ORDER BY fa.feed_id)
             FROM subscription w
             JOIN feed_article fa ON fa.feed_id = w.feed_id AND fa.article_id = delivery.article_id AND fa.left_at IS NULL
             JOIN article a ON a.id = fa.article_id AND a.visible
             WHERE w.subscriber_id = delivery.subscriber_id AND w.channel = 'email' AND w.frequency = 'immediate'
               AND w.state = 'confirmed')
        END AS feeds"
        )
    };
}
const CLAIM: &str = claim!("IN ", ")");
// PostgreSQL has many claimers at once: each skips what another holds. As an array the ids are looked up one by one;
// joined, PostgreSQL may read the whole table for them.
const CLAIM_SKIP_LOCKED: &str = claim!("= ANY (ARRAY", " FOR UPDATE SKIP LOCKED))");

// "Sent" is a fact, even if the row was cancelled while it was on its way; everything else only settles what still waits.
const SETTLE: &str = "
    UPDATE delivery SET
        state = CASE WHEN delivery.state = 'pending' OR x.state = 'sent' THEN x.state ELSE delivery.state END,
        due_at = CASE WHEN x.state = 'pending' THEN x.due_at ELSE delivery.due_at END,
        settled_at = CASE WHEN delivery.state = 'pending' AND x.state = 'pending' THEN NULL
                          WHEN delivery.state = 'pending' OR x.state = 'sent' THEN $2 ELSE delivery.settled_at END,
        cause = CASE WHEN delivery.state = 'pending' OR x.state = 'sent' THEN x.cause ELSE delivery.cause END,
        attempts = delivery.attempts - x.untried, detail = x.detail, lease = NULL,
        left_out = CASE WHEN x.state = 'pending' THEN NULL ELSE delivery.left_out END
    FROM (SELECT value->>'id' AS id, CAST(value->>'lease' AS INTEGER) AS lease, value->>'state' AS state,
                 value->>'due_at' AS due_at, value->>'untried' AS untried, value->>'cause' AS cause, value->>'detail' AS detail
          FROM json_each($1)) x
    WHERE delivery.id = x.id AND delivery.lease = x.lease";
// PostgreSQL names the unnesting of a JSON array otherwise and types its parts.
const SETTLE_JSONB: &str = "
    UPDATE delivery SET
        state = CASE WHEN delivery.state = 'pending' OR x.state = 'sent' THEN x.state ELSE delivery.state END,
        due_at = CASE WHEN x.state = 'pending' THEN x.due_at ELSE delivery.due_at END,
        settled_at = CASE WHEN delivery.state = 'pending' AND x.state = 'pending' THEN NULL
                          WHEN delivery.state = 'pending' OR x.state = 'sent' THEN $2 ELSE delivery.settled_at END,
        cause = CASE WHEN delivery.state = 'pending' OR x.state = 'sent' THEN x.cause ELSE delivery.cause END,
        attempts = delivery.attempts - x.untried, detail = x.detail, lease = NULL,
        left_out = CASE WHEN x.state = 'pending' THEN NULL ELSE delivery.left_out END
    FROM (SELECT (value->>'id')::bigint AS id, (value->>'lease')::bigint AS lease, value->>'state' AS state,
                 (value->>'due_at')::bigint AS due_at, (value->>'untried')::bigint AS untried, value->>'cause' AS cause, value->>'detail' AS detail
          FROM jsonb_array_elements($1::jsonb)) x
    WHERE delivery.id = x.id AND delivery.lease = x.lease";

// One row for a message in doubt must not hide in a retry: every try that did not end in "sent" is kept.
const ATTEMPT: &str = "INSERT INTO attempt (delivery_id, at, cause, detail) VALUES ($1, $2, $3, $4)";

const EXTEND: &str = "UPDATE delivery SET due_at = $3
    WHERE state = 'pending' AND lease = $1 AND id IN (SELECT value FROM json_each($2))";
const EXTEND_JSONB: &str = "UPDATE delivery SET due_at = $3
    WHERE state = 'pending' AND lease = $1
      AND id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($2::jsonb) AS value))";

impl Store {
    /// Changes that wait to be fanned out, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn open_changes(&self, limit: i64) -> Result<Vec<OpenChange>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, article_id, kind FROM change WHERE processed_at IS NULL AND NOT held ORDER BY id LIMIT $1")
            .bind(limit).fetch_all(p))?)
    }

    /// Turns one change into deliveries, once: the mark and the rows are one transaction. Answers how many rows, or
    /// nothing if another replica did it.
    ///
    /// # Errors
    /// When the database fails; nothing happened then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn fan_out(&self, change_id: i64, now: Timestamp) -> Result<Option<u64>> {
        let mut tx = self.begin().await?;
        if exec!(&mut tx, sqlx::query(TAKE_CHANGE).bind(change_id).bind(now.0))? == 0 {
            return Ok(None);
        }
        exec!(&mut tx, sqlx::query(REVIVE).bind(change_id))?;
        let people = exec!(&mut tx, sqlx::query(FAN_OUT_PEOPLE).bind(change_id).bind(now.0))?;
        exec!(&mut tx, sqlx::query(HOLD_PAUSED).bind(change_id).bind(now.0))?;
        let endpoints = exec!(&mut tx, sqlx::query(FAN_OUT_ENDPOINTS).bind(change_id).bind(now.0))?;
        if endpoints > 0 {
            push::number(self, &mut tx, change_id).await?;
        }
        tx.commit().await?;
        Ok(Some(people + endpoints))
    }

    /// The most urgent lane of a channel in which something is due, if anything is. Only reads: whoever waits for work
    /// asks this again and again and must not hold up those who write.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn due_lane(&self, channel: Channel, now: Timestamp) -> Result<Option<Lane>> {
        let due: Option<i64> = read!(self, p => sqlx::query_scalar(DUE_LANE)
            .bind(channel.as_str()).bind(now.0).fetch_one(p))?;
        Ok(due.and_then(|at| Lane::ALL.get(usize::try_from(at).ok()?).copied()))
    }

    /// Claims up to `limit` due deliveries of a channel and lane until `until`, under `lease`. The claim is committed
    /// before it returns: no transaction is open while anything is sent.
    ///
    /// # Errors
    /// When the database fails; nothing is claimed then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn claim(
        &self,
        channel: Channel,
        lane: Lane,
        lease: i64,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Claimed>> {
        let sql = self.pick(CLAIM, CLAIM_SKIP_LOCKED);
        let rows: Vec<ClaimedRow> = alone!(self, p => sqlx::query_as(sql).bind(lease).bind(until.0)
            .bind(channel.as_str()).bind(lane.as_str()).bind(now.0).bind(limit).fetch_all(p).await)?;
        let mut rows: Vec<Claimed> = rows.into_iter().map(Claimed::from).collect();
        // Neither engine promises an order.
        rows.sort_unstable_by_key(|r| r.id);
        Ok(rows)
    }

    /// Pushes the end of a lease out, for messages that are still on their way.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn extend(&self, lease: i64, ids: &[i64], until: Timestamp) -> Result<u64> {
        let sql = self.pick(EXTEND, EXTEND_JSONB);
        let ids = to_json(&ids)?;
        let n = alone!(self, p => sqlx::query(sql).bind(lease).bind(&ids).bind(until.0).execute(p).await
            .map(|r| r.rows_affected()))?;
        Ok(n)
    }

    /// Settles a batch in one transaction. A row whose lease is not ours any more is left as it is.
    ///
    /// # Errors
    /// When the database fails; nothing is settled then, and the batch may be settled again.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn settle(&self, batch: &[Settle], now: Timestamp) -> Result<u64> {
        if batch.is_empty() {
            return Ok(0);
        }
        let settle = self.pick(SETTLE, SETTLE_JSONB);
        let batch = &*without_nul(batch);
        let json = to_json(&batch)?;
        if !batch.iter().any(is_failed_try) {
            let settled = alone!(self, p => sqlx::query(settle).bind(&json).bind(now.0).execute(p).await
                .map(|r| r.rows_affected()))?;
            return Ok(settled);
        }
        let mut tx = self.begin().await?;
        let settled = exec!(&mut tx, sqlx::query(settle).bind(&json).bind(now.0))?;
        write_attempts(&mut tx, batch, now).await?;
        tx.commit().await?;
        Ok(settled)
    }

    /// Frees every claim: for the moment when one process alone begins to serve.
    pub(super) async fn free_claims(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query(
                "UPDATE delivery SET lease = NULL, due_at = created_at WHERE state = 'pending' AND lease IS NOT NULL"
            )
        )?;
        exec!(&mut tx, sqlx::query("DELETE FROM lease"))?;
        tx.commit().await
    }

    /// When the next delivery of a channel is due, if any waits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_due(&self, channel: Channel) -> Result<Option<Timestamp>> {
        let due: Option<i64> = read!(self, p => sqlx::query_scalar("
            SELECT min(due_at) FROM delivery WHERE state = 'pending' AND channel = $1
              AND lane IN ('transactional', 'immediate', 'digest')")
            .bind(channel.as_str()).fetch_one(p))?;
        Ok(due.map(Timestamp))
    }

    /// What waits, by channel and lane, as of `now`. What waits for a receiver that is disabled or left in peace does not
    /// count as overdue: others are not held up by it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_depth(&self, now: Timestamp) -> Result<Vec<QueueDepth>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT channel, lane, count(*) AS pending,
                COALESCE(min(CASE WHEN channel = 'webhook' AND EXISTS (
                    SELECT 1 FROM push_queue q WHERE q.subscriber_id = delivery.subscriber_id
                    AND (q.rests_until > $1 OR q.failures > 0)) THEN NULL ELSE due_at END), $1) AS oldest
            FROM delivery WHERE state = 'pending' GROUP BY channel, lane ORDER BY channel, lane")
            .bind(now.0).fetch_all(p))?)
    }

    /// How many deliveries are in each state, by channel, kind, state and cause.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery_counts(&self, article_id: Option<i64>) -> Result<Vec<DeliveryCount>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT channel, kind, state, COALESCE(cause, '') AS cause, count(*) AS n FROM delivery
            WHERE $1 < 0 OR article_id = $1
            GROUP BY channel, kind, state, COALESCE(cause, '') ORDER BY channel, kind, state, COALESCE(cause, '')")
            .bind(article_id.unwrap_or(-1)).fetch_all(p))?)
    }

    /// Drops finished deliveries, changes and attempts that are older than `before`. Answers how many deliveries.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_deliveries(&self, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query("DELETE FROM attempt WHERE at < $1").bind(before.0))?;
        // A mail that told a person of an article stays as long as the article's feed row may still cause another.
        let gone = exec!(
            &mut tx,
            sqlx::query(
                "
            DELETE FROM delivery WHERE state <> 'pending' AND settled_at < $1
              AND NOT (channel = 'email' AND article_id IS NOT NULL AND state = 'sent')"
            )
            .bind(before.0)
        )?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// One line of a delivery report.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DeliveryCount {
    /// Channel.
    pub channel: String,
    /// Kind.
    pub kind: String,
    /// State.
    pub state: String,
    /// Cause, or nothing.
    pub cause: String,
    /// How many.
    pub n: i64,
}

/// PostgreSQL keeps no NUL in a text: one odd reply must not keep a whole batch from settling.
fn without_nul(batch: &[Settle]) -> Cow<'_, [Settle]> {
    if batch.iter().all(|l| !l.detail.contains('\0')) {
        return Cow::Borrowed(batch);
    }
    let clean = |l: &Settle| Settle { detail: l.detail.replace('\0', " "), ..l.clone() };
    Cow::Owned(batch.iter().map(clean).collect())
}

const fn is_failed_try(line: &Settle) -> bool {
    line.untried == 0 && matches!(line.state, Settled::Pending | Settled::Dead)
}

async fn write_attempts(tx: &mut Tx, batch: &[Settle], now: Timestamp) -> Result<()> {
    for line in batch.iter().filter(|l| is_failed_try(l)) {
        exec!(tx, sqlx::query(ATTEMPT).bind(line.id).bind(now.0).bind(line.cause.unwrap_or("")).bind(&line.detail))?;
        if let Some(cause) = line.bounce {
            write_reply(tx, line.id, cause, &line.detail, now).await?;
        }
    }
    Ok(())
}

/// How long a claim is held before it must be extended.
pub const LEASE: Duration = Duration::from_mins(1);
