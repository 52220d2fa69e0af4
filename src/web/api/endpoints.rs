//! Endpoints by API: sites say where their webhooks go and for which feeds. The signing secret is shown once.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Bytes, Data, Path};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{Caller, body, ok};
use crate::clock::Timestamp;
use crate::domain::feed::Feed;
use crate::domain::scope::Scope;
use crate::notify::webhook::secret::Secret;
use crate::store::endpoint::{Endpoint, NewEndpoint};
use crate::store::push::STOPPED;
use crate::web::Shared;
use crate::web::reply::Fault;
use crate::web::search;
use crate::work::access;

/// Letters of an endpoint's name, at most.
const LONGEST_NAME: usize = 100;

/// Letters of an endpoint's address, at most.
const LONGEST_URL: usize = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    url: String,
    name: String,
    feeds: Vec<String>,
    payload: Option<Payload>,
    order: Option<Sequence>,
}

/// How much an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// What a list shows, and a link.
    Thin,
    /// The whole text too.
    Full,
}

/// In which order events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sequence {
    /// Those of one article one after another.
    Article,
    /// All of them one after another.
    Strict,
}

/// Sets what is given.
pub(super) async fn set(
    shared: &Shared,
    subscriber_id: i64,
    payload: Option<Payload>,
    order: Option<Sequence>,
) -> Result<(), Fault> {
    if let Some(payload) = payload {
        shared.store.set_payload(subscriber_id, payload == Payload::Full).await?;
    }
    if let Some(order) = order {
        shared.store.set_in_order(subscriber_id, order == Sequence::Strict).await?;
    }
    Ok(())
}

/// `POST /api/v1/endpoints`
pub async fn create(caller: Caller, shared: Data<Shared>, bytes: Bytes) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Endpoints)?;
    let wanted: Wanted = body(&bytes)?;
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Fault::Unprocessable(format!("name: write 1 to {LONGEST_NAME} characters")));
    }
    let mut all = shared.store.feeds().await?;
    let mut feeds = Vec::new();
    for slug in &wanted.feeds {
        // Any selection, by the address of its search.
        if let Some(query) = slug.strip_prefix("search?") {
            let id = search::follow(&shared, query).await?;
            if !feeds.contains(&id) {
                feeds.push(id);
            }
            continue;
        }
        let feed = all.iter().find(|f| f.spec.slug == *slug && !f.retired);
        let feed = feed.ok_or_else(|| {
            Fault::Unprocessable(format!(
                "feeds: there is no feed named \"{}\"",
                slug.chars().take(100).collect::<String>()
            ))
        })?;
        if !feeds.contains(&feed.id) {
            feeds.push(feed.id);
        }
    }
    if feeds.is_empty() {
        return Err(Fault::Unprocessable("feeds: name at least one feed".into()));
    }
    // One answer for every refusal: what our network can reach is nobody's business.
    let refused = || Fault::Unprocessable("url: address not allowed".into());
    let url = Url::parse(wanted.url.trim()).ok().filter(|u| u.as_str().len() <= LONGEST_URL).ok_or_else(refused)?;
    shared.client.vet(&url).await.map_err(|fault| {
        tracing::info!(host = url.host_str(), %fault, "an endpoint was refused");
        refused()
    })?;
    let public_id = format!("ep_{:024x}", u128::from_le_bytes(shared.clock.random()) >> 32);
    let secret = Secret::generate(&shared.clock).reveal();
    let new = NewEndpoint { public_id: &public_id, name, url: url.as_str(), secret: &secret, feeds: &feeds };
    let subscriber_id = shared.store.add_endpoint(&new, shared.clock.now()).await?;
    set(&shared, subscriber_id, wanted.payload, wanted.order).await?;
    let token = access::create_endpoint_token(&shared.store, &shared.clock, subscriber_id).await?;
    tracing::info!(endpoint = public_id, host = url.host_str(), "an endpoint was made");
    let endpoint = shared.store.endpoint(&public_id).await?.ok_or(Fault::Internal)?;
    if feeds.iter().any(|id| all.iter().all(|feed| feed.id != *id)) {
        all = shared.store.feeds().await?;
    }
    let mut shown = describe(&shared, &endpoint, &all).await?;
    shown["secret"] = secret.into();
    shown["token"] = token.into();
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("{}api/v1/endpoints/{public_id}", shared.view.root())))
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(shown.to_string()))
}

/// `GET /api/v1/endpoints`
pub async fn list(caller: Caller, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Endpoints)?;
    let all = shared.store.feeds().await?;
    let mut endpoints = Vec::new();
    for endpoint in shared.store.endpoints().await? {
        endpoints.push(describe(&shared, &endpoint, &all).await?);
    }
    Ok(ok(&json!({ "endpoints": endpoints })))
}

/// `GET /api/v1/endpoints/{id}`
pub async fn one(caller: Caller, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Endpoints)?;
    let endpoint = shared.store.endpoint(&id).await?.ok_or(Fault::NotFound)?;
    Ok(ok(&describe(&shared, &endpoint, &shared.store.feeds().await?).await?))
}

/// `DELETE /api/v1/endpoints/{id}`
pub async fn delete(caller: Caller, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Endpoints)?;
    if shared.store.delete_endpoint(&id, shared.clock.now()).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Fault::NotFound)
    }
}

pub(super) async fn describe(shared: &Shared, endpoint: &Endpoint, all: &[Feed]) -> Result<Value, Fault> {
    let followed = shared.store.endpoint_feeds(endpoint.subscriber_id).await?;
    let feeds: Vec<&str> = all.iter().filter(|f| followed.contains(&f.id)).map(|f| f.spec.slug.as_str()).collect();
    let health = shared.store.health(endpoint.subscriber_id).await?.unwrap_or_default();
    let when = |millis: i64| Timestamp(millis).rfc3339(&shared.site.zone);
    Ok(json!({
        "id": endpoint.public_id, "name": endpoint.name, "url": endpoint.url, "feeds": feeds,
        "created_at": when(endpoint.created_at), "disabled_at": endpoint.disabled_at.map(when),
        "disabled_reason": endpoint.disabled_reason, "payload": endpoint.payload,
        "order": if health.in_order { "strict" } else { "article" },
        "newest": health.seq, "waiting": health.pending, "failing_since": health.failing_since.map(when),
        "next_try": (health.failures > 0 && health.rests_until < STOPPED).then(|| when(health.rests_until)),
    }))
}
