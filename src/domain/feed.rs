//! Feeds: named selections, declared in a file or made for a category.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::selection::{Matcher, Selection};
use crate::text::xml::XmlText;

/// A feed as it is declared: the content of `feeds/<slug>.toml`, or what loa makes for a category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// ASCII name in addresses; for a file, its name without the ending.
    #[serde(skip)]
    pub slug: String,
    /// Title as people read it.
    pub title: XmlText,
    /// One sentence on what it holds.
    #[serde(default)]
    pub description: XmlText,
    /// The same two in English, for the English pages and mails; the Vietnamese ones where absent.
    #[serde(default)]
    pub title_en: Option<XmlText>,
    /// See `title_en`.
    #[serde(default)]
    pub description_en: Option<XmlText>,
    /// What it selects.
    pub select: Selection,
}

/// Where a feed comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOrigin {
    /// A file in `feeds/`.
    File,
    /// A category of a source, by `[feeds] each_category`.
    Category,
    /// A selection that somebody put together and follows. It has no documents of its own name: they are those of the
    /// search, under the same id.
    Selection,
}

/// A feed as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Row id.
    pub id: i64,
    /// What was declared.
    pub spec: FeedSpec,
    /// Where it comes from.
    pub origin: FeedOrigin,
    /// Moves by every change that a reader of its documents would see. Unique across feeds and ever growing.
    pub version: i64,
    /// When the version last moved: the feed's `Last-Modified`.
    pub changed: Timestamp,
    /// Whether it is still declared. A retired feed keeps its row so that its address can say so.
    pub retired: bool,
}

impl Feed {
    /// What decides which articles it holds. Its phrases were written by an editor and are never folded.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        self.spec.select.topic_matcher()
    }
}
