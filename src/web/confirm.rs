//! Double opt-in: the link in the confirmation mail shows what it would confirm; only the button confirms.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::Fault;
use super::visit::Visit;
use super::{Shared, browse};
use crate::domain::feed::Feed;
use crate::domain::subscriber::{EmailAddress, Locale};
use crate::store::subscriber::Wish;

/// `GET /confirm/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let visit = Visit::of_person(&req, opt_in.locale);
    let person = shared.store.person(opt_in.subscriber_id).await?.ok_or(Fault::BadLink)?;
    let with = json!({
        "email": masked(person.email.as_deref()), "feeds": titles(&opt_in.wishes, &feeds, visit.locale),
        "frequency": opt_in.wishes.first().map_or("daily", |w| w.frequency.as_str()),
    });
    shared.view.private("confirm.html", visit, &format!("confirm/{token}"), with)
}

/// `POST /confirm/{token}`
pub async fn act(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let manage = shared.subscribe.confirm(&token).await?;
    let visit = Visit::of_person(&req, opt_in.locale);
    let with = json!({ "feeds": titles(&opt_in.wishes, &feeds, visit.locale), "manage": manage });
    shared.view.private("confirmed.html", visit, "", with)
}

/// Feeds of wishes, by title; those that are gone are left out.
fn titles(wishes: &[Wish], feeds: &[Feed], locale: Locale) -> Vec<Value> {
    wishes
        .iter()
        .filter_map(|w| feeds.iter().find(|f| f.id == w.feed_id))
        .map(|f| json!({ "slug": f.spec.slug, "title": browse::title(&f.spec, locale) }))
        .collect()
}

/// An address as a page may show it: mails get forwarded, and their links with them.
#[must_use]
pub fn masked(email: Option<&str>) -> Option<String> {
    EmailAddress::parse(email?).ok().map(|address| address.to_string())
}
