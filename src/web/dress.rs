//! What every answer wears: security headers, a text for what went wrong, a mark in the numbers.
//! [`super::front`] dresses what it answers by itself in the same clothes.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, PERMISSIONS_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest};
use serde_json::json;

use super::Shared;
use super::reply::Fault;
use crate::text::catalog;

/// Nothing from elsewhere, no script at all, no frame around our pages.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";

/// Feeds name a style sheet of ours and show pictures of the portal.
pub const FEED_POLICY: &str = "default-src 'none'; style-src 'self'; img-src https:";

const NO_DEVICES: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()";

/// What kind of address was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Feed(&'static str),
    Preview,
    Api,
    Page,
}

impl Kind {
    fn of(path: &str) -> Self {
        if path == "/feeds.opml" {
            return Self::Feed("opml");
        }
        if path.starts_with("/api/") {
            return Self::Api;
        }
        let Some(name) = path.strip_prefix("/feeds/").filter(|name| !name.is_empty()) else { return Self::Page };
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("rss") => Self::Feed("rss"),
            Some("atom") => Self::Feed("atom"),
            Some("json") => Self::Feed("json"),
            Some(_) => Self::Feed("other"),
            None => Self::Preview,
        }
    }
}

/// Dresses one answer.
///
/// # Errors
/// As the service below.
pub async fn dress(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut answer = next.call(req).await?.map_into_boxed_body();
    let Some(shared) = answer.request().app_data::<Data<Shared>>().cloned() else { return Ok(answer) };
    let kind = Kind::of(answer.request().path());
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        let known = answer.response().error().and_then(|e| e.as_error::<Fault>()).cloned();
        // A handler that made its own error page has a body already.
        if known.is_some() || !answer.response().headers().contains_key(CONTENT_TYPE) {
            let fault = known.unwrap_or_else(|| Fault::of_status(status));
            answer = explain(answer, &shared, kind, &fault);
        }
    }
    // What a 304 does not repeat, the reader has from when it got the document (RFC 9110 §15.4.5).
    if status != StatusCode::NOT_MODIFIED {
        headers(answer.request().method() == Method::OPTIONS, kind, answer.headers_mut());
    } else if let Kind::Feed(_) = kind {
        allow_everybody(answer.headers_mut());
    }
    let status = answer.status().as_u16();
    match kind {
        Kind::Feed(format) => shared.metrics.feed_request(format, status),
        Kind::Preview => shared.metrics.feed_request("html", status),
        Kind::Api | Kind::Page => shared.metrics.request(status),
    }
    Ok(answer)
}

fn explain(answer: ServiceResponse, shared: &Shared, kind: Kind, fault: &Fault) -> ServiceResponse {
    let (req, response) = answer.into_parts();
    let status = response.status();
    let (media, text) = match kind {
        Kind::Api => ("application/problem+json", problem(status, fault)),
        Kind::Feed(_) => ("text/plain; charset=utf-8", format!("{}\n", words(shared, &req, fault))),
        Kind::Preview | Kind::Page => ("text/html; charset=utf-8", page(shared, &req, status, fault)),
    };
    let mut response = response.set_body(BoxBody::new(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    let keep = if matches!(fault, Fault::NotFound | Fault::Gone) { "public, max-age=60" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding"));
    headers.insert(super::X_ROBOTS_TAG, HeaderValue::from_static("noindex"));
    ServiceResponse::new(req, response)
}

fn words(shared: &Shared, req: &HttpRequest, fault: &Fault) -> String {
    let tag = shared.visit(req).locale.as_str();
    if let Fault::Query(faults) = fault {
        return faults.iter().map(|fault| fault.say(tag)).collect::<Vec<_>>().join("\n");
    }
    say(tag, fault)
}

/// What a fault is in words, whatever else is known of it.
fn say(tag: &str, fault: &Fault) -> String {
    let seconds = if let Fault::TooMany(seconds) = fault { *seconds } else { 0 };
    let scope = if let Fault::Scope(scope) = fault { scope } else { "" };
    catalog::words(tag).say(&format!("fault.{}", fault.word()), &[("n", &seconds.to_string()), ("scope", scope)])
}

fn page(shared: &Shared, req: &HttpRequest, status: StatusCode, fault: &Fault) -> String {
    let visit = shared.visit(req);
    let text = words(shared, req, fault);
    let title = catalog::words(visit.locale.as_str()).say(&format!("fault.{}_title", fault.word()), &[]);
    let with = json!({ "title": title, "text": text, "status": status.as_u16() });
    // Other-language links of a fault lead home: its own address may be somebody's.
    shared.view.render("fault.html", visit, "", with).unwrap_or(text)
}

/// RFC 9457.
fn problem(status: StatusCode, fault: &Fault) -> String {
    let words = catalog::words("en");
    let title = words.say(&format!("fault.{}_title", fault.word()), &[]);
    let text = fault.detail().map_or_else(|| say("en", fault), str::to_owned);
    json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": text }).to_string()
}

/// What every answer wears.
const EVERYWHERE: [(HeaderName, &str); 2] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "strict-origin-when-cross-origin")];

/// What a feed's answer wears besides: any site's scripts may read it.
const OF_FEEDS: [(HeaderName, &str); 3] = [
    (CONTENT_SECURITY_POLICY, FEED_POLICY),
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, IM, Last-Modified, Link, Loa-Stale"),
];

/// Lets the scripts of any site read an answer that says no more than that nothing changed.
pub fn allow_everybody(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Dresses a feed document that says itself what it varies by.
pub fn dress_feed(headers: &mut HeaderMap) {
    for (name, value) in EVERYWHERE.into_iter().chain(OF_FEEDS) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn headers(options: bool, kind: Kind, headers: &mut HeaderMap) {
    let mut unless_set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    for (name, value) in EVERYWHERE {
        unless_set(name, value);
    }
    if let Kind::Feed(_) = kind {
        for (name, value) in OF_FEEDS {
            unless_set(name, value);
        }
        unless_set(VARY, "Accept-Encoding");
        if options {
            unless_set(ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS");
            unless_set(ACCESS_CONTROL_ALLOW_HEADERS, "If-None-Match, If-Modified-Since, A-IM");
        }
    } else {
        unless_set(CONTENT_SECURITY_POLICY, PAGE_POLICY);
        unless_set(PERMISSIONS_POLICY, NO_DEVICES);
    }
}
