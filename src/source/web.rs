//! The door through which every HTTP source reads a portal: guarded, courteous, bounded, and in the end one text in
//! Unicode. Never sends anything but GET, never carries a caller's headers to another origin, never concludes anything
//! about articles.
//!
//! One [`Web`] a source. What it remembers (validators, robots.txt, the pause that a host asked for) is gone at a restart,
//! which costs a few calls and nothing else.

mod body;
mod charset;
mod manners;
mod robots;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use self::manners::Manners;
use self::words::Words;
use super::SourceError;
use super::stamp::Stamp;
use crate::clock::Timestamp;
use crate::http::client::{Client, Response, Settings as ClientSettings};
use crate::http::guard::{Guard, too_wide};

/// How many times one call is sent elsewhere. Browsers follow twenty; a portal that needs more than five is broken.
const REDIRECTS: usize = 5;

/// How long validators are trusted: after that one full answer is asked for, because caches exist that say "unchanged"
/// for good.
const TRUST: Duration = Duration::from_hours(1);

/// What the operator may set for every HTTP source. Each source has these keys in its own settings, by the same names.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Private networks that may be called, exactly named: `allow = ["10.20.0.9/32"]`.
    pub allow: Vec<IpNet>,
    /// Whether `robots.txt` is asked and obeyed.
    pub robots: bool,
    /// From the end of one call to a host to the next one, in seconds.
    pub pause: f64,
    /// For one whole call, in seconds.
    pub timeout: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { allow: Vec::new(), robots: true, pause: 0.0, timeout: 20.0 }
    }
}

/// Whether an answer that is as it was before is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// The caller holds what it made of the last settled answer: [`Answer::Unchanged`] is enough.
    IfChanged,
    /// The caller holds nothing.
    Always,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The `Accept` header: what the caller can read.
    pub accept: &'a str,
    /// More headers, such as a token. They stay behind when a redirect leads to another origin.
    pub headers: &'a [(&'a str, &'a str)],
    /// Bytes of body at most, on the wire and unpacked.
    pub max: usize,
    /// Whether "unchanged" is an answer.
    pub fresh: Fresh,
}

/// What a call brought.
#[derive(Debug)]
pub(super) enum Answer {
    /// As in the answer that was [settled](Web::settle) last: told by the server, or found by comparing the bodies.
    Unchanged,
    /// A page.
    Page(Page),
    /// There is no such page: 404 or 410.
    Missing(u16),
}

/// A page that was answered with success.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it was found in the end.
    pub url: Url,
    /// What it says it is, in lower case and without parameters: `application/rss+xml`; empty if it does not say.
    pub media_type: String,
    /// Its text in Unicode, not normalised, without byte order mark and XML declaration.
    pub text: String,
    /// Where it was asked for, and what is kept of it when it is settled.
    kept: Box<(Url, Kept)>,
    response: Box<Response>,
}

impl Page {
    /// The first header of this name, if it is visible ASCII.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// Every header of this name that is visible ASCII, in order.
    pub(super) fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.response.headers(name)
    }

    /// Whether it is a page for people: by how it begins, and where that says nothing, by its name.
    pub(super) fn is_html(&self) -> bool {
        let mut start = self.text.trim_start();
        while let Some((_, rest)) = start.strip_prefix("<!--").and_then(|rest| rest.split_once("-->")) {
            start = rest.trim_start();
        }
        let named_html = matches!(self.media_type.as_str(), "text/html" | "application/xhtml+xml");
        let Some(start) = start.strip_prefix('<') else { return named_html && !start.starts_with(['{', '[']) };
        let mut words = start.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).map(str::to_ascii_lowercase);
        match words.next().as_deref() {
            Some("!doctype") => words.next().is_some_and(|root| root == "html"),
            Some("html" | "head" | "body") => true,
            Some("rss" | "feed" | "rdf:rdf" | "urlset" | "sitemapindex" | "opml" | "error") => false,
            _ => named_html,
        }
    }
}

/// What was kept of the last settled answer of an address.
#[derive(Clone, Debug)]
struct Kept {
    etag: Option<String>,
    modified: Option<String>,
    body: String,
    /// Where it was found.
    at: Url,
    since: Timestamp,
}

/// The door of one source.
pub(super) struct Web {
    client: Client,
    words: Words,
    manners: Manners,
    kept: Mutex<HashMap<Url, Kept>>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}

/// What one exchange means for the call.
enum Step {
    Done(Answer),
    Elsewhere(Url),
}

impl Web {
    /// A door for the source of this name. Connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when an option cannot be right.
    pub(super) fn open(name: &str, options: Options) -> Result<Self, SourceError> {
        let words = Words::new(name);
        if let Some(net) = options.allow.iter().find(|net| too_wide(net)) {
            return Err(words.setting(&format!(
                "allow holds {net}, which opens more than one network; name the portal's own addresses, such as \
                 10.20.0.9/32"
            )));
        }
        let seconds = |key: &str, value: f64, range: std::ops::RangeInclusive<f64>| {
            if range.contains(&value) {
                return Ok(Duration::from_secs_f64(value));
            }
            let (least, most) = (range.start(), range.end());
            Err(words.setting(&format!("{key} = {value} is not from {least} to {most} seconds; write such a number")))
        };
        let pause = seconds("pause", options.pause, 0.0..=60.0)?;
        let timeout = seconds("timeout", options.timeout, 0.1..=120.0)?;
        let settings = ClientSettings { timeout, ..ClientSettings::default() };
        let client = Client::new(Guard::new(options.allow, Vec::new()), settings)
            .map_err(|error| words.setting(&format!("no calls can be made: {error}")))?;
        Ok(Self { client, manners: Manners::new(options.robots, pause), words, kept: Mutex::default() })
    }

    /// Brings what is at an address, after at most five redirects. What the host asks of visitors is done: it is called
    /// after the pause, where its `robots.txt` permits it, and not before a time that it named.
    ///
    /// # Errors
    /// [`SourceError::Wait`] when the host asks to be left alone (429, 503 with `Retry-After`), [`SourceError::Refused`]
    /// for 401, 403 and `robots.txt`, [`SourceError::Schema`] for an address that the guard refuses,
    /// [`SourceError::Unreachable`] for everything else that is no page.
    pub(super) async fn get(&self, url: &Url, call: &Call<'_>, now: Timestamp) -> Result<Answer, SourceError> {
        let asked = plain(url);
        let kept = self.kept().get(&asked).filter(|_| call.fresh == Fresh::IfChanged).cloned();
        let mut way = vec![asked.clone()];
        loop {
            let at = &way[way.len() - 1];
            self.manners.ask(&self.client, &self.words, at, way.len() > 1, now).await?;
            match self.exchange(&way, call, kept.as_ref(), now).await? {
                Step::Done(answer) => return Ok(answer),
                Step::Elsewhere(next) if way.contains(&next) => {
                    return Err(self.words.unreachable(
                        at,
                        "redirects in a circle",
                        "open it in a browser without cookies to see what the portal wants",
                    ));
                }
                Step::Elsewhere(_) if way.len() > REDIRECTS => {
                    let what = format!("is the end of {REDIRECTS} redirects and redirects again");
                    return Err(self.words.unreachable(at, &what, "write the last address of the chain"));
                }
                Step::Elsewhere(next) => way.push(next),
            }
        }
    }

    /// Says that the caller holds all that it needs of a page: from now on the same page is [`Answer::Unchanged`] to a
    /// call with [`Fresh::IfChanged`]. Without it every call brings the page, so that a reader which failed can try again.
    pub(super) fn settle(&self, page: &Page) {
        let (asked, kept) = *page.kept.clone();
        self.kept().insert(asked, kept);
    }

    async fn exchange(
        &self,
        way: &[Url],
        call: &Call<'_>,
        kept: Option<&Kept>,
        now: Timestamp,
    ) -> Result<Step, SourceError> {
        let (asked, at) = (&way[0], &way[way.len() - 1]);
        // Validators belong to the address that gave them, and a caller's token to the origin that it is for.
        let kept_here = kept.filter(|kept| kept.at == *at && now.since(kept.since) < TRUST);
        let mut headers = vec![("accept", call.accept), ("accept-encoding", "gzip, deflate")];
        if at.origin() == asked.origin() {
            headers.extend_from_slice(call.headers);
        }
        if let Some(kept) = kept_here {
            headers.extend(kept.etag.as_deref().map(|etag| ("if-none-match", etag)));
            headers.extend(kept.modified.as_deref().map(|modified| ("if-modified-since", modified)));
        }
        self.manners.pause(at).await;
        let result = self.client.get(at, &headers, call.max).await;
        self.manners.called(at);
        let response = result.map_err(|fault| self.words.fault(at, way.len() > 1, &fault))?;
        match response.status {
            200 | 203 => self.page(way, call, kept, response, now).map(Step::Done),
            304 if kept_here.is_some_and(|kept| kept.etag.is_some() || kept.modified.is_some()) => {
                Ok(Step::Done(Answer::Unchanged))
            }
            301 | 302 | 303 | 307 | 308 => self.next(at, &response).map(Step::Elsewhere),
            status @ (404 | 410) => Ok(Step::Done(Answer::Missing(status))),
            _ => Err(self.manners.refused(&self.words, at, &response, now)),
        }
    }

    fn next(&self, at: &Url, response: &Response) -> Result<Url, SourceError> {
        let found = response.header("location").and_then(|to| at.join(to.trim()).ok());
        let next = found.filter(|next| matches!(next.scheme(), "http" | "https"));
        next.map(|next| plain(&next)).ok_or_else(|| {
            let what = format!("answers {} without an address to go to", response.status);
            self.words.unreachable(at, &what, "write the address that a browser ends at")
        })
    }

    fn page(
        &self,
        way: &[Url],
        call: &Call<'_>,
        kept: Option<&Kept>,
        mut response: Response,
        now: Timestamp,
    ) -> Result<Answer, SourceError> {
        let (asked, at) = (&way[0], &way[way.len() - 1]);
        let codings: Vec<&str> = response.headers("content-encoding").collect();
        let codings = codings.join(",");
        let bytes = body::unpack(std::mem::take(&mut response.body_start), &codings, call.max)
            .map_err(|what| self.words.unreachable(at, &what, "ask the portal to mend it"))?;
        let content_type = response.header("content-type").unwrap_or_default();
        let mut stamp = Stamp::default();
        stamp.part(at.as_str());
        stamp.part(content_type);
        stamp.part(&bytes);
        let new = Kept {
            etag: response.header("etag").map(str::to_owned),
            modified: response.header("last-modified").map(str::to_owned),
            body: stamp.hex(),
            at: at.clone(),
            since: now,
        };
        if kept.is_some_and(|kept| kept.body == new.body) {
            // What the caller holds is as fresh as this answer, and so are the validators that came with it.
            self.kept().insert(asked.clone(), new);
            return Ok(Answer::Unchanged);
        }
        Ok(Answer::Page(Page {
            text: charset::decode(&bytes, content_type, at),
            media_type: essence(content_type),
            url: at.clone(),
            kept: Box::new((asked.clone(), new)),
            response: Box::new(response),
        }))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Url, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address as it is sent: without the fragment, which is the browser's own.
fn plain(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

/// A media type without its parameters (RFC 9110 §8.3.1).
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
