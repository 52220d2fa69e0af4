//! Double opt-in: the link in the confirmation mail shows what it would confirm; only the button confirms.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::Fault;
use super::visit::Visit;
use super::{Shared, browse, search};
use crate::domain::feed::Feed;
use crate::domain::selection::query;
use crate::domain::subscriber::EmailAddress;
use crate::store::subscriber::OptIn;

/// `GET /confirm/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let visit = Visit::of_person(&req, opt_in.locale);
    let person = shared.store.person(opt_in.subscriber_id).await?.ok_or(Fault::BadLink)?;
    let with = json!({
        "email": masked(person.email.as_deref()), "feeds": titles(&opt_in, &feeds, visit),
        "frequency": opt_in.frequency().as_str(),
    });
    shared.view.private("confirm.html", visit, &format!("confirm/{token}"), with)
}

/// `POST /confirm/{token}`
pub async fn act(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let manage = shared.subscribe.confirm(&token).await?;
    if let Some(wish) = &opt_in.selection {
        search::fill(&shared, &wish.spec).await?;
    }
    let visit = Visit::of_person(&req, opt_in.locale);
    let with = json!({ "feeds": titles(&opt_in, &feeds, visit), "manage": manage });
    shared.view.private("confirmed.html", visit, "", with)
}

/// What a request asks for, by title; feeds that are gone are left out.
fn titles(opt_in: &OptIn, feeds: &[Feed], visit: Visit) -> Vec<Value> {
    let lang = if visit.chosen { format!("lang={}", visit.locale.as_str()) } else { String::new() };
    let feeds = opt_in.wishes.iter().filter_map(|w| feeds.iter().find(|f| f.id == w.feed_id)).map(|feed| {
        let mark = if lang.is_empty() { "" } else { "?" };
        json!({ "path": format!("feeds/{}{mark}{lang}", feed.spec.slug), "title": browse::title(&feed.spec, visit.locale) })
    });
    let selection = opt_in.selection.iter().map(|wish| {
        let and = if lang.is_empty() { "" } else { "&" };
        let path = format!("feeds/search?{}{and}{lang}", query::write(&wish.spec.select));
        json!({ "path": path, "title": browse::title(&wish.spec, visit.locale) })
    });
    feeds.chain(selection).collect()
}

/// An address as a page may show it: mails get forwarded, and their links with them.
#[must_use]
pub fn masked(email: Option<&str>) -> Option<String> {
    EmailAddress::parse(email?).ok().map(|address| address.to_string())
}
