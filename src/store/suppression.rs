//! Addresses that get no mail: by a keyed hash, and while the person is known by their row. Keeps and answers; decides
//! nothing about who belongs there.

use std::time::Duration;

use sqlx::FromRow;

use super::engine::{Result, Store, Tx, exec, read, to_json, tx};
use super::farewell::hash_of;
use crate::clock::Timestamp;
use crate::domain::bounce::standing::Reason;
use crate::domain::subscriber::EmailAddress;

/// Who was suppressed for longer than this is not told afterwards of all that happened meanwhile.
const CATCHES_UP: Duration = Duration::from_hours(7 * 24);

/// An address that gets no mail.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Suppressed {
    /// The keyed hash of the address.
    pub address_hash: String,
    /// The address itself, while a subscriber has it.
    pub email: Option<String>,
    /// A word of [`Reason`].
    pub reason: String,
    /// In words, without the address.
    pub evidence: String,
    /// Since when, UTC milliseconds.
    pub since: i64,
    /// When the address is tried again, UTC milliseconds; nothing: when the person asks anew.
    pub lapses_at: Option<i64>,
}

/// What is written of one.
#[derive(Clone, Copy, Debug)]
pub struct NewSuppression<'a> {
    /// Why.
    pub reason: Reason,
    /// In words, without the address.
    pub evidence: &'a str,
    /// Since when.
    pub since: Timestamp,
    /// When the address is tried again.
    pub lapses_at: Option<Timestamp>,
}

impl<'a> NewSuppression<'a> {
    /// One that begins now and lasts as its reason says.
    #[must_use]
    pub fn now(reason: Reason, evidence: &'a str, now: Timestamp) -> Self {
        Self { reason, evidence, since: now, lapses_at: reason.lasts().map(|lasts| now.plus(lasts)) }
    }
}

// What a person or an operator decided is not softened by what a server says.
const SUPPRESS: &str = "
    INSERT INTO suppression (address_hash, subscriber_id, reason, evidence, since, lapses_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (address_hash) DO UPDATE SET reason = excluded.reason, evidence = excluded.evidence,
        lapses_at = excluded.lapses_at, subscriber_id = COALESCE(excluded.subscriber_id, suppression.subscriber_id)
    WHERE suppression.reason NOT IN ('complaint', 'operator') OR excluded.reason IN ('complaint', 'operator')";

macro_rules! listed {
    ($where:literal) => {
        concat!(
            "
    SELECT x.address_hash, p.email, x.reason, x.evidence, x.since, x.lapses_at
    FROM suppression x LEFT JOIN subscriber p ON p.id = x.subscriber_id WHERE ",
            $where
        )
    };
}
const ONE: &str = listed!("x.address_hash = $1");
const PAGE: &str = listed!("x.address_hash > $1 ORDER BY x.address_hash LIMIT $2");

const SUPPRESSED: &str = "
    SELECT subscriber_id FROM suppression WHERE subscriber_id IN (SELECT value FROM json_each($1))";
const SUPPRESSED_JSONB: &str = "
    SELECT subscriber_id FROM suppression
    WHERE subscriber_id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)";

const FORGIVE: &str = "UPDATE bounce SET void = TRUE WHERE subscriber_id = $1 AND NOT void";

// After a long time digests begin with what comes from now on, instead of one of everything.
const BEGIN_ANEW: &str = "
    UPDATE subscription SET told_until = (SELECT value FROM counter WHERE name = 'feed_version')
    WHERE subscriber_id = $1 AND channel = 'email' AND state = 'confirmed' AND frequency <> 'immediate'
      AND told_until < (SELECT value FROM counter WHERE name = 'feed_version')";

impl Store {
    /// Stops all mail to an address but answers to what its owner asks for, whether or not anybody has it. A complaint or
    /// an operator's word stays what it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppress(&self, email: &EmailAddress, new: &NewSuppression<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        suppress(&mut tx, email, new).await?;
        tx.commit().await
    }

    /// The same by a hash from an export of this installation; the person, if any, is not looked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppress_hash(&self, hash: &str, new: &NewSuppression<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        write(&mut tx, hash, None, new).await?;
        tx.commit().await
    }

    /// Lets an address be mailed again, and forgets what its servers said. Answers whether it was suppressed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lift(&self, email: &EmailAddress, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let hash = hash_of(&mut tx, email).await?;
        let lifted = lift(&mut tx, &hash, now).await?;
        tx.commit().await?;
        Ok(lifted)
    }

    /// The same by the hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lift_hash(&self, hash: &str, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let lifted = lift(&mut tx, hash, now).await?;
        tx.commit().await?;
        Ok(lifted)
    }

    /// Lifts what has served its time. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lift_lapsed(&self, now: Timestamp) -> Result<u64> {
        let mut lifted = 0;
        loop {
            let mut tx = self.begin().await?;
            let due: Vec<String> = tx!(&mut tx, c => sqlx::query_scalar(
                "SELECT address_hash FROM suppression WHERE lapses_at <= $1 LIMIT 500").bind(now.0).fetch_all(c))?;
            if due.is_empty() {
                return Ok(lifted);
            }
            for hash in &due {
                lift(&mut tx, hash, now).await?;
            }
            tx.commit().await?;
            lifted += due.len() as u64;
        }
    }

    /// Who of these people is suppressed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressed(&self, people: &[i64]) -> Result<Vec<i64>> {
        let sql = self.pick(SUPPRESSED, SUPPRESSED_JSONB);
        let people = to_json(&people)?;
        Ok(read!(self, p => sqlx::query_scalar(sql).bind(&people).fetch_all(p))?)
    }

    /// What is known of an address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression_of(&self, email: &EmailAddress) -> Result<Option<Suppressed>> {
        let hash = self.address_hash(email).await?;
        Ok(read!(self, p => sqlx::query_as(ONE).bind(&hash).fetch_optional(p))?)
    }

    /// Suppressed addresses by hash, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressions(&self, after: &str, limit: i64) -> Result<Vec<Suppressed>> {
        Ok(read!(self, p => sqlx::query_as(PAGE).bind(after).bind(limit).fetch_all(p))?)
    }

    /// How many addresses are suppressed, by reason.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression_counts(&self) -> Result<Vec<(String, i64)>> {
        Ok(read!(self, p => sqlx::query_as(
            "SELECT reason, count(*) FROM suppression GROUP BY reason ORDER BY reason").fetch_all(p))?)
    }
}

/// Suppresses an address, and whoever has it.
pub(super) async fn suppress(tx: &mut Tx, email: &EmailAddress, new: &NewSuppression<'_>) -> Result<()> {
    let hash = hash_of(tx, email).await?;
    let person: Option<i64> = tx!(tx, c => sqlx::query_scalar("SELECT id FROM subscriber WHERE email_key = $1")
        .bind(email.key()).fetch_optional(c))?;
    write(tx, &hash, person, new).await
}

async fn write(tx: &mut Tx, hash: &str, person: Option<i64>, new: &NewSuppression<'_>) -> Result<()> {
    exec!(
        tx,
        sqlx::query(SUPPRESS)
            .bind(hash)
            .bind(person)
            .bind(new.reason.as_str())
            .bind(new.evidence)
            .bind(new.since.0)
            .bind(new.lapses_at.map(|t| t.0))
    )?;
    Ok(())
}

/// Lifts a suppression. Answers whether there was one.
pub(super) async fn lift(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<bool> {
    let gone: Option<(Option<i64>, i64)> = tx!(tx, c => sqlx::query_as(
        "DELETE FROM suppression WHERE address_hash = $1 RETURNING subscriber_id, since").bind(hash).fetch_optional(c))?;
    let Some((person, since)) = gone else { return Ok(false) };
    if let Some(person) = person {
        exec!(tx, sqlx::query(FORGIVE).bind(person))?;
        if now.since(Timestamp(since)) > CATCHES_UP {
            exec!(tx, sqlx::query(BEGIN_ANEW).bind(person))?;
        }
    }
    Ok(true)
}

/// Lifts the suppression of a person who just asked anew by double opt-in.
pub(super) async fn lift_person(tx: &mut Tx, person: i64, now: Timestamp) -> Result<bool> {
    let hash: Option<String> = tx!(tx, c => sqlx::query_scalar(
        "SELECT address_hash FROM suppression WHERE subscriber_id = $1").bind(person).fetch_optional(c))?;
    match hash {
        Some(hash) => lift(tx, &hash, now).await,
        None => Ok(false),
    }
}

/// Ties a person to what is known of their address: for a row that just came to be, or whose address just changed. What
/// was said of an earlier address of theirs is not said of this one.
pub(super) async fn attach(tx: &mut Tx, person: i64, email: &EmailAddress) -> Result<()> {
    let hash = hash_of(tx, email).await?;
    exec!(
        tx,
        sqlx::query("UPDATE suppression SET subscriber_id = NULL WHERE subscriber_id = $1 AND address_hash <> $2")
            .bind(person)
            .bind(&hash)
    )?;
    exec!(
        tx,
        sqlx::query("UPDATE suppression SET subscriber_id = $1 WHERE address_hash = $2 AND subscriber_id IS NULL")
            .bind(person)
            .bind(&hash)
    )?;
    Ok(())
}

/// Two rows have each other's address: what is known of an address goes with it, and what servers said of either before
/// says nothing of what the row has now.
pub(super) async fn swap(tx: &mut Tx, one: (i64, &EmailAddress), other: (i64, &EmailAddress)) -> Result<()> {
    for (person, _) in [one, other] {
        exec!(tx, sqlx::query("UPDATE suppression SET subscriber_id = NULL WHERE subscriber_id = $1").bind(person))?;
        exec!(tx, sqlx::query(FORGIVE).bind(person))?;
    }
    for (person, email) in [one, other] {
        attach(tx, person, email).await?;
    }
    Ok(())
}
