//! Which processes share the database, and what becomes of the work of one that vanished. A row for each, which it
//! rewrites again and again; the others see it stand still. Judges nothing: who is gone is decided in `work`.

use super::engine::{Engine, Result, Store, exec, read};
use crate::clock::{Clock, Timestamp};

/// How rows of processes are named among the leases.
const PREFIX: &str = "worker:";

/// A process, by a number of chance: 31 bits, which begin the token of each of its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker(pub i64);

impl Worker {
    /// A new one.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self(i64::from(u32::from_le_bytes(clock.random()) >> 1))
    }

    /// Its name, as holder of leases.
    #[must_use]
    pub fn name(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The worker whose claim carries this token.
    #[must_use]
    pub const fn of(token: i64) -> Self {
        Self(token >> 32)
    }

    /// A token for a claim that shows whose it is.
    #[must_use]
    pub fn token(self, clock: &Clock) -> i64 {
        (self.0 << 32) | i64::from(u32::from_le_bytes(clock.random()))
    }
}

const BEAT: &str = "UPDATE lease SET expires = $2 WHERE name = $1";
const ARRIVE: &str = "INSERT INTO lease (name, holder, expires) VALUES ($1, $1, $2)";
const STOOD_STILL: &str = "DELETE FROM lease WHERE name = $1 AND expires = $2";
const DROP_LEASES: &str = "DELETE FROM lease WHERE holder = $1";

// Tokens of one worker are one range. A claim is due at the end of its lease, never far from now, so the index of due
// rows finds claims among a long queue of retries.
const FREE: &str = "
    UPDATE delivery SET lease = NULL, due_at = $1
    WHERE state = 'pending' AND channel IN ('email', 'webhook') AND lane IN ('transactional', 'immediate', 'digest')
      AND due_at > $1 AND due_at <= $2 AND lease >= $3 AND lease < $4";

impl Store {
    /// Whether several processes may serve from this database.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Puts a worker on the list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn arrive(&self, worker: Worker, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query(ARRIVE).bind(worker.name()).bind(now.0))?;
        tx.commit().await
    }

    /// Writes that this worker is still there. `false` if it was taken for gone: its claims and leases are others' now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn beat(&self, worker: Worker, now: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let there = exec!(&mut tx, sqlx::query(BEAT).bind(worker.name()).bind(now.0))?;
        tx.commit().await?;
        Ok(there == 1)
    }

    /// Every worker with its last beat. Whether the beat moves is what counts: it is of another machine's clock.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workers(&self) -> Result<Vec<(Worker, i64)>> {
        let rows: Vec<(String, i64)> = read!(self, p => sqlx::query_as(
            "SELECT name, expires FROM lease WHERE name LIKE 'worker:%'").fetch_all(p))?;
        let number = |name: &str| name.strip_prefix(PREFIX).and_then(|n| n.parse().ok());
        Ok(rows.into_iter().filter_map(|(name, beat)| Some((Worker(number(&name)?), beat))).collect())
    }

    /// Frees what a worker held, if `beat` is still its last: its claims are due now, its leases are gone. Answers how
    /// many claims; nothing if it beat again or somebody else did this.
    ///
    /// # Errors
    /// When the database fails; nothing happened then.
    pub async fn free_worker(
        &self,
        worker: Worker,
        beat: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u64>> {
        let name = worker.name();
        let mut tx = self.begin().await?;
        if exec!(&mut tx, sqlx::query(STOOD_STILL).bind(&name).bind(beat))? == 0 {
            return Ok(None);
        }
        exec!(&mut tx, sqlx::query(DROP_LEASES).bind(&name))?;
        let (first, behind) = (worker.0 << 32, worker.0.saturating_add(1) << 32);
        let freed = exec!(&mut tx, sqlx::query(FREE).bind(now.0).bind(until.0).bind(first).bind(behind))?;
        tx.commit().await?;
        Ok(Some(freed))
    }

    /// Takes a worker that stops in order off the list, with its leases.
    ///
    /// # Errors
    /// When the database fails; the others notice by themselves then.
    pub async fn leave(&self, worker: Worker) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query(DROP_LEASES).bind(worker.name()))?;
        tx.commit().await
    }
}
