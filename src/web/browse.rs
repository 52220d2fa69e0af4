//! Pages for everybody: what can be followed, and one feed with its doors. Shows only what the feeds show.

use actix_web::http::header::LINK;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::Shared;
use super::reply::Fault;
use super::visit::Visit;
use crate::domain::article::StoredArticle;
use crate::domain::feed::{FeedOrigin, FeedSpec};
use crate::domain::subscriber::Locale;
use crate::feed::document::Format;
use crate::text::{catalog, date, excerpt};
use crate::work::publish::published::Published;

/// Articles on the page of a feed.
const SHOWN: usize = 20;

/// Letters of a lede on a page.
const LEDE: usize = 240;

/// `/`
pub async fn home(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let visit = shared.visit(&req);
    let all = shared.publisher.all();
    let group = |origin: FeedOrigin| -> Vec<Value> {
        all.iter().filter(|p| p.feed.origin == origin).map(|p| card(&shared, visit, p)).collect()
    };
    let with = json!({ "topics": group(FeedOrigin::File), "categories": group(FeedOrigin::Category) });
    shared.view.page("home.html", visit, "", with)
}

/// `/feeds/{slug}`
pub fn preview(req: &HttpRequest, shared: &Shared, published: &Published) -> Result<HttpResponse, Fault> {
    let visit = shared.visit(req);
    let slug = &published.feed.spec.slug;
    let path = format!("feeds/{slug}");
    let formats: Vec<Value> = Format::ALL
        .iter()
        .map(|f| {
            json!({ "name": f.name(), "type": f.media_type(), "word": f.extension(),
                    "url": shared.site.link(&format!("{path}.{}", f.extension())) })
        })
        .collect();
    let articles: Vec<Value> =
        published.articles.iter().filter(|a| a.visible).take(SHOWN).map(|a| article(shared, visit, a)).collect();
    let with = json!({
        "feed": card(shared, visit, published), "formats": formats, "articles": articles,
        "form": super::subscriber::Asked::of_feed(slug).context(visit),
        "endpoints_url": shared.site.link("api/v1/endpoints"),
    });
    let mut page = shared.view.page("feed.html", visit, &path, with)?;
    for format in Format::ALL {
        let url = shared.site.link(&format!("{path}.{}", format.extension()));
        let link = format!("<{url}>; rel=\"alternate\"; type=\"{}\"", format.media_type());
        if let Ok(link) = link.try_into() {
            page.headers_mut().append(LINK, link);
        }
    }
    Ok(page)
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

fn card(shared: &Shared, visit: Visit, published: &Published) -> Value {
    let (spec, tag) = (&published.feed.spec, visit.locale.as_str());
    let weekly = match published.weekly {
        ..=0 => catalog::words(tag).get("feed.per_week_none").to_owned(),
        1 => catalog::words(tag).get("feed.per_week_one").to_owned(),
        n => catalog::words(tag).say("feed.per_week", &[("n", &n.to_string())]),
    };
    let latest = published.articles.iter().filter(|a| a.visible).map(|a| a.article.published).max();
    json!({
        "slug": spec.slug, "title": title(spec, visit.locale), "description": description(spec, visit.locale),
        "own": !spec.description.trim().is_empty(),
        "weekly": weekly, "latest": latest.map(|at| date::short(at, &shared.site.zone, tag)),
    })
}

fn article(shared: &Shared, visit: Visit, stored: &StoredArticle) -> Value {
    let (article, tag) = (&stored.article, visit.locale.as_str());
    let mut by: Vec<&str> = article.authors.iter().map(|a| &**a).collect();
    by.extend(article.agency.as_deref());
    json!({
        "title": article.title.as_str(), "url": web_only(&article.url),
        "when": date::full(article.published, &shared.site.zone, tag),
        "machine": article.published.rfc3339(&shared.site.zone),
        "by": by.join(", "), "lede": excerpt::excerpt(&article.summary, LEDE), "language": article.language,
        "category": article.categories.first().map(|c| c.title.as_str()),
    })
}

/// An address that a browser may follow from our page: a portal's store is not ours.
fn web_only(url: &str) -> &str {
    if url.starts_with("https://") || url.starts_with("http://") { url } else { "#" }
}
