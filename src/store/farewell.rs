//! Farewells: who left everything or was erased is known by a keyed hash of the address and by nothing else, so that no
//! list brings them back. Erasing, and forgetting what has served its time.

use super::engine::{Engine, Result, Store, StoreError, Tx, exec, read, to_json, tx};
use super::moving;
use super::subscriber::end;
use crate::clock::Timestamp;
use crate::domain::address_hash::address_hash;
use crate::domain::subscriber::{EmailAddress, EndReason};

const KEY: &str = "SELECT value FROM secret WHERE name = 'address.1'";

const SAY: &str = "
    INSERT INTO farewell (address_hash, reason, left_at) VALUES ($1, $2, $3)
    ON CONFLICT (address_hash) DO UPDATE SET reason = excluded.reason, left_at = excluded.left_at";

/// A statement about the people of a list, for both engines: they unnest it otherwise.
macro_rules! of_people {
    ($before:literal, $after:literal) => {
        (
            concat!($before, "(SELECT value FROM json_each($1))", $after),
            concat!($before, "(SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)", $after),
        )
    };
}

// What relays answered may repeat what they were told.
// A suppression stays by its hash, without what servers said.
const WIPE: [(&str, &str); 6] = [
    of_people!("DELETE FROM attempt WHERE delivery_id IN (SELECT id FROM delivery WHERE subscriber_id IN ", ")"),
    of_people!("UPDATE delivery SET detail = NULL WHERE detail IS NOT NULL AND subscriber_id IN ", ""),
    of_people!("DELETE FROM opt_in WHERE subscriber_id IN ", ""),
    of_people!("UPDATE suppression SET subscriber_id = NULL WHERE subscriber_id IN ", ""),
    of_people!("DELETE FROM bounce WHERE subscriber_id IN ", ""),
    of_people!(
        "UPDATE subscriber SET email = NULL, email_key = NULL, digest_minute = NULL, paused_until = NULL
         WHERE kind = 'person' AND id IN ",
        ""
    ),
];

const CANCEL: (&str, &str) = of_people!(
    "UPDATE delivery SET state = 'cancelled', cause = 'erased', settled_at = $2
     WHERE state = 'pending' AND subscriber_id IN ",
    ""
);

// The rows that hold an address of the same person: where they asked to move to, and where they moved away from.
const OTHERS: &str = "SELECT subscriber_id FROM opt_in WHERE moves_id = $1 AND subscriber_id <> $1";

const OF_THEIR_OWN: &str = "
    SELECT (SELECT count(*) FROM subscription WHERE subscriber_id = $1 AND state = 'confirmed')
         + (SELECT count(*) FROM opt_in WHERE subscriber_id = $1 AND purpose = 'subscribe')";

impl Store {
    /// The keyed hash that stands for an address where the address itself may not be kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn address_hash(&self, address: &EmailAddress) -> Result<String> {
        let key: Option<String> = read!(self, p => sqlx::query_scalar(KEY).fetch_optional(p))?;
        Ok(address_hash(&key.ok_or_else(lost)?, address))
    }

    /// Erases a person: subscriptions end, what is pending is cancelled, and no table holds the address any more, nor an
    /// address that they moved from or asked to move to. A keyed hash stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase(&self, id: i64, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let others: Vec<i64> = tx!(&mut tx, c => sqlx::query_scalar(OTHERS).bind(id).fetch_all(c))?;
        let mut all = vec![id];
        for other in others {
            // Somebody may have asked to move to the address of somebody else, who is not meant.
            let own: i64 = tx!(&mut tx, c => sqlx::query_scalar(OF_THEIR_OWN).bind(other).fetch_one(c))?;
            if own == 0 {
                all.push(other);
            }
        }
        moving::drop_questions(&mut tx, id, now).await?;
        exec!(&mut tx, sqlx::query("DELETE FROM opt_in WHERE moves_id = $1").bind(id))?;
        end(&mut tx, id, None, EndReason::Erased, now).await?;
        say(&mut tx, id, EndReason::Erased, now).await?;
        wipe(&mut tx, &all, now).await?;
        tx.commit().await?;
        self.scrub().await
    }

    /// Notes that an address of which nothing is known is never to be brought in by a list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bar(&self, address: &EmailAddress, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let hash = hash_of(&mut tx, address).await?;
        exec!(&mut tx, sqlx::query(SAY).bind(&hash).bind(EndReason::Erased.as_str()).bind(now.0))?;
        tx.commit().await
    }

    /// Forgets people who have had no live subscription and no open request since `before`, and requests that nobody
    /// confirmed. Answers how many addresses.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_people(&self, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let gone: Vec<i64> = tx!(&mut tx, c => sqlx::query_scalar("
            SELECT id FROM subscriber
            WHERE kind = 'person' AND email IS NOT NULL AND created_at < $1
              AND NOT EXISTS (SELECT 1 FROM subscription s WHERE s.subscriber_id = subscriber.id
                              AND (s.state = 'confirmed' OR s.ended_at >= $1))
              AND NOT EXISTS (SELECT 1 FROM opt_in o WHERE o.subscriber_id = subscriber.id AND o.requested_at >= $1)
              AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.subscriber_id = subscriber.id AND d.state = 'pending')")
            .bind(before.0).fetch_all(c))?;
        if !gone.is_empty() {
            wipe(&mut tx, &gone, before).await?;
        }
        exec!(
            &mut tx,
            sqlx::query(
                "
            DELETE FROM opt_in WHERE confirmed_at IS NULL AND requested_at < $1
              AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.opt_in_id = opt_in.id AND d.state = 'pending')"
            )
            .bind(before.0)
        )?;
        tx.commit().await?;
        if !gone.is_empty() {
            self.scrub().await?;
        }
        Ok(gone.len() as u64)
    }

    /// Folds SQLite's write-ahead log into the file, where what was deleted is overwritten: the log may still hold what the
    /// tables do not. PostgreSQL does as much by its vacuum, in its own time.
    async fn scrub(&self) -> Result<()> {
        if let Engine::Sqlite { write, .. } = &self.engine {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(write).await?;
        }
        Ok(())
    }
}

/// Takes addresses out of their rows, with everything that was said by them or to them.
async fn wipe(tx: &mut Tx, ids: &[i64], now: Timestamp) -> Result<()> {
    let ids = to_json(&ids)?;
    for (sqlite, postgres) in WIPE {
        let sql = tx.pick(sqlite, postgres);
        exec!(&mut *tx, sqlx::query(sql).bind(&ids))?;
    }
    let cancel = tx.pick(CANCEL.0, CANCEL.1);
    exec!(&mut *tx, sqlx::query(cancel).bind(&ids).bind(now.0))?;
    Ok(())
}

/// Notes that a person left everything, if it was they who did.
pub(super) async fn say(tx: &mut Tx, id: i64, reason: EndReason, now: Timestamp) -> Result<()> {
    if !matches!(reason, EndReason::Unsubscribed | EndReason::Erased) {
        return Ok(());
    }
    if let Some(hash) = hash_of_person(tx, id).await? {
        exec!(&mut *tx, sqlx::query(SAY).bind(&hash).bind(reason.as_str()).bind(now.0))?;
    }
    Ok(())
}

/// Takes a farewell back: the person themselves asked for something again.
pub(super) async fn come_back(tx: &mut Tx, id: i64) -> Result<()> {
    if let Some(hash) = hash_of_person(tx, id).await? {
        exec!(&mut *tx, sqlx::query("DELETE FROM farewell WHERE address_hash = $1").bind(&hash))?;
    }
    Ok(())
}

/// Whether this address said farewell.
pub(super) async fn is_gone(tx: &mut Tx, address: &EmailAddress) -> Result<bool> {
    let hash = hash_of(tx, address).await?;
    let n: i64 = tx!(&mut *tx, c => sqlx::query_scalar("SELECT count(*) FROM farewell WHERE address_hash = $1")
        .bind(&hash).fetch_one(c))?;
    Ok(n > 0)
}

async fn hash_of_person(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let email: Option<Option<String>> = tx!(&mut *tx, c => sqlx::query_scalar("SELECT email FROM subscriber WHERE id = $1").bind(id).fetch_optional(c))?;
    match email.flatten().and_then(|email| EmailAddress::parse_international(&email).ok()) {
        Some(address) => hash_of(tx, &address).await.map(Some),
        None => Ok(None),
    }
}

/// The keyed hash of an address, in a transaction.
pub(super) async fn hash_of(tx: &mut Tx, address: &EmailAddress) -> Result<String> {
    let key: Option<String> = tx!(&mut *tx, c => sqlx::query_scalar(KEY).fetch_optional(c))?;
    Ok(address_hash(&key.ok_or_else(lost)?, address))
}

fn lost() -> StoreError {
    StoreError::Corrupt("the key of address hashes (secret address.1) is gone: restore it from a backup".to_owned())
}
