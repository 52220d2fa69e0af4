//! The keys of a source of kind `html`, as they are written. Judges nothing: see `rules`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;

use super::preset::Preset;

/// The keys of a source of kind `html`. Every selector is a CSS selector or a list of them, of which the first that finds
/// something counts; one that is given takes the place of the preset's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pages that list articles, the newest first: one address, several, or tables of `url` and `category`.
    #[serde(default)]
    pub list_url: Lists,
    /// Selectors for a known system.
    pub preset: Option<Preset>,
    /// The element around each entry of a list.
    #[serde(default)]
    pub item: Words,
    /// The link to the article, within its entry if `item` is given.
    #[serde(default)]
    pub link: Words,
    /// Which links are articles: `*` is any run of characters, a leading `!` excludes.
    #[serde(default)]
    pub link_pattern: Words,
    /// The link to the list's next page.
    #[serde(default)]
    pub next: Words,
    /// The article's title.
    #[serde(default)]
    pub title: Words,
    /// Its date; looked for on its page and then in its entry.
    #[serde(default)]
    pub date: Words,
    /// Who wrote it.
    #[serde(default)]
    pub author: Words,
    /// Its category, or the way to it from the outermost.
    #[serde(default)]
    pub category: Words,
    /// The one element that holds its text.
    #[serde(default)]
    pub content: Words,
    /// Its lede, where it does not stand in the text.
    #[serde(default)]
    pub summary: Words,
    /// The picture that stands for it.
    #[serde(default)]
    pub image: Words,
    /// What is cut out of the text, besides what the preset cuts out.
    #[serde(default)]
    pub remove: Words,
    /// Pages of each list that the first poll reads.
    #[serde(default = "one")]
    pub pages: usize,
    /// Addresses of sitemaps, of news sitemaps or of indexes of them.
    #[serde(default)]
    pub sitemap: Words,
    /// Articles of one page of a list, or of the sitemap, that are looked at.
    #[serde(default = "limit")]
    pub limit: usize,
    /// Pages of articles that one poll reads.
    #[serde(default = "per_poll")]
    pub per_poll: usize,
    /// IANA name of the zone in which dates without an offset are meant.
    #[serde(default = "home")]
    pub timezone: String,
    /// BCP 47 tag of the articles' language; otherwise what the page says.
    #[serde(default)]
    pub language: String,
    /// From the end of one call to a host to the next, in seconds.
    #[serde(default = "pause")]
    pub pause: f64,
    /// For one whole call, in seconds.
    #[serde(default = "timeout")]
    pub timeout: f64,
    /// Private networks that may be called, exactly named.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Whether `robots.txt` is asked and obeyed.
    #[serde(default = "yes")]
    pub robots: bool,
}

const fn one() -> usize {
    1
}

const fn limit() -> usize {
    30
}

const fn per_poll() -> usize {
    20
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

const fn pause() -> f64 {
    1.0
}

const fn timeout() -> f64 {
    20.0
}

const fn yes() -> bool {
    true
}

/// One text or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Spelled")]
pub struct Words(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum Spelled {
    One(String),
    Many(Vec<String>),
}

impl From<Spelled> for Words {
    fn from(spelled: Spelled) -> Self {
        Self(match spelled {
            Spelled::One(one) => vec![one],
            Spelled::Many(many) => many,
        })
    }
}

/// One list or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "ListsSpelled")]
pub struct Lists(pub(super) Vec<ListEntry>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "an address, or a list of addresses or of tables with `url` and `category`")]
enum ListsSpelled {
    Many(Vec<ListEntry>),
    One(ListEntry),
}

impl From<ListsSpelled> for Lists {
    fn from(spelled: ListsSpelled) -> Self {
        Self(match spelled {
            ListsSpelled::One(one) => vec![one],
            ListsSpelled::Many(many) => many,
        })
    }
}

/// A list: its address, or its address with the category of all that it lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "an address, or a table with `url` and `category`")]
pub(super) enum ListEntry {
    Url(String),
    // Not a struct: serde would take two addresses in a row for its two fields.
    Table(BTreeMap<String, String>),
}
