//! A webhook receiver as a site would have it: checks the signature, keeps the newest events in memory, forgets them at
//! the end of the process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::clock::Timestamp;
use crate::notify::webhook::secret::{Secret, sign};
use crate::text::date;
use crate::web::Shared;
use crate::web::reply::Fault;

/// Events kept.
const MOST: usize = 50;

/// How far the sender's clock may be off, as Standard Webhooks advises.
const SKEW: Duration = Duration::from_mins(5);

/// The receiver of one endpoint.
pub struct DemoHook {
    secret: Secret,
    events: Mutex<VecDeque<Event>>,
    refused: AtomicU64,
}

#[derive(Clone)]
struct Event {
    at: Timestamp,
    id: String,
    body: Value,
}

impl DemoHook {
    /// A receiver for the endpoint with this secret.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self { secret, events: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// Keeps an event whose signature and time are right; says whether they are.
    fn take(&self, id: &str, timestamp: &str, signature: &str, body: &[u8], now: Timestamp) -> bool {
        let event = self.verified(id, timestamp, signature, body, now);
        let good = event.is_some();
        match event {
            Some(event) => {
                let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                // The same event may come again: at least once is what is promised.
                events.retain(|known| known.id != event.id);
                events.push_front(event);
                events.truncate(MOST);
            }
            None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        good
    }

    fn verified(&self, id: &str, timestamp: &str, signature: &str, body: &[u8], now: Timestamp) -> Option<Event> {
        let seconds: i64 = timestamp.parse().ok()?;
        if now.seconds().abs_diff(seconds) > SKEW.as_secs() {
            return None;
        }
        let ours = sign(id, seconds, body, std::slice::from_ref(&self.secret));
        let any = signature.split(' ').any(|theirs| bool::from(ours.as_bytes().ct_eq(theirs.as_bytes())));
        let body = serde_json::from_slice(body).ok()?;
        any.then(|| Event { at: now, id: id.to_owned(), body })
    }
}

/// `POST /demo/hook`
pub(in crate::web) async fn take(req: HttpRequest, shared: Data<Shared>, body: Bytes) -> Result<HttpResponse, Fault> {
    let hook = shared.hook.as_ref().ok_or(Fault::NotFound)?;
    let header = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (id, at, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    if hook.take(id, at, signature, &body, shared.clock.now()) {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Fault::BadRequest("the signature or its time is not right".into()))
    }
}

/// `GET /demo/hook`
pub(in crate::web) async fn show(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    let hook = shared.hook.as_ref().ok_or(Fault::NotFound)?;
    let visit = shared.visit(&req);
    let events: Vec<Event> = hook.events.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    let events: Vec<Value> = events
        .into_iter()
        .map(|event| {
            let text = |path: &str| event.body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            json!({
                "id": event.id, "at": date::full(event.at, &shared.site.zone, visit.locale.as_str()),
                "type": text("/type"), "title": text("/data/title"),
                "body": serde_json::to_string_pretty(&event.body).unwrap_or_default(),
            })
        })
        .collect();
    let with = json!({ "events": events, "refused": hook.refused.load(Ordering::Relaxed) });
    shared.view.private("hook.html", visit, "demo/hook", with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn only_a_signed_and_fresh_event_is_kept_and_the_newest_fifty_stay() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let secret = Secret::generate(&Clock::manual(now));
        let hook = DemoHook::new(secret.clone());
        let body = br#"{"type":"article.published"}"#;
        let stamp = now.seconds().to_string();
        let good = |id: &str| sign(id, now.seconds(), body, std::slice::from_ref(&secret));
        assert!(!hook.take("a", &stamp, &good("b"), body, now), "signed for another id");
        assert!(!hook.take("a", &stamp, &good("a"), b"{}", now), "another body");
        assert!(!hook.take("a", &stamp, &good("a"), body, now.plus(Duration::from_mins(6))), "old");
        assert!(hook.take("a", &stamp, &format!("v1,other {}", good("a")), body, now));
        for n in 0..60 {
            let id = format!("e{n}");
            assert!(hook.take(&id, &stamp, &good(&id), body, now));
            assert!(hook.take(&id, &stamp, &good(&id), body, now), "again is fine");
        }
        let events = hook.events.lock().expect("not poisoned");
        assert_eq!((events.len(), events[0].id.as_str()), (MOST, "e59"));
        assert_eq!(hook.refused.load(Ordering::Relaxed), 3);
    }
}
