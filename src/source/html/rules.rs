//! What the settings of a source of kind `html` mean: selectors, lists and bounds, checked once. Reads no page.

use std::fmt;

use jiff::tz::TimeZone;
use scraper::{ElementRef, Selector};
use url::Url;

use super::address::{Home, Pattern};
use super::preset::{self, Preset};
use super::settings::{ListEntry, Settings, Words};
use crate::source::{SourceError, time_zone};

/// A page that lists articles.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub url: Url,
    /// Titles from the outermost category to the one that the list shows; empty if nobody said.
    pub category: Vec<String>,
}

/// Selectors of one key, in the order in which they are tried.
#[derive(Clone)]
pub(super) struct Choice(Vec<(String, Selector)>);

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(text, _)| text)).finish()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", "))
    }
}

impl Choice {
    /// Compiles the selectors of a key.
    fn new<T: AsRef<str>>(name: &str, key: &str, selectors: &[T]) -> Result<Self, SourceError> {
        let compiled = selectors.iter().map(|text| {
            let text = text.as_ref();
            let selector = Selector::parse(text).map_err(|_| {
                SourceError::Schema(format!(
                    "source `{name}`: {key} = \"{text}\" is not a CSS selector; write one such as \".item-page h2\""
                ))
            })?;
            Ok((text.to_owned(), selector))
        });
        Ok(Self(compiled.collect::<Result<_, SourceError>>()?))
    }

    /// Selectors of this house, which are known to be right.
    pub(super) fn own(selectors: &[&str]) -> Self {
        Self::new("", "", selectors).expect("selectors of ours are tested")
    }

    /// Whether nothing was configured.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the first selector that finds anything finds below an element.
    pub(super) fn all<'a>(&self, below: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        let found = self.0.iter().map(|(_, selector)| below.select(selector).collect::<Vec<_>>());
        found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The first thing that is found below an element.
    pub(super) fn first<'a>(&self, below: ElementRef<'a>) -> Option<ElementRef<'a>> {
        self.0.iter().find_map(|(_, selector)| below.select(selector).next())
    }

    /// Everything that any of the selectors finds below an element.
    pub(super) fn every<'a>(&self, below: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        self.0.iter().flat_map(|(_, selector)| below.select(selector).collect::<Vec<_>>()).collect()
    }

    /// Whether an element is one of those that are meant.
    pub(super) fn matches(&self, element: &ElementRef<'_>) -> bool {
        self.0.iter().any(|(_, selector)| selector.matches(element))
    }
}

/// What the settings say, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub lists: Vec<List>,
    pub sitemaps: Vec<Url>,
    pub home: Home,
    pub pattern: Pattern,
    pub item: Choice,
    pub link: Choice,
    pub next: Choice,
    pub title: Choice,
    pub date: Choice,
    pub author: Choice,
    pub category: Choice,
    pub content: Choice,
    pub summary: Choice,
    pub image: Choice,
    pub remove: Choice,
    pub pages: usize,
    pub limit: usize,
    pub per_poll: usize,
    pub zone: TimeZone,
    pub language: String,
}

impl Rules {
    /// Checks the settings.
    pub(super) fn new(name: &str, settings: &Settings) -> Result<Self, SourceError> {
        let fault = |what: String| SourceError::Schema(format!("source `{name}`: {what}"));
        let lists = settings.list_url.0.iter().map(|entry| list(name, entry)).collect::<Result<Vec<_>, _>>()?;
        let sitemaps =
            settings.sitemap.0.iter().map(|url| address(name, "sitemap", url)).collect::<Result<Vec<_>, _>>()?;
        let all: Vec<Url> = lists.iter().map(|list| &list.url).chain(&sitemaps).cloned().collect();
        let Some(first) = all.first() else {
            return Err(fault(
                "nothing says where the articles are; give `list_url` (a page that lists them) or `sitemap`".to_owned(),
            ));
        };
        for (key, value, most) in
            [("pages", settings.pages, 50), ("limit", settings.limit, 500), ("per_poll", settings.per_poll, 200)]
        {
            if !(1..=most).contains(&value) {
                return Err(fault(format!("{key} = {value} is not from 1 to {most}; write such a number")));
            }
        }
        let of_preset = settings.preset.map_or(&preset::NONE, Preset::selectors);
        let choice = |key: &str, own: &Words, other: &[&str]| {
            if own.0.is_empty() { Choice::new(name, key, other) } else { Choice::new(name, key, &own.0) }
        };
        let mut remove = settings.remove.0.clone();
        remove.extend(of_preset.remove.iter().map(|text| (*text).to_owned()));
        let pattern = Pattern::new(&settings.link_pattern.0);
        let any_link: &[&str] =
            if of_preset.link.is_empty() && !pattern.is_empty() { &["a[href]"] } else { of_preset.link };
        let rules = Self {
            home: Home::new(first, &all),
            pattern,
            item: choice("item", &settings.item, if settings.link.0.is_empty() { of_preset.item } else { &[] })?,
            link: choice("link", &settings.link, any_link)?,
            next: choice("next", &settings.next, of_preset.next)?,
            title: choice("title", &settings.title, of_preset.title)?,
            date: choice("date", &settings.date, of_preset.date)?,
            author: choice("author", &settings.author, of_preset.author)?,
            category: choice("category", &settings.category, of_preset.category)?,
            content: choice("content", &settings.content, of_preset.content)?,
            summary: choice("summary", &settings.summary, &[])?,
            image: choice("image", &settings.image, of_preset.image)?,
            remove: Choice::new(name, "remove", &remove)?,
            pages: settings.pages,
            limit: settings.limit,
            per_poll: settings.per_poll,
            zone: time_zone(name, &settings.timezone)?,
            language: settings.language.clone(),
            lists,
            sitemaps,
        };
        if rules.content.is_empty() {
            return Err(fault(
                "nothing says where the text of an article is; give `content` (a CSS selector) or a `preset`"
                    .to_owned(),
            ));
        }
        if !rules.lists.is_empty() && rules.link.is_empty() {
            return Err(fault(
                "nothing says which links of a list are articles; give `link` (a CSS selector), `link_pattern` or a \
                 `preset`"
                    .to_owned(),
            ));
        }
        Ok(rules)
    }
}

fn list(name: &str, entry: &ListEntry) -> Result<List, SourceError> {
    let (url, category) = match entry {
        ListEntry::Url(url) => (url.as_str(), None),
        ListEntry::Table(table) => {
            if let Some(other) = table.keys().find(|key| !matches!(key.as_str(), "url" | "category")) {
                return Err(SourceError::Schema(format!(
                    "source `{name}`: a table of list_url has the key `{other}`; it may have `url` and `category`"
                )));
            }
            (table.get("url").map_or("", String::as_str), table.get("category").map(String::as_str))
        }
    };
    let titles = category.into_iter().flat_map(|path| path.split('/')).map(str::trim).filter(|title| !title.is_empty());
    Ok(List { url: address(name, "list_url", url)?, category: titles.map(str::to_owned).collect() })
}

fn address(name: &str, key: &str, text: &str) -> Result<Url, SourceError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(|| {
        SourceError::Schema(format!(
            "source `{name}`: {key} = \"{text}\" is not an address; write it as a browser shows it, such as \
             https://portal.example.vn/tin-tuc"
        ))
    })?;
    url.set_fragment(None);
    Ok(url)
}
