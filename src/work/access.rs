//! Bearer tokens of the API: made here, shown once, kept only as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::domain::link::KeyRing;
use crate::domain::scope::Scopes;
use crate::store::endpoint::Endpoint;
use crate::store::engine::{Result, Store, StoreError};
use crate::store::keys::TokenRow;

/// Makes a token that may do this, keeps its hash and answers the token: the only time that anyone sees it.
///
/// # Errors
/// When the database fails.
pub async fn create_token(store: &Store, clock: &Clock, name: &str, scopes: &Scopes) -> Result<String> {
    let token = format!("loa_{}", URL_SAFE_NO_PAD.encode(clock.random::<32>()));
    store.add_token(name, &hash(&token), scopes, clock.now()).await?;
    Ok(token)
}

/// The live token, if this is one.
///
/// # Errors
/// When the database fails.
pub async fn live_token(store: &Store, token: &str) -> Result<Option<TokenRow>> {
    store.token_by_hash(&hash(token)).await
}

/// Makes the token by which an endpoint's site catches up, in place of the one before, and answers it: the only time that
/// anyone sees it.
///
/// # Errors
/// When the database fails.
pub async fn create_endpoint_token(store: &Store, clock: &Clock, subscriber_id: i64) -> Result<String> {
    let token = format!("loae_{}", URL_SAFE_NO_PAD.encode(clock.random::<32>()));
    store.set_endpoint_token(subscriber_id, &hash(&token)).await?;
    Ok(token)
}

/// Whether this is the endpoint's own token.
#[must_use]
pub fn is_endpoint_token(endpoint: &Endpoint, token: &str) -> bool {
    let kept = endpoint.token_hash.as_deref().filter(|kept| !kept.is_empty());
    kept.is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(hash(token).as_bytes())))
}

/// The keys that sign links, the newest first; the first is made at the first start.
///
/// # Errors
/// When the database fails or holds something else.
pub async fn link_keys(store: &Store, clock: &Clock) -> Result<KeyRing> {
    store.secret_or("link.1", &fresh_key(clock), clock.now()).await?;
    let mut keys = Vec::new();
    for (name, value) in store.secrets_of("link.").await? {
        let corrupt = || StoreError::Corrupt(format!("secret {name} is not a key of links"));
        let id = link_id(&name).ok_or_else(corrupt)?;
        let key = URL_SAFE_NO_PAD.decode(value).ok().and_then(|k| <[u8; 32]>::try_from(k).ok());
        keys.push((id, key.ok_or_else(corrupt)?));
    }
    keys.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    KeyRing::new(keys).ok_or_else(|| StoreError::Corrupt("secret link.1 vanished".to_owned()))
}

/// Makes a new key of links, which signs from the next start on; old ones go on opening what they signed. Answers its id;
/// nothing if there is no id left.
///
/// # Errors
/// When the database fails or holds something else.
pub async fn rotate_link_key(store: &Store, clock: &Clock) -> Result<Option<u8>> {
    link_keys(store, clock).await?;
    let newest = store.secrets_of("link.").await?.iter().filter_map(|(name, _)| link_id(name)).max().unwrap_or(0);
    let Some(id) = newest.checked_add(1) else { return Ok(None) };
    store.secret_or(&format!("link.{id}"), &fresh_key(clock), clock.now()).await?;
    Ok(Some(id))
}

fn link_id(name: &str) -> Option<u8> {
    name.strip_prefix("link.")?.parse().ok()
}

fn fresh_key(clock: &Clock) -> String {
    URL_SAFE_NO_PAD.encode(clock.random::<32>())
}

// A token has 256 bits of chance, so a plain hash keeps it: there is nothing to guess.
fn hash(token: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(token.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
