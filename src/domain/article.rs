//! Articles, their revisions and the changes between them. Never knows where an article is stored or shown.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::text::xml::XmlText;

/// An article as a source gave it: dates in UTC, links as they were written, HTML not yet cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawArticle {
    /// The source's own stable id, as text.
    pub external_id: String,
    /// The address of the article's page: absolute, or relative to the site root.
    pub url: String,
    /// Title; may hold entities or tags, which are removed at ingest.
    pub title: String,
    /// The lede as HTML; may be empty.
    pub summary_html: String,
    /// The whole body as HTML, the lede included.
    pub content_html: String,
    /// Names of people who wrote it.
    pub authors: Vec<String>,
    /// External ids of its categories, the most specific first; see [`Category`].
    pub categories: Vec<String>,
    /// Public tags.
    pub tags: Vec<String>,
    /// From when it is public, as the editor set it.
    pub published: Timestamp,
    /// When the editor last changed it, as the source claims; a hint.
    pub updated: Option<Timestamp>,
    /// BCP 47 tag; empty when the source says nothing.
    pub language: String,
    /// The picture that stands for it.
    pub image: Option<Image>,
}

/// A category of a source. Categories form a tree by `parent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// The source's own stable id, as text.
    pub external_id: String,
    /// The parent's external id.
    pub parent: Option<String>,
    /// Title as people read it.
    pub title: XmlText,
    /// ASCII name that addresses use; unique within the source.
    pub slug: String,
}

/// A category as an article carries it: enough to match and to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryRef {
    /// ASCII name that addresses and selections use.
    pub slug: String,
    /// Title as people read it.
    pub title: XmlText,
    /// Slugs of its ancestors, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<String>,
}

/// The picture that stands for an article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Absolute address once ingested.
    pub url: String,
    /// What it shows, for those who cannot see it.
    #[serde(default)]
    pub alt: XmlText,
    /// Width in pixels, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Media type, from the file's ending where the source says nothing.
    pub media_type: String,
    /// Length in bytes, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

/// An article fit for publication: NFC, XML-safe text, sanitised HTML, absolute links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Name of the source it came from.
    pub source: String,
    /// The source's own stable id.
    pub external_id: String,
    /// Absolute address of its page.
    pub url: String,
    /// Plain text.
    pub title: XmlText,
    /// The lede as plain text.
    pub summary: XmlText,
    /// The whole body as sanitised HTML with absolute links.
    pub content_html: XmlText,
    /// Names of people who wrote it.
    pub authors: Vec<XmlText>,
    /// The agency whose tag opens the lede, such as `TUAG`.
    pub agency: Option<XmlText>,
    /// Its categories, the most specific first.
    pub categories: Vec<CategoryRef>,
    /// Public tags.
    pub tags: Vec<XmlText>,
    /// BCP 47 tag.
    pub language: String,
    /// The picture that stands for it.
    pub image: Option<Image>,
    /// From when it is public, as the editor set it.
    pub published: Timestamp,
}

impl Article {
    /// What readers would see as this article's content, as one hash (hex of 128 bits of SHA-256). Two articles with
    /// one fingerprint look the same to a reader; dates that an editor's tool touches by itself do not count.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // Length before each part, so that no two different articles give the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.url.as_bytes());
        part(self.title.as_bytes());
        part(self.summary.as_bytes());
        part(self.content_html.as_bytes());
        part(self.language.as_bytes());
        part(&self.published.millis().to_le_bytes());
        part(self.agency.as_deref().unwrap_or_default().as_bytes());
        for author in &self.authors {
            part(author.as_bytes());
        }
        part(b"|categories");
        for category in &self.categories {
            part(category.slug.as_bytes());
            part(category.title.as_bytes());
            for ancestor in &category.ancestors {
                part(ancestor.as_bytes());
            }
        }
        part(b"|tags");
        for tag in &self.tags {
            part(tag.as_bytes());
        }
        if let Some(image) = &self.image {
            part(image.url.as_bytes());
            part(image.alt.as_bytes());
        }
        hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// An article as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredArticle {
    /// Row id.
    pub id: i64,
    /// Counts from 1; each edit or return adds one.
    pub revision: i64,
    /// The id that feeds, mails and webhooks carry for good: `tag:<authority>:<source>/article/<external id>` (RFC 4151).
    pub entry_id: String,
    /// When loa first saw it public: the order of feeds.
    pub first_seen: Timestamp,
    /// When a reader would last have seen it change; equals `first_seen` until an edit.
    pub updated: Timestamp,
    /// Whether it is public now.
    pub visible: bool,
    /// Its content, as last seen.
    pub article: Article,
}

impl StoredArticle {
    /// The id of one change of one revision, the same in feed, mail and webhook: `art_<id>_<revision>_<kind letter>`.
    /// Holds no dot, as Standard Webhooks asks of a `webhook-id`.
    #[must_use]
    pub fn event_id(id: i64, revision: i64, kind: ChangeKind) -> String {
        format!("art_{id}_{revision}_{}", kind.letter())
    }
}

/// What happened to an article between two scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It became public, for the first time or again.
    Published,
    /// It stayed public and its fingerprint moved.
    Revised,
    /// It is no longer public.
    Withdrawn,
}

impl ChangeKind {
    /// The word in the database, in logs and, after `article.`, in webhooks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Revised => "revised",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The kind that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "published" => Self::Published,
            "revised" => Self::Revised,
            "withdrawn" => Self::Withdrawn,
            _ => return None,
        })
    }

    const fn letter(self) -> char {
        match self {
            Self::Published => 'p',
            Self::Revised => 'r',
            Self::Withdrawn => 'w',
        }
    }
}
