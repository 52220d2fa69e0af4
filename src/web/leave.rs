//! The unsubscribe link of every mail. GET only shows; POST acts, exactly as RFC 8058 has it: from a mailbox provider or
//! from the page's own button, without cookie, origin or redirect, and 200 however often.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::Shared;
use super::confirm::masked;
use super::form::Form;
use super::reply::Fault;
use super::visit::Visit;
use crate::domain::link::Link;
use crate::store::subscriber::Person;

/// `GET /u/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (person, frequency) = shared.subscribe.leaving(&token).await?;
    let visit = visit_of(&req, &shared, person.as_ref());
    let with = json!({
        "email": masked(person.as_ref().and_then(|p| p.email.as_deref())), "frequency": frequency.as_str(),
        "gets": person.iter().flat_map(|p| &p.wishes).any(|w| w.frequency == frequency),
    });
    shared.view.private("leave.html", visit, &format!("u/{token}"), with)
}

/// `POST /u/{token}`
pub async fn act(
    req: HttpRequest,
    shared: Data<Shared>,
    token: Path<String>,
    form: Form,
) -> Result<HttpResponse, Fault> {
    // RFC 8058 §3.1: the body holds exactly this pair. Whatever else posts here did not mean to unsubscribe.
    if form.get("List-Unsubscribe").trim_end() != "One-Click" {
        return Err(Fault::BadRequest("post List-Unsubscribe=One-Click to unsubscribe (RFC 8058)".into()));
    }
    let (person, frequency) = shared.subscribe.unsubscribe(&token).await?;
    let visit = visit_of(&req, &shared, person.as_ref());
    let manage = person.as_ref().filter(|p| p.email.is_some());
    let with = json!({
        "frequency": frequency.as_str(), "rest": person.as_ref().is_some_and(|p| !p.wishes.is_empty()),
        "manage": manage.map(|p| shared.subscribe.keys().sign(Link::Manage(p.public_id))),
    });
    shared.view.private("left.html", visit, "", with)
}

/// In the person's language; in the visitor's if they are gone.
fn visit_of(req: &HttpRequest, shared: &Shared, person: Option<&Person>) -> Visit {
    person.map_or_else(|| shared.visit(req), |person| Visit::of_person(req, person.locale))
}
