//! A feed document before it has a format: everything that RSS, Atom and JSON Feed say about one feed, decided once.
//! A pure function of its input: never reads a clock, so that the same articles always give the same bytes.

use std::collections::BTreeSet;

use jiff::tz::{Offset, TimeZone};

use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::feed::{Feed, FeedSpec};
use crate::domain::site::{Contact, Imprint, Site};
use crate::domain::subscriber::Locale;
use crate::feed::item::{Item, Label};
use crate::feed::{address, budget, item, proof, rhythm};
use crate::text::xml::XmlText;

/// The name under which loa signs documents as their generator.
pub const GENERATOR: &str = "loa";

/// The version that goes with [`GENERATOR`].
pub const GENERATOR_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first and the last instant that every date format of the feeds can write: RFC 5322 has no year before 1900
/// (§3.3), RFC 3339 none above 9999 (§1).
const DATES: (Timestamp, Timestamp) =
    (Timestamp::from_millis(-2_177_452_800_000), Timestamp::from_millis(253_402_207_200_000));

/// The formats that a feed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RSS 2.0.
    Rss,
    /// Atom 1.0 (RFC 4287).
    Atom,
    /// JSON Feed 1.1.
    Json,
}

impl Format {
    /// All of them, in the order in which pages list them.
    pub const ALL: [Self; 3] = [Self::Rss, Self::Atom, Self::Json];

    /// What follows the dot in an address.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Atom => "atom",
            Self::Json => "json",
        }
    }

    /// The format that this ending names.
    #[must_use]
    pub fn parse(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json",
        }
    }

    /// The media type without parameters, as `type` attributes of links want it.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml",
            Self::Atom => "application/atom+xml",
            Self::Json => "application/feed+json",
        }
    }

    /// The name as people know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rss => "RSS",
            Self::Atom => "Atom",
            Self::Json => "JSON Feed",
        }
    }
}

/// Why a document was not made. Either way the last good one stays in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The writer gave up.
    #[error("the {format} document cannot be written: {reason}")]
    Writer {
        /// Name of the format.
        format: &'static str,
        /// What the writer said.
        reason: String,
    },
    /// The bytes were made and are not fit for readers.
    #[error("the {format} document fails its own check and is not published: {reason}")]
    Proof {
        /// Name of the format.
        format: &'static str,
        /// The rule that it breaks, and where.
        reason: String,
    },
}

/// An entry that left a feed (RFC 6721): readers that honour it let go of what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The entry id.
    pub id: String,
    /// When it left.
    pub when: Timestamp,
}

/// Where a document stands in the history of its feed (RFC 5005). Addresses are absolute and of Atom documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Own address of an archive document; `None` for the current document.
    pub archive: Option<String>,
    /// The archive document with the next older articles.
    pub older: Option<String>,
    /// The archive document with the next newer articles; never in the current document.
    pub newer: Option<String>,
    /// Whether the document holds all that the feed has (`fh:complete`).
    pub complete: bool,
}

/// A feed and its articles, ready to be written down in any [`Format`].
#[derive(Clone, Debug)]
pub struct Document {
    /// `tag:<authority>:feed/<slug>` (RFC 4151): stays the same when the host or the scheme changes.
    pub id: String,
    /// ASCII name in addresses.
    pub slug: String,
    /// The feed's title and the site's.
    pub title: XmlText,
    /// One sentence on what it holds; never empty.
    pub description: XmlText,
    /// BCP 47 tag of the document.
    pub language: String,
    /// When a reader would last have seen it change: the newest of its items' and the feed's own changes.
    pub updated: Timestamp,
    /// Moves with every visible change.
    pub version: i64,
    /// Minutes that a reader should wait between polls, 5 to 30, by the feed's own rhythm.
    pub ttl: u32,
    /// Hours of the day, in UTC, in which the feed never has news: RSS `skipHours`.
    pub skip_hours: Vec<u8>,
    /// The feed's HTML page.
    pub page: String,
    /// Where it stands in the feed's history.
    pub place: Place,
    /// The site's name, author of what has no other.
    pub site_title: XmlText,
    /// Where loa is reached.
    pub site_url: String,
    /// Where the document in one format is found instead: an old address that it goes on answering.
    pub elsewhere: Option<(Format, String)>,
    /// Rights, people and signs.
    pub imprint: Imprint,
    /// What shows the XML to people who open it in a browser.
    pub stylesheet: String,
    /// The `WebSub` hub, if there is one.
    pub hub: Option<String>,
    /// The zone in which dates are written.
    pub zone: TimeZone,
    /// The categories that the feed selects.
    pub categories: Vec<Label>,
    /// In the order in which they were given.
    pub items: Vec<Item>,
    /// How many articles at the end went because of the document's size: they are in the archive.
    pub cut: usize,
    /// What left the feed lately, the newest first.
    pub deleted: Vec<Tombstone>,
    /// Articles that cannot be in the document (row id, reason): for the operator and the editor.
    pub left_out: Vec<(i64, String)>,
    /// Articles that are in it, but not as they came (row id, what was done).
    pub repaired: Vec<(i64, String)>,
}

impl Document {
    /// Puts a document together. `articles` come newest `first_seen` first and already limited in number; their order
    /// is kept. Withdrawn articles are passed over; those that no format could carry go to
    /// [`Document::left_out`]; full texts are dropped, the oldest first, until [`budget::LIMIT`] holds.
    #[must_use]
    pub fn new(site: &Site, feed: &Feed, articles: &[StoredArticle]) -> Self {
        Self::within(budget::LIMIT, site, feed, articles)
    }

    /// A document of an archive, which may be larger than what people poll: the same, with [`budget::ARCHIVE_LIMIT`].
    #[must_use]
    pub fn of_archive(site: &Site, feed: &Feed, articles: &[StoredArticle], place: Place) -> Self {
        let mut document = Self::within(budget::ARCHIVE_LIMIT, site, feed, articles);
        // The content of an archive must not move with what happens elsewhere in the feed.
        document.updated = document.items.iter().map(|item| item.updated).max().unwrap_or_default();
        document.version = 0;
        document.place = place;
        document
    }

    /// The last document of a retired feed: one entry that says so and names what to follow instead.
    #[must_use]
    pub fn of_ended(site: &Site, feed: &Feed, ended: Timestamp, instead: &[Feed]) -> Self {
        let mut document = Self::new(site, feed, &[]);
        document.items = vec![Item::farewell(site, feed, ended, instead, &document.title)];
        document.updated = ended;
        document.place.complete = false;
        document
    }

    fn within(limit: usize, site: &Site, feed: &Feed, articles: &[StoredArticle]) -> Self {
        let language = feed
            .spec
            .select
            .language
            .as_deref()
            .and_then(item::language_tag)
            .unwrap_or(site.locale.as_str())
            .to_owned();
        let (mut items, mut left_out, mut repaired) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for stored in articles.iter().filter(|stored| stored.visible) {
            let mut notes = Vec::new();
            match Item::new(site, &language, stored, &mut notes) {
                Ok(item) if seen.insert(item.id.clone()) => {
                    repaired.extend(notes.into_iter().map(|note| (stored.id, note)));
                    items.push(item);
                }
                Ok(item) => left_out.push((stored.id, format!("another article already has its id {}", item.id))),
                Err(reason) => left_out.push((stored.id, reason)),
            }
        }
        let (title, description) = words(site, &feed.spec);
        let categories = selected_categories(site, &feed.spec, articles);
        let head = [&title, &description, &site.title].into_iter().map(|text| 2 * budget::weight(text)).sum::<usize>()
            + categories.iter().map(Label::weight).sum::<usize>();
        let cut = budget::fit(limit, head, &mut items, &mut left_out, &mut repaired);
        Self {
            id: address::tag(&site.authority, &format!("feed/{}", feed.spec.slug)),
            slug: feed.spec.slug.clone(),
            title,
            description,
            language,
            updated: items.iter().map(|item| item.updated).fold(feed.changed, Timestamp::max),
            version: feed.version,
            ttl: rhythm::ttl(items.iter().map(|item| item.published)),
            skip_hours: rhythm::skip_hours(items.iter().map(|item| item.published), &site.zone),
            page: site.link(&format!("feeds/{}", feed.spec.slug)),
            place: Place::default(),
            site_title: site.title.clone(),
            site_url: site.link(""),
            elsewhere: None,
            imprint: site.imprint.clone(),
            stylesheet: site.link("static/feed.css"),
            hub: None,
            zone: site.zone.clone(),
            categories,
            items,
            cut,
            deleted: Vec::new(),
            left_out,
            repaired,
        }
    }

    /// The same document, standing at this place of the feed's history.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same document, naming what left the feed. What is in the document has not left it.
    #[must_use]
    pub fn with_deleted(mut self, mut deleted: Vec<Tombstone>) -> Self {
        let here: BTreeSet<&str> = self.items.iter().map(|item| item.id.as_str()).collect();
        deleted.retain(|tombstone| address::is_entry_id(&tombstone.id) && !here.contains(tombstone.id.as_str()));
        let mut room = budget::TOMBSTONES;
        deleted.retain(|tombstone| {
            let weight = 128 + budget::weight(&tombstone.id);
            let fits = weight <= room;
            room = if fits { room - weight } else { 0 };
            fits
        });
        self.deleted = deleted;
        self
    }

    /// The document's own address in a format.
    #[must_use]
    pub fn own(&self, format: Format) -> String {
        self.place.archive.clone().unwrap_or_else(|| self.address(format))
    }

    /// The same document, naming a hub that pushes it.
    #[must_use]
    pub fn with_hub(mut self, url: impl Into<String>) -> Self {
        self.hub = Some(url.into());
        self
    }

    /// The public address of the feed in a format.
    #[must_use]
    pub fn address(&self, format: Format) -> String {
        if let Some((_, own)) = self.elsewhere.as_ref().filter(|(of, _)| *of == format) {
            return own.clone();
        }
        // A search keeps its query behind the ending.
        match self.page.split_once('?') {
            Some((page, query)) => format!("{page}.{}?{query}", format.extension()),
            None => format!("{}.{}", self.page, format.extension()),
        }
    }

    /// RFC 3339 in the document's zone, to the second: `2026-11-23T07:00:00+07:00`.
    #[must_use]
    pub fn rfc3339(&self, at: Timestamp) -> String {
        let (at, zone) = self.writable(at);
        at.rfc3339(&zone)
    }

    /// RFC 5322 date in the document's zone: `Mon, 23 Nov 2026 07:00:00 +0700`.
    #[must_use]
    pub fn rfc2822(&self, at: Timestamp) -> String {
        let (at, zone) = self.writable(at);
        at.rfc2822(&zone)
    }

    /// Both date formats know offsets in whole minutes only; local mean times of a century ago had seconds.
    fn writable(&self, at: Timestamp) -> (Timestamp, TimeZone) {
        let at = at.clamp(DATES.0, DATES.1);
        let seconds = at.in_zone(&self.zone).offset().seconds();
        let offset = Offset::from_seconds(seconds / 60 * 60).unwrap_or(Offset::UTC);
        (at, TimeZone::fixed(offset))
    }
}

/// Checks the finished bytes before they replace the last good ones: characters, well-formedness by a parser other than
/// the writer's, bound prefixes, ids, required elements and their order. See [`mod@proof`] for the rules.
///
/// # Errors
/// The first rule that is broken, and where.
pub fn proof(format: Format, bytes: &[u8]) -> Result<(), String> {
    proof::check(format, bytes)
}

/// `mail (Name)`, as RSS wants people named.
#[must_use]
pub fn mailbox(contact: &Contact) -> String {
    let name = item::one_line(&contact.name).replace(['(', ')'], "");
    let address = contact.address.as_str();
    if item::is_blank(&name) { address.to_owned() } else { format!("{address} ({})", name.trim()) }
}

fn words(site: &Site, spec: &FeedSpec) -> (XmlText, XmlText) {
    let english = site.locale == Locale::En;
    let title = item::one_line(spec.title_en.as_ref().filter(|_| english).unwrap_or(&spec.title));
    let title = if item::is_blank(&title) { spec.slug.clone() } else { title };
    let site_title = item::one_line(&site.title);
    let description = item::one_line(spec.description_en.as_ref().filter(|_| english).unwrap_or(&spec.description));
    let description = match (item::is_blank(&description), english) {
        (false, _) => description,
        (true, true) => format!("New articles on “{title}” from {site_title}"),
        (true, false) => format!("Bài mới về “{title}” từ {site_title}"),
    };
    let title =
        if item::is_blank(&site_title) || title == site_title { title } else { format!("{title} – {site_title}") };
    (title.into(), description.trim().into())
}

/// The categories that the selection names, with the titles that the articles know them by.
fn selected_categories(site: &Site, spec: &FeedSpec, articles: &[StoredArticle]) -> Vec<Label> {
    let known = |slug: &str| {
        articles.iter().find_map(|stored| {
            let category = stored.article.categories.iter().find(|category| category.slug == slug)?;
            Some((stored.article.source.as_str(), category))
        })
    };
    spec.select
        .categories
        .iter()
        .map(|slug| match known(slug) {
            Some((source, category)) => Label::category(site, source, slug, &category.title),
            None => Label::category(site, "", slug, &XmlText::new(slug)),
        })
        .collect()
}
