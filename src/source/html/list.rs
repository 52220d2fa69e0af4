//! A page that lists articles: their links, in the page's order, and the way to its next page. Opens no link.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html};
use url::Url;

use super::article::{base_of, date_of};
use super::settings::{Choice, Rules};
use crate::clock::Timestamp;

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The article's id.
    pub id: String,
    /// The date that the entry shows.
    pub date: Option<Timestamp>,
}

/// What a page lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// Each article once, in the page's order.
    pub entries: Vec<Entry>,
    /// The next page.
    pub next: Option<Url>,
    /// Links of any kind on the page, for the operator.
    pub anchors: usize,
}

/// Reads a page that was found at this address.
pub(super) fn read(page: &Html, at: &Url, rules: &Rules) -> Listing {
    let root = page.root_element();
    let base = base_of(page, at);
    let mut listing = Listing {
        next: rules.next.first(root).and_then(|link| href(link, &base)).filter(|next| next != at),
        anchors: Choice::own(&["a[href]"]).all(root).len(),
        ..Listing::default()
    };
    let mut seen = BTreeSet::new();
    let mut add = |link: ElementRef<'_>, date: Option<Timestamp>| {
        let id = href(link, &base).and_then(|url| {
            let id = rules.home.id(&url)?;
            let spelled = rules.home.url(&id)?;
            rules.pattern.fits(&id, &spelled).then_some(id)
        });
        if let Some(id) = id
            && seen.insert(id.clone())
        {
            listing.entries.push(Entry { id, date });
            return true;
        }
        false
    };
    for item in rules.item.all(root) {
        let own = rules.link.matches(&item).then_some(item);
        let mut links = own.into_iter().chain(rules.link.every(item));
        let date = date_of(item, &rules.date, &rules.zone);
        // The first link of an entry that is an article's: a picture, a title and "read more" lead to the same page.
        let _ = links.any(|link| add(link, date));
    }
    // Joomla shows the last entries of a blog, and all of a list, as links without a box around them.
    if seen.is_empty() {
        for link in rules.link.every(root) {
            add(link, None);
        }
    } else {
        for link in rules.item_free(root) {
            add(link, None);
        }
    }
    listing.entries.truncate(rules.limit);
    listing
}

impl Rules {
    /// Links that the selectors find outside of any entry, where a preset knows such.
    fn item_free<'a>(&self, root: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        Choice::own(&[".items-more a[href], .com-content-blog__links a[href]"]).all(root)
    }
}

fn href(link: ElementRef<'_>, base: &Url) -> Option<Url> {
    base.join(link.attr("href")?.trim()).ok()
}
