//! The operator's console: what is read, what waits, what was sent. Read-mostly; what it does is asked for by a form that
//! carries the session's own token. Shows no subscriber's address.

pub mod session;

use std::collections::HashSet;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, SET_COOKIE};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use self::session::{Session, Sessions};
use super::form::Form;
use super::reply::Fault;
use super::visit::{self, Visit};
use super::{Shared, guard, view};
use crate::clock::Timestamp;
use crate::domain::scope::{Scope, Scopes};
use crate::store::delivery::QueueDepth;
use crate::store::status::{RecentChange, SourceRow};
use crate::text::{catalog, date};
use crate::work::access;
use crate::work::ingest::IngestError;

/// Changes on the dashboard.
const CHANGES: i64 = 25;

/// Refusals of this time are on the dashboard.
const LATELY: Duration = Duration::from_hours(7 * 24);

/// Articles with findings on the console, at most.
const FINDINGS: usize = 50;

/// `GET /admin/login`
pub async fn login_page(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    shared.view.private("login.html", shared.visit(&req), "admin/login", json!({ "wrong": false }))
}

/// `POST /admin/login`
pub async fn login(req: HttpRequest, shared: Data<Shared>, form: Form) -> Result<HttpResponse, Fault> {
    if guard::is_foreign(&req, &shared.site.base_url) {
        return Err(Fault::Foreign);
    }
    shared.knock(&req)?;
    // The console shows and does everything: a token that may less does not open it.
    let live = access::live_token(&shared.store, form.get("token").trim()).await?;
    let Some(token) = live.filter(|token| Scopes::parse(&token.scopes).allow(Scope::All)) else {
        let mut page =
            shared.view.private("login.html", shared.visit(&req), "admin/login", json!({ "wrong": true }))?;
        *page.status_mut() = StatusCode::FORBIDDEN;
        return Ok(page);
    };
    let name = &token.name;
    let cookie = shared.sessions.open(&shared, name).await?;
    tracing::info!(token = name, "an operator signed in");
    Ok(back(&shared, "", Some(&cookie)))
}

/// `POST /admin/logout`
pub async fn logout(shared: Data<Shared>) -> HttpResponse {
    back(&shared, "/login", Some(&Sessions::close(&shared)))
}

/// `GET /admin`
pub async fn dashboard(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    let Some(session) = shared.sessions.of(&shared, &req).await? else { return Ok(back(&shared, "/login", None)) };
    let visit = shared.visit(&req);
    let known = shared.store.sources().await?;
    let sources: Vec<Value> = shared
        .ingest
        .sources()
        .map(|name| source(&shared, visit, name, known.iter().find(|s| s.name == name)))
        .collect();
    let queue: Vec<Value> =
        shared.store.queue_depth(shared.clock.now()).await?.iter().map(|d| lane(&shared, visit, d)).collect();
    let changes: Vec<Value> =
        shared.store.recent_changes(CHANGES).await?.iter().map(|c| change(&shared, visit, c)).collect();
    let endpoints: Vec<Value> = shared
        .store
        .endpoints()
        .await?
        .iter()
        .map(|e| json!({ "name": e.name, "id": e.public_id, "url": host_of(&e.url), "off": e.disabled_reason }))
        .collect();
    let with = json!({
        "name": session.name, "csrf": session.csrf, "sources": sources, "queue": queue, "changes": changes,
        "endpoints": endpoints, "subscriptions": shared.store.count_subscriptions().await?,
        "feeds": shared.publisher.all().len(), "troubles": troubles(&shared, visit), "findings": findings(&shared),
        "refusals": refusals(&shared, visit).await?, "staging": shared.metrics.is_staging(), "note": note(&req, visit),
    });
    shared.view.private("admin.html", visit, "admin", with)
}

/// `POST /admin/sources/{name}/poll`
pub async fn poll(
    req: HttpRequest,
    shared: Data<Shared>,
    name: Path<String>,
    form: Form,
) -> Result<HttpResponse, Fault> {
    session(&req, &shared, &form).await?;
    let note = match shared.ingest.poll(&name).await {
        Ok(report) if report.busy => "?note=poll_busy".to_owned(),
        Ok(report) => {
            let a = report.applied;
            format!("?note=polled_now&new={}&revised={}&withdrawn={}", a.published, a.revised, a.withdrawn)
        }
        Err(IngestError::Source(_) | IngestError::Resting(..)) => "?note=poll_failed".to_owned(),
        Err(other) => return Err(other.into()),
    };
    Ok(back(&shared, &note, None))
}

/// `POST /admin/sources/{name}/release`
pub async fn release(
    req: HttpRequest,
    shared: Data<Shared>,
    name: Path<String>,
    form: Form,
) -> Result<HttpResponse, Fault> {
    let session = session(&req, &shared, &form).await?;
    if !shared.ingest.sources().any(|s| s == *name) {
        return Err(Fault::NotFound);
    }
    let freed = shared.ingest.release(&name).await?;
    tracing::info!(token = session.name, source = *name, freed, "an operator released held changes");
    Ok(back(&shared, &format!("?note=released&n={freed}"), None))
}

async fn session(req: &HttpRequest, shared: &Shared, form: &Form) -> Result<Session, Fault> {
    let session = shared.sessions.of(shared, req).await?.ok_or(Fault::Unauthorized)?;
    if session.allows(form.get("csrf")) { Ok(session) } else { Err(Fault::Foreign) }
}

fn back(shared: &Shared, to: &str, cookie: Option<&str>) -> HttpResponse {
    let mut response =
        HttpResponse::SeeOther().insert_header((LOCATION, format!("{}admin{to}", shared.view.root()))).finish();
    if let Some(cookie) = cookie.and_then(|c| HeaderValue::from_str(c).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    view::keep_private(&mut response);
    response
}

/// What the last button did, as numbers in the address: nothing else of it is shown.
fn note(req: &HttpRequest, visit: Visit) -> Option<String> {
    let word = visit::query(req, "note")?;
    if !matches!(word.as_str(), "polled_now" | "poll_busy" | "poll_failed" | "released") {
        return None;
    }
    let number = |name: &str| visit::query(req, name).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).to_string();
    let names = ["n", "new", "revised", "withdrawn"];
    let numbers = names.map(number);
    let values: Vec<(&str, &str)> = names.into_iter().zip(numbers.iter().map(String::as_str)).collect();
    Some(catalog::words(visit.locale.as_str()).say(&format!("admin.{word}"), &values))
}

fn source(shared: &Shared, visit: Visit, name: &str, row: Option<&SourceRow>) -> Value {
    let moment = |millis: i64| date::full(Timestamp(millis), &shared.site.zone, visit.locale.as_str());
    let faults: Vec<String> = row.and_then(|r| serde_json::from_str(&r.faults).ok()).unwrap_or_default();
    json!({
        "name": name, "visible": row.map_or(0, |r| r.visible), "polled": row.and_then(|r| r.polled_at).map(moment),
        "baseline": row.is_some_and(|r| r.baseline_at.is_some()),
        "error": row.and_then(|r| r.error.clone()), "error_at": row.and_then(|r| r.error_at).map(moment),
        "faults": faults, "held": row.map_or(0, |r| r.held), "missing": row.map_or(0, |r| r.missing_polls),
    })
}

/// Mails that came back and what they came to, as numbers: no address is shown.
async fn refusals(shared: &Shared, visit: Visit) -> Result<Value, Fault> {
    let words = catalog::words(visit.locale.as_str());
    let word = |group: &str, name: &str| words.say(&format!("bounce.{group}_{name}"), &[]);
    let counts = shared.store.bounce_counts(shared.clock.now().minus(LATELY)).await?;
    let lately: Vec<Value> = counts
        .iter()
        .map(|(kind, cause, n)| {
            let cause = if cause.is_empty() { "complaint" } else { cause };
            json!({ "kind": word("kind", kind), "cause": word("cause", cause), "n": n })
        })
        .collect();
    let suppressed = shared.store.suppression_counts().await?;
    let suppressed: Vec<Value> =
        suppressed.iter().map(|(reason, n)| json!({ "reason": word("reason", reason), "n": n })).collect();
    let waves = shared.store.waves().await?;
    let waves: Vec<Value> = waves
        .iter()
        .map(|wave| {
            let since = date::full(Timestamp(wave.since), &shared.site.zone, visit.locale.as_str());
            json!({ "domain": wave.domain, "people": wave.people, "since": since })
        })
        .collect();
    Ok(json!({ "lately": lately, "suppressed": suppressed, "waves": waves }))
}

/// Feeds that are served as they were before, and why.
fn troubles(shared: &Shared, visit: Visit) -> Vec<Value> {
    let all = shared.publisher.all();
    let told = all.iter().filter_map(|published| {
        let trouble = published.trouble.as_ref()?;
        let since = date::full(trouble.since, &shared.site.zone, visit.locale.as_str());
        Some(json!({ "feed": published.feed.spec.title.as_str(), "since": since, "reason": trouble.reason }))
    });
    told.collect()
}

/// Articles that are not in a feed as they came, each once, with what its editor can do.
fn findings(shared: &Shared) -> Vec<Value> {
    let all = shared.publisher.all();
    let mut seen = HashSet::new();
    let told = all.iter().flat_map(|published| &published.findings);
    told.filter(|finding| seen.insert((finding.article, finding.what.clone())))
        .take(FINDINGS)
        .map(|finding| json!({ "title": finding.title.as_str(), "what": finding.what, "left_out": finding.left_out }))
        .collect()
}

fn lane(shared: &Shared, visit: Visit, depth: &QueueDepth) -> Value {
    let word = |name: &str| catalog::words(visit.locale.as_str()).say(&format!("admin.{name}"), &[]);
    let waits = shared.clock.now().since(Timestamp(depth.oldest));
    json!({ "channel": word(&depth.channel), "lane": word(&depth.lane), "pending": depth.pending, "oldest": span(waits) })
}

fn change(shared: &Shared, visit: Visit, change: &RecentChange) -> Value {
    let tag = visit.locale.as_str();
    json!({
        "id": change.article_id, "title": change.title, "kind": change.kind,
        "kind_word": catalog::words(tag).say(&format!("admin.{}", change.kind), &[]),
        "seen": date::full(Timestamp(change.seen_at), &shared.site.zone, tag),
        "held": change.held, "sent": change.sent, "pending": change.pending, "dead": change.dead,
    })
}

/// A length of time in the largest unit that fits.
fn span(time: Duration) -> String {
    match time.as_secs() {
        s @ ..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..86400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86400),
    }
}

/// Paths and queries of endpoints may be secret.
fn host_of(url: &str) -> String {
    url::Url::parse(url).map(|u| u.origin().ascii_serialization()).unwrap_or_default()
}
