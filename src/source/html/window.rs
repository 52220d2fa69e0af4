//! What the lists and sitemaps show now. A list without a single article is a fault: portals change their design, and
//! never drop all that they have. Reads no article.

use std::collections::BTreeSet;

use url::Url;

use super::list::{self, Listing};
use super::memory::{Memory, Window};
use super::rules::List;
use super::sitemap::{self, Place, Sitemap};
use super::visit::not_html;
use super::{Pages, bounds, shelf};
use crate::clock::Timestamp;
use crate::source::web::{Answer, Call, Fresh};
use crate::source::{Fault, SourceError};

/// Sitemaps of one index that are read.
const PARTS: usize = 4;

impl Pages {
    /// Reads all lists and sitemaps. A list that cannot be read is a fault beside the others, but for the first look, which
    /// must see everything, and where none can be read.
    pub(super) async fn window(
        &self,
        memory: &mut Memory,
        first: bool,
        known: &BTreeSet<&str>,
        now: Timestamp,
    ) -> Result<(Window, Vec<Fault>), SourceError> {
        let (mut window, mut errors) = (Window::default(), Vec::new());
        for list in &self.rules.lists {
            memory.shelf.add(&list.category);
            match self.list(memory, list, first, known, &mut window, now).await {
                Ok(()) => {}
                Err(error @ SourceError::Wait(..)) => return Err(error),
                Err(error) => errors.push((list.url.to_string(), error)),
            }
        }
        for url in &self.rules.sitemaps {
            match self.places(memory, url, now).await {
                Ok(places) => self.take(url, places, &mut window).unwrap_or_else(|e| errors.push((url.to_string(), e))),
                Err(error @ SourceError::Wait(..)) => return Err(error),
                Err(error) => errors.push((url.to_string(), error)),
            }
        }
        let all = errors.len() == self.rules.lists.len() + self.rules.sitemaps.len();
        if (first || all) && !errors.is_empty() {
            return Err(errors.swap_remove(0).1);
        }
        let fault = |(external_id, error): (String, SourceError)| Fault { external_id, message: error.to_string() };
        Ok((window, errors.into_iter().map(fault).collect()))
    }

    /// Reads one list: its first page, and further ones at first sight or while a page shows nothing that is known.
    async fn list(
        &self,
        memory: &mut Memory,
        list: &List,
        first: bool,
        known: &BTreeSet<&str>,
        window: &mut Window,
        now: Timestamp,
    ) -> Result<(), SourceError> {
        let category = shelf::ids(&list.category).next();
        let mut seen: BTreeSet<Url> = BTreeSet::new();
        let mut next = Some(list.url.clone());
        let mut pages = Vec::new();
        while let Some(url) = next.take().filter(|url| pages.len() < self.rules.pages && seen.insert(url.clone())) {
            let listing = match self.listing(memory, &url, now).await {
                Ok(listing) => listing,
                Err(error) if pages.is_empty() => return Err(error),
                // What a further page would add is not worth losing the first for, but a first look must be whole.
                Err(error) if first => return Err(error),
                Err(_) => break,
            };
            if listing.entries.is_empty() && pages.is_empty() {
                return Err(self.nothing(&url, &listing));
            }
            let new = |id: &str| !known.contains(id) && !memory.seen.contains_key(id);
            let on = first || listing.entries.iter().all(|entry| new(&entry.id));
            next = listing.next.clone().filter(|_| on);
            pages.push(listing);
        }
        if pages.len() > 1 {
            // Articles that appeared or went meanwhile have moved others across the border of two pages.
            pages.insert(1, self.listing(memory, &list.url, now).await?);
        }
        for entry in pages.into_iter().flat_map(|listing| listing.entries) {
            let listed = window.entry(&entry.id);
            listed.lists.extend(category.clone());
            listed.date = listed.date.or(entry.date);
        }
        Ok(())
    }

    async fn listing(&self, memory: &mut Memory, url: &Url, now: Timestamp) -> Result<Listing, SourceError> {
        let fresh = if memory.listings.contains_key(url) { Fresh::IfChanged } else { Fresh::Always };
        let mut page = match self.get(url, fresh, now).await? {
            Answer::Unchanged => return Ok(memory.listings.get(url).cloned().unwrap_or_default()),
            Answer::Missing(status) => return Err(self.schema(url, &format!("answers {status}; correct `list_url`"))),
            Answer::Page(page) if !page.is_html() => return Err(self.schema(url, &not_html(&page))),
            Answer::Page(page) => page,
        };
        let (text, at) = (std::mem::take(&mut page.text), page.url.clone());
        let read = self.read(move |rules| bounds::parse(&text).map(|html| list::read(&html, &at, rules))).await?;
        let listing = read.map_err(|what| self.schema(url, &format!("{what}; it is not read")))?;
        if !listing.entries.is_empty() {
            memory.listings.insert(url.clone(), listing.clone());
            self.web.settle(&page);
        }
        Ok(listing)
    }

    /// The addresses of a sitemap, or of the newest parts of an index.
    async fn places(&self, memory: &mut Memory, url: &Url, now: Timestamp) -> Result<Vec<Place>, SourceError> {
        let parts = match self.sitemap(memory, url, now).await? {
            Sitemap::Pages(places) => return Ok(places),
            Sitemap::Index(parts) => newest_parts(parts),
        };
        let mut all = Vec::new();
        for part in parts {
            match self.sitemap(memory, &part.url, now).await? {
                Sitemap::Pages(places) => all.extend(places),
                Sitemap::Index(_) => {
                    return Err(
                        self.schema(&part.url, "is an index within an index; write the sitemap of the articles")
                    );
                }
            }
        }
        Ok(all)
    }

    async fn sitemap(&self, memory: &mut Memory, url: &Url, now: Timestamp) -> Result<Sitemap, SourceError> {
        let fresh = if memory.sitemaps.contains_key(url) { Fresh::IfChanged } else { Fresh::Always };
        let accept = "application/xml,text/xml,*/*;q=0.1";
        let call = Call { accept, headers: &[], max: sitemap::MAX_BYTES, fresh };
        let mut page = match (self.web.get(url, &call, now).await?, memory.sitemaps.get(url)) {
            (Answer::Unchanged, Some(kept)) => return Ok(kept.clone()),
            (Answer::Unchanged, None) => return Err(self.schema(url, "says that nothing changed; it is asked again")),
            (Answer::Missing(status), _) => {
                return Err(self.schema(url, &format!("answers {status}; correct `sitemap`")));
            }
            (Answer::Page(page), _) => page,
        };
        let text = std::mem::take(&mut page.text);
        let read = self.read(move |rules| sitemap::read(&text, &rules.zone)).await?;
        let mut sitemap = read.map_err(|what| self.schema(url, &format!("{what}; correct `sitemap`")))?;
        if let Sitemap::Pages(places) = &mut sitemap {
            self.keep_newest(url, places)?;
        }
        memory.sitemaps.insert(url.clone(), sitemap.clone());
        self.web.settle(&page);
        Ok(sitemap)
    }

    /// Leaves the newest articles of a sitemap, so many as are looked at.
    fn keep_newest(&self, url: &Url, places: &mut Vec<Place>) -> Result<(), SourceError> {
        let dated = places.iter().any(|place| place.modified.or(place.published).is_some());
        if !dated && places.len() > self.rules.limit {
            return Err(self.schema(
                url,
                "has no dates, so that nobody can tell what is new in it; write a page that lists articles as `list_url`",
            ));
        }
        let rules = &self.rules;
        let is_article = |url: &Url| rules.home.id(url).is_some_and(|id| rules.pattern.fits(&id, url));
        places.retain(|place| is_article(&place.url));
        places.sort_by_key(|place| std::cmp::Reverse(place.published.max(place.modified)));
        places.truncate(rules.limit);
        Ok(())
    }

    fn take(&self, url: &Url, mut places: Vec<Place>, window: &mut Window) -> Result<(), SourceError> {
        if places.is_empty() {
            return Err(self.schema(
                url,
                "names no page that may be an article; check `link_pattern`, and that the sitemap is the portal's own",
            ));
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.published.max(place.modified)));
        for place in places.into_iter().take(self.rules.limit) {
            if let Some(id) = self.rules.home.id(&place.url) {
                let listed = window.entry(&id);
                listed.date = listed.date.or(place.published);
                listed.modified = listed.modified.max(place.modified);
            }
        }
        Ok(())
    }

    fn nothing(&self, url: &Url, listing: &Listing) -> SourceError {
        self.schema(
            url,
            &format!(
                "lists nothing: the selector `link` ({}) found no article, while the page has {} links; did the portal \
                 change its design? Correct `link`, `item` or `link_pattern`",
                self.rules.link, listing.anchors
            ),
        )
    }

    fn schema(&self, url: &Url, what: &str) -> SourceError {
        SourceError::Schema(format!("source `{}`: {url} {what}", self.name))
    }
}

/// The parts of an index that may hold what is new: the newest by their dates; without dates the first and the last, for
/// portals write in either order.
fn newest_parts(mut parts: Vec<Place>) -> Vec<Place> {
    if parts.iter().any(|part| part.modified.is_some()) {
        parts.sort_by_key(|part| std::cmp::Reverse(part.modified));
        parts.truncate(PARTS);
    } else if parts.len() > PARTS {
        let last = parts.split_off(parts.len() - PARTS / 2);
        parts.truncate(PARTS / 2);
        parts.extend(last);
    }
    parts
}
