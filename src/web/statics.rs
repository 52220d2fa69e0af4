//! Static files. An address with the right fingerprint is kept for a year; without it, for an hour.

use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};

use super::reply::Fault;
use super::{conditional, view, visit};
use crate::clock::Timestamp;

/// `/static/{name}`
pub async fn file(req: HttpRequest, name: Path<String>) -> Result<HttpResponse, Fault> {
    let (media, bytes) = view::file(&name).ok_or(Fault::NotFound)?;
    let fingerprint = view::fingerprint(&name);
    let exact = visit::query(&req, "v").is_some_and(|v| v == fingerprint);
    let keep = if exact { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    let etag = format!("W/\"{fingerprint}\"");
    let none_match: Vec<&str> = req.headers().get_all(IF_NONE_MATCH).filter_map(|v| v.to_str().ok()).collect();
    let has_it = conditional::has_it(&none_match, None, &etag, Timestamp::default());
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static(keep))).insert_header((ETAG, etag));
    Ok(if has_it { answer.finish() } else { answer.content_type(media).body(bytes) })
}
