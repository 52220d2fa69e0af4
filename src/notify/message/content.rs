//! What the templates are given: plain, clean values. Never decides who gets a mail, and never holds who does.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::feed::FeedSpec;
use crate::domain::site::Site;
use crate::domain::subscriber::{Frequency, Locale};
use crate::notify::message::line::{Line, Web};
use crate::notify::message::question::{ConfirmMail, MoveMail, MovedMail};
use crate::notify::message::words;

/// Characters of a summary that a mail shows.
const SUMMARY: usize = 280;
/// Width of the column that holds a picture, in pixels.
const COLUMN: u32 = 536;

/// A feed as a mail names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedLink {
    /// Its title in the reader's language.
    pub title: Line,
    /// Its page, where the reader sees everything that it holds.
    pub url: Web,
}

impl FeedLink {
    /// The name and page of a feed, for a reader of this locale.
    #[must_use]
    pub fn new(feed: &FeedSpec, site: &Site, locale: Locale) -> Self {
        let title = match locale {
            Locale::En => feed.title_en.as_ref().unwrap_or(&feed.title),
            Locale::Vi => &feed.title,
        };
        let url = Web::new(&site.link(&format!("feeds/{}", feed.slug))).unwrap_or_else(|| home(site));
        Self { title: Line::new(title), url }
    }
}

/// The picture of an article, at the size in which a mail shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Absolute address.
    pub url: Web,
    /// What it shows; the article's title where the portal says nothing.
    pub alt: Line,
    /// Width in pixels, never more than the column.
    pub width: u32,
    /// Height in pixels in the same proportion, where the portal tells the picture's size.
    pub height: Option<u32>,
}

/// One article in a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Title.
    pub title: Line,
    /// Address of its page.
    pub url: Web,
    /// The lede, cut at a word.
    pub summary: Line,
    /// Its picture, if it has one.
    pub image: Option<Picture>,
    /// Who wrote it.
    pub authors: Vec<Line>,
    /// The agency whose tag opens the lede.
    pub agency: Option<Line>,
    /// Titles of its categories, the most specific first.
    pub categories: Vec<Line>,
    /// When it was published, in words.
    pub published: Line,
    /// The followed feeds that it matched.
    pub feeds: Vec<FeedLink>,
    /// Whether it was mailed before and has changed since.
    pub revised: bool,
}

impl Card {
    /// An article as a reader of this locale sees it; `feeds` are the followed feeds that it matched.
    #[must_use]
    pub fn new(stored: &StoredArticle, site: &Site, locale: Locale, feeds: &[FeedLink]) -> Self {
        let article = &stored.article;
        // An article without a title is still told, by its address.
        let named = if article.title.trim().is_empty() { &*article.url } else { &*article.title };
        let title = Line::new(named);
        let image = article.image.as_ref().and_then(|image| {
            let url = Web::new(&image.url)?;
            let alt = if image.alt.trim().is_empty() { title.clone() } else { Line::new(&image.alt) };
            let natural = image.width.filter(|w| *w > 0);
            let width = natural.unwrap_or(COLUMN).min(COLUMN);
            let height = natural
                .zip(image.height)
                .map(|(w, h)| u32::try_from(u64::from(h) * u64::from(width) / u64::from(w)).unwrap_or(COLUMN).max(1));
            Some(Picture { url, alt, width, height })
        });
        Self {
            title,
            url: Web::new(&article.url).unwrap_or_else(|| home(site)),
            summary: Line::new(&article.summary).shortened(SUMMARY),
            image,
            authors: article.authors.iter().map(|a| Line::new(a)).collect(),
            agency: article.agency.as_deref().map(Line::new),
            categories: article.categories.iter().map(|c| Line::new(&c.title)).collect(),
            published: words::moment(article.published, &site.zone, locale),
            feeds: feeds.to_vec(),
            revised: false,
        }
    }
}

/// The site's start page. A base address that is not of the web cannot be configured; should it be, links lead nowhere.
fn home(site: &Site) -> Web {
    Web::new(site.base_url.as_str())
        .or_else(|| Web::new("https://site.invalid/"))
        .expect("this address is absolute and of the web")
}

/// Articles for a person who hears at once: one or more of one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleMail {
    /// The articles, the most important first. Not empty.
    pub articles: Vec<Card>,
}

/// One feed's part of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The feed.
    pub feed: FeedLink,
    /// Its articles of the window, the newest first.
    pub articles: Vec<Card>,
}

/// Everything new in a window, by feed, each article once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestMail {
    pub(super) frequency: Frequency,
    pub(super) date: Date,
    pub(super) since: Date,
    pub(super) sections: Vec<Listed>,
}

/// A section after repeats were taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub feed: FeedLink,
    pub articles: Vec<(Card, Vec<Line>)>,
}

impl DigestMail {
    /// A digest of a run: its frequency, the local date that names it, where its window begins, and what is in it.
    ///
    /// An article that is in several sections stays in the first, which then names the others ("also in"); a section
    /// that is left empty goes.
    #[must_use]
    pub fn new(frequency: Frequency, date: Date, window_from: Timestamp, sections: Vec<Section>, site: &Site) -> Self {
        let mut place: HashMap<Web, (usize, usize)> = HashMap::new();
        let mut listed: Vec<Listed> = Vec::with_capacity(sections.len());
        for Section { feed, articles } in sections {
            let mut kept = Vec::with_capacity(articles.len());
            for card in articles {
                match place.get(&card.url) {
                    Some((section, _)) if *section == listed.len() => {}
                    Some((section, nth)) => {
                        let also = &mut listed[*section].articles[*nth].1;
                        if !also.contains(&feed.title) {
                            also.push(feed.title.clone());
                        }
                    }
                    None => {
                        place.insert(card.url.clone(), (listed.len(), kept.len()));
                        kept.push((card, Vec::new()));
                    }
                }
            }
            if !kept.is_empty() {
                listed.push(Listed { feed, articles: kept });
            }
        }
        Self { frequency, date, since: window_from.in_zone(&site.zone).date().min(date), sections: listed }
    }

    /// How many different articles it holds. Zero means that there is nothing to send.
    #[must_use]
    pub fn total(&self) -> usize {
        self.sections.iter().map(|s| s.articles.len()).sum()
    }
}

/// A mail to be worded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// New articles, at once.
    Article(ArticleMail),
    /// A daily or weekly digest.
    Digest(DigestMail),
    /// The question of the double opt-in.
    Confirm(ConfirmMail),
    /// The question at a new address.
    Move(MoveMail),
    /// The word to an address that was left.
    Moved(MovedMail),
}

impl Mail {
    /// The folder of its templates.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Article(_) => "article",
            Self::Digest(_) => "digest",
            Self::Confirm(_) => "confirm",
            Self::Move(_) => "move",
            Self::Moved(_) => "moved",
        }
    }

    /// The token that its reader is to answer with, if it is a question.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Confirm(mail) => Some(&mail.token),
            Self::Move(mail) => Some(&mail.token),
            Self::Article(_) | Self::Digest(_) | Self::Moved(_) => None,
        }
    }

    /// Whether it goes to everyone who follows something, so that it must say how to leave.
    #[must_use]
    pub const fn is_bulk(&self) -> bool {
        !matches!(self, Self::Confirm(_) | Self::Move(_) | Self::Moved(_))
    }
}
