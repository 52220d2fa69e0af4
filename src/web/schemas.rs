//! `/schemas/{type}.json`: what each type of event looks like, for those who receive them. Public, and the same for all.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};

use super::Shared;
use super::reply::Fault;
use crate::notify::webhook::schema;

/// `GET /schemas/{type}.json`
pub async fn one(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let text = schema::of(&name, &shared.site.link("")).ok_or(Fault::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .content_type("application/schema+json")
        .body(text))
}
