//! Portals that give nothing but pages: lists of links or sitemaps, and an article on each page, read by CSS selectors.
//! Follows no link that is no article of the portal, runs no script, and concludes nothing from a list: only a page that
//! is missing twice is gone.
//!
//! A list shows a window on the newest articles. Each poll reads the lists, the pages of articles that it sees for the
//! first time, and some pages of known articles in rotation, so that edits and withdrawals are found. What a page says
//! beside the article (counters, related articles, the date of the day) is no edit: the hash is of what readers of a feed
//! would see.

mod address;
mod article;
mod bounds;
mod byline;
mod furniture;
mod links;
mod list;
mod mark;
mod memory;
mod metadata;
mod preset;
mod rules;
pub mod settings;
mod shelf;
mod sitemap;
mod visit;
mod when;
mod window;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use self::article::Piece;
use self::mark::Mark;
use self::memory::{Memory, Seen, Window};

use self::rules::Rules;
use self::settings::Settings;
use self::visit::Visit;
use super::web::{Fresh, Options, Web};
use super::{Ask, Depth, Description, Fault, Fetched, Light, Reach, Rhythm, Scan, Source, SourceError};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;

/// Pages of articles that one poll reads at first sight of a portal; the next poll goes on.
const FIRST_LOOK: usize = 150;

/// So many pages in a row that cannot be reached mean that the portal cannot.
const AWAY: usize = 3;

/// An open source of kind `html`.
pub struct Pages {
    name: String,
    rules: Arc<Rules>,
    web: Web,
    memory: Mutex<Memory>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} at {})", self.name, self.rules.home.root())
    }
}

impl Pages {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a key cannot be right, in words for the operator.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        let rules = Arc::new(Rules::new(name, &settings)?);
        let Settings { allow, robots, pause, timeout, .. } = settings;
        let web = Web::open(name, Options { allow, robots, pause, timeout })?;
        Ok(Self { name: name.to_owned(), rules, web, memory: Mutex::default() })
    }

    /// Reads the pages of a plan. Answers whether it was broken off, because the portal cannot be reached.
    async fn read_pages(
        &self,
        memory: &mut Memory,
        window: &Window,
        plan: &[String],
        known: &BTreeSet<&str>,
        now: Timestamp,
    ) -> Result<bool, SourceError> {
        let mut away = 0;
        for id in plan {
            let mut seen = memory.seen.get(id).cloned().unwrap_or_default();
            let listed = window.listed.get(id).cloned().unwrap_or_default();
            let fresh = if seen.mark.is_some() && seen.checked.is_some() { Fresh::IfChanged } else { Fresh::Always };
            let visit = self.visit(id, fresh, now).await;
            away = if matches!(visit, Err(SourceError::Unreachable(_))) { away + 1 } else { 0 };
            match visit {
                Ok(Visit::Same) => seen.read(now),
                Ok(Visit::Missing(status)) => {
                    seen.missed(now);
                    if !known.contains(id.as_str()) {
                        seen.fault = Some(self.of(id, &format!("answers {status}, but a list leads there")));
                    }
                }
                Ok(Visit::Unfit(what)) => seen.failed(self.of(id, &what), now, None),
                Ok(Visit::Article(found)) => match self.is_it(id, &seen, &found, window, known) {
                    Ok(()) => {
                        let lists = seen.mark.take().map(|mark| (mark.lists, mark.date)).unwrap_or_default();
                        let mark = self.mark(&found.piece, lists, &listed, now);
                        memory.shelf.add(&found.piece.category);
                        seen.found = Some((found.id, found.piece.title.clone()));
                        (seen.mark, seen.piece) = (Some(mark), Some(Box::new(found.piece)));
                        seen.read(now);
                        self.web.settle(&found.page);
                    }
                    Err(Other::Listed(other)) => {
                        seen.same_as = Some(other);
                        seen.read(now);
                    }
                    Err(Other::Wrong(what)) => seen.failed(self.of(id, &what), now, None),
                },
                Err(SourceError::Wait(what, until)) => {
                    seen.failed(what.clone(), now, Some(until));
                    memory.seen.insert(id.clone(), seen);
                    return Err(SourceError::Wait(what, until));
                }
                Err(error) => seen.failed(error.to_string(), now, None),
            }
            seen.modified = listed.modified;
            seen.touch(now);
            memory.seen.insert(id.clone(), seen);
            if away >= AWAY {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The fingerprint of what was read; what only lists said is kept from before.
    fn mark(
        &self,
        piece: &Piece,
        (mut lists, before): (BTreeSet<String>, Option<Timestamp>),
        listed: &memory::Listed,
        now: Timestamp,
    ) -> Mark {
        lists.extend(listed.lists.iter().cloned());
        let date = if piece.published.is_some() { None } else { before.or(listed.date).or(Some(now)) };
        Mark { hash: piece.hash(self.rules.home.root()), date, lists }
    }

    /// Whether a page that has an article has the one that was asked for.
    fn is_it(
        &self,
        id: &str,
        seen: &Seen,
        found: &visit::Found,
        window: &Window,
        known: &BTreeSet<&str>,
    ) -> Result<(), Other> {
        let elsewhere = |other: &str| other != id && (known.contains(other) || window.listed.contains_key(other));
        let canonical = found.piece.canonical.as_ref().and_then(|url| self.rules.home.id(url));
        let other = Some(&found.id).filter(|at| elsewhere(at)).or(canonical.as_ref().filter(|at| elsewhere(at)));
        match (other, &seen.found) {
            (Some(other), _) if known.contains(id) => Err(Other::Wrong(format!(
                "shows another article, {other}; the one that was there is kept as it is known"
            ))),
            (Some(other), _) => Err(Other::Listed(other.clone())),
            (None, Some((before, title))) if *before != found.id && *title != found.piece.title => Err(Other::Wrong(
                format!("now redirects to {}, which has another title; the article is kept as it is known", found.id),
            )),
            _ => Ok(()),
        }
    }

    fn article(&self, id: &str, piece: &Piece, mark: &Mark, memory: &Memory, now: Timestamp) -> RawArticle {
        let own = mark.lists.iter().cloned().chain(shelf::ids(&piece.category)).collect();
        RawArticle {
            external_id: id.to_owned(),
            url: self.rules.home.url(id).map_or_else(|| id.to_owned(), Into::into),
            base: Some(self.rules.home.root().clone()),
            title: escape(&piece.title),
            summary_html: piece.summary_html.clone(),
            content_html: piece.content_html.clone(),
            authors: piece.authors.iter().map(|name| escape(name)).collect(),
            categories: memory.shelf.with_ancestors(own),
            tags: Vec::new(),
            published: piece.published.or(mark.date).unwrap_or(now),
            updated: piece.updated,
            language: piece.language.clone(),
            image: piece.image.clone(),
        }
    }

    /// `source NAME: ADDRESS what`.
    fn of(&self, id: &str, what: &str) -> String {
        let url = self.rules.home.url(id).map_or_else(|| id.to_owned(), String::from);
        format!("source `{}`: {url} {what}", self.name)
    }
}

/// What a page is that is not the article that was asked for.
enum Other {
    /// The article with this id, which is read at its own address.
    Listed(String),
    /// Something else, as a clause that follows its address.
    Wrong(String),
}

impl Source for Pages {
    async fn describe(&self) -> Result<Description, SourceError> {
        // Nothing here depends on the time: no answer of before is used, and none is kept.
        let now = Timestamp::default();
        let mut memory = Memory::default();
        let (window, faults) = self.window(&mut memory, true, &BTreeSet::new(), now).await?;
        let (lists, sitemaps) = (self.rules.lists.len(), self.rules.sitemaps.len());
        let mut found = format!(
            "{}: {} articles in {lists} lists and {sitemaps} sitemaps",
            self.rules.home.root(),
            window.order.len()
        );
        if let Some(id) = window.order.first() {
            let newest = match self.visit(id, Fresh::Always, now).await? {
                Visit::Article(found) => {
                    let date = found.piece.published.map(|at| at.rfc3339(&self.rules.zone));
                    format!("\"{}\" ({})", found.piece.title, date.as_deref().unwrap_or("without a date of its own"))
                }
                Visit::Unfit(what) => self.of(id, &what),
                Visit::Missing(status) => self.of(id, &format!("answers {status}")),
                Visit::Same => self.of(id, "says nothing new"),
            };
            found = format!("{found}; the first: {newest}");
        }
        if let Some(fault) = faults.first() {
            found = format!("{found}; {}", fault.message);
        }
        Ok(Description { name: self.name.clone(), kind: "html", found })
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Window
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut memory = self.memory.lock().await;
        let memory = &mut *memory;
        memory.begin(ask);
        let first = ask.depth == Depth::Sweep;
        let known: BTreeSet<&str> = ask.known.ids().collect();
        let (window, mut faults) = self.window(memory, first, &known, ask.now).await?;
        memory.listed(&window, ask.now);
        let most = if first { FIRST_LOOK } else { self.rules.per_poll };
        let (plan, mut left) = memory.plan(&window, &known, first, most, ask.now);
        if self.read_pages(memory, &window, &plan, &known, ask.now).await? {
            left += 1;
            faults.push(Fault {
                external_id: String::new(),
                message: format!(
                    "source `{}`: {AWAY} pages in a row could not be reached, so the others wait for the next poll; look \
                     whether the portal is up",
                    self.name
                ),
            });
        }
        memory.listed(&window, ask.now);
        let mut scan = Scan { categories: Some(memory.shelf.all()), ..Scan::default() };
        let (mut gone, is_mass) = (BTreeSet::new(), memory.is_mass(&known));
        if is_mass {
            faults.push(Fault {
                external_id: String::new(),
                message: format!(
                    "source `{}`: most of the articles that were looked at answer 404; did the portal change its addresses? \
                     They are kept for a day, and then taken for withdrawn",
                    self.name
                ),
            });
        }
        for (id, seen) in &memory.seen {
            if !known.contains(id.as_str()) && !window.listed.contains_key(id) {
                continue;
            }
            if let Some(message) = seen.fault.clone() {
                faults.push(Fault { external_id: id.clone(), message });
            } else if seen.is_gone() {
                if !is_mass || seen.is_long_gone(ask.now) {
                    gone.insert(id.clone());
                }
            } else if let Some(mark) = seen.mark.as_ref().filter(|_| seen.is_there()) {
                scan.articles.push(Light { external_id: id.clone(), fingerprint: mark.to_string() });
            }
        }
        // The first look is over when every page was read: until then nobody is told of what comes.
        scan.reach = if first && left > 0 { Reach::Part } else { Reach::Only(gone) };
        scan.faults = faults;
        memory.handed = true;
        Ok(scan)
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        let mut memory = self.memory.lock().await;
        let memory = &mut *memory;
        let mut fetched = Fetched::default();
        for id in ids {
            let seen = memory.seen.get(id).cloned().unwrap_or_default();
            let (piece, mark) = match (seen.piece, seen.mark) {
                (Some(piece), Some(mark)) => (*piece, mark),
                (_, mark) => match self.visit(id, Fresh::Always, now).await {
                    Ok(Visit::Article(found)) => {
                        memory.shelf.add(&found.piece.category);
                        let before = mark.map(|mark| (mark.lists, mark.date)).unwrap_or_default();
                        let mark = self.mark(&found.piece, before, &memory::Listed::default(), now);
                        (found.piece, mark)
                    }
                    Ok(Visit::Unfit(what)) => {
                        fetched.faults.push(Fault { message: self.of(id, &what), external_id: id.clone() });
                        continue;
                    }
                    Ok(Visit::Missing(_) | Visit::Same) => continue,
                    Err(SourceError::Wait(what, until)) => return Err(SourceError::Wait(what, until)),
                    Err(error) => {
                        fetched.faults.push(Fault { message: error.to_string(), external_id: id.clone() });
                        continue;
                    }
                },
            };
            fetched.articles.push(self.article(id, &piece, &mark, memory, now));
        }
        Ok(fetched)
    }
}

/// Plain text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
