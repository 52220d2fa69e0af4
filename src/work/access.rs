//! Bearer tokens of the API: made here, shown once, kept only as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::domain::link::KeyRing;
use crate::store::endpoint::Endpoint;
use crate::store::engine::{Result, Store, StoreError};

/// Makes a token, keeps its hash and answers the token: the only time that anyone sees it.
///
/// # Errors
/// When the database fails.
pub async fn create_token(store: &Store, clock: &Clock, name: &str) -> Result<String> {
    let token = format!("loa_{}", URL_SAFE_NO_PAD.encode(clock.random::<32>()));
    store.add_token(name, &hash(&token), clock.now()).await?;
    Ok(token)
}

/// The name of the live token, if this is one.
///
/// # Errors
/// When the database fails.
pub async fn token_name(store: &Store, token: &str) -> Result<Option<String>> {
    Ok(store.token_by_hash(&hash(token)).await?.map(|t| t.name))
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

/// The keys that sign links; made at the first start.
///
/// # Errors
/// When the database fails or holds something else.
pub async fn link_keys(store: &Store, clock: &Clock) -> Result<KeyRing> {
    let fresh = URL_SAFE_NO_PAD.encode(clock.random::<32>());
    let kept = store.secret_or("link.1", &fresh, clock.now()).await?;
    URL_SAFE_NO_PAD
        .decode(kept)
        .ok()
        .and_then(|k| <[u8; 32]>::try_from(k).ok())
        .and_then(|key| KeyRing::new(vec![(1, key)]))
        .ok_or_else(|| StoreError::Corrupt("secret link.1 is not 32 bytes".to_owned()))
}

// A token has 256 bits of chance, so a plain hash keeps it: there is nothing to guess.
fn hash(token: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(token.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
