//! The demo's portal: a page for each sample article and its pictures, so that links in feeds and mails lead somewhere.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::text::date;
use crate::web::Shared;
use crate::web::reply::Fault;

/// Bytes of a picture, at most.
const LARGEST: u64 = 4 * 1024 * 1024;

/// `GET /demo/articles/{id}`: the article as the store has it, while it is public.
pub async fn show(req: HttpRequest, shared: Data<Shared>, id: Path<String>) -> Result<HttpResponse, Fault> {
    let found = shared.store.find_article(&id).await.map_err(Fault::from)?;
    let stored = found.filter(|a| a.visible && a.article.external_id == *id).ok_or(Fault::NotFound)?;
    let (visit, article) = (shared.visit(&req), &stored.article);
    let with = json!({
        "title": article.title, "language": article.language, "content": article.content_html, "image": article.image,
        "when": date::full(article.published, &shared.site.zone, visit.locale.as_str()),
        "by": article.authors.first(), "category": article.categories.first().map(|c| &c.title),
    });
    shared.view.private("article.html", visit, &format!("demo/articles/{id}"), with)
}

/// `GET /demo/articles/images/{name}`
pub async fn picture(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let name = name.into_inner();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let folder = shared.articles.clone().filter(|_| plain && !name.starts_with('.')).ok_or(Fault::NotFound)?;
    let path = folder.join("images").join(&name);
    let bytes = web::block(move || {
        let small = std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= LARGEST);
        if small { std::fs::read(&path).ok() } else { None }
    });
    let bytes = bytes.await.ok().flatten().ok_or(Fault::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(crate::text::media::media_type(&name))
        .insert_header((
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        ))
        .body(bytes))
}
