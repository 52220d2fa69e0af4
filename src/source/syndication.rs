//! Any RSS, Atom or JSON feed as a content store, Joomla's own with its faults among them (content-store.md §5, §8). Reads
//! what the feeds list now; never takes an article for gone because a feed no longer lists it.
//!
//! - **What is listed is public.** A date in the future is taken for a slip of the clock or the zone, since whoever opens the
//!   feed sees the article: it is published now, dated when it was first seen. So there are no flips.
//! - **An article is gone** when it has left every feed and its own page answers 404 or 410 twice in successive looks, while
//!   the page of an article that is listed does not (`watch`).
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
pub mod settings;
#[cfg(test)]
mod tests;
mod watch;
mod when;
mod whole;
mod xml;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::tz::TimeZone;
use scraper::Selector;
use tokio::sync::Mutex;
use url::Url;

use self::document::{Document, Item};
use self::settings::{Feed, Settings, feeds};
use self::watch::Watch;
use super::stamp::Stamp;
use super::web::{Options, Web};
use super::{Ask, Description, Fault, Fetched, Light, Reach, Rhythm, Scan, Source, SourceError, site_base, time_zone};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;

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
        let feeds = feeds(name, settings.url)?;
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
        let known: BTreeSet<&str> = ask.known.ids().collect();
        let articles = memory
            .items
            .values()
            // Of what another feed says of a known article nothing is known while that feed was never read.
            .filter(|item| polled.whole || !known.contains(item.id.as_str()))
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
