//! The operator's session: a signed cookie that names a token and an hour. Nothing is kept in memory, so replicas agree
//! and a restart signs nobody out; a revoked token ends its sessions at once.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::OnceCell;

use crate::clock::Timestamp;
use crate::domain::scope::{Scope, Scopes};
use crate::store::engine::StoreError;
use crate::web::State;
use crate::web::reply::Fault;

/// Name of the cookie.
const COOKIE_NAME: &str = "loa_session";

/// How long one sign-in lasts.
const LIFE: Duration = Duration::from_hours(12);

/// Opens and reads sessions.
#[derive(Default)]
pub struct Sessions(OnceCell<[u8; 32]>);

/// A live session.
pub struct Session {
    /// Name of the token that it was opened with.
    pub name: String,
    /// What the forms of its pages carry.
    pub csrf: String,
}

impl Sessions {
    /// The cookie that opens a session for the holder of this token.
    pub async fn open(&self, state: &State, name: &str) -> Result<String, Fault> {
        let until = state.clock.now().plus(LIFE).millis();
        let said = format!("{until}.{}", URL_SAFE_NO_PAD.encode(name));
        let value = format!("{said}.{}", sign(self.key(state).await?, "session", &said));
        Ok(cookie(state, &value, LIFE.as_secs()))
    }

    /// The cookie that ends a session in the browser.
    pub fn close(state: &State) -> String {
        cookie(state, "", 0)
    }

    /// The session of a request, if it has a live one.
    pub async fn of(&self, state: &State, req: &HttpRequest) -> Result<Option<Session>, Fault> {
        let Some(value) = sent(req) else { return Ok(None) };
        let key = self.key(state).await?;
        let Some((said, mac)) = value.rsplit_once('.') else { return Ok(None) };
        if !same(&sign(key, "session", said), mac) {
            return Ok(None);
        }
        let read = said.split_once('.').and_then(|(until, name)| {
            let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
            Some((Timestamp::from_millis(until.parse().ok()?), name))
        });
        let Some((_, name)) = read.filter(|(until, _)| *until > state.clock.now()) else { return Ok(None) };
        let live = state
            .store
            .tokens()
            .await?
            .iter()
            .any(|t| t.name == name && t.revoked_at.is_none() && Scopes::parse(&t.scopes).allow(Scope::All));
        Ok(live.then(|| Session { csrf: sign(key, "csrf", &value), name }))
    }

    async fn key(&self, state: &State) -> Result<&[u8; 32], Fault> {
        let made = self
            .0
            .get_or_try_init(|| async {
                let fresh = URL_SAFE_NO_PAD.encode(state.clock.random::<32>());
                let kept = state.store.secret_or("session.1", &fresh, state.clock.now()).await?;
                let bytes = URL_SAFE_NO_PAD.decode(kept).ok().and_then(|k| k.try_into().ok());
                bytes.ok_or_else(|| StoreError::Corrupt("secret session.1 is not 32 bytes".to_owned()))
            })
            .await?;
        Ok(made)
    }
}

impl Session {
    /// Whether a form carries what this session's pages gave it.
    pub fn allows(&self, csrf: &str) -> bool {
        same(&self.csrf, csrf)
    }
}

fn same(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}

fn sign(key: &[u8; 32], purpose: &str, said: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    mac.update(b"|");
    mac.update(said.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn cookie(state: &State, value: &str, seconds: u64) -> String {
    let secure = if state.site.base_url.scheme() == "https" { "; Secure" } else { "" };
    let path = format!("{}admin", state.site.base_url.path());
    format!("{COOKIE_NAME}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn sent(req: &HttpRequest) -> Option<String> {
    let cookies = req.headers().get_all(COOKIE).filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    cookies.filter_map(|c| c.trim().split_once('=')).find(|(n, _)| *n == COOKIE_NAME).map(|(_, v)| v.to_owned())
}
