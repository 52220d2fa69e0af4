//! A folder of Markdown or HTML files with front matter: the simplest content store, for demonstrations, tests and portals
//! that export files. Reads only; never follows a link out of the folder.
//!
//! Every `.md` and `.html` file below the folder is an article; names that begin with a dot, and folders named `_drafts` or
//! `images`, are passed over. A file begins with a head:
//!
//! ```text
//! ---
//! title: Hội nghị tổng kết năm        (required)
//! published: 2021-11-23 14:05         (required: on the site's wall clock, or RFC 3339; hidden until then)
//! id: tin-1                           (default: the path without its ending)
//! url: bai/tin-1.html                 (default: the id below the site's address)
//! updated: 24/11/2021 08:00
//! category: Xây dựng Đảng/Công tác tổ chức; Tin tức     (paths of titles)
//! author: Trúc Linh, Văn An
//! tags: đại hội, chi bộ
//! image: images/hoi-nghi.jpg
//! image_alt: Quang cảnh hội nghị
//! language: vi
//! draft: true                         (hidden)
//! summary: Một câu tóm tắt.
//! ---
//! ```
//!
//! `published` is required because a file's own times change with every copy, and an article's date must not. Relative links
//! and pictures are relative to the site's root.

mod front_matter;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use pulldown_cmark::{Options, Parser};
use serde::Deserialize;
use url::Url;

use self::front_matter::Head;
use self::survey::{Entry, Memory, Survey};
use super::stamp::Stamp;
use super::unique::take;
use super::{
    Ask, Census, Description, EXAMPLES, Fault, Fetched, Flip, Hidden, Light, Reach, Rhythm, Scan, Source, SourceError,
    site_base, time_zone,
};
use crate::clock::Timestamp;
use crate::domain::article::{Category, Image, RawArticle};
use crate::text::media::media_type;
use crate::text::slug::try_slug;
use crate::text::xml::XmlText;

/// The keys of a source of kind `folder`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder; relative to where loa runs.
    pub path: PathBuf,
    /// The address below which the articles' pages are.
    pub site_url: String,
    /// IANA name of the zone in which dates without an offset are meant.
    #[serde(default = "home")]
    pub timezone: String,
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

/// An open folder.
pub struct Folder {
    name: String,
    base: Url,
    place: Arc<Place>,
}

struct Place {
    path: PathBuf,
    zone: TimeZone,
    memory: Mutex<Memory>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folder({} at {})", self.name, self.place.path.display())
    }
}

impl Folder {
    /// Checks the settings; reads nothing yet.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when the address or the zone is not one.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        Ok(Self {
            name: name.to_owned(),
            base: site_base(name, &settings.site_url)?,
            place: Arc::new(Place {
                zone: time_zone(name, &settings.timezone)?,
                path: settings.path,
                memory: Mutex::default(),
            }),
        })
    }

    async fn survey(&self) -> Result<Survey, SourceError> {
        let place = Arc::clone(&self.place);
        let walked = tokio::task::spawn_blocking(move || {
            // A walk that panicked leaves at worst less to remember.
            let mut memory = place.memory.lock().unwrap_or_else(PoisonError::into_inner);
            survey::survey(&place.path, &place.zone, &mut memory)
        })
        .await
        .map_err(|error| SourceError::Unreachable(format!("source `{}`: the walk broke off: {error}", self.name)))?;
        walked.map_err(|error| {
            let path = self.place.path.display();
            let name = &self.name;
            match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => SourceError::Schema(format!(
                    "source `{name}`: there is no folder {path}; create it or correct `path`"
                )),
                std::io::ErrorKind::PermissionDenied => SourceError::Refused(format!(
                    "source `{name}`: the folder {path} may not be read; give loa's user the right to read and enter it"
                )),
                _ => {
                    SourceError::Unreachable(format!("source `{name}`: the folder {path} cannot be read now: {error}"))
                }
            }
        })
    }

    fn url(&self, entry: &Entry) -> String {
        let mut url = self.base.clone();
        if let Some(own) = &entry.head.url {
            return url.join(own).map_or_else(|_| own.clone(), Into::into);
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(entry.id.split('/'));
        }
        url.into()
    }

    fn article(&self, entry: &Entry, text: &str) -> Result<RawArticle, String> {
        let (head, body) = front_matter::parse(text, &self.place.zone)
            .map_err(|fault| format!("line {}: {}", fault.line, fault.what))?;
        let content_html =
            if survey::ending(&entry.path) == Some("html") { inner_body(body).to_owned() } else { from_markdown(body) };
        Ok(RawArticle {
            external_id: entry.id.clone(),
            url: self.url(entry),
            base: Some(self.base.clone()),
            summary_html: escape(&head.summary),
            content_html,
            categories: category_ids(&head),
            published: head.published,
            updated: head.updated,
            image: head.image.map(|url| Image {
                media_type: media_type(&url).to_owned(),
                url,
                alt: XmlText::from(head.image_alt),
                width: None,
                height: None,
                length: None,
            }),
            title: head.title,
            authors: head.authors,
            tags: head.tags,
            language: head.language,
        })
    }
}

impl Source for Folder {
    async fn describe(&self) -> Result<Description, SourceError> {
        let survey = self.survey().await?;
        let path = self.place.path.display();
        let many = if survey.entries.len() == 1 { "file" } else { "files" };
        let mut found = format!("{path}: {} article {many}", survey.entries.len());
        if !survey.faults.is_empty() {
            found = format!("{found}, {} with faults; the first: {}", survey.faults.len(), survey.faults[0].message);
        }
        Ok(Description { name: self.name.clone(), kind: "folder", found })
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Whole
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let now = ask.now;
        let survey = self.survey().await?;
        let public = |entry: &&Entry| !entry.head.draft && entry.head.published <= now;
        let visible: Vec<&Entry> = survey.entries.iter().filter(public).collect();
        let categories = categories(&survey.entries, &visible);
        let named: BTreeMap<&str, &Category> = categories.iter().map(|c| (c.external_id.as_str(), c)).collect();
        Ok(Scan {
            flips: survey
                .entries
                .iter()
                .filter(|entry| !entry.head.draft && entry.head.published > now)
                .map(|entry| Flip { at: entry.head.published, external_id: entry.id.clone() })
                .collect(),
            articles: visible
                .into_iter()
                .map(|entry| {
                    let mut stamp = Stamp::default();
                    stamp.part(&entry.hash);
                    stamp.part(self.url(entry));
                    stamp.part(self.base.as_str());
                    // The title of a category is that of the first file that names it: another file may change it.
                    for category in category_ids(&entry.head).iter().filter_map(|id| named.get(id.as_str())) {
                        stamp.part(&category.slug);
                        stamp.part(category.title.as_str());
                    }
                    Light { external_id: entry.id.clone(), fingerprint: stamp.hex() }
                })
                .collect(),
            categories: survey.complete.then_some(categories),
            categories_hide: false,
            deeper: false,
            reach: if survey.complete { Reach::Whole } else { Reach::Part },
            faults: survey.faults,
        })
    }

    async fn census(&self, now: Timestamp) -> Result<Census, SourceError> {
        let entries = self.survey().await?.entries;
        let why = |entry: &Entry| {
            let waits = entry.head.published > now;
            if entry.head.draft {
                Some("drafts")
            } else {
                waits.then_some("dated in the future: they wait for their time")
            }
        };
        let mut by_reason: BTreeMap<&str, Hidden> = BTreeMap::new();
        for (reason, entry) in entries.iter().filter_map(|entry| Some((why(entry)?, entry))) {
            let hidden = by_reason.entry(reason).or_insert_with(|| Hidden {
                reason: reason.to_owned(),
                count: 0,
                examples: Vec::new(),
            });
            hidden.count += 1;
            if hidden.examples.len() < EXAMPLES {
                hidden.examples.push(format!("{}: {}", entry.id, entry.head.title));
            }
        }
        Ok(Census { by_category: None, hidden: by_reason.into_values().collect() })
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        let survey = self.survey().await?;
        let wanted: Vec<Entry> = survey
            .entries
            .into_iter()
            .filter(|entry| ids.contains(&entry.id) && !entry.head.draft && entry.head.published <= now)
            .collect();
        let texts = tokio::task::spawn_blocking(move || {
            wanted.into_iter().map(|entry| (survey::read_text(&entry.path), entry)).collect::<Vec<_>>()
        })
        .await
        .map_err(|error| SourceError::Unreachable(format!("source `{}`: reading broke off: {error}", self.name)))?;
        let mut fetched = Fetched {
            faults: survey.faults.into_iter().filter(|fault| ids.contains(&fault.external_id)).collect(),
            ..Fetched::default()
        };
        for (text, entry) in texts {
            match text.and_then(|text| self.article(&entry, &text)) {
                Ok(article) => fetched.articles.push(article),
                Err(what) => {
                    fetched.faults.push(Fault { message: format!("{}: {what}", entry.shown), external_id: entry.id });
                }
            }
        }
        Ok(fetched)
    }
}

/// The id of a category: the names of its path, which do not change when a title changes only its case or its marks.
fn category_id(path: &[String]) -> String {
    path.iter().map(|title| name(title)).collect::<Vec<_>>().join("/")
}

/// The name of one title; a title without any letter that ASCII has is named after its hash.
fn name(title: &str) -> String {
    if let Some(name) = try_slug(title) {
        return name;
    }
    let mut stamp = Stamp::default();
    stamp.part(title);
    format!("c-{}", &stamp.hex()[..8])
}

/// Own categories first, then their ancestors, the nearest first.
fn category_ids(head: &Head) -> Vec<String> {
    let mut ids: Vec<String> = head.categories.iter().map(|path| category_id(path)).collect();
    for path in &head.categories {
        ids.extend((1..path.len()).rev().map(|depth| category_id(&path[..depth])));
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}

/// Categories of the visible articles. A name goes to the highest category that wants it, over hidden articles too, so that
/// it does not change when an article is published.
fn categories(all: &[Entry], visible: &[&Entry]) -> Vec<Category> {
    let mut titles: BTreeMap<(usize, String), &[String]> = BTreeMap::new();
    for path in all.iter().flat_map(|entry| &entry.head.categories) {
        for depth in 1..=path.len() {
            titles.entry((depth, category_id(&path[..depth]))).or_insert(&path[..depth]);
        }
    }
    let shown: BTreeSet<String> = visible.iter().flat_map(|entry| category_ids(&entry.head)).collect();
    let mut taken = BTreeSet::new();
    titles
        .into_iter()
        .filter_map(|((_, id), path)| {
            let (title, ancestors) = path.split_last()?;
            let slug = take(&mut taken, &name(title), id.replace('/', "-"));
            shown.contains(&id).then(|| Category {
                parent: (!ancestors.is_empty()).then(|| category_id(ancestors)),
                title: XmlText::new(title),
                slug,
                external_id: id,
            })
        })
        .collect()
}

fn from_markdown(text: &str) -> String {
    let mut html = String::with_capacity(text.len() * 3 / 2);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, options));
    html
}

/// What stands between `<body>` and `</body>` of a whole page; a fragment stays as it is.
fn inner_body(html: &str) -> &str {
    let lower = html.to_ascii_lowercase();
    let Some(start) = lower.find("<body").and_then(|at| lower[at..].find('>').map(|end| at + end + 1)) else {
        return html;
    };
    let end = lower.rfind("</body").filter(|end| *end >= start).unwrap_or(html.len());
    &html[start..end]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
