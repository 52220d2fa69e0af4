//! One version of a feed as it is served: light enough to be kept for every feed, with its three documents packed into
//! one. What readers ask for all the time stands unpacked on the shelf.

use std::time::Duration;

use super::pack::Pack;
use super::ready::{Ready, etag};
use crate::clock::Timestamp;
use crate::domain::article::{Article, StoredArticle};
use crate::domain::feed::{Feed, FeedOrigin};
use crate::feed::document::{Document, Format, RenderError};
use crate::feed::edition::Edition;
use crate::text::xml::XmlText;

/// Articles that a feed's page shows: they are kept packed, without their texts, pictures and tags.
const TEASERS: usize = 20;

/// Versions before this one that deltas are made from.
const PAST: usize = 8;

/// How long a retired feed says that it has ended before it is gone.
pub const FAREWELL: Duration = Duration::from_hours(30 * 24);

/// An article that is not in its feed as it came, for the editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Row id of the article.
    pub article: i64,
    /// Its title.
    pub title: XmlText,
    /// What is wrong with it or was done to it, in one sentence.
    pub what: String,
    /// Whether it is not in the feed at all.
    pub left_out: bool,
}

/// Why a feed is served as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// The version that could not be published.
    pub version: i64,
    /// Why, for the operator.
    pub reason: String,
}

/// What is said of one document in headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Weak entity tag.
    pub etag: String,
    /// Value of `Link`: its own address, and the hub's.
    pub link: String,
}

/// A version that some readers have.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub number: i64,
    pub etags: [String; 3],
    /// Article and revision.
    pub items: Box<[(i64, i64)]>,
}

/// Everything about one version of a feed.
#[derive(Clone, Debug)]
pub struct Published {
    /// The feed.
    pub feed: Feed,
    /// When it last changed, in whole seconds; a later version of the same feed has a later one: `Last-Modified`.
    pub changed: Timestamp,
    /// Names of the sources that its articles come from; empty for a feed of any source.
    pub sources: Box<[String]>,
    /// When the newest article that it shows was published.
    pub latest: Option<Timestamp>,
    /// About how many articles a week it brings.
    pub weekly: i64,
    /// Seconds for which a reader need not ask again.
    pub max_age: u64,
    /// `Last-Modified`, as HTTP writes it.
    pub last_modified: String,
    /// `Cache-Control` of its documents.
    pub cache_control: String,
    /// When the feed was retired: for [`FAREWELL`] it says so, then it is gone.
    pub ended: Option<Timestamp>,
    /// Why a newer version is not served.
    pub trouble: Option<Trouble>,
    /// What its editor should know of its articles.
    pub findings: Vec<Finding>,
    pub(super) heads: [Head; 3],
    pub(super) past: Vec<Version>,
    items: Box<[(i64, i64)]>,
    teasers: Pack,
    documents: Pack,
    lengths: [usize; 3],
}

/// The place of a format in triples.
pub(in crate::work) const fn index(format: Format) -> usize {
    match format {
        Format::Rss => 0,
        Format::Atom => 1,
        Format::Json => 2,
    }
}

impl Published {
    /// A feed of which only its declaration was read.
    pub(super) fn unread(feed: Feed) -> Self {
        Self {
            changed: feed.changed,
            feed,
            sources: Box::default(),
            latest: None,
            weekly: 0,
            max_age: 0,
            last_modified: String::new(),
            cache_control: String::new(),
            ended: None,
            trouble: None,
            findings: Vec::new(),
            heads: Default::default(),
            past: Vec::new(),
            items: Box::default(),
            teasers: Pack::default(),
            documents: Pack::default(),
            lengths: [0; 3],
        }
    }

    /// Proves and packs a document. `before` is what was served until now.
    ///
    /// # Errors
    /// Why this version must not be served.
    pub(super) fn of(
        feed: Feed,
        document: Document,
        articles: &[StoredArticle],
        weekly: i64,
        ended: Option<Timestamp>,
        before: Option<&Self>,
    ) -> Result<(Self, Edition), RenderError> {
        let max_age = u64::from(document.ttl) * 60;
        let repaired = document.repaired.clone();
        let links = Format::ALL.map(|format| {
            let own = format!("<{}>; rel=\"self\"", document.own(format));
            document.hub.as_ref().map_or_else(|| own.clone(), |hub| format!("{own}, <{hub}>; rel=\"hub\""))
        });
        let all: Vec<(i64, i64)> = document.items.iter().map(|item| (item.article, item.revision)).collect();
        let edition = Edition::of(document)?;
        let title = |id: i64| {
            articles
                .iter()
                .find(|stored| stored.id == id)
                .map(|stored| stored.article.title.clone())
                .unwrap_or_default()
        };
        let finding = |left_out: bool| {
            move |(article, what): &(i64, String)| Finding {
                article: *article,
                title: title(*article),
                what: what.clone(),
                left_out,
            }
        };
        let findings = edition.left_out.iter().map(finding(true)).chain(repaired.iter().map(finding(false))).collect();
        let out: std::collections::HashSet<i64> = edition.left_out.iter().map(|(id, _)| *id).collect();
        let mut heads: [Head; 3] = Default::default();
        let mut whole = Vec::with_capacity(edition.rss.len() + edition.atom.len() + edition.json.len());
        let mut lengths = [0; 3];
        for (format, link) in Format::ALL.into_iter().zip(links) {
            let bytes = edition.bytes(format);
            heads[index(format)] = Head { etag: etag(bytes), link };
            lengths[index(format)] = bytes.len();
            whole.extend_from_slice(bytes);
        }
        let packed =
            |bytes: &[u8]| Pack::of(bytes).map_err(|e| RenderError::Writer { format: "packed", reason: e.to_string() });
        let documents = packed(&whole)?;
        let teasers: Vec<StoredArticle> = articles.iter().filter(|a| a.visible).take(TEASERS).map(teaser).collect();
        let latest = teasers.iter().map(|teaser| teaser.article.published).max();
        let teasers = serde_json::to_vec(&teasers)
            .map_err(|e| RenderError::Writer { format: "packed", reason: e.to_string() })?;
        let teasers = packed(&teasers)?;
        let mut published = Self {
            changed: whole_second(feed.changed),
            sources: sources(&feed, articles),
            feed,
            latest,
            weekly,
            max_age,
            last_modified: String::new(),
            cache_control: keep(max_age),
            ended,
            trouble: None,
            findings,
            heads,
            past: Vec::new(),
            items: all.into_iter().filter(|(id, _)| !out.contains(id)).collect(),
            teasers,
            documents,
            lengths,
        };
        if let Some(before) = before.filter(|before| before.is_read()) {
            published.follow(before);
        }
        published.last_modified = published.changed.http_date();
        Ok((published, edition))
    }

    /// Two versions within one second must not have one `Last-Modified`, or whoever asks by date misses the second.
    fn follow(&mut self, before: &Self) {
        if self.heads == before.heads {
            self.changed = before.changed;
            self.past.clone_from(&before.past);
            return;
        }
        self.changed = self.changed.max(before.changed.plus(Duration::from_secs(1)));
        if self.ended.is_none() && before.ended.is_none() {
            let etags = before.heads.each_ref().map(|head| head.etag.clone());
            let last = Version { number: before.feed.version, etags, items: before.items.clone() };
            self.past = std::iter::once(last).chain(before.past.iter().cloned()).take(PAST).collect();
        }
    }

    /// Whether its documents were made: before that, nothing of it can be served but its name.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.lengths[0] > 0
    }

    /// What is said of a document in headers.
    #[must_use]
    pub fn head(&self, format: Format) -> &Head {
        &self.heads[index(format)]
    }

    /// The document in one format. Unpacks all three: for what readers ask, see `Publisher::document`.
    #[must_use]
    pub fn bytes(&self, format: Format) -> Vec<u8> {
        let whole = self.documents.unpack();
        let at = index(format);
        let from: usize = self.lengths[..at].iter().sum();
        whole.get(from..from + self.lengths[at]).unwrap_or_default().to_vec()
    }

    /// The newest articles that it shows, without texts, pictures and tags; for its page. Unpacked each time: pages are
    /// seldom asked for, and there are many feeds.
    #[must_use]
    pub fn teasers(&self) -> Vec<StoredArticle> {
        serde_json::from_slice(&self.teasers.unpack()).unwrap_or_default()
    }

    /// The document in one format, compressed. Takes milliseconds; never call it on a thread that answers.
    #[must_use]
    pub fn ready(&self, format: Format) -> Ready {
        Ready::tagged(format.content_type(), self.head(format).etag.clone(), self.bytes(format))
    }

    /// Whether the feed was retired so long ago that it says nothing any more.
    #[must_use]
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.feed.retired && self.ended.is_none_or(|ended| now.since(ended) >= FAREWELL)
    }

    /// Entity tags in one format of the versions that deltas are made from, the last first.
    pub fn past(&self, format: Format) -> impl Iterator<Item = &str> {
        self.past.iter().map(move |version| version.etags[index(format)].as_str())
    }
}

/// The sources that a feed's articles come from: a category belongs to the sources of its articles, a topic takes from all
/// unless it says otherwise.
fn sources(feed: &Feed, articles: &[StoredArticle]) -> Box<[String]> {
    let mut names: Vec<String> = match feed.origin {
        FeedOrigin::Category => articles.iter().map(|stored| stored.article.source.clone()).collect(),
        FeedOrigin::File | FeedOrigin::Selection => feed.spec.select.sources.clone(),
    };
    names.sort_unstable();
    names.dedup();
    names.into()
}

/// An article as a feed's page needs it.
fn teaser(stored: &StoredArticle) -> StoredArticle {
    let article = &stored.article;
    StoredArticle {
        entry_id: stored.entry_id.clone(),
        article: Article {
            source: article.source.clone(),
            external_id: article.external_id.clone(),
            url: article.url.clone(),
            title: article.title.clone(),
            summary: article.summary.clone(),
            content_html: XmlText::default(),
            authors: article.authors.clone(),
            agency: article.agency.clone(),
            categories: article.categories.clone(),
            tags: Vec::new(),
            language: article.language.clone(),
            image: None,
            published: article.published,
        },
        ..*stored
    }
}

/// For how long a document may be kept, and that it may be shown for longer while it is asked for anew, or while we are
/// not there.
#[must_use]
pub fn keep(max_age: u64) -> String {
    format!("public, max-age={max_age}, stale-while-revalidate=86400, stale-if-error=604800")
}

/// The first whole second that is not before an instant: HTTP dates have no fractions, and a version that comes later in
/// the same second must not be taken for this one.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_add(999).div_euclid(1000).saturating_mul(1000))
}
