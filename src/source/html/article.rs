//! A page of an article: what it says, found by the selectors, then by what the page tells machines. What is not surely
//! an article is a fault, never an empty one.
//!
//! Each fact comes from the first of these that has it:
//! title: `title`, JSON-LD `headline`, the only `h1`, `og:title`, `<title>`; date: `date`, JSON-LD `datePublished`,
//! `article:published_time`, microdata; authors: `author`, the signature at the end, JSON-LD, `<meta name=author>`;
//! categories: `category`, `BreadcrumbList`, `article:section`; picture: `image`, JSON-LD, `og:image`, and later the
//! first one of the text.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use scraper::ElementRef;
use url::Url;

use super::links::{self, base_of, lazy};
use super::metadata::Metadata;
use super::rules::{Choice, Rules};
use super::{bounds, byline, furniture, when};
use crate::clock::Timestamp;
use crate::domain::article::Image;
use crate::source::stamp::Stamp;
use crate::text::date::parse::date;
use crate::text::fold::fold;
use crate::text::html::{clean, plain};
use crate::text::media::media_type;
use crate::text::xml::XmlText;

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Plain text.
    pub title: String,
    /// The lede as HTML, where it has an element of its own.
    pub summary_html: String,
    /// The whole text as HTML, the lede included; links and pictures absolute.
    pub content_html: String,
    pub authors: Vec<String>,
    /// Titles from the outermost category to the article's own.
    pub category: Vec<String>,
    pub published: Option<Timestamp>,
    pub updated: Option<Timestamp>,
    pub language: String,
    pub image: Option<Image>,
    /// Where the page says that it is.
    pub canonical: Option<Url>,
}

impl Piece {
    /// A hash of what readers would see. Dates that a server touches by itself, markup that differs at each answer and
    /// whatever is not of the article do not count.
    pub(super) fn hash(&self, root: &Url) -> String {
        let mut stamp = Stamp::default();
        stamp.part(&self.title);
        stamp.part(plain(&self.summary_html).as_str());
        stamp.part(clean(&self.content_html, root).as_str());
        stamp.part(&self.language);
        stamp.maybe(self.published.map(|at| at.millis().to_string()).as_deref());
        stamp.maybe(self.image.as_ref().map(|image| image.url.as_str()));
        for list in [&self.authors, &self.category] {
            stamp.part(list.len().to_string());
            for part in list {
                stamp.part(part);
            }
        }
        stamp.hex()
    }
}

/// Reads the text of a page that was found at this address.
///
/// # Errors
/// Why it is no article, as a clause that follows "the page", with what to do.
pub(super) fn read(text: &str, at: &Url, rules: &Rules) -> Result<Piece, String> {
    let mut page = bounds::parse(text).map_err(|what| format!("{what}; it is not read"))?;
    let base = base_of(&page, at);
    let said = Metadata::read(&page);
    let root = page.root_element();
    let content = only(rules.content.all(root), rules)?;
    if Choice::own(&["input[type=password]"]).first(content).is_some() {
        return Err(
            "asks for a password where the article should be; it is for members, or the portal shows its login \
                    page instead"
                .to_owned(),
        );
    }
    let title = rules.title.first(root);
    let mut piece = Piece {
        title: title_of(title, root, &said),
        published: date_of(root, &rules.date, &rules.zone).or_else(|| first_date(&said.published, &rules.zone)),
        updated: first_date(&said.modified, &rules.zone),
        category: category(rules.category.all(root), &said, at),
        language: if rules.language.is_empty() {
            said.language.clone().unwrap_or_default()
        } else {
            rules.language.clone()
        },
        canonical: said.canonical.as_deref().and_then(|url| base.join(url).ok()),
        image: image(rules.image.first(root), &said, &base),
        authors: authors(&rules.author.all(root)),
        ..Piece::default()
    };
    piece.category.retain(|name| *name != piece.title);
    let summary = rules.summary.first(root);
    let summary_id = summary.map(|element| element.id());
    let summary_inside = summary.is_some_and(|element| element.ancestors().any(|outer| outer.id() == content.id()));
    let content = content.id();
    // What was found by a selector of its own is not part of the text.
    let own: BTreeSet<_> = title.into_iter().chain(rules.date.all(root)).map(|element| element.id()).collect();
    furniture::detach(&mut page, &own.into_iter().filter(|id| *id != content && Some(*id) != summary_id).collect());
    furniture::cut(&mut page, content, &rules.remove, &rules.zone);
    links::reveal_mail(&mut page);
    links::absolute(&mut page, &base);
    let element = |id| page.tree.get(id).and_then(ElementRef::wrap);
    if let Some(summary) = summary_id.and_then(element) {
        piece.summary_html = summary.inner_html();
    }
    if let Some(content) = element(content) {
        if piece.authors.is_empty() {
            piece.authors = byline::names(content);
        }
        piece.content_html = content.inner_html();
    }
    if piece.authors.is_empty() {
        piece.authors = people(said.authors.iter().map(String::as_str));
    }
    let pictured = piece.content_html.contains("<img") || piece.content_html.contains("<iframe");
    if plain(&piece.content_html).trim().is_empty() && !pictured {
        return Err(format!(
            "has nothing in the element that `content` ({}) finds; check `content` and `remove`",
            rules.content
        ));
    }
    if !piece.summary_html.is_empty() && !summary_inside {
        piece.content_html = format!("<p>{}</p>\n{}", piece.summary_html, piece.content_html);
    }
    Ok(piece)
}

/// The one element that holds the text.
fn only<'a>(found: Vec<ElementRef<'a>>, rules: &Rules) -> Result<ElementRef<'a>, String> {
    let ids: BTreeSet<_> = found.iter().map(|element| element.id()).collect();
    let mut outer = found.into_iter().filter(|element| !element.ancestors().any(|around| ids.contains(&around.id())));
    let Some(first) = outer.next() else {
        return Err(format!(
            "has nothing that `content` ({}) finds; it is no article, or the portal shows another page in its place \
             (login, home page), or it changed its design",
            rules.content
        ));
    };
    match outer.count() {
        0 => Ok(first),
        more => Err(format!(
            "has {} elements that `content` ({}) finds; it is a list, or the selector is too wide: name the one element \
             that holds the text",
            more + 1,
            rules.content
        )),
    }
}

/// The date that the selectors find below an element: in `datetime` or `content`, else in its text.
pub(super) fn date_of(below: ElementRef<'_>, selectors: &Choice, zone: &TimeZone) -> Option<Timestamp> {
    let selected = selectors.all(below);
    selected.into_iter().find_map(|element| {
        let written = element.attr("datetime").or_else(|| element.attr("content"));
        let inner =
            || Choice::own(&["time[datetime]"]).first(element).and_then(|time| date(time.attr("datetime")?, zone));
        written.and_then(|text| date(text, zone)).or_else(inner).or_else(|| when::find(&words_of(element), zone))
    })
}

fn first_date(texts: &[String], zone: &TimeZone) -> Option<Timestamp> {
    texts.iter().find_map(|text| date(text, zone))
}

fn title_of(selected: Option<ElementRef<'_>>, root: ElementRef<'_>, said: &Metadata) -> String {
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let only_h1 = || match Choice::own(&["h1"]).all(root)[..] {
        [h1] => filled(words_of(h1)),
        _ => None,
    };
    let tag = || Choice::own(&["title"]).first(root).and_then(|title| filled(words_of(title)));
    selected
        .and_then(|element| filled(element.attr("content").map_or_else(|| words_of(element), str::to_owned)))
        .or_else(|| said.headline.as_deref().map(|text| plain(text).into_string()))
        .or_else(only_h1)
        .or_else(|| said.og_title.clone())
        .or_else(tag)
        .unwrap_or_default()
}

/// The way to the article's category. Home and the article itself are no part of it.
fn category(selected: Vec<ElementRef<'_>>, said: &Metadata, at: &Url) -> Vec<String> {
    let labels = ["danh muc", "chuyen muc", "chuyen de", "the loai", "muc", "category", "posted in", "dang trong"];
    let mut names: Vec<String> =
        selected.into_iter().map(|element| without_label(&words_of(element), &labels)).collect();
    if names.is_empty() {
        let is_here = |url: &Option<String>| match url {
            Some(url) => at.join(url).is_ok_and(|url| url.path() == at.path() && url.query() == at.query()),
            // The last step, the page itself, has no address.
            None => true,
        };
        names =
            said.crumbs.iter().filter(|(_, url)| !is_here(url)).map(|(name, _)| plain(name).into_string()).collect();
    }
    if names.is_empty() {
        names.extend(said.section.clone());
    }
    names.retain(|name| {
        !name.is_empty() && name.len() <= 200 && !["trang chu", "home", "trang nhat"].contains(&fold(name).as_str())
    });
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.truncate(6);
    names
}

fn authors(selected: &[ElementRef<'_>]) -> Vec<String> {
    let labels =
        ["viet boi", "dang boi", "tac gia", "nguoi viet", "nguoi dang", "written by", "posted by", "by", "author"];
    let names: Vec<String> = selected
        .iter()
        .map(|e| without_label(&e.attr("content").map_or_else(|| words_of(*e), str::to_owned), &labels))
        .collect();
    people(names.iter().map(String::as_str))
}

fn people<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= 200 && byline::is_person(name))
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// `Chuyên mục: Công tác tổ chức` without its label, with or without the colon.
fn without_label(text: &str, labels: &[&str]) -> String {
    if let Some((label, rest)) = text.split_once(':')
        && labels.contains(&fold(label).trim())
    {
        return rest.trim().to_owned();
    }
    for label in labels {
        let words = label.split(' ').count();
        let mut parts = text.splitn(words + 1, ' ');
        let head: Vec<&str> = parts.by_ref().take(words).collect();
        if let Some(rest) = parts.next()
            && fold(&head.join(" ")) == *label
        {
            return rest.trim().to_owned();
        }
    }
    text.trim().to_owned()
}

fn image(selected: Option<ElementRef<'_>>, said: &Metadata, base: &Url) -> Option<Image> {
    let of_element = |element: ElementRef<'_>| {
        let inner = Choice::own(&["img"]).first(element);
        let picture = if element.value().name() == "img" { element } else { inner.unwrap_or(element) };
        let url = lazy(picture).or_else(|| ["src", "content", "href"].iter().find_map(|name| picture.attr(name)))?;
        Some((base.join(url.trim()).ok()?, picture.attr("alt").unwrap_or_default().to_owned()))
    };
    let of_page = || {
        let urls = said.images.iter().filter_map(|url| base.join(url).ok());
        // Themes name the portal's emblem where an article has no picture.
        urls.map(|url| (url, String::new())).find(|(url, _)| !url.path().to_ascii_lowercase().contains("logo"))
    };
    let (mut url, alt) = selected.and_then(of_element).or_else(of_page)?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    // Joomla 4 and later hang `#joomlaImage://…` on the address.
    url.set_fragment(None);
    Some(Image {
        media_type: media_type(url.as_str()).to_owned(),
        url: url.into(),
        alt: XmlText::new(&alt),
        width: None,
        height: None,
        length: None,
    })
}

/// The words of an element in one line.
fn words_of(element: ElementRef<'_>) -> String {
    plain(&element.inner_html()).into_string()
}
