//! A page that lists articles: their links, in the page's order, and the way to its next page. Opens no link.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html};
use url::Url;

use super::article::date_of;
use super::links::base_of;
use super::rules::{Choice, Rules};
use crate::clock::Timestamp;

/// Links below the entries of a blog of Joomla.
const BARE: [&str; 1] = [".items-more a[href], .com-content-blog__links a[href]"];

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
    let id_of = |link: ElementRef<'_>| {
        let id = rules.home.id(&href(link, &base)?)?;
        let url = rules.home.url(&id)?;
        rules.pattern.fits(&id, &url).then_some(id)
    };
    let mut seen = BTreeSet::new();
    for item in rules.item.all(root) {
        // The first link of an entry that is an article's: a picture, a title and "read more" lead to the same page.
        let own = rules.link.matches(&item).then_some(item);
        if let Some(id) = own.into_iter().chain(rules.link.every(item)).find_map(id_of)
            && seen.insert(id.clone())
        {
            listing.entries.push(Entry { id, date: date_of(item, &rules.date, &rules.zone) });
        }
    }
    // Joomla shows the last entries of a blog, and all of a list, as links without a box around them.
    let bare = if seen.is_empty() { rules.link.every(root) } else { Choice::own(&BARE).all(root) };
    for id in bare.into_iter().filter_map(id_of) {
        if seen.insert(id.clone()) {
            listing.entries.push(Entry { id, date: None });
        }
    }
    listing.entries.truncate(rules.limit);
    listing
}

fn href(link: ElementRef<'_>, base: &Url) -> Option<Url> {
    base.join(link.attr("href")?.trim()).ok()
}
