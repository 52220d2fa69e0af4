//! An endpoint's events by API: to catch up after a gap, to have them sent again, to try the endpoint out, and to switch it
//! off and on. For the operator's token, and for the endpoint's own.

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, accepted, bearer, body, ok};
use crate::clock::Timestamp;
use crate::domain::scope::{Scope, Scopes};
use crate::notify::webhook::event::numbered;
use crate::store::endpoint::{CatchUp, Endpoint};
use crate::store::push::{Listed, Replay};
use crate::web::Shared;
use crate::web::reply::Fault;
use crate::web::visit;
use crate::work::access;
use crate::work::events::Events;

/// Events in one answer: usually, and at most.
const PAGE: (i64, i64) = (100, 500);

/// The endpoint, if the caller holds an operator's token or this endpoint's own.
async fn mine(shared: &Shared, req: &HttpRequest, id: &str) -> Result<Endpoint, Fault> {
    let token = req.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer);
    let token = token.ok_or(Fault::Unauthorized)?;
    let endpoint = shared.store.endpoint(id).await?;
    if let Some(endpoint) = &endpoint
        && access::is_endpoint_token(endpoint, token)
    {
        return Ok(endpoint.clone());
    }
    let live = access::live_token(&shared.store, token).await?.ok_or(Fault::Unauthorized)?;
    Caller(Scopes::parse(&live.scopes)).may(Scope::Endpoints)?;
    endpoint.ok_or(Fault::NotFound)
}

/// `GET /api/v1/endpoints/{id}/events`
pub async fn list(req: HttpRequest, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    let after = number(&req, "after", 0)?;
    let limit = number(&req, "limit", PAGE.0)?.clamp(1, PAGE.1);
    let mut listed = shared.store.events_after(endpoint.subscriber_id, after, limit + 1).await?;
    let more = listed.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let words = Events::new(shared.store.clone(), shared.site.clone());
    let mut events = Vec::new();
    for listed in &listed {
        events.push(event(&words, listed, endpoint.payload == "full").await?);
    }
    let next = listed.last().map_or(after, |l| l.post.seq);
    let health = shared.store.health(endpoint.subscriber_id).await?.unwrap_or_default();
    Ok(ok(&json!({ "events": events, "next": next, "more": more, "newest": health.seq })))
}

/// An event as it is sent, with what became of it; without content if it must not go out.
async fn event(words: &Events, listed: &Listed, full: bool) -> Result<Value, Fault> {
    let post = &listed.post;
    let mut shown = json!({ "id": Events::id(post), "seq": post.seq, "state": listed.state, "cause": listed.cause });
    // What was put together into a digest is still told one by one to whoever asks.
    let told = listed.state != "cancelled" || listed.cause.as_deref() == Some("together");
    let content = if told { words.body(post, full).await? } else { None };
    shown["event"] = match content {
        Some(body) => serde_json::from_slice(&numbered(&body, post.seq, post.prev_seq)).map_err(|_| Fault::Internal)?,
        None => Value::Null,
    };
    shown["type"] = Events::name(&post.kind).into();
    Ok(shown)
}

fn number(req: &HttpRequest, name: &str, usual: i64) -> Result<i64, Fault> {
    match visit::query(req, name) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(|| Fault::Unprocessable(format!("{name}: write a whole number, 0 or more"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    state: State,
    #[serde(default)]
    order: Order,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Any,
    Sent,
    Dead,
    Pending,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Oldest,
    Newest,
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Fault> {
    let fault = || Fault::Unprocessable(format!("{name}: write a time such as 2026-11-24T05:15:00+07:00"));
    text.map(|text| text.parse::<jiff::Timestamp>().map(Timestamp::from).map_err(|_| fault())).transpose()
}

/// `POST /api/v1/endpoints/{id}/replay`
pub async fn replay(
    req: HttpRequest,
    shared: Data<Shared>,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    let wanted: Wanted = body(&bytes)?;
    let now = shared.clock.now();
    let what = Replay {
        from: moment("from", wanted.from.as_deref())?.unwrap_or(Timestamp(0)),
        to: moment("to", wanted.to.as_deref())?.unwrap_or(now.plus(std::time::Duration::from_millis(1))),
        state: match wanted.state {
            State::Any => "",
            State::Sent => "sent",
            State::Dead => "dead",
            State::Pending => "pending",
        },
        newest_first: wanted.order == Order::Newest,
    };
    let again = shared.store.replay(endpoint.subscriber_id, what, now).await?;
    Ok(accepted(&json!({ "replayed": again })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enable {
    catch_up: CatchUp,
}

/// `POST /api/v1/endpoints/{id}/enable`
pub async fn enable(
    req: HttpRequest,
    shared: Data<Shared>,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    let how = if bytes.is_empty() { CatchUp::Oldest } else { body::<Enable>(&bytes)?.catch_up };
    let waiting = shared.store.enable_endpoint(endpoint.subscriber_id, how, shared.clock.now()).await?;
    tracing::info!(endpoint = endpoint.public_id, waiting, "an endpoint was enabled");
    Ok(ok(&json!({ "status": "enabled", "waiting": waiting })))
}

/// `POST /api/v1/endpoints/{id}/disable`
pub async fn disable(req: HttpRequest, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    shared.store.disable_endpoint(endpoint.subscriber_id, "by hand", shared.clock.now()).await?;
    tracing::info!(endpoint = endpoint.public_id, "an endpoint was disabled");
    Ok(ok(&json!({ "status": "disabled" })))
}

/// `POST /api/v1/endpoints/{id}/test`
pub async fn test(req: HttpRequest, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    if endpoint.disabled_at.is_some() {
        return Err(Fault::Conflict("the endpoint is disabled: enable it first".into()));
    }
    let seq = shared.store.add_test_event(endpoint.subscriber_id, shared.clock.now()).await?;
    Ok(accepted(&json!({ "status": "queued", "seq": seq })))
}

/// `POST /api/v1/endpoints/{id}/token`
pub async fn token(req: HttpRequest, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    let token = access::create_endpoint_token(&shared.store, &shared.clock, endpoint.subscriber_id).await?;
    Ok(ok(&json!({ "token": token })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    payload: Option<super::endpoints::Payload>,
    order: Option<super::endpoints::Sequence>,
}

/// `PATCH /api/v1/endpoints/{id}`
pub async fn change(
    req: HttpRequest,
    shared: Data<Shared>,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, Fault> {
    let endpoint = mine(&shared, &req, &id).await?;
    let change: Change = body(&bytes)?;
    super::endpoints::set(&shared, endpoint.subscriber_id, change.payload, change.order).await?;
    let endpoint = shared.store.endpoint(&id).await?.ok_or(Fault::NotFound)?;
    Ok(ok(&super::endpoints::describe(&shared, &endpoint, &shared.store.feeds().await?).await?))
}
