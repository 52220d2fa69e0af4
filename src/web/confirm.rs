//! Double opt-in: the link in the confirmation mail shows what it would confirm; only the button confirms.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::Fault;
use super::visit::Visit;
use super::{Shared, browse, search};
use crate::domain::feed::Feed;
use crate::domain::selection::query;
use crate::domain::subscriber::{EmailAddress, Frequency};
use crate::store::opt_in::{OptIn, Purpose};

/// `GET /confirm/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let visit = Visit::of_person(&req, opt_in.locale);
    let person = shared.store.person(opt_in.subscriber_id).await?.ok_or(Fault::BadLink)?;
    let from = match opt_in.moves_id {
        Some(id) => masked(shared.store.person(id).await?.and_then(|p| p.email).as_deref()),
        None => None,
    };
    let with = json!({
        "email": masked(person.email.as_deref()), "feeds": titles(&opt_in, &feeds, visit),
        "frequency": opt_in.frequency().map(Frequency::as_str), "hour": opt_in.hour.map(|h| h.to_string()),
        "moves": opt_in.purpose == Purpose::Move, "from": from,
    });
    shared.view.private("confirm.html", visit, &format!("confirm/{token}"), with)
}

/// `POST /confirm/{token}`
pub async fn act(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (opt_in, feeds) = shared.subscribe.pending(&token).await?;
    let manage = shared.subscribe.confirm(&token).await?;
    for wish in &opt_in.selections {
        search::fill(&shared, &wish.spec).await?;
    }
    let visit = Visit::of_person(&req, opt_in.locale);
    let with = json!({
        "feeds": titles(&opt_in, &feeds, visit), "manage": manage, "moves": opt_in.purpose == Purpose::Move,
    });
    shared.view.private("confirmed.html", visit, "", with)
}

/// What a request asks for, by title and frequency; feeds that are gone are left out.
fn titles(opt_in: &OptIn, feeds: &[Feed], visit: Visit) -> Vec<Value> {
    let lang = if visit.chosen { format!("lang={}", visit.locale.as_str()) } else { String::new() };
    let feeds = opt_in.wishes.iter().filter_map(|w| Some((feeds.iter().find(|f| f.id == w.feed_id)?, w.frequency)));
    let feeds = feeds.map(|(feed, frequency)| {
        let mark = if lang.is_empty() { "" } else { "?" };
        json!({ "path": format!("feeds/{}{mark}{lang}", feed.spec.slug), "title": browse::title(&feed.spec, visit.locale),
                "frequency": frequency.as_str() })
    });
    let selections = opt_in.selections.iter().map(|wish| {
        let and = if lang.is_empty() { "" } else { "&" };
        let path = format!("feeds/search?{}{and}{lang}", query::write(&wish.spec.select));
        json!({ "path": path, "title": browse::title(&wish.spec, visit.locale), "frequency": wish.frequency.as_str() })
    });
    feeds.chain(selections).collect()
}

/// An address as a page may show it: mails get forwarded, and their links with them.
#[must_use]
pub fn masked(email: Option<&str>) -> Option<String> {
    EmailAddress::parse_international(email?).ok().map(|address| address.to_string())
}
