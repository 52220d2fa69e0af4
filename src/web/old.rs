//! Addresses that a portal's feeds had before loa: answered in place, for good. Knows no address itself; the table is
//! configuration.

use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Shared;
use super::dress::FEED_POLICY;
use super::feeds::{self, Said, staleness};
use super::reply::Fault;
use crate::work::old::OldAddress;

/// Whatever no route has: an old address, or nothing.
pub async fn otherwise(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    match shared.old.find(req.path(), req.query_string()) {
        Some(_) if req.method() != Method::GET && req.method() != Method::HEAD => Err(Fault::Method("GET, HEAD")),
        Some(old) => answer(&req, &shared, old).await,
        None => Err(Fault::NotFound),
    }
}

/// The document at an old address.
pub async fn answer(req: &HttpRequest, shared: &Shared, old: &OldAddress) -> Result<HttpResponse, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let published = shared.publisher.open(&old.feed).await?.ok_or_else(|| {
        tracing::warn!(feed = old.feed, path = old.path, "an old address leads to a feed that does not exist");
        Fault::NotFound
    })?;
    if !published.is_read() {
        return Err(Fault::Starting);
    }
    if published.is_gone(shared.clock.now()) {
        return Err(Fault::Gone);
    }
    let ready = shared.old.document(old, &published, &shared.publisher).await.map_err(|error| {
        tracing::error!(path = old.path, "an old address cannot be answered: {error}");
        Fault::Internal
    })?;
    let said = Said {
        own: &shared.old.link(old),
        changed: published.changed,
        max_age: published.max_age,
        cut: shared.publisher.outlook().cut(&published, shared.clock.now()),
        stale: staleness(shared, &published),
    };
    let mut answer = feeds::answer(req, shared, &ready, &said).await?;
    // Its path does not tell what it is.
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FEED_POLICY));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(answer)
}
