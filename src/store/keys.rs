//! Secrets that loa makes for itself (link keys) and the API's bearer tokens, of which only hashes are kept.

use super::engine::{Result, Store, StoreError, exec, read, tx};
use crate::clock::Timestamp;
use crate::domain::scope::Scopes;

/// An API token as it is listed; the token itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRow {
    /// Row id.
    pub id: i64,
    /// What its maker called it.
    pub name: String,
    /// What it may do, in the words of [`Scopes`].
    pub scopes: String,
    /// When it was made, UTC milliseconds.
    pub created_at: i64,
    /// When it was revoked, UTC milliseconds.
    pub revoked_at: Option<i64>,
}

impl Store {
    /// The secret of that name, made from `fresh` if there is none yet. Two replicas that start together agree.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn secret_or(&self, name: &str, fresh: &str, now: Timestamp) -> Result<String> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query(
                "INSERT INTO secret (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING"
            )
            .bind(name)
            .bind(fresh)
            .bind(now.0)
        )?;
        let value: Option<String> = tx!(&mut tx, c => sqlx::query_scalar("SELECT value FROM secret WHERE name = $1").bind(name).fetch_optional(c))?;
        tx.commit().await?;
        value.ok_or_else(|| StoreError::Corrupt(format!("secret {name} vanished")))
    }

    /// Every secret whose name begins so: name and value.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn secrets_of(&self, beginning: &str) -> Result<Vec<(String, String)>> {
        Ok(read!(self, p => sqlx::query_as("SELECT name, value FROM secret WHERE name LIKE $1 || '%' ORDER BY name")
            .bind(beginning).fetch_all(p))?)
    }

    /// Keeps a token's hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_token(&self, name: &str, hash: &str, scopes: &Scopes, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("INSERT INTO token (name, hash, created_at, scopes) VALUES ($1, $2, $3, $4)")
                .bind(name)
                .bind(hash)
                .bind(now.0)
                .bind(scopes.to_string())
        )?;
        tx.commit().await
    }

    /// The live token with this hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<TokenRow>> {
        Ok(read!(self, p => sqlx::query_as(
            "SELECT id, name, scopes, created_at, revoked_at FROM token WHERE hash = $1 AND revoked_at IS NULL")
            .bind(hash).fetch_optional(p))?)
    }

    /// Every token, revoked ones too, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        Ok(
            read!(self, p => sqlx::query_as("SELECT id, name, scopes, created_at, revoked_at FROM token ORDER BY id").fetch_all(p))?,
        )
    }

    /// Revokes the tokens of that name. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_token(&self, name: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let gone = exec!(
            &mut tx,
            sqlx::query("UPDATE token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
                .bind(name)
                .bind(now.0)
        )?;
        tx.commit().await?;
        Ok(gone)
    }
}
