//! Refusals as evidence: written with the settle or the report that brought them, judged afterwards, taken back when a
//! wave is not believed. Decides nothing about what they mean.

use std::time::Duration;

use sqlx::FromRow;

use super::engine::{Result, Store, Tx, exec, read, to_json, tx};
use super::subscriber::end;
use super::suppression::{NewSuppression, suppress};
use crate::clock::Timestamp;
use crate::domain::bounce::Cause;
use crate::domain::bounce::standing::{Evidence, Tally, WAVE};
use crate::domain::subscriber::{EmailAddress, EndReason};

/// How a refusal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// As a reply while the mail was offered.
    Reply,
    /// As a mail that came back (RFC 3464, or what passes for it).
    Report,
    /// As a complaint of the reader, by their provider (RFC 5965).
    Complaint,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reply, Self::Report, Self::Complaint];

    /// The word in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Report => "report",
            Self::Complaint => "complaint",
        }
    }
}

/// A refusal that was proved to be of one of our mails.
#[derive(Clone, Copy, Debug)]
pub struct NewBounce<'a> {
    /// The person.
    pub subscriber_id: i64,
    /// The mail, if the refusal names one.
    pub delivery_id: Option<i64>,
    /// How it came.
    pub kind: Kind,
    /// What was at fault; nothing for a complaint.
    pub cause: Option<Cause>,
    /// The domain of the address.
    pub domain: &'a str,
    /// What was said, without the address.
    pub detail: &'a str,
}

/// A refusal that waits for judgement.
#[derive(Clone, Debug, FromRow)]
pub struct OpenBounce {
    /// Row id.
    pub id: i64,
    /// The person.
    pub subscriber_id: i64,
    /// A word of [`Kind`].
    pub kind: String,
    /// A word of [`Cause`]; nothing for a complaint.
    pub cause: Option<String>,
    /// The domain of the address.
    pub domain: String,
    /// What was said.
    pub detail: String,
    /// The address, unless it was erased.
    pub email: Option<String>,
}

/// A refusal as the operator is told of it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct BounceRow {
    /// A word of [`Kind`].
    pub kind: String,
    /// A word of [`Cause`]; nothing for a complaint.
    pub cause: Option<String>,
    /// What was said.
    pub detail: String,
    /// When, UTC milliseconds.
    pub at: i64,
    /// Whether it says nothing any more.
    pub void: bool,
}

/// A domain whose "no such user" is not believed.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Wave {
    /// The domain.
    pub domain: String,
    /// Since when, UTC milliseconds.
    pub since: i64,
    /// The last refusal, UTC milliseconds.
    pub last_at: i64,
    /// How many people it was said of.
    pub people: i64,
}

// A mail that asks for a confirmation says nothing: nobody has shown yet that the address is theirs.
const REPLY: &str = "
    INSERT INTO bounce (subscriber_id, delivery_id, kind, cause, domain, detail, at, void)
    SELECT d.subscriber_id, d.id, 'reply', $2, substr(p.email_key, instr(p.email_key, '@') + 1), $3, $4, FALSE
    FROM delivery d JOIN subscriber p ON p.id = d.subscriber_id
    WHERE d.id = $1 AND d.kind <> 'confirm' AND p.email_key IS NOT NULL
    ON CONFLICT DO NOTHING";
// PostgreSQL has no instr.
const REPLY_POSTGRES: &str = "
    INSERT INTO bounce (subscriber_id, delivery_id, kind, cause, domain, detail, at, void)
    SELECT d.subscriber_id, d.id, 'reply', $2, split_part(p.email_key, '@', 2), $3, $4, FALSE
    FROM delivery d JOIN subscriber p ON p.id = d.subscriber_id
    WHERE d.id = $1 AND d.kind <> 'confirm' AND p.email_key IS NOT NULL
    ON CONFLICT DO NOTHING";

const REPORT: &str = "
    INSERT INTO bounce (subscriber_id, delivery_id, kind, cause, domain, detail, at, void)
    SELECT p.id, $2, $3, $4, $5, $6, $7, FALSE FROM subscriber p
    WHERE p.id = $1 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.id = $2 AND d.kind = 'confirm')
    ON CONFLICT DO NOTHING";
// PostgreSQL has to be told what may be nothing.
const REPORT_POSTGRES: &str = "
    INSERT INTO bounce (subscriber_id, delivery_id, kind, cause, domain, detail, at, void)
    SELECT p.id, $2::bigint, $3::text, $4::text, $5::text, $6::text, $7::bigint, FALSE FROM subscriber p
    WHERE p.id = $1 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.id = $2::bigint AND d.kind = 'confirm')
    ON CONFLICT DO NOTHING";

const OPEN: &str = "
    SELECT b.id, b.subscriber_id, b.kind, b.cause, b.domain, b.detail, p.email
    FROM bounce b JOIN subscriber p ON p.id = b.subscriber_id
    WHERE b.judged_at IS NULL ORDER BY b.id LIMIT $1";

const JUDGED: &str =
    "UPDATE bounce SET judged_at = $2, void = $3 WHERE judged_at IS NULL AND id IN (SELECT value FROM json_each($1))";
const JUDGED_JSONB: &str = "
    UPDATE bounce SET judged_at = $2, void = $3
    WHERE judged_at IS NULL AND id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value))";

// What is not believed goes out once more, later. A row of evidence is written once for a delivery, so this is once too.
const AGAIN: &str = "
    UPDATE delivery SET state = 'pending', due_at = $2, settled_at = NULL, lease = NULL
    WHERE state = 'dead' AND channel = 'email' AND id IN (
        SELECT delivery_id FROM bounce WHERE kind = 'reply' AND delivery_id IS NOT NULL
          AND id IN (SELECT value FROM json_each($1)))";
const AGAIN_JSONB: &str = "
    UPDATE delivery SET state = 'pending', due_at = $2, settled_at = NULL, lease = NULL
    WHERE state = 'dead' AND channel = 'email' AND id IN (
        SELECT delivery_id FROM bounce WHERE kind = 'reply' AND delivery_id IS NOT NULL
          AND id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)))";

const VOID: &str = "UPDATE bounce SET void = TRUE WHERE id IN (SELECT value FROM json_each($1))";
const VOID_JSONB: &str = "
    UPDATE bounce SET void = TRUE
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value))";

const TALLY: &str = "
    SELECT count(DISTINCT CASE WHEN at >= $2 THEN subscriber_id END),
           count(DISTINCT CASE WHEN at < $2 THEN subscriber_id END)
    FROM bounce WHERE domain = $1 AND at >= $3 AND cause IN ('no_such_user', 'unknown')";

// What a wave said since its beginning, believed so far or not judged yet.
const OF_WAVE: &str = "
    SELECT id FROM bounce WHERE domain = $1 AND at >= $2 AND cause IN ('no_such_user', 'unknown') AND NOT void";

const UNSUPPRESS: &str = "
    DELETE FROM suppression WHERE since >= $2 AND reason IN ('no_such_user', 'unknown') AND subscriber_id IN (
        SELECT subscriber_id FROM bounce WHERE domain = $1 AND at >= $2)";

const BEGIN_WAVE: &str = "
    INSERT INTO bounce_wave (domain, since, last_at, people) VALUES ($1, $2, $2, $3)
    ON CONFLICT (domain) DO NOTHING";

const TOUCH_WAVE: &str = "
    UPDATE bounce_wave SET last_at = $2, people = (
        SELECT count(DISTINCT subscriber_id) FROM bounce
        WHERE bounce.domain = bounce_wave.domain AND at >= bounce_wave.since - $3 AND cause IN ('no_such_user', 'unknown'))
    WHERE domain = $1";

// A mail that was taken and did not come back shows that the address lives; the two unique indexes of the outbox find it.
const LAST_SUCCESS: &str = "
    SELECT max(at) FROM (
        SELECT max(d.settled_at) AS at FROM delivery d
        WHERE d.subscriber_id = $1 AND d.channel = 'email' AND d.article_id IS NOT NULL AND d.state <> 'cancelled'
          AND d.state = 'sent' AND d.settled_at <= $2
          AND NOT EXISTS (SELECT 1 FROM bounce b WHERE b.subscriber_id = $1 AND b.delivery_id = d.id)
        UNION ALL
        SELECT max(d.settled_at) FROM delivery d
        WHERE d.subscriber_id = $1 AND d.run_id IS NOT NULL AND d.state = 'sent' AND d.settled_at <= $2
          AND NOT EXISTS (SELECT 1 FROM bounce b WHERE b.subscriber_id = $1 AND b.delivery_id = d.id)) x";

/// So long after it was taken, a mail has not come back: relays give up after five days (RFC 5321 §4.5.4.1).
const NOT_BACK: Duration = Duration::from_hours(5 * 24);

const MONTH: Duration = Duration::from_hours(30 * 24);

impl Store {
    /// Keeps a refusal. `false` if it is known already, or about a mail that asked for a confirmation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_bounce(&self, new: &NewBounce<'_>, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let sql = tx.pick(REPORT, REPORT_POSTGRES);
        let detail = new.detail.replace('\0', " ");
        let added = exec!(
            &mut tx,
            sqlx::query(sql)
                .bind(new.subscriber_id)
                .bind(new.delivery_id)
                .bind(new.kind.as_str())
                .bind(new.cause.map(Cause::as_str))
                .bind(new.domain)
                .bind(&detail)
                .bind(now.0)
        )?;
        tx.commit().await?;
        Ok(added == 1)
    }

    /// Refusals that wait for judgement, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_bounces(&self, limit: i64) -> Result<Vec<OpenBounce>> {
        Ok(read!(self, p => sqlx::query_as(OPEN).bind(limit).fetch_all(p))?)
    }

    /// What was said of a domain lately; `people` is how many of it loa knows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bounce_tally(&self, domain: &str, people: i64, now: Timestamp) -> Result<Tally> {
        let from = now.minus(WAVE);
        let (today, before): (i64, i64) = read!(self, p => sqlx::query_as(TALLY)
            .bind(domain).bind(from.0).bind(from.minus(MONTH).0).fetch_one(p))?;
        Ok(Tally { today, before, people })
    }

    /// How many people of a domain are known. Reads every address: not for each mail.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn people_of_domain(&self, domain: &str) -> Result<i64> {
        // A domain holds no wildcard of LIKE: letters, digits, dots and hyphens alone (RFC 1123 §2.1).
        Ok(read!(self, p => sqlx::query_scalar("SELECT count(*) FROM subscriber WHERE email_key LIKE $1")
            .bind(format!("%@{domain}")).fetch_one(p))?)
    }

    /// What counts against a person's address: refusals that are believed and that no later success outweighs, the
    /// oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evidence_of(&self, person: i64, now: Timestamp) -> Result<Vec<Evidence>> {
        let success: Option<i64> = read!(self, p => sqlx::query_scalar(LAST_SUCCESS)
            .bind(person).bind(now.minus(NOT_BACK).0).fetch_one(p))?;
        let rows: Vec<(String, i64)> = read!(self, p => sqlx::query_as("
            SELECT cause, at FROM bounce WHERE subscriber_id = $1 AND cause IS NOT NULL AND NOT void AND at > $2
            ORDER BY at, id").bind(person).bind(success.unwrap_or(i64::MIN)).fetch_all(p))?;
        Ok(rows
            .iter()
            .filter_map(|(word, at)| Some(Evidence { cause: Cause::parse(word)?, at: Timestamp(*at) }))
            .collect())
    }

    /// Marks refusals as judged: they stay, and have said what they say.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn judged(&self, ids: &[i64], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        judged(&mut tx, ids, false, now).await?;
        tx.commit().await
    }

    /// The same with what they come to: the address is suppressed.
    ///
    /// # Errors
    /// When the database fails; nothing was written then.
    pub async fn judged_against(&self, id: i64, email: &EmailAddress, new: &NewSuppression<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        if judged(&mut tx, &[id], false, new.since).await? == 1 {
            suppress(&mut tx, email, new).await?;
        }
        tx.commit().await
    }

    /// A complaint ends all that the person gets, and no mail goes there until they ask anew.
    ///
    /// # Errors
    /// When the database fails; nothing was written then.
    pub async fn judged_complaint(
        &self,
        bounce: &OpenBounce,
        email: &EmailAddress,
        new: &NewSuppression<'_>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        if judged(&mut tx, &[bounce.id], false, new.since).await? == 1 {
            end(&mut tx, bounce.subscriber_id, None, EndReason::Complained, new.since).await?;
            suppress(&mut tx, email, new).await?;
        }
        tx.commit().await
    }

    /// Does not believe these refusals of a domain whose wave goes on: their mails go out once more at `again`.
    ///
    /// # Errors
    /// When the database fails; nothing was written then.
    pub async fn distrust(&self, domain: &str, ids: &[i64], now: Timestamp, again: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let requeued = distrust(&mut tx, ids, now, again).await?;
        exec!(&mut tx, sqlx::query(TOUCH_WAVE).bind(domain).bind(now.0).bind(millis(WAVE)))?;
        tx.commit().await?;
        Ok(requeued)
    }

    /// Begins a wave: what was said of this domain within [`WAVE`] is taken back with all that came of it, and the mails
    /// go out once more at `again`. Answers how many, or nothing if the wave had begun.
    ///
    /// # Errors
    /// When the database fails; nothing was written then.
    pub async fn begin_wave(&self, domain: &str, people: i64, now: Timestamp, again: Timestamp) -> Result<Option<u64>> {
        let mut tx = self.begin().await?;
        if exec!(&mut tx, sqlx::query(BEGIN_WAVE).bind(domain).bind(now.0).bind(people))? == 0 {
            return Ok(None);
        }
        let from = now.minus(WAVE);
        let ids: Vec<i64> = tx!(&mut tx, c => sqlx::query_scalar(OF_WAVE).bind(domain).bind(from.0).fetch_all(c))?;
        exec!(&mut tx, sqlx::query(UNSUPPRESS).bind(domain).bind(from.0))?;
        let requeued = distrust(&mut tx, &ids, now, again).await?;
        tx.commit().await?;
        Ok(Some(requeued))
    }

    /// Domains that are not believed, or were until lately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waves(&self) -> Result<Vec<Wave>> {
        Ok(read!(self, p => sqlx::query_as("SELECT domain, since, last_at, people FROM bounce_wave ORDER BY domain")
            .fetch_all(p))?)
    }

    /// The refusals of a person, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bounces_of(&self, person: i64, limit: i64) -> Result<Vec<BounceRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT kind, cause, detail, at, void FROM bounce WHERE subscriber_id = $1 ORDER BY at DESC, id DESC LIMIT $2")
            .bind(person).bind(limit).fetch_all(p))?)
    }

    /// Refusals by kind and cause since a moment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bounce_counts(&self, since: Timestamp) -> Result<Vec<(String, String, i64)>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT kind, COALESCE(cause, ''), count(*) FROM bounce WHERE at >= $1
            GROUP BY kind, COALESCE(cause, '') ORDER BY kind, COALESCE(cause, '')").bind(since.0).fetch_all(p))?)
    }

    /// Drops refusals from before `before`, and waves that ended before `quiet`. Answers how many refusals.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_bounces(&self, before: Timestamp, quiet: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query("DELETE FROM bounce_wave WHERE last_at < $1").bind(quiet.0))?;
        // Also of those whose address was forgotten by now.
        let gone = exec!(
            &mut tx,
            sqlx::query(
                "DELETE FROM bounce WHERE at < $1 OR EXISTS (
                     SELECT 1 FROM subscriber p WHERE p.id = bounce.subscriber_id AND p.email IS NULL)"
            )
            .bind(before.0)
        )?;
        exec!(
            &mut tx,
            sqlx::query(
                "UPDATE suppression SET subscriber_id = NULL WHERE EXISTS (
                     SELECT 1 FROM subscriber p WHERE p.id = suppression.subscriber_id AND p.email IS NULL)"
            )
        )?;
        tx.commit().await?;
        Ok(gone)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

async fn judged(tx: &mut Tx, ids: &[i64], void: bool, now: Timestamp) -> Result<u64> {
    let sql = tx.pick(JUDGED, JUDGED_JSONB);
    Ok(exec!(tx, sqlx::query(sql).bind(to_json(&ids)?).bind(now.0).bind(void))?)
}

async fn distrust(tx: &mut Tx, ids: &[i64], now: Timestamp, again: Timestamp) -> Result<u64> {
    let (again_sql, void_sql) = (tx.pick(AGAIN, AGAIN_JSONB), tx.pick(VOID, VOID_JSONB));
    let json = to_json(&ids)?;
    let requeued = exec!(tx, sqlx::query(again_sql).bind(&json).bind(again.0))?;
    judged(tx, ids, true, now).await?;
    exec!(tx, sqlx::query(void_sql).bind(&json))?;
    Ok(requeued)
}

/// Writes the refusal that a settled try was, in the settle's own transaction.
pub(super) async fn write_reply(
    tx: &mut Tx,
    delivery: i64,
    cause: &'static str,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = tx.pick(REPLY, REPLY_POSTGRES);
    exec!(tx, sqlx::query(sql).bind(delivery).bind(cause).bind(detail).bind(now.0))?;
    Ok(())
}
