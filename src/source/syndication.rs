//! Any RSS, Atom or JSON feed as a content store, Joomla's own with its faults among them (content-store.md §5, §8). Reads
//! what the feeds list now; never takes an article for gone because a feed no longer lists it.
//!
//! - **What is listed is public.** A date in the future is taken for a slip of the clock or the zone, since whoever opens the
//!   feed sees the article: it is published now, dated when it was first seen. So there are no flips.
//! - **An article is gone** when it has left every feed and its own page answers 404 or 410 twice in successive looks, while
//!   the page of an article that is listed does not ([`watch`]).
//! - **Its id** is Joomla's number where Joomla made the feed, else its guid, else its cleaned link.
//!
//! What was read last of each feed stays in memory, so that a feed that did not change, or cannot be read for a while, shows
//! the same articles as before; after a restart all is read again.

mod atom;
mod categories;
mod document;
mod json;
mod link;
mod picture;
mod poll;
mod rss;
#[cfg(test)]
mod tests;
mod watch;
mod when;
mod whole;
mod xml;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use scraper::Selector;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use self::document::{Document, Item};
use self::watch::Watch;
use super::stamp::Stamp;
use super::web::{Options, Web};
use super::{Ask, Description, Fault, Fetched, Light, Reach, Rhythm, Scan, Source, SourceError, site_base, time_zone};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;

/// The keys of a source of kind `feed`. `docs/sources/feed.md` explains each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The feed, or several: `"https://…"`, or `[{ url = "https://…", category = "Công tác tổ chức" }, …]`.
    pub url: Urls,
    /// The portal's address, for links and pictures that are relative to it; else the feed tells.
    #[serde(default)]
    pub site_url: Option<String>,
    /// CSS selector of the text in an article's own page, where the feed has only its beginning.
    #[serde(default)]
    pub full_text: Option<String>,
    /// BCP 47 tag of all articles, whatever the feed says.
    #[serde(default)]
    pub language: Option<String>,
    /// IANA name of the zone in which dates without a zone are meant.
    #[serde(default = "home")]
    pub timezone: String,
    /// Private networks that may be called, exactly named.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Whether `robots.txt` is obeyed.
    #[serde(default = "yes")]
    pub robots: bool,
    /// Seconds from one call to a host to the next; 1 where pages are read for `full_text`, else 0.
    #[serde(default)]
    pub pause: Option<f64>,
    /// Seconds for one call.
    #[serde(default = "patience")]
    pub timeout: f64,
}

/// One feed or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Urls {
    /// `url = "https://…"`
    One(String),
    /// `url = ["https://…", { url = "https://…", category = "…" }]`
    Many(Vec<Listed>),
}

/// One of several feeds.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    /// Its address alone.
    Bare(String),
    /// With the category that its articles are in.
    Titled(Titled),
}

/// A feed whose articles are in one category.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Titled {
    /// The feed's address.
    pub url: String,
    /// The category's title, which all its articles get before those that they name themselves.
    #[serde(default)]
    pub category: Option<String>,
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

const fn yes() -> bool {
    true
}

const fn patience() -> f64 {
    20.0
}

/// One feed as it is polled.
#[derive(Clone, Debug)]
struct Feed {
    url: Url,
    category: Option<String>,
}

/// Open feeds.
pub struct Syndication {
    name: String,
    web: Web,
    feeds: Vec<Feed>,
    site: Option<Url>,
    zone: TimeZone,
    language: Option<String>,
    /// The selector, and as it was written.
    whole: Option<(Selector, String)>,
    watch: Watch,
    memory: Mutex<Memory>,
}

/// What the last scans saw.
#[derive(Default)]
struct Memory {
    /// Each feed as it was read last.
    documents: Vec<Option<Document>>,
    /// Listed articles by id, with the titles of their categories.
    items: BTreeMap<String, Item>,
    /// When articles without a usable date were first seen.
    seen: HashMap<String, Timestamp>,
    /// How often an article's page could not be read for its whole text.
    tries: HashMap<String, u8>,
}

impl fmt::Debug for Syndication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Syndication({} with {} feeds)", self.name, self.feeds.len())
    }
}

impl Syndication {
    /// Checks the settings; reads nothing yet.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        let fault = |what: String| SourceError::Schema(format!("source `{name}`: {what}"));
        let listed = match settings.url {
            Urls::One(url) => vec![Titled { url, category: None }],
            Urls::Many(many) => many
                .into_iter()
                .map(|one| match one {
                    Listed::Bare(url) => Titled { url, category: None },
                    Listed::Titled(titled) => titled,
                })
                .collect(),
        };
        if listed.is_empty() {
            return Err(fault("url = [] names no feed; write the feed's address".to_owned()));
        }
        let mut feeds: Vec<Feed> = Vec::with_capacity(listed.len());
        for Titled { url: raw, category } in listed {
            let url = Url::parse(&raw).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let Some(url) = url else {
                return Err(fault(format!(
                    "url = \"{raw}\" is no address of http or https; write the feed's, such as \
                     https://portal.example.vn/tin?format=feed&type=rss"
                )));
            };
            if feeds.iter().any(|feed| feed.url == url) {
                return Err(fault(format!("url names {raw} twice; leave one out")));
            }
            feeds.push(Feed { url, category: category.filter(|title| !title.trim().is_empty()) });
        }
        let whole = settings.full_text.map(|css| match Selector::parse(&css) {
            Ok(selector) => Ok((selector, css)),
            Err(_) => Err(fault(format!(
                "full_text = \"{css}\" is no CSS selector; write one such as .item-page [itemprop=articleBody]"
            ))),
        });
        let whole = whole.transpose()?;
        let pause = settings.pause.unwrap_or(if whole.is_some() { 1.0 } else { 0.0 });
        let options = Options { allow: settings.allow, robots: settings.robots, pause, timeout: settings.timeout };
        Ok(Self {
            web: Web::open(name, options)?,
            site: settings.site_url.map(|site| site_base(name, &site)).transpose()?,
            zone: time_zone(name, &settings.timezone)?,
            language: settings.language,
            watch: Watch::default(),
            memory: Mutex::default(),
            name: name.to_owned(),
            feeds,
            whole,
        })
    }

    /// What ingest compares: a hash of all that is published of an item, and the address to look whether it is still there.
    fn fingerprint(&self, item: &Item) -> String {
        let mut stamp = Stamp::default();
        for part in [&item.title, &item.summary, &item.content, &item.link, &item.language] {
            stamp.part(part);
        }
        stamp.maybe(self.whole.as_ref().map(|(_, css)| css.as_str()));
        stamp.maybe(self.language.as_deref());
        stamp.maybe(item.base.as_ref().or(self.site.as_ref()).map(Url::as_str));
        stamp.maybe(item.image.as_ref().map(|image| image.url.as_str()));
        stamp.part(item.published.map_or(0, Timestamp::millis).to_le_bytes());
        stamp.part(item.updated.map_or(0, Timestamp::millis).to_le_bytes());
        for list in [&item.authors, &item.categories, &item.tags] {
            stamp.part((list.len() as u64).to_le_bytes());
            for part in list {
                stamp.part(part);
            }
        }
        format!("{} {}", stamp.hex(), item.link)
    }

    fn article(&self, item: &Item, memory: &Memory, now: Timestamp) -> RawArticle {
        let seen = memory.seen.get(&item.id).copied().unwrap_or(now);
        RawArticle {
            external_id: item.id.clone(),
            url: item.link.clone(),
            base: item.base.clone().or_else(|| self.site.clone()),
            title: item.title.clone(),
            summary_html: item.summary.clone(),
            content_html: item.content.clone(),
            authors: item.authors.clone(),
            categories: item.categories.iter().filter_map(|title| categories::id(title)).collect(),
            tags: item.tags.clone(),
            published: item.published.filter(|published| *published <= now).unwrap_or(seen),
            updated: item.updated,
            language: self.language.clone().unwrap_or_else(|| item.language.clone()),
            image: item.image.clone(),
        }
    }
}

impl Source for Syndication {
    async fn describe(&self) -> Result<Description, SourceError> {
        let mut found = Vec::new();
        for feed in &self.feeds {
            let document = self.read_now(feed).await?;
            let newest = document.items.iter().filter_map(|item| item.published).max();
            let newest = newest.map_or(String::new(), |at| format!(", the newest of {}", at.rfc3339(&self.zone)));
            let faults = match document.faults.as_slice() {
                [] => String::new(),
                [first, ..] => format!(", {} with faults; the first: it {first}", document.faults.len()),
            };
            found.push(format!(
                "{} \"{}\" at {}: {} items{newest}{faults}",
                document.format,
                document.title,
                feed.url,
                document.items.len()
            ));
        }
        Ok(Description { name: self.name.clone(), kind: "feed", found: found.join("; ") })
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Window
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut memory = self.memory.lock().await;
        let polled = self.poll(&mut memory, ask).await?;
        let mut faults = polled.faults;
        let reach = if polled.empty {
            faults.push(Fault {
                external_id: String::new(),
                message: format!("source `{}`: no feed lists any item now, so nothing is concluded", self.name),
            });
            Reach::Part
        } else {
            let listed: BTreeMap<&str, &str> =
                memory.items.values().map(|item| (item.id.as_str(), item.link.as_str())).collect();
            let newest = memory.items.values().max_by_key(|item| item.published).map(|item| item.link.as_str());
            let looked = self.watch.look(&self.web, &self.name, ask, &listed, newest).await;
            faults.extend(looked.faults);
            Reach::Only(looked.gone)
        };
        let known: HashMap<&str, ()> = ask.known.iter().map(|light| (light.external_id.as_str(), ())).collect();
        let articles = memory
            .items
            .values()
            // Of what another feed says of a known article nothing is known while that feed was never read.
            .filter(|item| polled.whole || !known.contains_key(item.id.as_str()))
            .map(|item| Light { external_id: item.id.clone(), fingerprint: self.fingerprint(item) })
            .collect();
        let configured = self.feeds.iter().filter_map(|feed| feed.category.as_deref());
        let titles = memory.items.values().flat_map(|item| &item.categories).map(String::as_str);
        Ok(Scan {
            articles,
            reach,
            categories: Some(categories::all(ask.categories, configured, titles)),
            categories_hide: false,
            flips: Vec::new(),
            deeper: false,
            faults,
        })
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        let mut memory = self.memory.lock().await;
        let mut fetched = Fetched::default();
        for id in ids {
            let Some(item) = memory.items.get(id) else { continue };
            let mut article = self.article(item, &memory, now);
            if let Some((selector, css)) = &self.whole {
                match self.whole_text(&item.link, selector, css, now).await {
                    Ok(whole) => {
                        if article.summary_html.is_empty() {
                            article.summary_html = std::mem::take(&mut article.content_html);
                        }
                        article.content_html = whole.content;
                        article.base = whole.base.or(article.base);
                        memory.tries.remove(id);
                    }
                    Err(fault) => {
                        let tries = memory.tries.entry(id.clone()).or_default();
                        *tries = tries.saturating_add(1);
                        if fault.passing && *tries < whole::TRIES {
                            return Err(fault.error);
                        }
                        let message = format!("{}; the text of the feed is taken", fault.error);
                        fetched.faults.push(Fault { external_id: id.clone(), message });
                    }
                }
            }
            fetched.articles.push(article);
        }
        Ok(fetched)
    }
}
