//! Leases: one holder at a time does a thing, and a holder that dies is replaced when its lease ends.

use std::time::Duration;

use super::engine::{Result, Store, exec};
use crate::clock::Timestamp;

impl Store {
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
