//! Feed documents, straight from memory: no rendering, compression or query in a request. Never negotiates the format:
//! one address has one.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LINK, LOCATION, VARY,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::reply::Fault;
use super::{Shared, browse, conditional, search};
use crate::clock::Timestamp;
use crate::feed::document::Format;
use crate::work::publish::Ready;

/// Seconds for which a reader need not ask for the list of feeds again.
const LIST_AGE: u64 = 1800;

/// `/feeds/{slug}.rss`, `.atom`, `.json`, and `/feeds/{slug}`, which is a page.
pub async fn named(req: HttpRequest, shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let small = name.to_ascii_lowercase();
    let (slug, format) = match small.rsplit_once('.') {
        Some((slug, extension)) => (slug, Some(Format::parse(extension).ok_or(Fault::NotFound)?)),
        None => (small.as_str(), None),
    };
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let Some(published) = shared.publisher.get(slug) else {
        return search::followed(&shared, slug, format).await;
    };
    if published.feed.retired {
        return Err(Fault::Gone);
    }
    if small != *name {
        return Ok(moved(&shared, &small));
    }
    let Some(format) = format else { return browse::preview(&req, &shared, &published) };
    let own = shared.site.link(&format!("feeds/{small}"));
    Ok(send(&req, &shared, published.document(format), published.changed, published.max_age, &own))
}

/// The same address with a slash behind it: 301, for readers that remember.
pub async fn slash(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let small = name.to_ascii_lowercase();
    let slug = small.rsplit_once('.').map_or(small.as_str(), |(slug, _)| slug);
    shared.publisher.get(slug).map(|_| moved(&shared, &small)).ok_or(Fault::NotFound)
}

/// `/feeds`: the list is the front page.
pub async fn all(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, shared.view.root())).finish()
}

/// `/feeds.opml`
pub async fn list(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let opml = shared.publisher.opml().ok_or(Fault::Starting)?;
    let changed = shared.publisher.all().iter().map(|p| p.changed).max().unwrap_or_default();
    Ok(send(&req, &shared, &opml, changed, LIST_AGE, &shared.site.link("feeds.opml")))
}

/// A document or page that is to be asked for by another name below `/feeds/`.
pub fn moved(shared: &Shared, to: &str) -> HttpResponse {
    HttpResponse::MovedPermanently()
        .insert_header((LOCATION, format!("{}feeds/{to}", shared.view.root())))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .finish()
}

/// Sends a document, or 304 to who has it.
pub fn send(
    req: &HttpRequest,
    shared: &Shared,
    ready: &Ready,
    changed: Timestamp,
    max_age: u64,
    own: &str,
) -> HttpResponse {
    // A clock that was set back must not make the feed come from the future (RFC 9110 §8.8.2.1).
    let changed = changed.min(shared.clock.now());
    let none_match: Vec<&str> = values(req.headers(), &IF_NONE_MATCH).collect();
    let since = values(req.headers(), &IF_MODIFIED_SINCE).next();
    let has_it = conditional::has_it(&none_match, since, &ready.etag, changed);
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, ready.etag.as_str()))
        .insert_header((LAST_MODIFIED, changed.http_date()))
        .insert_header((
            CACHE_CONTROL,
            format!("public, max-age={max_age}, stale-while-revalidate=86400, stale-if-error=604800"),
        ))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((LINK, format!("<{own}>; rel=\"self\"")));
    if has_it {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, ready.content_type));
    let accept: Vec<&str> = values(req.headers(), &ACCEPT_ENCODING).collect();
    let accept = (!accept.is_empty()).then(|| accept.join(","));
    // Where compression came to nothing there are plain bytes for everybody.
    if !ready.gzip.is_empty() && conditional::wants_gzip(accept.as_deref()) {
        return answer.insert_header((CONTENT_ENCODING, "gzip")).body(ready.gzip.clone());
    }
    answer.body(ready.identity.clone())
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).filter_map(|v| v.to_str().ok())
}
