//! Pages for everybody: what can be followed, and one feed with its doors. Shows only what the feeds show.

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::Shared;
use super::feeds::until;
use super::reply::Fault;
use super::view::PAGE_AGE;
use super::visit::Visit;
use crate::domain::article::StoredArticle;
use crate::domain::feed::{FeedOrigin, FeedSpec};
use crate::domain::selection::Reason;
use crate::domain::selection::title::Names;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::feed::document::Format;
use crate::text::{catalog, date, excerpt};
use crate::work::publish::published::Published;

/// Articles on the page of a feed.
pub const SHOWN: usize = 20;

/// Letters of a lede on a page.
const LEDE: usize = 240;

/// `/`
pub async fn home(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    // Joomla's feeds were a question of the query alone.
    if let Some(old) = shared.old.find(req.path(), req.query_string()) {
        return super::old::answer(&req, &shared, old).await;
    }
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let visit = shared.visit(&req);
    let all = shared.publisher.all();
    let with = json!({
        "topics": cards(&shared.site, visit, &all, FeedOrigin::File),
        "categories": cards(&shared.site, visit, &all, FeedOrigin::Category), "static": false,
    });
    shared.view.page("home.html", visit, "", with)
}

/// The feeds of one origin, as the front page shows them.
#[must_use]
pub fn cards(site: &Site, visit: Visit, all: &[Arc<Published>], origin: FeedOrigin) -> Vec<Value> {
    all.iter().filter(|p| p.feed.origin == origin).map(|p| card(site, visit, p)).collect()
}

/// `/feeds/{slug}`
pub fn preview(req: &HttpRequest, shared: &Shared, published: &Published) -> Result<HttpResponse, Fault> {
    let visit = shared.visit(req);
    let slug = &published.feed.spec.slug;
    let path = format!("feeds/{slug}");
    let with = feed_page(&shared.site, visit, published);
    let page = shared.view.page("feed.html", visit, &path, with)?;
    let (outlook, now) = (shared.publisher.outlook(), shared.clock.now());
    Ok(not_beyond(page, outlook.cut(published, now)))
}

/// What the clock is about to hide is not shown for longer on a page either.
#[must_use]
pub fn not_beyond(mut page: HttpResponse, cut: Option<u64>) -> HttpResponse {
    if let Some(keep) = cut.filter(|seconds| *seconds < PAGE_AGE).and_then(|seconds| until(seconds).try_into().ok()) {
        page.headers_mut().insert(CACHE_CONTROL, keep);
    }
    page
}

/// What the page of a feed shows.
#[must_use]
pub fn feed_page(site: &Site, visit: Visit, published: &Published) -> Value {
    let (feed, tag) = (&published.feed, visit.locale.as_str());
    let slug = &feed.spec.slug;
    // A category's feed holds its articles for one reason, which its title says.
    let matcher = (feed.origin != FeedOrigin::Category && !feed.spec.select.is_everything()).then(|| feed.matcher());
    let articles: Vec<Value> = published
        .teasers()
        .iter()
        .take(SHOWN)
        .map(|a| {
            let why = matcher.as_ref().and_then(|m| m.matches(&a.article));
            let mut names = Names::default();
            names.learn(&a.article);
            article(site, visit, a, why.and_then(|why| reason_words(tag, &why, &names)).as_deref())
        })
        .collect();
    let t = catalog::words(tag);
    json!({
        "feed": card(site, visit, published), "articles": articles,
        "formats": formats(site, title(&feed.spec, visit.locale), |f| format!("feeds/{slug}.{}", f.extension())),
        "form": super::subscriber::Asked::of_feed(slug).context(visit),
        "endpoints_url": site.link("api/v1/endpoints"), "static": false,
        "follow": {
            "title": t.get("feed.doors"), "mail": t.get("feed.door_mail_text"), "field": "feed", "value": slug,
            "name": slug,
        },
    })
}

/// The documents of a feed, as pages and their heads list them.
#[must_use]
pub fn formats(site: &Site, title: &str, path: impl Fn(Format) -> String) -> Vec<Value> {
    let one = |f: Format| {
        json!({ "name": f.name(), "type": f.media_type(), "word": f.extension(), "title": title, "path": path(f),
                "url": site.link(&path(f)) })
    };
    Format::ALL.into_iter().map(one).collect()
}

/// Why an article matched, for its readers; nothing where the selection says it already.
#[must_use]
pub fn reason_words(tag: &str, reason: &Reason, names: &Names) -> Option<String> {
    let t = catalog::words(tag);
    let place = |place: &str| t.get(&format!("place.{place}")).to_owned();
    match reason {
        Reason::Everything => None,
        Reason::Category(slug) => Some(t.say("feed.reason_category", &[("category", names.of_category(slug))])),
        Reason::Phrase { phrase, place: at } => {
            Some(t.say("feed.reason_phrase", &[("phrase", phrase), ("place", &place(at))]))
        }
        Reason::Keywords(found) => {
            let words: Vec<String> = found
                .iter()
                .map(|f| t.say("feed.reason_word", &[("word", &f.keyword), ("place", &place(&f.place))]))
                .collect();
            Some(t.say("feed.reason_keywords", &[("words", &words.join(", "))]))
        }
    }
}

/// The title of a feed in a language.
#[must_use]
pub fn title(spec: &FeedSpec, locale: Locale) -> &str {
    match (&spec.title_en, locale) {
        (Some(english), Locale::En) => english,
        _ => &spec.title,
    }
}

fn description(spec: &FeedSpec, locale: Locale) -> String {
    let own = match (&spec.description_en, locale) {
        (Some(english), Locale::En) => english,
        _ => &spec.description,
    };
    if own.trim().is_empty() {
        return catalog::words(locale.as_str()).say("feed.no_description", &[("title", title(spec, locale))]);
    }
    own.trim().to_owned()
}

/// "About N articles a week."
#[must_use]
pub fn weekly_words(tag: &str, weekly: i64) -> String {
    match weekly {
        ..=0 => catalog::words(tag).get("feed.per_week_none").to_owned(),
        1 => catalog::words(tag).get("feed.per_week_one").to_owned(),
        n => catalog::words(tag).say("feed.per_week", &[("n", &n.to_string())]),
    }
}

fn card(site: &Site, visit: Visit, published: &Published) -> Value {
    let (spec, tag) = (&published.feed.spec, visit.locale.as_str());
    let weekly = weekly_words(tag, published.weekly);
    json!({
        "slug": spec.slug, "title": title(spec, visit.locale), "description": description(spec, visit.locale),
        "own": !spec.description.trim().is_empty(),
        "weekly": weekly, "latest": published.latest.map(|at| date::short(at, &site.zone, tag)),
    })
}

/// An article in a list, with why it is there.
#[must_use]
pub fn article(site: &Site, visit: Visit, stored: &StoredArticle, reason: Option<&str>) -> Value {
    let (article, tag) = (&stored.article, visit.locale.as_str());
    let mut by: Vec<&str> = article.authors.iter().map(|a| &**a).collect();
    by.extend(article.agency.as_deref());
    json!({
        "title": article.title.as_str(), "url": web_only(&article.url),
        "when": date::full(article.published, &site.zone, tag),
        "machine": article.published.rfc3339(&site.zone),
        "by": by.join(", "), "lede": excerpt::excerpt(&article.summary, LEDE), "language": article.language,
        "category": article.categories.first().map(|c| c.title.as_str()), "reason": reason,
    })
}

/// An address that a browser may follow from our page: a portal's store is not ours.
fn web_only(url: &str) -> &str {
    if url.starts_with("https://") || url.starts_with("http://") { url } else { "#" }
}
