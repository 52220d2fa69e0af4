//! Content stores: what loa can poll. Sources read and describe; they decide nothing and write nothing.

pub mod folder;
pub mod joomla;
mod stamp;
mod unique;

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::article::{Category, RawArticle};

/// One article as a scan sees it: enough to tell whether it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light {
    /// The source's own stable id, as text.
    pub external_id: String,
    /// Moves whenever the article may have changed for a reader, the titles and slugs of its categories included. Cheap to
    /// make; may move without a visible change.
    pub fingerprint: String,
}

/// Everything that an anonymous visitor may see at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// One entry per visible article, in no order.
    pub articles: Vec<Light>,
    /// Visible categories.
    pub categories: Vec<Category>,
    /// Whether hiding a category hides its articles, as in Joomla; not where categories only name what articles say.
    /// Then a category that comes or goes explains articles that come or go with it.
    pub categories_hide: bool,
    /// Whether this is the whole set. Only then does absence mean "gone".
    pub complete: bool,
    /// The next instant at which visibility changes by the clock alone (a scheduled article), if any.
    pub next_flip: Option<Timestamp>,
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
}

/// A content store. Never writes; shows only what an anonymous visitor may see at `now`.
#[expect(async_fn_in_trait, reason = "used through the enum in this module only, never as a trait object")]
pub trait Source {
    /// Connects and says what is there. Changes nothing.
    async fn describe(&self) -> Result<Description, SourceError>;
    /// The whole visible set, light.
    async fn scan(&self, now: Timestamp) -> Result<Scan, SourceError>;
    /// Full articles for these ids; ids that are not visible are left out.
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
}

/// A source of any kind, so that callers need no generics.
#[derive(Debug)]
pub enum AnySource {
    /// Files with front matter.
    Folder(folder::Folder),
    /// Joomla's tables.
    Joomla(Box<joomla::Joomla>),
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
        })
    }
}

impl Source for AnySource {
    async fn describe(&self) -> Result<Description, SourceError> {
        match self {
            Self::Folder(source) => source.describe().await,
            Self::Joomla(source) => source.describe().await,
        }
    }

    async fn scan(&self, now: Timestamp) -> Result<Scan, SourceError> {
        match self {
            Self::Folder(source) => source.scan(now).await,
            Self::Joomla(source) => source.scan(now).await,
        }
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        match self {
            Self::Folder(source) => source.fetch(ids, now).await,
            Self::Joomla(source) => source.fetch(ids, now).await,
        }
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
