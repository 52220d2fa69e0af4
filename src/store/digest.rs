//! Digest runs: one per frequency and date, made in steps; one delivery per person; one set per distinct content.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::engine::{Result, Store, exec, from_json, read, to_json, tx};
use crate::clock::Timestamp;
use crate::domain::digest::DueRun;

/// A run whose members are still being made.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Run {
    /// Row id.
    pub id: i64,
    /// `daily` or `weekly`.
    pub frequency: String,
    /// The local date that names it.
    pub date: String,
    /// The end of its window, UTC milliseconds.
    pub window_to: i64,
    /// The newest entry that belongs to it.
    pub upto: i64,
    /// Subscribers up to this row id are made.
    pub cursor: i64,
    /// Deliveries made so far.
    pub members: i64,
}

/// One subscription that a run reaches.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Member {
    /// Row id of the subscription.
    pub id: i64,
    /// The person.
    pub subscriber_id: i64,
    /// The feed.
    pub feed_id: i64,
    /// Up to where this subscription has been told.
    pub told_until: i64,
}

/// The articles of one feed in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The feed.
    pub feed_id: i64,
    /// Article row ids, the newest first.
    pub articles: Vec<i64>,
}

/// The members of one step: who gets which content.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Distinct contents: key and sections.
    pub sets: Vec<(String, Vec<Section>)>,
    /// Person and index into `sets`.
    pub deliveries: Vec<(i64, usize)>,
    /// The subscriptions that were looked at, with or without news.
    pub told: Vec<i64>,
    /// Everyone up to this subscriber was looked at.
    pub cursor: i64,
    /// Whether that was everyone.
    pub last: bool,
}

/// A digest that tells a person something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// The person.
    pub subscriber_id: i64,
    /// Its content.
    pub set_id: i64,
    /// What was left out of it.
    pub left_out: Vec<i64>,
}

impl Store {
    /// Notes when this database began to serve, once: digests of an earlier hour are nobody's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_life(&self, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("INSERT INTO counter (name, value) VALUES ('began_at', $1) ON CONFLICT (name) DO NOTHING")
                .bind(now.0)
        )?;
        tx.commit().await
    }

    /// Begins a run, once: answers `false` if this date had its run, or if its hour was before this database began to
    /// serve. What has been committed by now belongs to it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_run(&self, due: &DueRun, now: Timestamp) -> Result<bool> {
        let (frequency, date) = (due.frequency.as_str(), due.date.to_string());
        // Asked at each beat: a look costs less than a transaction.
        let known: Option<i64> = read!(self, p => sqlx::query_scalar(
            "SELECT id FROM digest_run WHERE frequency = $1 AND date = $2")
            .bind(frequency).bind(&date).fetch_optional(p))?;
        if known.is_some() {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        let n = exec!(&mut tx, sqlx::query(BEGIN_RUN).bind(frequency).bind(&date).bind(due.window_to.0).bind(now.0))?;
        tx.commit().await?;
        Ok(n == 1)
    }

    /// Runs whose members are not all made: just begun, or cut off by a crash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_runs(&self) -> Result<Vec<Run>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, frequency, date, window_to, upto, cursor, members FROM digest_run
            WHERE planned_at IS NULL ORDER BY id").fetch_all(p))?)
    }

    /// The run with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, id: i64) -> Result<Option<Run>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, frequency, date, window_to, upto, cursor, members FROM digest_run WHERE id = $1")
            .bind(id).fetch_optional(p))?)
    }

    /// The next subscriptions of a run by subscriber, at most `limit` rows; the last subscriber may be cut off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_members(&self, run: &Run, limit: i64) -> Result<Vec<Member>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT id, subscriber_id, feed_id, told_until FROM subscription
            WHERE subscriber_id > $1 AND channel = 'email' AND frequency = $2 AND state = 'confirmed'
              AND subscriber_id NOT IN (SELECT x.subscriber_id FROM suppression x WHERE x.subscriber_id IS NOT NULL)
            ORDER BY subscriber_id, feed_id LIMIT $3")
            .bind(run.cursor).bind(&run.frequency).bind(limit).fetch_all(p))?)
    }

    /// Articles that entered a feed after `from` up to `upto` and are public, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn entered(&self, feed_id: i64, from: i64, upto: i64) -> Result<Vec<i64>> {
        Ok(read!(self, p => sqlx::query_scalar("
            SELECT fa.article_id FROM feed_article fa JOIN article a ON a.id = fa.article_id AND a.visible
            WHERE fa.feed_id = $1 AND fa.people AND fa.left_at IS NULL AND fa.entered > $2 AND fa.entered <= $3
            ORDER BY fa.rank DESC, fa.article_id DESC")
            .bind(feed_id).bind(from).bind(upto).fetch_all(p))?)
    }

    /// Writes one step of a run: deliveries, how far everyone was told, and the cursor, in one transaction. `false` if
    /// another replica wrote this step.
    ///
    /// # Errors
    /// When the database fails; the step is then made again.
    pub async fn write_step(&self, run: &Run, step: &Step, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let ours = exec!(&mut tx, sqlx::query("
            UPDATE digest_run SET cursor = $3, members = members + $4, planned_at = CASE WHEN $5 THEN $6 ELSE planned_at END
            WHERE id = $1 AND cursor = $2 AND planned_at IS NULL")
            .bind(run.id).bind(run.cursor).bind(step.cursor)
            .bind(i64::try_from(step.deliveries.len()).unwrap_or(i64::MAX)).bind(step.last).bind(now.0))?;
        if ours == 0 {
            return Ok(false);
        }
        let mut ids = Vec::with_capacity(step.sets.len());
        for (key, sections) in &step.sets {
            let id: i64 = tx!(&mut tx, c => sqlx::query_scalar("
                INSERT INTO digest_set (run_id, key, sections) VALUES ($1, $2, $3)
                ON CONFLICT (run_id, key) DO UPDATE SET key = excluded.key RETURNING id")
                .bind(run.id).bind(key).bind(to_json(sections)?).fetch_one(c))?;
            ids.push(id);
        }
        let rows: Vec<(i64, i64)> = step.deliveries.iter().map(|(person, set)| (*person, ids[*set])).collect();
        let sql = tx.pick(INSERT_MEMBERS, INSERT_MEMBERS_JSONB);
        exec!(&mut tx, sqlx::query(sql).bind(run.id).bind(now.0).bind(to_json(&rows)?))?;
        // Told or with nothing to tell: either way this window is behind them. Only those that were looked at: who came
        // meanwhile was not.
        let sql = tx.pick(TOLD, TOLD_JSONB);
        exec!(&mut tx, sqlx::query(sql).bind(to_json(&step.told)?).bind(run.upto))?;
        tx.commit().await?;
        Ok(true)
    }

    /// The sections of a set.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn digest_set(&self, id: i64) -> Result<Vec<Section>> {
        let text: Option<String> = read!(self, p => sqlx::query_scalar("SELECT sections FROM digest_set WHERE id = $1")
            .bind(id).fetch_optional(p))?;
        text.map_or_else(|| Ok(Vec::new()), |t| from_json("digest_set.sections", &t))
    }

    /// Which of these articles each of these people was mailed by itself already: pairs of person and article.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mailed_before(&self, people: &[i64], articles: &[i64]) -> Result<Vec<(i64, i64)>> {
        let sql = self.pick(MAILED, MAILED_JSONB);
        Ok(read!(self, p => sqlx::query_as(sql).bind(to_json(&people)?).bind(to_json(&articles)?).fetch_all(p))?)
    }

    /// Which other digests tell these people something: person, set, and the articles of the set that were left out. Those
    /// that were sent since `from`, and those of earlier runs that wait. Of two that wait, the earlier tells; with
    /// `run_id` 0, only what was sent counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn digests_before(&self, people: &[i64], run_id: i64, from: Timestamp) -> Result<Vec<Digested>> {
        let sql = self.pick(DIGESTED, DIGESTED_JSONB);
        let rows: Vec<(i64, i64, Option<String>)> =
            read!(self, p => sqlx::query_as(sql).bind(to_json(&people)?).bind(run_id).bind(from.0).fetch_all(p))?;
        let parse = |text: Option<String>| text.map_or(Ok(Vec::new()), |t| from_json("delivery.left_out", &t));
        rows.into_iter()
            .map(|(subscriber_id, set_id, out)| Ok(Digested { subscriber_id, set_id, left_out: parse(out)? }))
            .collect()
    }

    /// Keeps which articles of their sets digests do not bring after all: delivery and articles.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_left_out(&self, digests: &[(i64, Vec<i64>)]) -> Result<()> {
        let mut tx = self.begin().await?;
        let sql = tx.pick(LEFT_OUT, LEFT_OUT_JSONB);
        exec!(&mut tx, sqlx::query(sql).bind(to_json(&digests)?))?;
        tx.commit().await
    }

    /// Which of these people follow anything by mail now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn following(&self, people: &[i64]) -> Result<Vec<i64>> {
        let sql = self.pick(FOLLOWING, FOLLOWING_JSONB);
        Ok(read!(self, p => sqlx::query_scalar(sql).bind(to_json(&people)?).fetch_all(p))?)
    }
}

const BEGIN_RUN: &str = "
    INSERT INTO digest_run (frequency, date, window_to, upto, created_at)
    SELECT $1, $2, $3, (SELECT value FROM counter WHERE name = 'feed_version'), $4
    WHERE $3 >= COALESCE((SELECT value FROM counter WHERE name = 'began_at'), 0)
    ON CONFLICT (frequency, date) DO NOTHING";

const INSERT_MEMBERS: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, set_id, run_id, due_at, created_at)
    SELECT 'digest', 'email', 'digest', 'pending', value->>0, value->>1, $1, $2, $2 FROM json_each($3) WHERE TRUE
    ON CONFLICT DO NOTHING";
const INSERT_MEMBERS_JSONB: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, set_id, run_id, due_at, created_at)
    SELECT 'digest', 'email', 'digest', 'pending', (value->>0)::bigint, (value->>1)::bigint, $1, $2, $2
    FROM jsonb_array_elements($3::jsonb) WHERE TRUE
    ON CONFLICT DO NOTHING";

const TOLD: &str = "
    UPDATE subscription SET told_until = $2
    WHERE id IN (SELECT value FROM json_each($1)) AND state = 'confirmed' AND told_until < $2";
const TOLD_JSONB: &str = "
    UPDATE subscription SET told_until = $2
    WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)
      AND state = 'confirmed' AND told_until < $2";

// A mail that waits counts only if it will go: its claim asks the same (see delivery.rs).
const MAILED: &str = "
    SELECT subscriber_id, article_id FROM delivery
    WHERE subscriber_id IN (SELECT value FROM json_each($1)) AND article_id IN (SELECT value FROM json_each($2))
      AND channel = 'email' AND article_id IS NOT NULL AND state <> 'cancelled'
      AND (state = 'sent' OR (state = 'pending' AND EXISTS (
          SELECT 1 FROM subscription w
          JOIN feed_article fa ON fa.feed_id = w.feed_id AND fa.article_id = delivery.article_id AND fa.left_at IS NULL
          WHERE w.subscriber_id = delivery.subscriber_id AND w.channel = 'email' AND w.frequency = 'immediate'
            AND w.state = 'confirmed')))";
const MAILED_JSONB: &str = "
    SELECT subscriber_id, article_id FROM delivery
    WHERE subscriber_id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)
      AND article_id IN (SELECT value::bigint FROM jsonb_array_elements_text($2::jsonb) AS value)
      AND channel = 'email' AND article_id IS NOT NULL AND state <> 'cancelled'
      AND (state = 'sent' OR (state = 'pending' AND EXISTS (
          SELECT 1 FROM subscription w
          JOIN feed_article fa ON fa.feed_id = w.feed_id AND fa.article_id = delivery.article_id AND fa.left_at IS NULL
          WHERE w.subscriber_id = delivery.subscriber_id AND w.channel = 'email' AND w.frequency = 'immediate'
            AND w.state = 'confirmed')))";

const DIGESTED: &str = "
    SELECT subscriber_id, set_id, left_out FROM delivery
    WHERE subscriber_id IN (SELECT value FROM json_each($1)) AND run_id IS NOT NULL AND run_id <> $2
      AND created_at >= $3 AND (state = 'sent' OR (state = 'pending' AND run_id < $2))";
const DIGESTED_JSONB: &str = "
    SELECT subscriber_id, set_id, left_out FROM delivery
    WHERE subscriber_id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)
      AND run_id IS NOT NULL AND run_id <> $2
      AND created_at >= $3 AND (state = 'sent' OR (state = 'pending' AND run_id < $2))";

const LEFT_OUT: &str = "
    UPDATE delivery SET left_out = x.articles
    FROM (SELECT value->>0 AS id, value->>1 AS articles FROM json_each($1)) x WHERE delivery.id = x.id";
const LEFT_OUT_JSONB: &str = "
    UPDATE delivery SET left_out = x.articles
    FROM (SELECT (value->>0)::bigint AS id, value->>1 AS articles FROM jsonb_array_elements($1::jsonb)) x
    WHERE delivery.id = x.id";

const FOLLOWING: &str = "
    SELECT DISTINCT subscriber_id FROM subscription
    WHERE subscriber_id IN (SELECT value FROM json_each($1)) AND channel = 'email' AND state = 'confirmed'";
const FOLLOWING_JSONB: &str = "
    SELECT DISTINCT subscriber_id FROM subscription
    WHERE subscriber_id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)
      AND channel = 'email' AND state = 'confirmed'";
