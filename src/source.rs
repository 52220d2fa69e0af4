//! Content stores: what loa can poll. Sources read and describe; they decide nothing and write nothing.

mod database;
pub mod folder;
pub mod html;
pub mod joomla;
pub mod joomla_api;
pub mod sql;
mod stamp;
pub mod syndication;
mod tiers;
mod unique;
mod walk;
mod web;
pub mod wordpress;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::article::{Category, RawArticle};
use crate::domain::roll::{Public, Roll};

/// One article as a scan sees it: enough to tell whether it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light {
    /// The source's own stable id, as text.
    pub external_id: String,
    /// Moves whenever the article may have changed for a reader, the titles and slugs of its categories included. Cheap to
    /// make; may move without a visible change.
    pub fingerprint: String,
}

/// How much of a source one scan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything: what differs from what is known, wherever it lies.
    Sweep,
    /// The newest articles, those that are asked about, and the categories. Cheap enough for every minute.
    Hot,
}

/// How a source wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Each scan brings the whole set, so every scan is a sweep.
    Whole,
    /// Hot scans, and a sweep after so long; always a sweep while the source is small ([`SMALL`]).
    Tiers {
        /// From one sweep to the next.
        sweep: Duration,
    },
    /// A window on the newest articles; the source never shows its whole set. Every scan is hot, and knows the articles
    /// that readers see now.
    Window,
}

/// A source with fewer public articles than this is swept at every poll: that costs its database less than a moment, and
/// whatever an editor does is seen at once (content-store.md §7).
pub const SMALL: usize = 20_000;

/// So many examples are shown of what is hidden for one reason.
pub const EXAMPLES: usize = 3;

/// What ingest asks of a scan.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The caller's clock.
    pub now: Timestamp,
    /// How much to look at.
    pub depth: Depth,
    /// Public articles as the last polls left them, by their ids: in a sweep all; in a hot scan those whose withdrawal or
    /// change matters at once (in a feed's window, new within the last days, or with a [`Flip`] that is due). The fingerprint
    /// is the one that this source gave.
    pub known: Public<'a>,
    /// Ids of articles that are not public and whose time has come ([`Flip`]).
    pub due: &'a BTreeSet<String>,
    /// The categories as the last polls left them, by `external_id`.
    pub categories: &'a [Category],
}

impl Ask<'_> {
    /// A sweep by somebody who knows nothing yet.
    #[must_use]
    pub fn first(now: Timestamp) -> Self {
        static NONE: BTreeSet<String> = BTreeSet::new();
        static NOBODY: Roll = Roll::new();
        Self { now, depth: Depth::Sweep, known: NOBODY.public(), due: &NONE, categories: &[] }
    }
}

/// What it means that an article is not in a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// This was the whole set: a known article that is not in it, nor among its faults, is gone.
    Whole,
    /// These known articles were looked for: one of them that is not in the scan, nor among its faults, is gone. Of others
    /// the scan says nothing: they are as they were, or were not looked at.
    Only(BTreeSet<String>),
    /// Something could not be read: absence means nothing, and the operator is told.
    #[default]
    Part,
}

/// An instant at which the clock alone makes an article public or hides it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flip {
    /// When.
    pub at: Timestamp,
    /// The article, public or not.
    pub external_id: String,
}

/// What an anonymous visitor may see at one moment, as far as it was looked at.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Public articles that were looked at and are new or may differ from what is known; those that certainly do not differ
    /// may be among them. One entry each, in no order.
    pub articles: Vec<Light>,
    /// What absence from `articles` means.
    pub reach: Reach,
    /// All visible categories; nothing if this scan cannot tell them: they stay as they are known.
    pub categories: Option<Vec<Category>>,
    /// Whether hiding a category hides its articles, as in Joomla; not where categories only name what articles say.
    /// Then a category that comes or goes explains articles that come or go with it.
    pub categories_hide: bool,
    /// Future flips: in a sweep all, in a hot scan those of the articles that were looked at.
    pub flips: Vec<Flip>,
    /// Asks for a sweep at once, because this hot scan saw that something moved which only a sweep can follow (a category,
    /// the levels that guests have). Nothing is concluded from a scan that asks so.
    pub deeper: bool,
    /// Articles that could not be read, with the reason and the place: told to the operator; the rest goes on. An id in
    /// here is "unknown", neither visible nor gone.
    pub faults: Vec<Fault>,
}

/// One article that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its id, where known.
    pub external_id: String,
    /// What is wrong, where, and what to do, in one sentence.
    pub message: String,
}

/// What [`Source::fetch`] brings.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Articles that are still visible, in no order. Ids that vanished since the scan are simply absent.
    pub articles: Vec<RawArticle>,
    /// Articles that could not be read.
    pub faults: Vec<Fault>,
}

/// What a source is, for logs and for `loa check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its configured name.
    pub name: String,
    /// `folder`, `joomla`, …
    pub kind: &'static str,
    /// One line for the operator: what was found (version, prefix, count).
    pub found: String,
}

/// What a person who sets a source up wants to know beyond a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Public articles by the id of the category that each lies in, where the store can count them.
    pub by_category: Option<BTreeMap<String, usize>>,
    /// What exists and is not shown, by reason.
    pub hidden: Vec<Hidden>,
}

/// Articles that the store has and no visitor sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Why, in a few words: `unpublished`, `the category "Nội bộ" is for registered users`, …
    pub reason: String,
    /// How many.
    pub count: usize,
    /// Some of them, as `id: title`.
    pub examples: Vec<String>,
}

/// Why a source could not be read. Any of these means: no conclusions from this poll.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The store cannot be reached or broke off. Try again at the next poll.
    #[error("{0}")]
    Unreachable(String),
    /// The store refuses us: account, password, missing grant. An operator must act.
    #[error("{0}")]
    Refused(String),
    /// The store is not what the configuration says: missing table, wrong folder. An operator must act.
    #[error("{0}")]
    Schema(String),
    /// The store asks to be left alone (`Retry-After`, RFC 9110 §10.2.3) until this time.
    #[error("{0}")]
    Wait(String, Timestamp),
}

/// A content store. Never writes; shows only what an anonymous visitor may see at the asked time.
#[expect(async_fn_in_trait, reason = "used through the enum in this module only, never as a trait object")]
pub trait Source {
    /// Connects and says what is there. Changes nothing.
    async fn describe(&self) -> Result<Description, SourceError>;
    /// How it wants to be asked.
    fn rhythm(&self) -> Rhythm;
    /// What is visible, light. Two scans of one state of the store give the same fingerprints, whatever was asked.
    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError>;
    /// Counts what is there and what is hidden, and why; as far as this kind of store can tell. For `loa source try`.
    async fn census(&self, _now: Timestamp) -> Result<Census, SourceError> {
        Ok(Census::default())
    }
    /// Full articles for these ids, which the last scan named; ids that are not visible are left out.
    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError>;
}

/// The keys of one `[[source]]` besides those that every kind has (`name`, `poll`): `kind` chooses the rest. Unknown keys
/// are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Settings {
    /// `kind = "folder"`
    Folder(folder::Settings),
    /// `kind = "joomla"`
    Joomla(joomla::Settings),
    /// `kind = "joomla-api"`
    JoomlaApi(joomla_api::Settings),
    /// `kind = "wordpress"`
    #[serde(rename = "wordpress")]
    WordPress(wordpress::Settings),
    /// `kind = "feed"`
    Feed(syndication::settings::Settings),
    /// `kind = "html"`
    Html(Box<html::settings::Settings>),
    /// `kind = "sql"`
    Sql(Box<sql::settings::Settings>),
}

/// A source of any kind, so that callers need no generics.
#[derive(Debug)]
pub enum AnySource {
    /// Files with front matter.
    Folder(folder::Folder),
    /// Joomla's tables.
    Joomla(Box<joomla::Joomla>),
    /// Joomla's web services.
    JoomlaApi(Box<joomla_api::JoomlaApi>),
    /// `WordPress` by its REST interface.
    WordPress(Box<wordpress::WordPress>),
    /// RSS, Atom and JSON feeds.
    Feed(Box<syndication::Syndication>),
    /// Pages, read by CSS selectors.
    Html(Box<html::Pages>),
    /// Any SQL database, by the operator's own SELECT.
    Sql(Box<sql::Sql>),
}

impl AnySource {
    /// Checks the settings and makes the source. Connects to nothing: the first read does.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right, in words for the operator.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        Ok(match settings {
            Settings::Folder(settings) => Self::Folder(folder::Folder::open(name, settings)?),
            Settings::Joomla(settings) => Self::Joomla(Box::new(joomla::Joomla::open(name, settings)?)),
            Settings::JoomlaApi(settings) => Self::JoomlaApi(Box::new(joomla_api::JoomlaApi::open(name, settings)?)),
            Settings::WordPress(settings) => Self::WordPress(Box::new(wordpress::WordPress::open(name, settings)?)),
            Settings::Feed(settings) => Self::Feed(Box::new(syndication::Syndication::open(name, settings)?)),
            Settings::Html(settings) => Self::Html(Box::new(html::Pages::open(name, *settings)?)),
            Settings::Sql(settings) => Self::Sql(Box::new(sql::Sql::open(name, &settings)?)),
        })
    }
}

/// The same call on whatever kind it is.
macro_rules! each {
    ($source:expr, $inner:ident => $call:expr) => {
        match $source {
            AnySource::Folder($inner) => $call,
            AnySource::Joomla($inner) => $call,
            AnySource::JoomlaApi($inner) => $call,
            AnySource::WordPress($inner) => $call,
            AnySource::Feed($inner) => $call,
            AnySource::Html($inner) => $call,
            AnySource::Sql($inner) => $call,
        }
    };
}

impl Source for AnySource {
    async fn describe(&self) -> Result<Description, SourceError> {
        each!(self, source => source.describe().await)
    }

    fn rhythm(&self) -> Rhythm {
        each!(self, source => source.rhythm())
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        each!(self, source => source.scan(ask).await)
    }

    async fn census(&self, now: Timestamp) -> Result<Census, SourceError> {
        each!(self, source => source.census(now).await)
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        each!(self, source => source.fetch(ids, now).await)
    }
}

/// The site's own address as a base that ends in `/`.
fn site_base(name: &str, site_url: &str) -> Result<url::Url, SourceError> {
    let fault = |why: &str| {
        SourceError::Schema(format!(
            "source `{name}`: site_url = \"{site_url}\" {why}; write the portal's address, such as https://portal.example.vn/"
        ))
    };
    let mut base = url::Url::parse(site_url).map_err(|_| fault("is not an address"))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(fault("is neither http nor https"));
    }
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    Ok(base)
}

/// A time zone by its IANA name.
fn time_zone(name: &str, zone: &str) -> Result<jiff::tz::TimeZone, SourceError> {
    if zone == "UTC" {
        return Ok(jiff::tz::TimeZone::UTC);
    }
    jiff::tz::TimeZone::get(zone).map_err(|_| {
        SourceError::Schema(format!(
            "source `{name}`: timezone = \"{zone}\" is not known on this machine; write an IANA name such as \
             Asia/Ho_Chi_Minh and install the system's tzdata"
        ))
    })
}
