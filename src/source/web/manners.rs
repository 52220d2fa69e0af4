//! What a guest owes a host: to ask `robots.txt` first, to leave a pause between two calls, and to stay away as long as it
//! is asked to. Knows no articles and reads no pages.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::{Position, Url};

use super::super::SourceError;
use super::body;
use super::charset;
use super::robots::Robots;
use super::words::{Words, shown};
use crate::clock::Timestamp;
use crate::http::client::{Client, Response};
use crate::http::fault::Fault;
use crate::text::date::parse;

/// How long a `robots.txt` holds (RFC 9309 §2.4).
const ROBOTS_HOLD: Duration = Duration::from_hours(24);

/// For how long the last readable `robots.txt` stands in for one that cannot be read. RFC 9309 §2.3.1.4 speaks of 30 days.
const ROBOTS_STALE: Duration = Duration::from_hours(30 * 24);

/// After which time an unreadable `robots.txt` is asked for again.
const ROBOTS_AGAIN: Duration = Duration::from_secs(30);

/// The largest `robots.txt`, in bytes; what is beyond [`Robots::read`]'s own limit is not looked at.
const ROBOTS_MAX: usize = 4 << 20;

/// Redirects of a `robots.txt` (RFC 9309 §2.3.1.2).
const ROBOTS_HOPS: usize = 5;

/// The pause after 429 without `Retry-After`.
const REST: Duration = Duration::from_mins(5);

/// The longest time that a host may send us away for: longer is a mistake, and one call a day hurts nobody.
const LONGEST_REST: Duration = Duration::from_hours(24);

/// The manners towards the hosts of one source.
pub(super) struct Manners {
    robots: bool,
    pause: Duration,
    hosts: Mutex<HashMap<String, Host>>,
}

#[derive(Default)]
struct Host {
    /// When the last call ended.
    called: Option<Instant>,
    /// Until when it asked to be left alone.
    away: Option<Timestamp>,
    rules: Option<Rules>,
}

#[derive(Clone)]
struct Rules {
    robots: Robots,
    read_at: Timestamp,
    /// Set when it could not be read last time: the fault, and when.
    failed: Option<(String, Timestamp)>,
}

impl Rules {
    /// Whether what was read once may stand in for what cannot be read now.
    fn is_usable(&self, now: Timestamp) -> bool {
        self.read_at > Timestamp(0) && now.since(self.read_at) < ROBOTS_STALE
    }
}

/// Why there is no `robots.txt`.
enum Trouble {
    /// There is no host to call.
    Away(Fault),
    /// What is wrong, in words that follow its address.
    Said(String),
}

impl Manners {
    pub(super) fn new(robots: bool, pause: Duration) -> Self {
        Self { robots, pause, hosts: Mutex::default() }
    }

    /// Whether an address may be called now.
    pub(super) async fn ask(
        &self,
        client: &Client,
        words: &Words,
        url: &Url,
        redirected: bool,
        now: Timestamp,
    ) -> Result<(), SourceError> {
        if let Some(until) = self.host(url, |host| host.away).filter(|until| now < *until) {
            return Err(wait(words, url, "asked to be left alone", until));
        }
        if !self.robots || url.path() == "/robots.txt" {
            return Ok(());
        }
        let robots = self.robots_of(client, words, url, redirected, now).await?;
        match robots.forbids(&url[Position::BeforePath..Position::AfterQuery]) {
            None => Ok(()),
            Some(rule) => Err(words.refused(
                url,
                &format!("may not be asked for, by {} ({rule})", shown(&robots_url(url))),
                "ask the portal to permit it to the user agent loa; if it agrees, set robots = false",
            )),
        }
    }

    /// Waits until the host may be called again after the last call.
    pub(super) async fn pause(&self, url: &Url) {
        let next = self.host(url, |host| {
            let delay = host.rules.as_ref().map_or(Duration::ZERO, |rules| rules.robots.delay);
            host.called.map(|called| called + self.pause.max(delay))
        });
        if let Some(next) = next {
            tokio::time::sleep_until(next).await;
        }
    }

    /// Notes that a call to the host has just ended.
    pub(super) fn called(&self, url: &Url) {
        self.host(url, |host| host.called = Some(Instant::now()));
    }

    /// What an answer means that is neither a page, a redirect nor a missing page.
    pub(super) fn refused(&self, words: &Words, url: &Url, response: &Response, now: Timestamp) -> SourceError {
        let status = response.status;
        if let Some(until) = rest(response, now) {
            self.host(url, |host| host.away = Some(until));
            return wait(words, url, &format!("answers {status} and asks to be left alone"), until);
        }
        match status {
            401 => words.refused(url, "wants a login (401)", "give the source the portal's key, or a public address"),
            403 => words.refused(
                url,
                "refuses loa (403)",
                "ask the portal whether it blocks this machine or the user agent loa",
            ),
            _ => words.unreachable(url, &format!("answers {status}"), "it is tried again at the next poll"),
        }
    }

    async fn robots_of(
        &self,
        client: &Client,
        words: &Words,
        url: &Url,
        redirected: bool,
        now: Timestamp,
    ) -> Result<Robots, SourceError> {
        let known = self.host(url, |host| host.rules.clone());
        if let Some(rules) = &known {
            let fresh = rules.failed.is_none() && now.since(rules.read_at) < ROBOTS_HOLD;
            if fresh {
                return Ok(rules.robots.clone());
            }
        }
        let recent = known.as_ref().and_then(|rules| rules.failed.clone());
        let read = match recent.filter(|(_, at)| now.since(*at) < ROBOTS_AGAIN) {
            Some((what, _)) => Err(Trouble::Said(what)),
            None => self.fetch_robots(client, url, now).await,
        };
        let what = match read {
            Ok(robots) => {
                let rules = Rules { robots: robots.clone(), read_at: now, failed: None };
                self.host(url, |host| host.rules = Some(rules));
                return Ok(robots);
            }
            // Nobody is there, or nobody who may be called: that is the page's fault as well, and is told as such.
            Err(Trouble::Away(fault)) => match known.filter(|rules| rules.is_usable(now)) {
                Some(rules) => return Ok(rules.robots),
                None => return Err(words.fault(url, redirected, &fault)),
            },
            Err(Trouble::Said(what)) => what,
        };
        if let Some(until) = self.host(url, |host| host.away).filter(|until| now < *until) {
            return Err(wait(words, &robots_url(url), &what, until));
        }
        let failed = Some((what.clone(), now));
        let old = known.filter(|rules| rules.is_usable(now));
        let rules = old.clone().map_or_else(
            || Rules { robots: Robots::default(), read_at: Timestamp(0), failed: failed.clone() },
            |old| Rules { failed: failed.clone(), ..old },
        );
        self.host(url, |host| host.rules = Some(rules));
        old.map(|old| old.robots).ok_or_else(|| {
            words.unreachable(
                &robots_url(url),
                &format!("{what}, and until it can be read nothing is asked of this host (RFC 9309)"),
                "ask the portal to mend it; if it agrees to be read without, set robots = false",
            )
        })
    }

    /// Fetches the file; what is wrong in words that follow its address. Whatever is missing permits everything
    /// (RFC 9309 §2.3.1.3), whatever is broken nothing (§2.3.1.4).
    async fn fetch_robots(&self, client: &Client, url: &Url, now: Timestamp) -> Result<Robots, Trouble> {
        let mut at = robots_url(url);
        for hop in 0..=ROBOTS_HOPS {
            self.pause(&at).await;
            let headers = [("accept", "text/plain, */*;q=0.1"), ("accept-encoding", "gzip, deflate")];
            let result = client.get(&at, &headers, ROBOTS_MAX).await;
            self.called(&at);
            let mut response = match result {
                Ok(response) => response,
                Err(fault @ (Fault::Forbidden(_) | Fault::Dns(_) | Fault::Connect(_) | Fault::Tls(..))) if hop == 0 => {
                    return Err(Trouble::Away(fault));
                }
                Err(fault) => return Err(Trouble::Said(format!("cannot be read: {fault}"))),
            };
            if let Some(until) = rest(&response, now) {
                self.host(url, |host| host.away = Some(until));
                let what = format!("answers {} and asks to be left alone", response.status);
                return Err(Trouble::Said(what));
            }
            match response.status {
                200..=299 => {
                    let codings = response.headers("content-encoding").collect::<Vec<_>>().join(",");
                    let bytes = body::unpack(std::mem::take(&mut response.body_start), &codings, ROBOTS_MAX)
                        .map_err(Trouble::Said)?;
                    return Ok(Robots::read(&charset::decode(&bytes, "", &at)));
                }
                300..=399 => {
                    let next = response.header("location").and_then(|to| at.join(to).ok());
                    let Some(next) = next else { return Ok(Robots::default()) };
                    at = super::plain(&next);
                }
                400..=499 => return Ok(Robots::default()),
                status => return Err(Trouble::Said(format!("answers {status}"))),
            }
        }
        Ok(Robots::default())
    }

    fn host<T>(&self, url: &Url, act: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts: MutexGuard<'_, _> = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        act(hosts.entry(url.origin().ascii_serialization()).or_default())
    }
}

fn robots_url(url: &Url) -> Url {
    let mut robots = url.clone();
    robots.set_path("/robots.txt");
    robots.set_query(None);
    robots.set_fragment(None);
    robots
}

fn wait(words: &Words, url: &Url, what: &str, until: Timestamp) -> SourceError {
    let until_text = until.rfc3339(&jiff::tz::TimeZone::UTC);
    SourceError::Wait(words.of(url, what, &format!("it is called again after {until_text}")), until)
}

/// Until when an answer asks to be left alone: 429, and 503 with a `Retry-After` in seconds or as a date
/// (RFC 9110 §10.2.3, RFC 6585 §4).
fn rest(response: &Response, now: Timestamp) -> Option<Timestamp> {
    let asked = response.header("retry-after").map(str::trim).and_then(|text| {
        let seconds = text.parse::<u64>().ok().map(|seconds| now.plus(Duration::from_secs(seconds)));
        seconds.or_else(|| parse::http(text))
    });
    let asked = match response.status {
        429 => asked.unwrap_or_else(|| now.plus(REST)),
        503 => asked?,
        _ => return None,
    };
    Some(asked.clamp(now.plus(Duration::from_secs(1)), now.plus(LONGEST_REST)))
}
