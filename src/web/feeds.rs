//! Feed documents, straight from memory: whatever was rendered or compressed once is never again for another request.
//! Never negotiates the format: one address has one.

pub mod pace;

use std::sync::Arc;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LINK, LOCATION, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use bytes::Bytes;

use super::reply::Fault;
use super::{Shared, browse, conditional, search, visit};
use crate::clock::Timestamp;
use crate::feed::document::Format;
use crate::work::publish::archive::{ArchiveError, Found};
use crate::work::publish::outlook::shorter;
use crate::work::publish::published::{Published, keep};
use crate::work::publish::ready::{Coding, Ready};

/// Seconds for which a reader need not ask for the list of feeds again.
const LIST_AGE: u64 = 1800;

/// What is read at an address with a version in it never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The seconds of [`FOR_GOOD`].
const YEAR: u64 = 31_536_000;

/// `Vary` of whatever is sent in several codings.
pub const ACCEPT_ENCODING_VALUE: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// RFC 3229 §10.5.3: who sends it takes deltas.
pub const A_IM: HeaderName = HeaderName::from_static("a-im");

/// RFC 3229 §10.5.2.
const IM: HeaderName = HeaderName::from_static("im");

/// Of a feed that is served as it was before: for how many seconds, and why. (`Age` would be taken for a cache's, and
/// `Warning` is obsolete: RFC 9111 §5.1, §5.5.)
const STALE: HeaderName = HeaderName::from_static("loa-stale");

/// `/feeds/{slug}.rss`, `.atom`, `.json`, and `/feeds/{slug}`, which is a page.
pub async fn named(req: HttpRequest, shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        let small = name.to_ascii_lowercase();
        open(&shared, split(&small)?.0, None).await?;
        return Ok(moved(&shared, &format!("feeds/{small}")));
    }
    let (slug, format) = split(&name)?;
    if shared.publisher.is_ready() && shared.publisher.get(slug).is_none() {
        return search::followed(&shared, slug, format).await;
    }
    let published = open(&shared, slug, format).await?;
    match format {
        Some(format) => document(&req, &shared, &published, format).await,
        None if published.feed.retired => Err(Fault::Gone),
        None => browse::preview(&req, &shared, &published),
    }
}

/// 304 for who has this version.
fn not_modified(shared: &Shared, asked: &Asked<'_>, published: &Published, format: Format) -> Option<HttpResponse> {
    let head = published.head(format);
    if !asked.has_it(&head.etag, published.changed) {
        return None;
    }
    let mut answer = HttpResponse::NotModified();
    answer.insert_header((ETAG, head.etag.as_str())).insert_header((LINK, head.link.as_str()));
    stale(&mut answer, shared, published);
    dated(&mut answer, shared, published);
    Some(answer.finish())
}

/// The slug and the format that a name in an address stands for; a page has none.
fn split(name: &str) -> Result<(&str, Option<Format>), Fault> {
    match name.rsplit_once('.') {
        Some((slug, extension)) => Ok((slug, Some(Format::parse(extension).ok_or(Fault::NotFound)?))),
        None => Ok((name, None)),
    }
}

/// The same address with a slash behind it: 301, for readers that remember.
pub async fn slash(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let small = name.to_ascii_lowercase();
    let slug = small.rsplit_once('.').map_or(small.as_str(), |(slug, _)| slug);
    shared.publisher.get(slug).map(|_| moved(&shared, &format!("feeds/{small}"))).ok_or(Fault::NotFound)
}

/// `/feeds`: the list is the front page.
pub async fn all(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, shared.view.root())).finish()
}

/// `/feeds.opml`
pub async fn list(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let opml = shared.publisher.opml().ok_or(Fault::Starting)?;
    let changed = shared.publisher.all().iter().map(|p| p.changed).max().unwrap_or_default();
    let said = Said { own: &shared.site.link("feeds.opml"), changed, max_age: LIST_AGE, cut: None, stale: None };
    answer(&req, &shared, &opml, &said).await
}

/// What is said of a document that is no version of a feed.
pub struct Said<'a> {
    /// Its address.
    pub own: &'a str,
    /// When it last changed.
    pub changed: Timestamp,
    /// Seconds for which a reader need not ask again.
    pub max_age: u64,
    /// Fewer seconds, where the clock alone will change it before.
    pub cut: Option<u64>,
    /// How old it is, and why, if it is older than it should be.
    pub stale: Option<String>,
}

/// Sends a document that is no version of a feed, or 304 to who has it. Whoever fetches it whole again and again waits, as
/// for feeds.
pub async fn answer(req: &HttpRequest, shared: &Shared, ready: &Ready, said: &Said<'_>) -> Result<HttpResponse, Fault> {
    let asked = Asked::of(req.headers());
    let has_it = asked.has_it(&ready.etag, said.changed);
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, ready.etag.as_str()))
        .insert_header((LINK, format!("<{}>; rel=\"self\"", said.own)))
        // A clock that was set back must not make it come from the future (RFC 9110 §8.8.2.1).
        .insert_header((LAST_MODIFIED, said.changed.min(shared.clock.now()).http_date()))
        .insert_header((CACHE_CONTROL, said.cut.map_or_else(|| keep(said.max_age), until)))
        .insert_header((VARY, ACCEPT_ENCODING_VALUE));
    if let Some(stale) = &said.stale {
        answer.insert_header((STALE, stale.as_str()));
    }
    if has_it {
        return Ok(answer.finish());
    }
    shared.pace(req, &asked, said.own)?;
    Ok(packed(&mut answer, &asked, ready).await)
}

/// Sends what is new since the version that the reader has (RFC 3229).
pub async fn only_new(answer_to: &Asked<'_>, etag: &str, link: &str, ready: &Ready) -> HttpResponse {
    let mut answer = HttpResponse::build(StatusCode::IM_USED);
    // RFC 3229 §10.8.1: caches that do not know deltas must not keep this as the document.
    answer
        .insert_header((ETAG, etag))
        .insert_header((LINK, link))
        .insert_header((IM, "feed"))
        .insert_header((CACHE_CONTROL, "no-store, im"))
        .insert_header((VARY, "Accept-Encoding, A-IM, If-None-Match"));
    packed(&mut answer, answer_to, ready).await
}

/// `/feeds/{slug}/archive/{month}.atom`: leads to what there is of that month now.
pub async fn month(
    req: HttpRequest,
    shared: Data<Shared>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Fault> {
    let (slug, file) = path.into_inner();
    archive(&req, &shared, &slug, None, &file).await
}

/// `/feeds/{slug}/archive/{version}/{month}.atom`: never changes.
pub async fn part(
    req: HttpRequest,
    shared: Data<Shared>,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Fault> {
    let (slug, version, file) = path.into_inner();
    archive(&req, &shared, &slug, Some(&version), &file).await
}

async fn archive(
    req: &HttpRequest,
    shared: &Shared,
    slug: &str,
    version: Option<&str>,
    file: &str,
) -> Result<HttpResponse, Fault> {
    let name = file.strip_suffix(".atom").ok_or(Fault::NotFound)?;
    let published = open(shared, slug, None).await?;
    let found = shared.publisher.archive(&published, version, name).await.map_err(|error| match error {
        ArchiveError::Store(error) => error.into(),
        error => {
            tracing::error!(feed = slug, "the archive {name} is not served: {error}");
            Fault::Internal
        }
    })?;
    let (ready, ends) = match found {
        Found::Document(ready, ends) => (ready, ends),
        Found::Now(path) => {
            let cut = shared.publisher.outlook().cut(&published, shared.clock.now());
            let keep = format!("public, max-age={}", cut.unwrap_or(published.max_age));
            let to = format!("{}{path}", shared.view.root());
            return Ok(HttpResponse::Found()
                .insert_header((LOCATION, to))
                .insert_header((CACHE_CONTROL, keep))
                .finish());
        }
        Found::Moved(path) => return Ok(moved(shared, &path)),
        Found::Gone => return Err(Fault::Gone),
        Found::Nothing => return Err(Fault::NotFound),
    };
    let asked = Asked::of(req.headers());
    let has_it = conditional::has_it(&asked.none_match, None, &ready.etag, published.changed);
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, ready.etag.as_str()))
        .insert_header((CACHE_CONTROL, shorter(ends, YEAR, shared.clock.now()).map_or(FOR_GOOD.to_owned(), until)))
        .insert_header((VARY, ACCEPT_ENCODING_VALUE));
    if has_it {
        return Ok(answer.finish());
    }
    shared.pace(req, &asked, req.path())?;
    Ok(packed(&mut answer, &asked, &ready).await)
}

/// The feed with its documents, if its address still answers; `format` is what is going to be asked of it.
async fn open(shared: &Shared, slug: &str, format: Option<Format>) -> Result<Arc<Published>, Fault> {
    if !shared.publisher.is_ready() {
        return Err(Fault::Starting);
    }
    let published = shared.publisher.open_for(slug, format).await?.ok_or(Fault::NotFound)?;
    if !published.is_read() {
        return Err(Fault::Starting);
    }
    if published.is_gone(shared.clock.now()) { Err(Fault::Gone) } else { Ok(published) }
}

async fn document(
    req: &HttpRequest,
    shared: &Shared,
    published: &Arc<Published>,
    format: Format,
) -> Result<HttpResponse, Fault> {
    let asked = Asked::of(req.headers());
    let head = published.head(format);
    if let Some(answer) = not_modified(shared, &asked, published, format) {
        return Ok(answer);
    }
    if let Some(ready) = delta(shared, &asked, published, format).await? {
        return Ok(only_new(&asked, &head.etag, &head.link, &ready).await);
    }
    shared.pace(req, &asked, req.path())?;
    let ready = shared.publisher.document(published, format).await;
    Ok(packed(&mut whole(shared, published, format), &asked, &ready).await)
}

/// 200, but for the document.
fn whole(shared: &Shared, published: &Published, format: Format) -> HttpResponseBuilder {
    let head = published.head(format);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((ETAG, head.etag.as_str())).insert_header((LINK, head.link.as_str()));
    stale(&mut answer, shared, published);
    dated(&mut answer, shared, published);
    answer
}

async fn delta(
    shared: &Shared,
    asked: &Asked<'_>,
    published: &Arc<Published>,
    format: Format,
) -> Result<Option<Arc<Ready>>, Fault> {
    let Some(past) = asked.past(published.past(format)) else { return Ok(None) };
    Ok(shared.publisher.delta(published, format, past).await?)
}

/// What of a request the answer depends on.
pub struct Asked<'r> {
    none_match: Vec<&'r str>,
    since: Option<&'r str>,
    headers: &'r HeaderMap,
    takes_deltas: bool,
}

impl<'r> Asked<'r> {
    /// Reads the headers of a request.
    pub fn of(headers: &'r HeaderMap) -> Self {
        Self {
            none_match: values(headers, &IF_NONE_MATCH).collect(),
            since: values(headers, &IF_MODIFIED_SINCE).next(),
            headers,
            takes_deltas: values(headers, &A_IM).any(conditional::takes_deltas),
        }
    }

    /// Whether the reader has what is under this tag since then.
    pub fn has_it(&self, etag: &str, changed: Timestamp) -> bool {
        conditional::has_it(&self.none_match, self.since, etag, changed)
    }

    /// Which of these versions the reader has, if only what is new since then is asked for.
    pub fn past<'t>(&self, mut etags: impl Iterator<Item = &'t str>) -> Option<usize> {
        let asks = self.takes_deltas && !self.none_match.is_empty();
        asks.then(|| etags.position(|etag| conditional::names(&self.none_match, etag))).flatten()
    }

    /// The coding in which the reader wants it.
    pub fn coding(&self, ready: &Ready) -> Coding {
        let mut accepts = values(self.headers, &ACCEPT_ENCODING);
        let first = accepts.next();
        // Several headers are one list (RFC 9110 §5.3); hardly anybody sends more than one.
        let joined = accepts.next().map(|_| values(self.headers, &ACCEPT_ENCODING).collect::<Vec<_>>().join(","));
        conditional::coding(joined.as_deref().or(first), |coding| ready.offers(coding))
    }
}

impl Shared {
    /// Lets a full fetch of the document at an address in, or says how long to wait: only those wait who fetch the same again
    /// and again without ever saying what they have.
    pub(super) fn pace(&self, req: &HttpRequest, asked: &Asked<'_>, address: &str) -> Result<(), Fault> {
        if req.method() != Method::GET || !asked.none_match.is_empty() || asked.since.is_some() {
            return Ok(());
        }
        let Some(from) = visit::client_address(req, &self.trusted_proxies) else { return Ok(()) };
        let front = from.is_loopback() || self.trusted_proxies.iter().any(|net| net.contains(&from));
        if front {
            return Ok(());
        }
        self.pace.fetch(from, address, self.clock.now()).map_err(Fault::TooMany)
    }
}

/// What is to be asked for by another name below the site's address.
pub fn moved(shared: &Shared, to: &str) -> HttpResponse {
    HttpResponse::MovedPermanently()
        .insert_header((LOCATION, format!("{}{to}", shared.view.root())))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .finish()
}

/// Says that a document is older than it should be: since its newer version could not be published, or since what it is made
/// of could be read for the last time.
pub fn staleness(shared: &Shared, published: &Published) -> Option<String> {
    let now = shared.clock.now();
    let source = shared.publisher.outlook().silent_since(published, now);
    aged(now, published.trouble.as_ref().map(|trouble| trouble.since), source)
}

/// The value of [`STALE`], if there is a reason for one.
pub fn aged(now: Timestamp, proof: Option<Timestamp>, source: Option<Timestamp>) -> Option<String> {
    let reasons = [(proof, "proof"), (source, "source")].into_iter().filter_map(|(since, why)| Some((since?, why)));
    let said: Vec<String> =
        reasons.map(|(since, why)| format!("{};reason={why}", now.since(since).as_secs())).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn stale(answer: &mut HttpResponseBuilder, shared: &Shared, published: &Published) {
    if let Some(stale) = staleness(shared, published) {
        answer.insert_header((STALE, stale));
    }
}

fn dated(answer: &mut HttpResponseBuilder, shared: &Shared, published: &Published) {
    // What comes from the future is none of a reader's business (RFC 9110 §8.8.2.1): a clock may have been set back, and
    // a version's date is the end of its second.
    let now = shared.clock.now();
    if published.changed <= now {
        answer.insert_header((LAST_MODIFIED, published.last_modified.as_str()));
    } else {
        answer.insert_header((LAST_MODIFIED, now.http_date()));
    }
    answer.insert_header((VARY, ACCEPT_ENCODING_VALUE));
    match shared.publisher.outlook().cut(published, now) {
        Some(seconds) => answer.insert_header((CACHE_CONTROL, until(seconds))),
        None => answer.insert_header((CACHE_CONTROL, published.cache_control.as_str())),
    };
}

/// `Cache-Control` of what is known to end by the clock: nobody shows it for a moment longer, not even when we are away.
pub fn until(seconds: u64) -> String {
    format!("public, max-age={seconds}, must-revalidate")
}

async fn packed(answer: &mut HttpResponseBuilder, asked: &Asked<'_>, ready: &Ready) -> HttpResponse {
    send(answer, ready, ready.coded(asked.coding(ready)).await)
}

fn send(answer: &mut HttpResponseBuilder, ready: &Ready, (coding, bytes): (Coding, Bytes)) -> HttpResponse {
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(ready.content_type)));
    if let Some(word) = coding.word() {
        answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static(word)));
    }
    answer.body(bytes)
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).filter_map(|v| v.to_str().ok())
}
