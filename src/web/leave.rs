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

/// `GET /u/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let (person, frequency) = shared.subscribe.leaving(&token).await?;
    let visit = Visit::of_person(&req, person.locale);
    let with = json!({
        "email": masked(person.email.as_deref()), "frequency": frequency.as_str(),
        "gets": person.wishes.iter().any(|w| w.frequency == frequency),
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
    if form.get("List-Unsubscribe") != "One-Click" {
        return Err(Fault::BadRequest("post List-Unsubscribe=One-Click to unsubscribe (RFC 8058)".into()));
    }
    let manage = shared.subscribe.unsubscribe(&token).await?;
    let (person, frequency) = shared.subscribe.leaving(&token).await?;
    let with = json!({
        "frequency": frequency.as_str(), "rest": !person.wishes.is_empty(),
        "manage": person.email.as_ref().map(|_| manage),
    });
    shared.view.private("left.html", Visit::of_person(&req, person.locale), "", with)
}
