//! The API for programs: JSON, bearer tokens, problem documents. `openapi` describes it. Every call needs a token, and a
//! token may do what its scopes say; a person's own subscriptions are opened by the token of their own links.

pub mod endpoints;
pub mod events;
pub mod openapi;
pub mod people;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reply::Fault;
use super::{Shared, search, visit};
use crate::domain::feed::FeedOrigin;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::selection::query;
use crate::feed::document::Format;
use crate::work::access;

/// Whoever holds a live token.
pub struct Caller(Scopes);

impl Caller {
    /// Lets them do what needs this scope.
    ///
    /// # Errors
    /// [`Fault::Scope`] if their token does not say so.
    pub fn may(&self, scope: Scope) -> Result<(), Fault> {
        if self.0.allow(scope) { Ok(()) } else { Err(Fault::Scope(scope.as_str())) }
    }
}

impl FromRequest for Caller {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shared = req.app_data::<Data<Shared>>().cloned();
        let token = req.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer).map(str::to_owned);
        Box::pin(async move {
            let (Some(shared), Some(token)) = (shared, token) else { return Err(Fault::Unauthorized) };
            let live = access::live_token(&shared.store, &token).await?.ok_or(Fault::Unauthorized)?;
            Ok(Self(Scopes::parse(&live.scopes)))
        })
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A JSON body of a known shape; asked for only after [`Caller`].
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes)
        .map_err(|e| Fault::BadRequest(format!("the body is not the JSON that is expected: {e}")))
}

fn ok(value: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(value.to_string())
}

fn accepted(value: &Value) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(value.to_string())
}

/// `GET /api/v1/feeds`; with the parameters of a search, that selection instead.
pub async fn feeds(caller: Caller, shared: Data<Shared>, req: HttpRequest) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Read)?;
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let asked = query::parse(req.query_string()).map_err(|faults| search::unprocessable("query", &faults))?;
    if !asked.selection.is_everything() {
        return Ok(ok(&json!({ "feeds": [search::described(&shared, &asked.selection).await?] })));
    }
    let feeds: Vec<Value> = shared
        .publisher
        .all()
        .iter()
        .map(|p| {
            let spec = &p.feed.spec;
            let link = |f: Format| shared.site.link(&format!("feeds/{}.{}", spec.slug, f.extension()));
            json!({
                "name": spec.slug, "slug": spec.slug, "title": spec.title.as_str(), "title_en": spec.title_en.as_deref(),
                "description": spec.description.as_str(),
                "kind": if p.feed.origin == FeedOrigin::File { "topic" } else { "category" },
                "page": shared.site.link(&format!("feeds/{}", spec.slug)),
                "rss": link(Format::Rss), "atom": link(Format::Atom), "json": link(Format::Json),
                "articles_per_week": p.weekly, "changed_at": p.changed.rfc3339(&shared.site.zone),
            })
        })
        .collect();
    Ok(ok(&json!({ "feeds": feeds })))
}

/// `POST /api/v1/sources/{name}/poll`: a hint, answered at once; with `?wait=true` the poll itself, answered by what it
/// found.
pub async fn poll(
    caller: Caller,
    shared: Data<Shared>,
    name: Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Poll)?;
    match visit::query(&req, "wait").as_deref() {
        None | Some("false") => {
            shared.ingest.hint(&name)?;
            return Ok(accepted(&json!({ "status": "poll_requested" })));
        }
        Some("true") => {}
        Some(_) => return Err(Fault::Unprocessable("wait: write true or false".into())),
    }
    let report = shared.ingest.poll(&name).await?;
    if report.busy {
        return Err(Fault::Conflict("another process is polling this source".into()));
    }
    let a = report.applied;
    Ok(ok(&json!({
        "baseline": a.baseline, "published": a.published, "revised": a.revised, "withdrawn": a.withdrawn,
        "held": report.held, "kept": report.kept, "faults": report.faults,
    })))
}

/// `POST /api/v1/sources/{name}/release`
pub async fn release(caller: Caller, shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Poll)?;
    if !shared.ingest.sources().any(|s| s == *name) {
        return Err(Fault::NotFound);
    }
    let freed = shared.ingest.release(&name).await?;
    Ok(ok(&json!({ "released": freed })))
}

/// `GET /api/v1/articles/{id}/deliveries`: counts, never addresses. `{id}` is loa's number, the source's id, or the
/// entry id.
pub async fn deliveries(caller: Caller, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Read)?;
    let article = shared.store.find_article(&id).await?.ok_or(Fault::NotFound)?;
    let counts: Vec<Value> = shared
        .store
        .delivery_counts(Some(article.id))
        .await?
        .into_iter()
        .map(|c| {
            let cause = (!c.cause.is_empty()).then_some(c.cause);
            json!({ "channel": c.channel, "kind": c.kind, "state": c.state, "cause": cause, "count": c.n })
        })
        .collect();
    Ok(ok(&json!({
        "article": { "id": article.id, "entry_id": article.entry_id, "title": article.article.title.as_str(),
                     "revision": article.revision, "visible": article.visible },
        "deliveries": counts,
    })))
}
