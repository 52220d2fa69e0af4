//! What is held about one person, as they may read and keep it. The address is masked: whoever was passed a mail has its
//! links too.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::domain::site::Site;
use crate::domain::subscriber::EmailAddress;
use crate::store::engine::{Result, Store};
use crate::work::subscribe::Managed;

/// Mails in one answer, the newest.
const MAILS: i64 = 1_000;

/// Everything, as one document.
///
/// # Errors
/// When the database fails.
pub async fn holdings(store: &Store, site: &Site, managed: &Managed) -> Result<Value> {
    let person = &managed.person;
    let when = |millis: i64| Timestamp(millis).rfc3339(&site.zone);
    let masked = person.email.as_deref().and_then(|e| EmailAddress::parse_international(e).ok()).map(|e| e.to_string());
    let subscriptions: Vec<Value> = store
        .subscriptions_of(person.id)
        .await?
        .into_iter()
        .map(|s| {
            json!({ "feed": s.slug, "frequency": s.frequency, "since": when(s.since), "ended_at": s.ended_at.map(when),
                    "end_reason": s.end_reason })
        })
        .collect();
    let consents: Vec<Value> = store
        .consents_of(person.id)
        .await?
        .into_iter()
        .map(|c| {
            json!({ "purpose": c.purpose, "requested_at": when(c.requested_at), "confirmed_at": c.confirmed_at.map(when),
                    "text_version": c.text_version, "text_sha256": c.text_hash, "method": c.method,
                    "evidence": c.evidence })
        })
        .collect();
    let mails: Vec<Value> = store
        .mails_of(person.id, MAILS)
        .await?
        .into_iter()
        .map(|m| {
            json!({ "kind": m.kind, "state": m.state, "made_at": when(m.created_at),
                    "settled_at": m.settled_at.map(when), "article": m.article })
        })
        .collect();
    Ok(json!({
        "address_masked": masked, "language": person.locale.as_str(), "hour": person.hour.map(|h| h.to_string()),
        "paused_until": person.paused_until.map(|t| t.rfc3339(&site.zone)),
        "known_since": store.came_at(person.id).await?.map(when),
        "subscriptions": subscriptions, "consents": consents, "mails": mails,
    }))
}
