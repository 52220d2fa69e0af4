//! What one person gets, and changing it. The address of the page is what lets one in; only POST changes anything.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::confirm::masked;
use super::form::Form;
use super::reply::Fault;
use super::visit::{self, Visit};
use super::{Shared, browse, view};
use crate::domain::subscriber::{Frequency, Locale};

/// `GET /manage/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(&token).await?;
    let visit = Visit::of_person(&req, managed.person.locale);
    let (mut mine, mut others): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for feed in &managed.feeds {
        let wish = managed.person.wishes.iter().find(|w| w.feed_id == feed.id);
        let line = json!({
            "slug": feed.spec.slug, "title": browse::title(&feed.spec, visit.locale),
            "frequency": wish.map_or("none", |w| w.frequency.as_str()),
        });
        if wish.is_some() { mine.push(line) } else { others.push(line) }
    }
    let done = visit::query(&req, "done").filter(|d| matches!(d.as_str(), "saved" | "left"));
    let with = json!({
        "email": masked(managed.person.email.as_deref()), "token": *token, "mine": mine, "others": others,
        "done": done, "locale": managed.person.locale.as_str(),
    });
    shared.view.private("manage.html", visit, &format!("manage/{token}"), with)
}

/// `POST /manage/{token}`
pub async fn act(
    req: HttpRequest,
    shared: Data<Shared>,
    token: Path<String>,
    form: Form,
) -> Result<HttpResponse, Fault> {
    let done = if form.get("action") == "leave" {
        shared.subscribe.leave_all(&token).await?;
        "left"
    } else {
        // A feed that the form does not name stays as it is: it may be newer than the page.
        let managed = shared.subscribe.managed(&token).await?;
        let named: Vec<(&str, &str)> = form.below("f.").collect();
        let mut wishes: Vec<(String, Frequency)> = Vec::new();
        for feed in &managed.feeds {
            let slug = &feed.spec.slug;
            let before = managed.person.wishes.iter().find(|w| w.feed_id == feed.id).map(|w| w.frequency);
            let wanted = match named.iter().find(|(name, _)| name == slug) {
                Some((_, word)) => Frequency::parse(word),
                None => before,
            };
            wishes.extend(wanted.map(|frequency| (slug.clone(), frequency)));
        }
        let locale = match form.get("locale") {
            "" => managed.person.locale,
            tag => Locale::parse(tag),
        };
        shared.subscribe.change(&token, &wishes, locale).await?;
        "saved"
    };
    let lang = visit::query(&req, "lang").filter(|l| l == "vi" || l == "en").map(|l| format!("&lang={l}"));
    let to = format!("{}manage/{token}?done={done}{}", shared.view.root(), lang.unwrap_or_default());
    let mut response = HttpResponse::SeeOther().insert_header((LOCATION, to)).finish();
    view::keep_private(&mut response);
    Ok(response)
}

/// `GET /manage/{token}/erase`: asks once more.
pub async fn show_erase(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(&token).await?;
    let visit = Visit::of_person(&req, managed.person.locale);
    let with = json!({ "email": masked(managed.person.email.as_deref()), "token": *token });
    shared.view.private("erase.html", visit, &format!("manage/{token}/erase"), with)
}

/// `POST /manage/{token}/erase`
pub async fn erase(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(&token).await?;
    shared.subscribe.erase(&token).await?;
    shared.view.private("erased.html", Visit::of_person(&req, managed.person.locale), "", json!({}))
}
