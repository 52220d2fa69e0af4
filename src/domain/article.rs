//! Articles, their revisions and the changes between them. Never knows where an article is stored or shown.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::Timestamp;
use crate::text::xml::XmlText;

/// An article as a source gave it: dates in UTC, links as they were written, HTML not yet cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawArticle {
    /// The source's own stable id, as text.
    pub external_id: String,
    /// The address of the article's page: absolute, or relative to `base`.
    pub url: String,
    /// The root of the portal, which links and pictures of the text are relative to; it may lie in a folder of its host
    /// (`https://example.vn/portal/`). Without it, the root of the host of `url`.
    pub base: Option<Url>,
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
    /// What readers would see as this article's content, as one hash (hex of twice 128 bits of SHA-256: what is read, and
    /// everything). Two articles with one fingerprint look the same to a reader; dates that an editor's tool touches by
    /// itself do not count. See [`Article::is_minor`].
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut read = Parts::default();
        read.part(self.title.as_str());
        read.part(self.summary.as_str());
        read.part(self.content_html.as_str());
        read.part(self.image.as_ref().map_or("", |image| image.url.as_str()));
        let mut all = Parts(read.0.clone());
        all.part(&self.url);
        all.part(&self.language);
        all.part(self.published.millis().to_le_bytes());
        all.part(self.agency.as_deref().unwrap_or_default());
        all.list(self.authors.iter().map(XmlText::as_str));
        all.0.update((self.categories.len() as u64).to_le_bytes());
        for category in &self.categories {
            all.part(&category.slug);
            all.part(category.title.as_str());
            all.list(category.ancestors.iter().map(String::as_str));
        }
        all.list(self.tags.iter().map(XmlText::as_str));
        all.part(self.image.as_ref().map_or("", |image| image.alt.as_str()));
        read.hex() + &all.hex()
    }

    /// Whether the way from one fingerprint to the other is a minor edit: title, lede, text and picture are the same, and
    /// only what stands around them (a name, a category, a tag, the address) moved. Feeds and endpoints get it, but readers
    /// are not made to show the article as changed (RFC 4287 §4.2.15).
    #[must_use]
    pub fn is_minor(before: &str, after: &str) -> bool {
        before.get(..HALF).is_some_and(|read| after.get(..HALF) == Some(read))
    }
}

/// Hex digits of one half of a fingerprint.
const HALF: usize = 32;

/// A hash of parts, with the length before each, so that no two different lists of parts give the same bytes.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn list<'a>(&mut self, parts: impl ExactSizeIterator<Item = &'a str>) {
        self.0.update((parts.len() as u64).to_le_bytes());
        for part in parts {
            self.part(part);
        }
    }

    fn hex(self) -> String {
        self.0.finalize().iter().take(HALF / 2).fold(String::with_capacity(HALF), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// An article as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredArticle {
    /// Row id.
    pub id: i64,
    /// Counts from 1; each edit or return adds one.
    pub revision: i64,
    /// The id that feeds, mails and webhooks carry for good: `tag:<authority>:<source>/article/<external id>` (RFC 4151).
    pub entry_id: String,
    /// When loa first saw it public: the order of feeds.
    pub first_seen: Timestamp,
    /// When a reader would last have seen it change; equals `first_seen` until an edit, and stays in a minor one.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn article() -> Article {
        Article {
            source: "portal".to_owned(),
            external_id: "1".to_owned(),
            url: "https://portal.example.vn/1".to_owned(),
            title: "Hội nghị".into(),
            summary: "Sáng nay".into(),
            content_html: "<p>Sáng nay</p>".into(),
            authors: vec!["An".into()],
            agency: None,
            categories: Vec::new(),
            tags: Vec::new(),
            language: "vi".to_owned(),
            image: None,
            published: Timestamp(1),
        }
    }

    #[test]
    fn an_edit_of_what_is_read_is_major_and_of_what_stands_around_it_minor() {
        let before = article().fingerprint();
        assert_eq!(before, article().fingerprint());
        let minor = |edit: fn(&mut Article)| {
            let mut after = article();
            edit(&mut after);
            let after = after.fingerprint();
            assert_ne!(before, after);
            Article::is_minor(&before, &after)
        };
        assert!(!minor(|a| a.title = "Hội  nghị".into()));
        assert!(!minor(|a| a.content_html = "<p>Chiều nay</p>".into()));
        assert!(minor(|a| a.authors = vec!["Bình".into()]));
        assert!(minor(|a| a.authors = Vec::new()));
        assert!(minor(|a| a.tags = vec!["An".into()]));
        assert!(minor(|a| a.url = "https://portal.example.vn/2".to_owned()));
        assert!(minor(|a| a.published = Timestamp(2)));
        assert!(!Article::is_minor("", "") && !Article::is_minor("kurz", &before));
    }
}
