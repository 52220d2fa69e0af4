//! Any selection is a feed: its documents, its page with the three doors, and what follows it. Every address has one
//! canonical form; what is asked for the first time counts against a limit. Finds nothing itself.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::browse::{article, formats, reason_words, weekly_words};
use super::feeds::{Asked as Reader, Said, aged, answer, moved, only_new};
use super::reply::Fault;
use super::subscriber::Asked as Form;
use super::view::PAGE_AGE;
use super::visit::Visit;
use super::{Shared, browse};
use crate::domain::feed::FeedSpec;
use crate::domain::selection::query::{self, Asked, QueryFault};
use crate::domain::selection::{Selection, keyword};
use crate::feed::document::Format;
use crate::text::{catalog, collate};
use crate::work::search::{self, Results, SearchError, WINDOW};

/// `/feeds/search.rss`, `.atom`, `.json`
pub async fn document(req: HttpRequest, shared: Data<Shared>, format: Path<String>) -> Result<HttpResponse, Fault> {
    let format = Format::parse(&format).ok_or(Fault::NotFound)?;
    let asked = query::parse(req.query_string()).map_err(Fault::Query)?;
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let path = search::path(&query::write(&asked.selection), Some(format));
    if !asked.canonical {
        return Ok(moved(&shared, &path));
    }
    let results = find(&req, &shared, &asked.selection).await?;
    let own = shared.site.link(&path);
    let reader = Reader::of(req.headers());
    if let Some(past) = reader.past(results.past(format))
        && let Some(ready) = shared.search.delta(&results, format, past).await
    {
        let link = format!("<{own}>; rel=\"self\"");
        return Ok(only_new(&reader, &results.document(format).etag, &link, &ready).await);
    }
    let (outlook, now) = (shared.publisher.outlook(), shared.clock.now());
    let sources = &asked.selection.sources;
    let silent = outlook.silent_among(|name| sources.is_empty() || sources.contains(name), now);
    let said = Said {
        own: &own,
        changed: results.changed,
        max_age: results.max_age,
        cut: outlook.cut_of_any(results.max_age, now),
        stale: aged(now, None, silent),
    };
    answer(&req, &shared, results.document(format), &said).await
}

/// `/feeds/search`: the form, and what was found.
pub async fn page(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let visit = shared.visit(&req);
    match query::parse(req.query_string()) {
        Ok(asked) if asked.selection.is_everything() => show(&shared, visit, &asked, None, &[]).await,
        Ok(asked) => {
            let results = find(&req, &shared, &asked.selection).await?;
            show(&shared, visit, &asked, Some(&results), &[]).await
        }
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(|fault| fault.say(visit.locale.as_str())).collect();
            let typed = super::visit::query(&req, "q").unwrap_or_default().chars().take(400).collect();
            let asked = Asked { typed, ..Asked::default() };
            let mut page = show(&shared, visit, &asked, None, &told).await?;
            *page.status_mut() = StatusCode::BAD_REQUEST;
            page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(page)
        }
    }
}

/// What is behind the name of a feed that was never declared: a selection that somebody follows is found by its search.
pub async fn followed(shared: &Shared, slug: &str, format: Option<Format>) -> Result<HttpResponse, Fault> {
    let query = if slug.starts_with("s-") { shared.store.selection_query(slug).await? } else { None };
    let path = search::path(&query.ok_or(Fault::NotFound)?, format);
    Ok(moved(shared, &path))
}

/// What is wrong with a query, for a program's author.
pub fn unprocessable(what: &str, faults: &[QueryFault]) -> Fault {
    let told: Vec<String> = faults.iter().map(|fault| fault.say("en")).collect();
    Fault::Unprocessable(format!("{what}: {}", told.join(" ")))
}

/// A selection as the API describes feeds.
pub async fn described(shared: &Shared, selection: &Selection) -> Result<Value, Fault> {
    let results = shared.search.find(selection).await?;
    let spec = &results.feed.spec;
    let link = |format: Option<Format>| shared.site.link(&search::path(&results.query, format));
    Ok(json!({
        "name": search::path(&results.query, None).trim_start_matches("feeds/"), "slug": spec.slug,
        "title": spec.title.as_str(), "title_en": spec.title_en.as_deref(), "description": spec.description.as_str(),
        "kind": "selection", "page": link(None), "rss": link(Some(Format::Rss)), "atom": link(Some(Format::Atom)),
        "json": link(Some(Format::Json)), "articles_per_week": results.weekly,
        "changed_at": results.changed.rfc3339(&shared.site.zone),
    }))
}

/// Makes a selection a feed for somebody whom the operator trusts. Answers its row id.
pub async fn follow(shared: &Shared, query: &str) -> Result<i64, Fault> {
    let asked = query::parse(query).map_err(|faults| unprocessable("feeds", &faults))?;
    let spec = search::spec(&asked.selection, &*shared.search.names().await?);
    let id = shared.store.follow_selection(&spec, shared.clock.now()).await?;
    let id = id.ok_or(Fault::Full("full"))?;
    fill(shared, &spec).await?;
    Ok(id)
}

/// Puts into the feed of a selection what it holds when it begins: of that, nobody is told.
pub async fn fill(shared: &Shared, spec: &FeedSpec) -> Result<(), Fault> {
    let members = shared.search.members(&spec.select).await?;
    shared.store.fill_selection(&spec.select.slug(), &members, shared.clock.now()).await?;
    Ok(())
}

async fn find(req: &HttpRequest, shared: &Shared, selection: &Selection) -> Result<std::sync::Arc<Results>, Fault> {
    if !shared.search.is_known(selection) {
        shared.knock_at(&shared.searches, req)?;
    }
    shared.search.find(selection).await.map_err(|error: SearchError| error.into())
}

async fn show(
    shared: &Shared,
    visit: Visit,
    asked: &Asked,
    results: Option<&Results>,
    faults: &[String],
) -> Result<HttpResponse, Fault> {
    let names = shared.search.names().await?;
    let (tag, selection) = (visit.locale.as_str(), &asked.selection);
    let chosen = selection.categories.first();
    let mut known: Vec<(&str, &str)> = names.categories().collect();
    known.sort_by_cached_key(|(slug, title)| (collate::key(title), (*slug).to_owned()));
    let categories: Vec<Value> = known
        .iter()
        .map(|(slug, title)| json!({ "slug": slug, "title": title, "on": chosen.is_some_and(|c| c == slug) }))
        .collect();
    let mut with = json!({
        "asked": results.is_some(), "typed": asked.typed, "faults": faults, "categories": categories,
        "kept": kept(selection), "window": WINDOW.to_string(),
        "from": selection.from.map(|day| day.to_string()), "until": selection.until.map(|day| day.to_string()),
    });
    let Some(results) = results else {
        return shared.view.page("search.html", visit, "feeds/search", with);
    };
    let title = browse::title(&results.feed.spec, visit.locale).to_owned();
    let path = search::path(&results.query, None);
    let articles: Vec<Value> = results
        .articles
        .iter()
        .take(browse::SHOWN)
        .map(|(stored, why)| article(&shared.site, visit, stored, reason_words(tag, why, &names).as_deref()))
        .collect();
    let t = catalog::words(tag);
    let more = json!({
        "title": title, "canonical": shared.site.link(&path), "weekly": weekly_words(tag, results.weekly),
        "articles": articles, "formats": formats(&shared.site, &title, |f| search::path(&results.query, Some(f))),
        "form": Form::of_selection(selection).context(visit),
        "endpoints_url": shared.site.link("api/v1/endpoints"), "phrase": as_phrase(asked),
        "follow": {
            "title": t.get("search.follow"), "mail": t.get("search.door_mail_text"), "field": "selection",
            "value": results.query, "name": path.trim_start_matches("feeds/"),
        },
    });
    if let (Some(with), Value::Object(more)) = (with.as_object_mut(), more) {
        with.extend(more);
    }
    let page = shared.view.page("search.html", visit, &path, with)?;
    let (outlook, now) = (shared.publisher.outlook(), shared.clock.now());
    Ok(browse::not_beyond(page, outlook.cut_of_any(PAGE_AGE, now)))
}

/// The conditions that the form has no field for: they stay as they are.
fn kept(selection: &Selection) -> Vec<Value> {
    let mut rest = selection.clone();
    (rest.keywords, rest.not_keywords, rest.from, rest.until) = (Vec::new(), Vec::new(), None, None);
    if !rest.categories.is_empty() {
        rest.categories.remove(0);
    }
    let query = query::write(&rest);
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Several words are looked for one by one; in Vietnamese most words have two of them. Offers the phrase.
fn as_phrase(asked: &Asked) -> Option<Value> {
    let plain = asked.typed.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_plain = !plain.contains(['"', '“', '”', '„', '«', '»', '-']);
    let selection = Selection { keywords: vec![plain.clone()], ..asked.selection.clone() };
    (is_plain && asked.selection.keywords.len() > 1 && keyword::spelled(&plain).chars().count() <= 100)
        .then(|| json!({ "path": search::path(&query::write(&selection), None), "text": plain }))
}
