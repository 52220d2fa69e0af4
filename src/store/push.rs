//! The queues of those who are pushed to: an event's number, who is served next, the breaker of each receiver. One row for
//! each event and receiver; rows are settled in [`super::delivery`]. Never loses a row: a receiver that fails or is
//! stopped keeps what waits for it.
//!
//! Order is a rule of the claim and so holds across replicas: of one article nothing is claimed while something earlier
//! waits or is on its way; of a queue in strict order nothing at all.

use sqlx::FromRow;

use super::engine::{Result, Store, Tx, alone, exec, read, to_json, tx};
use crate::clock::Timestamp;

/// The end of a rest that only a person ends. JSON numbers hold it exactly.
pub const STOPPED: i64 = 9_007_199_254_740_991;

/// Rounds of failures after which a receiver rests and is tried by one event at a time.
pub const PATIENCE: i64 = 3;

/// Events of one receiver that one claim takes at most.
const DEEPEST: usize = 64;

/// A claimed event for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Post {
    /// Row id.
    pub id: i64,
    /// `published`, `revised`, `withdrawn`, `test`, `disabled` or `digest`.
    pub kind: String,
    /// The receiver.
    pub subscriber_id: i64,
    /// The article it is about, if it is about one.
    pub article_id: Option<i64>,
    /// The change that caused it, if one did.
    pub change_id: Option<i64>,
    /// Its number among the receiver's events.
    pub seq: i64,
    /// The number before it that was not cancelled; 0 before the first.
    pub prev_seq: i64,
    /// Tries so far, this one included.
    pub attempts: i64,
    /// When it was made, UTC milliseconds.
    pub created_at: i64,
    /// The revision by the change that caused it; 0 without one.
    pub revision: i64,
    /// Rounds of failures of this receiver up to now.
    pub failures: i64,
}

/// An event as the receiver's list shows it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Listed {
    /// The event.
    #[sqlx(flatten)]
    pub post: Post,
    /// `pending`, `sent`, `dead` or `cancelled`.
    pub state: String,
    /// Why it is so, in one word.
    pub cause: Option<String>,
}

/// How many events of a receiver a claim may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Room {
    /// The receiver.
    pub id: i64,
    /// So many; none for one whose slots are all taken.
    pub n: usize,
}

/// What a try says of its receiver's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The receiver.
    pub subscriber_id: i64,
    /// When the try began.
    pub began: Timestamp,
    /// How it went.
    pub beat: Beat,
}

/// How a try went, as far as the receiver's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It took the event.
    Well,
    /// It failed; the wait before the next try once its patience is used up is the caller's `rest` for that round.
    Failed,
    /// It asked to be left alone until then.
    Wait(Timestamp),
}

/// Health of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Health {
    /// Number of its newest event.
    pub seq: i64,
    /// Whether it wants strict order.
    pub in_order: bool,
    /// Rounds of failures without a success between them.
    pub failures: i64,
    /// Since when it fails, UTC milliseconds.
    pub failing_since: Option<i64>,
    /// Nothing is sent before this moment, UTC milliseconds.
    pub rests_until: i64,
    /// Events that wait.
    pub pending: i64,
}

/// Which events to send again.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// Made at this moment or after it.
    pub from: Timestamp,
    /// Made before this moment.
    pub to: Timestamp,
    /// Only those in this state (`sent`, `dead`, `pending`); empty for all of them.
    pub state: &'a str,
    /// Whether the newest go first.
    pub newest_first: bool,
}

// How a row of the outbox becomes a Post; `$1` to `$n` are the caller's.
macro_rules! post_columns {
    () => {
        "delivery.id, delivery.kind, delivery.subscriber_id, delivery.article_id, delivery.change_id,
        COALESCE(delivery.seq, 0) AS seq, delivery.attempts, delivery.created_at,
        COALESCE((SELECT e.seq FROM delivery e WHERE e.subscriber_id = delivery.subscriber_id AND e.seq < delivery.seq
                  AND e.state <> 'cancelled' ORDER BY e.seq DESC LIMIT 1), 0) AS prev_seq,
        COALESCE((SELECT ch.revision FROM change ch WHERE ch.id = delivery.change_id), 0) AS revision,
        COALESCE((SELECT q.failures FROM push_queue q WHERE q.subscriber_id = delivery.subscriber_id), 0) AS failures"
    };
}

// Who has something due, found by leaps through the index; of each, the rows that may go, the longest waiting first. The
// first rows of all come before the second rows of any: that is the fair order. While a receiver fails, one row is its
// probe, due or not: the oldest of those tried least, so that one bad event does not stand for all for ever.
macro_rules! claim_posts {
    ($among:literal, $lock:literal, $rooms:literal, $each:literal, $end:literal, $waits:literal) => {
        concat!(
            "
    UPDATE delivery SET lease = $1, due_at = $2, attempts = attempts + 1
    WHERE state = 'pending' AND id ",
            $among,
            "(
        WITH RECURSIVE
        w (id) AS (
            SELECT min(subscriber_id) FROM delivery",
            $waits,
            " WHERE state = 'pending' AND channel = 'webhook'
            UNION ALL
            SELECT (SELECT min(n.subscriber_id) FROM delivery n",
            $waits,
            " WHERE n.state = 'pending' AND n.channel = 'webhook' AND n.subscriber_id > w.id)
            FROM w WHERE w.id IS NOT NULL),
        room (id, n) AS (",
            $rooms,
            "),
        free (id, failures, head, n) AS (
            SELECT h.subscriber_id, h.failures,
                CASE WHEN h.in_order THEN (SELECT min(p.seq) FROM delivery p",
            $waits,
            " WHERE p.subscriber_id = h.subscriber_id
                                           AND p.state = 'pending' AND p.channel = 'webhook') END,
                CASE WHEN h.failures >= $6 THEN 1 ELSE COALESCE(room.n, $5) END
            FROM w JOIN push_queue h ON h.subscriber_id = w.id LEFT JOIN room ON room.id = w.id
            WHERE h.rests_until <= $3 AND COALESCE(room.n, $5) > 0),
        ready (id, due_at, place, n) AS (
            SELECT d.id, d.due_at, row_number() OVER (PARTITION BY d.subscriber_id ORDER BY d.due_at, d.seq), free.n
            FROM free ",
            $each,
            " FROM delivery p",
            $waits,
            "
                WHERE p.subscriber_id = free.id AND p.state = 'pending' AND p.channel = 'webhook' AND p.due_at <= $3
                  AND (free.head IS NULL OR p.seq = free.head)
                  AND NOT EXISTS (SELECT 1 FROM delivery q WHERE q.subscriber_id = p.subscriber_id
                                  AND q.article_id = p.article_id AND q.seq < p.seq
                                  AND q.state = 'pending' AND q.channel = 'webhook')
                ORDER BY p.due_at, p.seq LIMIT $8",
            $end,
            "
            WHERE free.failures < $6
            UNION ALL
            SELECT d.id, d.due_at, 1, 1
            FROM free ",
            $each,
            " FROM delivery p",
            $waits,
            "
                WHERE p.subscriber_id = free.id AND p.state = 'pending' AND p.channel = 'webhook'
                  AND (p.lease IS NULL OR p.due_at <= $3) AND (free.head IS NULL OR p.seq = free.head)
                  AND NOT EXISTS (SELECT 1 FROM delivery q WHERE q.subscriber_id = p.subscriber_id
                                  AND q.article_id = p.article_id AND q.seq < p.seq
                                  AND q.state = 'pending' AND q.channel = 'webhook')
                ORDER BY p.attempts, p.seq LIMIT 1",
            $end,
            "
            WHERE free.failures >= $6)
        SELECT id FROM ready WHERE place <= n ORDER BY place, due_at, id LIMIT $4)",
            $lock,
            "
    RETURNING ",
            post_columns!()
        )
    };
}
const CLAIM_POSTS: &str = claim_posts!(
    "IN ",
    "",
    "SELECT value->>'id', value->>'n' FROM json_each($7)",
    "JOIN delivery d ON d.id IN (SELECT p.id",
    ")",
    // Its planner takes an index of finished rows otherwise.
    " INDEXED BY delivery_waits"
);
// PostgreSQL has many claimers at once. A row that another took meanwhile is looked at again when its lock is had: it is
// due no more then, or has a lease. It has LATERAL, which SQLite has not, and without it reads the whole table for each
// receiver.
const CLAIM_POSTS_SKIP_LOCKED: &str = claim_posts!(
    "= ANY (ARRAY(SELECT l.id FROM delivery l WHERE l.state = 'pending' AND (l.lease IS NULL OR l.due_at <= $3) AND l.id = ANY (ARRAY",
    ") FOR UPDATE SKIP LOCKED))",
    "SELECT (value->>'id')::bigint, (value->>'n')::bigint FROM jsonb_array_elements($7::jsonb)",
    "CROSS JOIN LATERAL (SELECT p.id, p.subscriber_id, p.due_at, p.seq",
    ") AS d",
    ""
);

macro_rules! are_due {
    ($waits:literal) => {
        concat!(
            "
    SELECT CAST(count(*) AS BIGINT) FROM (
        SELECT 1 AS one FROM push_queue q WHERE q.rests_until <= $1 AND EXISTS (
            SELECT 1 FROM delivery d",
            $waits,
            " WHERE d.subscriber_id = q.subscriber_id AND d.state = 'pending' AND d.channel = 'webhook'
              AND (d.due_at <= $1 OR (q.failures >= $2 AND d.lease IS NULL)))
        LIMIT 1) AS any_of_them"
        )
    };
}
const ARE_DUE: &str = are_due!(" INDEXED BY delivery_waits");
const ARE_DUE_PLAIN: &str = are_due!("");

// The rows of one change that a fan-out has just made get the next number of their receivers' queues. In one transaction
// with them, so the numbers have no gaps.
const COUNT_UP: &str = "
    UPDATE push_queue SET seq = seq + 1 WHERE subscriber_id IN (
        SELECT subscriber_id FROM delivery WHERE change_id = $1 AND channel = 'webhook' AND seq IS NULL)";
// Two fan-outs at once lock the queues in the same order, or each would wait for the other.
const COUNT_UP_IN_ORDER: &str = "
    UPDATE push_queue SET seq = seq + 1 WHERE subscriber_id = ANY (ARRAY(
        SELECT q.subscriber_id FROM push_queue q WHERE q.subscriber_id IN (
            SELECT subscriber_id FROM delivery WHERE change_id = $1 AND channel = 'webhook' AND seq IS NULL)
        ORDER BY q.subscriber_id FOR UPDATE))";
const NUMBER: &str = "
    UPDATE delivery SET seq = (SELECT q.seq FROM push_queue q WHERE q.subscriber_id = delivery.subscriber_id)
    WHERE change_id = $1 AND channel = 'webhook' AND seq IS NULL";

const FAIL: &str = "
    UPDATE push_queue SET failures = failures + 1, failed_at = $2, failing_since = COALESCE(failing_since, $2)
    WHERE subscriber_id = $1 AND rests_until < $4 AND (failed_at IS NULL OR failed_at <= $3)
    RETURNING failures, failing_since";
const REST: &str = "
    UPDATE push_queue SET rests_until = $2 WHERE subscriber_id = $1 AND rests_until < $2";
const RECOVER: &str = "
    UPDATE push_queue SET failures = 0, failing_since = NULL, failed_at = NULL, rests_until = 0
    WHERE subscriber_id = $1 AND failures > 0 AND rests_until < $2";
const ALL_DUE: &str = "
    UPDATE delivery SET due_at = $2
    WHERE subscriber_id = $1 AND state = 'pending' AND channel = 'webhook' AND lease IS NULL AND due_at > $2";

const LIST: &str = concat!(
    "SELECT delivery.state, delivery.cause, ",
    post_columns!(),
    " FROM delivery WHERE subscriber_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
);

const REPLAY: &str = "
    UPDATE delivery SET state = 'pending', attempts = 0, cause = NULL, settled_at = NULL, lease = NULL,
        due_at = CASE WHEN $5 THEN $6 - seq ELSE $6 - $7 + seq END
    WHERE subscriber_id = $1 AND channel = 'webhook' AND seq IS NOT NULL AND lease IS NULL
      AND created_at >= $2 AND created_at < $3 AND state <> 'cancelled' AND ($4 = '' OR state = $4)
      AND kind IN ('published', 'revised', 'withdrawn', 'digest')";

const NEW_ROW: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, due_at, created_at, seq)
    SELECT 'immediate', 'webhook', $2, 'pending', q.subscriber_id, $3, $3, q.seq FROM push_queue q
    WHERE q.subscriber_id = $1 RETURNING seq";

// The articles that a digest stands for: of each its newest event among those that were put together since the last one.
const TOGETHER: &str = "
    SELECT d.article_id, max(d.seq) AS seq FROM delivery d
    WHERE d.subscriber_id = $1 AND d.seq < $2 AND d.state = 'cancelled' AND d.cause = 'together' AND d.article_id IS NOT NULL
      AND d.seq > COALESCE((SELECT max(p.seq) FROM delivery p WHERE p.subscriber_id = $1 AND p.seq < $2
                            AND p.kind = 'digest'), 0)
    GROUP BY d.article_id ORDER BY max(d.seq) DESC LIMIT $3";

/// Numbers what a fan-out made for a change.
pub(super) async fn number(store: &Store, tx: &mut Tx, change_id: i64) -> Result<()> {
    exec!(tx, sqlx::query(store.pick(COUNT_UP, COUNT_UP_IN_ORDER)).bind(change_id))?;
    exec!(tx, sqlx::query(NUMBER).bind(change_id))?;
    Ok(())
}

/// Makes the queue of a new receiver.
pub(super) async fn begin_queue(tx: &mut Tx, subscriber_id: i64) -> Result<()> {
    exec!(
        tx,
        sqlx::query("INSERT INTO push_queue (subscriber_id, in_order) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(subscriber_id)
            .bind(false)
    )?;
    Ok(())
}

/// Stops a queue until [`go_on`].
pub(super) async fn stop(tx: &mut Tx, subscriber_id: i64) -> Result<()> {
    exec!(
        tx,
        sqlx::query("UPDATE push_queue SET rests_until = $2 WHERE subscriber_id = $1")
            .bind(subscriber_id)
            .bind(STOPPED)
    )?;
    Ok(())
}

/// Lets a queue go on with a clean bill of health: all that waits is due.
pub(super) async fn go_on(tx: &mut Tx, subscriber_id: i64, now: Timestamp) -> Result<()> {
    exec!(
        tx,
        sqlx::query(
            "
        UPDATE push_queue SET failures = 0, failing_since = NULL, failed_at = NULL, rests_until = 0
        WHERE subscriber_id = $1"
        )
        .bind(subscriber_id)
    )?;
    exec!(tx, sqlx::query(ALL_DUE).bind(subscriber_id).bind(now.0))?;
    Ok(())
}

/// Of what waits, the newest goes first.
pub(super) async fn newest_first(tx: &mut Tx, subscriber_id: i64, now: Timestamp) -> Result<()> {
    exec!(
        tx,
        sqlx::query(
            "
        UPDATE delivery SET due_at = $2 - seq
        WHERE subscriber_id = $1 AND state = 'pending' AND channel = 'webhook' AND lease IS NULL"
        )
        .bind(subscriber_id)
        .bind(now.0)
    )?;
    Ok(())
}

/// Puts all that waits together into one digest event. Answers how many events it stands for.
pub(super) async fn together(tx: &mut Tx, subscriber_id: i64, now: Timestamp) -> Result<u64> {
    let together = exec!(
        tx,
        sqlx::query(
            "
        UPDATE delivery SET state = 'cancelled', cause = 'together', settled_at = $2
        WHERE subscriber_id = $1 AND channel = 'webhook' AND state = 'pending' AND lease IS NULL
          AND kind IN ('published', 'revised', 'withdrawn')"
        )
        .bind(subscriber_id)
        .bind(now.0)
    )?;
    if together > 0 {
        append(tx, subscriber_id, "digest", now).await?;
    }
    Ok(together)
}

/// Appends an event that no change caused; answers its number, or nothing if there is no such queue.
pub(super) async fn append(tx: &mut Tx, subscriber_id: i64, kind: &str, now: Timestamp) -> Result<Option<i64>> {
    exec!(tx, sqlx::query("UPDATE push_queue SET seq = seq + 1 WHERE subscriber_id = $1").bind(subscriber_id))?;
    Ok(tx!(tx, c => sqlx::query_scalar(NEW_ROW).bind(subscriber_id).bind(kind).bind(now.0).fetch_optional(c))?)
}

impl Store {
    /// Claims up to `limit` events until `until` under `lease`, in fair order over receivers: of each as many as `rooms`
    /// says, `usual` for one that it does not name, one for one that fails, none for one that rests. The claim is committed
    /// before this returns.
    ///
    /// # Errors
    /// When the database fails; nothing is claimed then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn claim_posts(
        &self,
        lease: i64,
        (now, until): (Timestamp, Timestamp),
        limit: usize,
        usual: usize,
        rooms: &[Room],
    ) -> Result<Vec<Post>> {
        let sql = self.pick(CLAIM_POSTS, CLAIM_POSTS_SKIP_LOCKED);
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let rooms = to_json(&rooms)?;
        let mut posts: Vec<Post> = alone!(self, p => sqlx::query_as(sql).bind(lease).bind(until.0).bind(now.0)
            .bind(number(limit)).bind(number(usual)).bind(PATIENCE).bind(&rooms).bind(number(DEEPEST))
            .fetch_all(p).await)?;
        // Neither engine promises an order.
        posts.sort_unstable_by_key(|p| p.seq);
        Ok(posts)
    }

    /// Whether a claim might find something now. Only reads, so that waiting for work holds up nobody who writes.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn posts_are_due(&self, now: Timestamp) -> Result<bool> {
        let sql = self.pick(ARE_DUE, ARE_DUE_PLAIN);
        let due: i64 = read!(self, p => sqlx::query_scalar(sql).bind(now.0).bind(PATIENCE).fetch_one(p))?;
        Ok(due != 0)
    }

    /// Writes what tries said of their receivers' health, in one transaction. A failure counts once a round: not if its try
    /// began before the last failure that counted. `rest` gives the wait after so many rounds, from [`PATIENCE`] on. The
    /// first success makes all that waits due. Answers the receivers that fail since before `hopeless`.
    ///
    /// # Errors
    /// When the database fails; nothing is written then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn feel(
        &self,
        pulses: &[Pulse],
        now: Timestamp,
        hopeless: Timestamp,
        rest: impl Fn(i64) -> std::time::Duration,
    ) -> Result<Vec<i64>> {
        let mut given_up = Vec::new();
        if pulses.is_empty() {
            return Ok(given_up);
        }
        let mut tx = self.begin().await?;
        for pulse in pulses {
            let id = pulse.subscriber_id;
            let fail = match pulse.beat {
                Beat::Well => {
                    if exec!(&mut tx, sqlx::query(RECOVER).bind(id).bind(STOPPED))? > 0 {
                        exec!(&mut tx, sqlx::query(ALL_DUE).bind(id).bind(now.0))?;
                    }
                    continue;
                }
                Beat::Failed => None,
                Beat::Wait(until) => Some(until),
            };
            let failed: Option<(i64, i64)> = tx!(&mut tx, c => sqlx::query_as(FAIL)
                .bind(id).bind(now.0).bind(pulse.began.0).bind(STOPPED).fetch_optional(c))?;
            if let Some(until) = fail {
                exec!(&mut tx, sqlx::query(REST).bind(id).bind(until.0))?;
            }
            let Some((failures, since)) = failed else { continue };
            if failures >= PATIENCE {
                exec!(&mut tx, sqlx::query(REST).bind(id).bind(now.plus(rest(failures - PATIENCE)).0))?;
            }
            if since <= hopeless.0 {
                given_up.push(id);
            }
        }
        tx.commit().await?;
        Ok(given_up)
    }

    /// How a receiver does, if it has a queue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn health(&self, subscriber_id: i64) -> Result<Option<Health>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT seq, in_order, failures, failing_since, rests_until,
                (SELECT count(*) FROM delivery d WHERE d.subscriber_id = q.subscriber_id AND d.state = 'pending'
                 AND d.channel = 'webhook') AS pending
            FROM push_queue q WHERE subscriber_id = $1").bind(subscriber_id).fetch_optional(p))?)
    }

    /// Whether a receiver wants its events strictly one after another.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_in_order(&self, subscriber_id: i64, in_order: bool) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE push_queue SET in_order = $2 WHERE subscriber_id = $1")
                .bind(subscriber_id)
                .bind(in_order)
        )?;
        tx.commit().await
    }

    /// The events of a receiver after the number `after`, at most `limit`, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_after(&self, subscriber_id: i64, after: i64, limit: i64) -> Result<Vec<Listed>> {
        Ok(read!(self, p => sqlx::query_as(LIST).bind(subscriber_id).bind(after).bind(limit).fetch_all(p))?)
    }

    /// Makes events due again, under their ids and numbers; what is on its way stays as it is. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replay(&self, subscriber_id: i64, what: Replay<'_>, now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let newest: Option<i64> = tx!(&mut tx, c => sqlx::query_scalar(
            "SELECT seq FROM push_queue WHERE subscriber_id = $1").bind(subscriber_id).fetch_optional(c))?;
        let again = exec!(
            &mut tx,
            sqlx::query(REPLAY)
                .bind(subscriber_id)
                .bind(what.from.0)
                .bind(what.to.0)
                .bind(what.state)
                .bind(what.newest_first)
                .bind(now.0)
                .bind(newest.unwrap_or(0))
        )?;
        tx.commit().await?;
        Ok(again)
    }

    /// The articles that the digest with this number stands for, with the number of the newest event of each; the newest
    /// first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn together(&self, subscriber_id: i64, seq: i64, limit: i64) -> Result<Vec<(i64, i64)>> {
        Ok(read!(self, p => sqlx::query_as(TOGETHER).bind(subscriber_id).bind(seq).bind(limit).fetch_all(p))?)
    }
}
