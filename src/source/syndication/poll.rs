//! One look at every feed of the source: what they list now, each article once. Concludes nothing about what is gone.

use url::Url;

use super::super::web::{Answer, Call, Fresh, Page};
use super::super::{Ask, Fault, SourceError};
use super::document::{self, Document, Item, Reading};
use super::settings::Feed;
use super::{Memory, Syndication, categories};
use crate::clock::Timestamp;

/// The largest feed, in bytes: fifty whole articles have half a million.
const MOST_BYTES: usize = 8 << 20;

/// What can be read; portals that look at this header are few and strange.
const ACCEPT: &str = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, \
                      text/xml;q=0.9, application/json;q=0.8, */*;q=0.1";

/// What a look at the feeds brought, beside what is in the memory now.
pub(super) struct Polled {
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// Whether the feeds list nothing at all.
    pub empty: bool,
    /// Whether each feed was read at least once since the start.
    pub whole: bool,
}

impl Syndication {
    /// Reads the feeds into the memory. A feed that cannot be read shows what it showed before, and is told.
    ///
    /// # Errors
    /// When no feed can be read; or any, as long as nothing is known: what would be the backlog must not become news.
    pub(super) async fn poll(&self, memory: &mut Memory, ask: &Ask<'_>) -> Result<Polled, SourceError> {
        memory.documents.resize(self.feeds.len(), None);
        let (mut faults, mut failed): (Vec<Fault>, Option<SourceError>) = (Vec::new(), None);
        for (feed, kept) in self.feeds.iter().zip(&mut memory.documents) {
            match self.read(feed, kept.is_some(), ask.now).await {
                Ok(Some((document, page))) => {
                    *kept = Some(document);
                    // Only now is "unchanged" an answer that loses nothing.
                    self.web.settle(&page);
                }
                Ok(None) => {}
                Err(error) if ask.known.is_empty() || self.feeds.len() == 1 => return Err(error),
                Err(error) => {
                    faults.push(Fault { external_id: String::new(), message: error.to_string() });
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed.filter(|_| faults.len() == self.feeds.len()) {
            return Err(error);
        }
        for (feed, document) in self.feeds.iter().zip(&memory.documents) {
            let told = document.iter().flat_map(|document| &document.faults);
            faults.extend(told.map(|fault| Fault {
                external_id: String::new(),
                message: format!("source `{}`: {} {fault}", self.name, feed.url),
            }));
        }
        self.gather(memory, ask.now);
        Ok(Polled { faults, empty: memory.items.is_empty(), whole: memory.documents.iter().all(Option::is_some) })
    }

    /// One feed, read without regard to what was read before.
    pub(super) async fn read_now(&self, feed: &Feed) -> Result<Document, SourceError> {
        // Whoever only looks has no clock, and no reason to be kept away by what was asked before.
        let read = self.read(feed, false, Timestamp(0)).await?;
        read.map(|(document, _)| document)
            .ok_or_else(|| self.no_feed(&feed.url, "answers that nothing changed, which was not asked"))
    }

    /// One feed; nothing if it is as it was.
    async fn read(&self, feed: &Feed, kept: bool, now: Timestamp) -> Result<Option<(Document, Page)>, SourceError> {
        let fresh = if kept { Fresh::IfChanged } else { Fresh::Always };
        let call = Call { accept: ACCEPT, headers: &[], max: MOST_BYTES, fresh };
        let page = match self.web.get(&feed.url, &call, now).await? {
            Answer::Unchanged => return Ok(None),
            Answer::Missing(status) => {
                return Err(self.no_feed(&feed.url, &format!("answers {status}: there is no such feed")));
            }
            Answer::Page(page) => page,
        };
        if page.is_html() {
            return Err(self.no_feed(&feed.url, &html_instead(&feed.url, &page)));
        }
        let language = page.header("content-language").filter(|tag| !tag.contains(',')).unwrap_or_default();
        let reading = Reading {
            at: page.url.clone(),
            site: self.site.clone(),
            zone: self.zone.clone(),
            language: language.to_owned(),
        };
        // A large feed takes a tenth of a second to read, in which other work goes on.
        let read = tokio::task::spawn_blocking(move || (document::read(&page.text, &reading), page)).await;
        let (read, page) = read.map_err(|error| self.no_feed(&feed.url, &format!("broke the reader: {error}")))?;
        let document = read.map_err(|what| self.no_feed(&feed.url, &what))?;
        Ok(Some((document, page)))
    }

    /// Joins what the feeds list: each article once, with the categories of every feed that lists it.
    fn gather(&self, memory: &mut Memory, now: Timestamp) {
        memory.items.clear();
        for (feed, document) in self.feeds.iter().zip(&memory.documents) {
            for item in document.iter().flat_map(|document| &document.items) {
                let own = feed.category.iter().chain(&item.categories);
                let first = memory.items.entry(item.id.clone());
                let first = first.or_insert_with(|| Item { categories: Vec::new(), ..item.clone() });
                let before = std::mem::take(&mut first.categories);
                first.categories = each_once(before.iter().chain(own));
            }
        }
        let items = &memory.items;
        memory.tries.retain(|id, _| items.contains_key(id));
        memory.seen.retain(|id, _| items.contains_key(id));
        for item in items.values().filter(|item| item.published.is_none_or(|published| published > now)) {
            memory.seen.entry(item.id.clone()).or_insert(now);
        }
    }

    fn no_feed(&self, url: &Url, what: &str) -> SourceError {
        SourceError::Schema(format!(
            "source `{}`: {url} {what}; nothing is concluded from it, and if it stays so, correct `url`",
            self.name
        ))
    }
}

fn each_once<'a>(titles: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = Vec::new();
    titles
        .filter(|title| {
            let id = categories::id(title);
            let new = id.is_some() && !seen.contains(&id);
            seen.push(id);
            new
        })
        .cloned()
        .collect()
}

/// What a page of HTML is where a feed was expected.
fn html_instead(asked: &Url, page: &Page) -> String {
    let lower = page.text.to_ascii_lowercase();
    let login =
        lower.contains("type=\"password\"") || lower.contains("type='password'") || lower.contains("type=password");
    let what = if login { "a login page" } else { "a page for people (HTML)" };
    let said = if page.url == *asked {
        format!("is {what}, not a feed")
    } else {
        format!("leads to {what} at {}, not to a feed", page.url)
    };
    match named_feed(&page.text, &page.url).filter(|feed| feed != asked) {
        Some(feed) => format!("{said} (the page names a feed: {feed})"),
        None => said,
    }
}

/// The feed that a page names by `<link rel=alternate>`.
fn named_feed(html: &str, at: &Url) -> Option<Url> {
    html.split("<link").skip(1).take(200).find_map(|rest| {
        let tag = rest.split('>').next()?;
        let is_feed =
            ["application/rss+xml", "application/atom+xml", "application/feed+json"].iter().any(|t| tag.contains(t));
        let (_, rest) = tag.split_once("href=").filter(|_| is_feed)?;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        at.join(&rest[1..].split(quote).next()?.replace("&amp;", "&")).ok()
    })
}
