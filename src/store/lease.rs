//! Leases: one holder at a time does a thing, and a holder that dies is replaced when its lease ends.

use std::time::Duration;

use super::engine::{Result, Store, alone, exec};
use crate::clock::Timestamp;

/// The row that [`Store::write_something`] writes.
const PROOF: &str = "
    INSERT INTO lease (name, holder, expires) VALUES ('proof', $1, $2)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires";

impl Store {
    /// Writes one row, to see that the database takes it: one that answers may still be read-only, or full.
    ///
    /// # Errors
    /// When it does not.
    pub async fn write_something(&self, holder: &str, now: Timestamp) -> Result<()> {
        alone!(self, p => sqlx::query(PROOF).bind(holder).bind(now.0).execute(p).await.map(drop)?);
        Ok(())
    }

    /// Takes or extends the lease of that name. `false` while somebody else holds it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(&self, name: &str, holder: &str, now: Timestamp, length: Duration) -> Result<bool> {
        let mut tx = self.begin().await?;
        let taken = exec!(
            &mut tx,
            sqlx::query(
                "
            INSERT INTO lease (name, holder, expires) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
            WHERE lease.holder = excluded.holder OR lease.expires <= $4"
            )
            .bind(name)
            .bind(holder)
            .bind(now.plus(length).0)
            .bind(now.0)
        )?;
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// Gives a lease back, if it is still ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_lease(&self, name: &str, holder: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2").bind(name).bind(holder))?;
        tx.commit().await
    }
}
