//! What one person gets, and changing it. The address of the page is what lets one in; only POST changes anything.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::confirm::masked;
use super::form::Form;
use super::reply::Fault;
use super::subscriber::{address_fault, hours};
use super::visit::{self, Visit};
use super::{Shared, browse, view};
use crate::clock::Timestamp;
use crate::domain::selection::day::Day;
use crate::domain::site::Site;
use crate::domain::subscriber::{Frequency, Locale};
use crate::text::{catalog, date};
use crate::work::holdings::holdings;
use crate::work::subscribe::{LONGEST_PAUSE, Managed, SubscribeError};

/// What a press of a button came to.
const DONE: [&str; 5] = ["saved", "left", "paused", "resumed", "asked"];

/// `GET /manage/{token}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(&token).await?;
    page(&req, &shared, &token, &managed, None)
}

/// A fault of the form, and what was written: shown beside it.
struct Wrong<'a> {
    fault: String,
    email: &'a str,
}

fn page(
    req: &HttpRequest,
    shared: &Shared,
    token: &str,
    managed: &Managed,
    wrong: Option<&Wrong<'_>>,
) -> Result<HttpResponse, Fault> {
    let (site, person) = (&shared.site, &managed.person);
    let visit = Visit::of_person(req, person.locale);
    let (mut mine, mut others): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for feed in &managed.feeds {
        let wish = person.wishes.iter().find(|w| w.feed_id == feed.id);
        let line = json!({
            "slug": feed.spec.slug, "title": browse::title(&feed.spec, visit.locale),
            "frequency": wish.map_or("none", |w| w.frequency.as_str()),
        });
        if wish.is_some() { mine.push(line) } else { others.push(line) }
    }
    let now = shared.clock.now();
    let done = visit::query(req, "done").filter(|d| DONE.contains(&d.as_str())).filter(|_| wrong.is_none());
    let paused = person.paused_until.filter(|until| *until > now);
    let day = |at: Timestamp| at.in_zone(&site.zone).date();
    let with = json!({
        "email": masked(person.email.as_deref()), "token": token, "mine": mine, "others": others,
        "done": done, "locale": person.locale.as_str(), "hours": hours(person.hour),
        "paused": paused.map(|until| date::day(until, &site.zone, visit.locale.as_str())),
        "first": day(now).tomorrow().ok().map(|d| d.to_string()), "last": day(now.plus(LONGEST_PAUSE)).to_string(),
        "fault": wrong.map(|w| &w.fault), "typed": wrong.map_or("", |w| w.email),
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
    let done = match form.get("action") {
        "leave" => shared.subscribe.leave_all(&token).await.map(|()| "left"),
        "pause" => {
            let until = midnight(form.get("until"), &shared.site).ok_or(SubscribeError::Pause);
            match until {
                Ok(until) => shared.subscribe.pause(&token, Some(until)).await.map(|()| "paused"),
                Err(wrong) => Err(wrong),
            }
        }
        "resume" => shared.subscribe.pause(&token, None).await.map(|()| "resumed"),
        "move" => {
            // Leads to a mail to an address that anybody may write here.
            shared.knock(&req)?;
            shared.subscribe.request_move(&token, form.get("email")).await.map(|()| "asked")
        }
        _ => save(&shared, &token, &form).await.map(|()| "saved"),
    };
    let done = match done {
        Ok(done) => done,
        Err(wrong @ (SubscribeError::Address(_) | SubscribeError::Pause)) => {
            let managed = shared.subscribe.managed(&token).await?;
            let t = catalog::words(Visit::of_person(&req, managed.person.locale).locale.as_str());
            let fault = match wrong {
                SubscribeError::Address(why) => {
                    let reason = t.get(&format!("address_fault.{}", address_fault(why))).to_owned();
                    t.say("subscribe.error_email", &[("reason", &reason)])
                }
                _ => t.get("manage.error_pause").to_owned(),
            };
            let wrong = Wrong { fault, email: form.get("email") };
            let mut page = page(&req, &shared, &token, &managed, Some(&wrong))?;
            *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(page);
        }
        Err(other) => return Err(other.into()),
    };
    let lang = visit::query(&req, "lang").filter(|l| l == "vi" || l == "en").map(|l| format!("&lang={l}"));
    let to = format!("{}manage/{token}?done={done}{}", shared.view.root(), lang.unwrap_or_default());
    let mut response = HttpResponse::SeeOther().insert_header((LOCATION, to)).finish();
    view::keep_private(&mut response);
    Ok(response)
}

async fn save(shared: &Shared, token: &str, form: &Form) -> Result<(), SubscribeError> {
    // What the form does not name stays as it is: it may be newer than the page.
    let managed = shared.subscribe.managed(token).await?;
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
    let hour = match form.all("hour").next() {
        None => managed.person.hour,
        Some(word) => word.parse().ok(),
    };
    shared.subscribe.change(token, &wishes, hour, locale).await
}

/// When a day begins on the site's clock.
fn midnight(day: &str, site: &Site) -> Option<Timestamp> {
    day.trim().parse::<Day>().ok().map(|day| day.begins(&site.zone))
}

/// `GET /manage/{token}/export`: all that is held about the person, to keep.
pub async fn export(shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(&token).await?;
    let held = holdings(&shared.store, &shared.site, &managed).await?;
    let mut response = HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"loa.json\""))
        .body(format!("{held:#}\n"));
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
