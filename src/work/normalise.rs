//! From what a source says to what loa publishes: NFC and XML-safe text, clean HTML, absolute links. Pure.

use std::collections::HashMap;

use url::Url;

use crate::clock::Timestamp;
use crate::domain::article::{Article, Category, CategoryRef, Image, RawArticle};
use crate::domain::site::Site;
use crate::text::html::agency::Agencies;
use crate::text::{excerpt, fold, html, media, xml::XmlText};

/// The longest lede that is kept, in characters. A source without a lede lends the beginning of its text.
const SUMMARY_CHARS: usize = 400;

/// Who an article is by, where its text says more than its fields: `[ingest] byline_as_author`, `agencies`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Whether the line that signs a text names the author of an article whose source names no person.
    pub byline: bool,
    /// Which tags at the start of a lede are agencies.
    pub agencies: Agencies,
}

/// Why an article cannot be published, in one clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its address is neither absolute http(s) nor relative to the site.
    #[error("its address \"{0}\" is not one that a browser can open")]
    Address(String),
    /// Nothing is left of the title once markup is taken away, and the text has no words either.
    #[error("it has neither a title nor text")]
    Empty,
}

/// Makes an article fit for publication.
///
/// # Errors
/// [`Unfit`] says what is missing; the article is then left out and named to the operator.
pub fn normalise<S: std::hash::BuildHasher>(
    source: &str,
    raw: &RawArticle,
    categories: &HashMap<String, Category, S>,
    site: &Site,
    credit: &Credit,
) -> Result<Article, Unfit> {
    let base = raw.base.as_ref().unwrap_or(&site.base_url);
    let url = base.join(&raw.url).map_err(|_| Unfit::Address(raw.url.clone()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Unfit::Address(raw.url.clone()));
    }
    // Links in a portal's text are relative to the portal's root, not to the article (feeds.md d6). Where the source does
    // not say which that is, the article's own address tells the host.
    let root = raw.base.clone().or_else(|| url.join("/").ok()).unwrap_or_else(|| url.clone());
    let content_html = html::clean(&raw.content_html, &root);
    let lede = html::plain(&raw.summary_html);
    let lede = if lede.trim().is_empty() { html::plain(&raw.content_html) } else { lede };
    let summary = XmlText::new(&excerpt::excerpt(&lede, SUMMARY_CHARS));
    let mut title = html::title(&raw.title);
    if title.trim().is_empty() {
        title = XmlText::new(&excerpt::excerpt(&lede, 80));
    }
    if title.trim().is_empty() {
        return Err(Unfit::Empty);
    }
    let image = raw.image.clone().and_then(|mut image| {
        image.url = web(&root, &image.url)?;
        Some(image)
    });
    let image = image.or_else(|| first_image(&content_html, &root));
    Ok(Article {
        source: source.to_owned(),
        external_id: raw.external_id.clone(),
        url: url.into(),
        agency: credit.agencies.find(&lede),
        title,
        summary,
        content_html,
        authors: authors(raw, credit),
        categories: raw.categories.iter().filter_map(|id| category_ref(id, categories)).collect(),
        tags: texts(&raw.tags),
        language: language(&raw.language, site),
        image,
        published: published(raw.published),
    })
}

fn web(root: &Url, address: &str) -> Option<String> {
    root.join(address).ok().filter(|u| matches!(u.scheme(), "http" | "https")).map(Into::into)
}

/// The first picture of the text, for an article whose source names none.
fn first_image(html: &str, root: &Url) -> Option<Image> {
    let picture = html::first_image(html, root)?;
    Some(Image {
        media_type: media::media_type(&picture.url).to_owned(),
        url: picture.url,
        alt: picture.alt,
        width: picture.width,
        height: picture.height,
        length: None,
    })
}

/// Who wrote it: whom the source names, else, if that is wished, who signs the text. An account that only looks like a
/// login gives way to a signature, and stays where there is none.
fn authors(raw: &RawArticle, credit: &Credit) -> Vec<XmlText> {
    let named = texts(&raw.authors);
    if !credit.byline || named.iter().any(|name| !is_login(name)) {
        return named;
    }
    let signed = html::byline(&raw.content_html);
    if signed.is_empty() { named } else { signed }
}

/// Whether a name is plainly an account and no person: one word of small letters, digits and signs without any mark, or
/// what content stores call the account that they are installed with.
fn is_login(name: &str) -> bool {
    const INSTALLED: [&str; 7] =
        ["admin", "administrator", "super user", "root", "quản trị", "quản trị viên", "người quản trị"];
    let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@+".contains(c))
        || name.contains('@')
        || (name.is_ascii() && !name.contains(' ') && name.contains(|c: char| c.is_ascii_digit() || c == '_'));
    is_word || INSTALLED.iter().any(|known| fold::normal(name) == fold::normal(known))
}

fn texts(raw: &[String]) -> Vec<XmlText> {
    raw.iter().map(|t| html::title(t)).filter(|t| !t.trim().is_empty()).collect()
}

fn language(raw: &str, site: &Site) -> String {
    let tag = raw.trim().trim_matches('*');
    let fine = !tag.is_empty() && tag.len() <= 35 && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fine { tag.to_owned() } else { site.locale.as_str().to_owned() }
}

/// Dates that no reader accepts (before 1990) are taken as unknown, which is the beginning of that time.
fn published(raw: Timestamp) -> Timestamp {
    const YEAR_1990: i64 = 631_152_000_000;
    Timestamp(raw.0.max(YEAR_1990))
}

/// A category with the slugs of its ancestors. A circle in the tree ends the walk.
fn category_ref<S: std::hash::BuildHasher>(id: &str, categories: &HashMap<String, Category, S>) -> Option<CategoryRef> {
    let own = categories.get(id)?;
    let mut ancestors = Vec::new();
    let mut next = own.parent.as_deref();
    while let Some(category) = next.and_then(|id| categories.get(id)) {
        if category.slug == own.slug || ancestors.contains(&category.slug) {
            break;
        }
        ancestors.push(category.slug.clone());
        next = category.parent.as_deref();
    }
    Some(CategoryRef { slug: own.slug.clone(), title: own.title.clone(), ancestors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscriber::Locale;

    const SIGNED: &str = "<p>Sáng nay, hội nghị họp.</p><p style=\"text-align: right\"><strong>Trúc Linh</strong></p>";

    fn by(names: &[&str], html: &str, byline: bool) -> Vec<String> {
        let raw = RawArticle {
            authors: names.iter().map(|&n| n.to_owned()).collect(),
            content_html: html.to_owned(),
            ..RawArticle::default()
        };
        let credit = Credit { byline, ..Credit::default() };
        authors(&raw, &credit).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn who_signs_the_text_is_the_author_where_the_source_names_nobody() {
        for nobody in
            [&[][..], &["admin"], &["Super User"], &["tuag_bbt01"], &["bbt@tinhuy.example.vn"], &["Quản trị viên"]]
        {
            assert_eq!(by(nobody, SIGNED, true), ["Trúc Linh"], "{nobody:?}");
            assert_eq!(by(nobody, SIGNED, false), nobody, "{nobody:?}");
        }
    }

    #[test]
    fn an_article_keeps_the_text_that_its_credit_was_read_from() {
        let raw = RawArticle {
            external_id: "1".to_owned(),
            url: "/1".to_owned(),
            title: "Hội nghị".to_owned(),
            summary_html: "<p>(TUAG)- Sáng nay, hội nghị họp.</p>".to_owned(),
            content_html: SIGNED.to_owned(),
            ..RawArticle::default()
        };
        let site = Site {
            imprint: crate::domain::site::Imprint::default(),
            title: "Cổng".into(),
            base_url: "https://tinhuy.example.vn/".parse().expect("a URL"),
            authority: "tinhuy.example.vn,2021".to_owned(),
            locale: Locale::Vi,
            zone: jiff::tz::TimeZone::UTC,
        };
        let with = |credit: &Credit| normalise("cong", &raw, &HashMap::new(), &site, credit).expect("fit");
        let plain = with(&Credit::default());
        assert_eq!((plain.authors.len(), plain.agency.as_deref()), (0, Some("TUAG")));
        let read = with(&Credit { byline: true, agencies: Agencies::new(&["TTXVN"]) });
        assert_eq!((read.authors.as_slice(), read.agency.as_deref()), (&["Trúc Linh".into()][..], None));
        assert!(read.content_html.contains("Trúc Linh") && read.summary.starts_with("(TUAG)-"));
    }

    #[test]
    fn a_person_whom_the_source_names_stays_and_so_does_an_account_without_a_signature() {
        for person in ["Hữu Huynh", "Ban Biên tập", "Linh", "H.T", "Thúy"] {
            assert_eq!(by(&[person], SIGNED, true), [person]);
        }
        assert_eq!(by(&["admin", "Hữu Huynh"], SIGNED, true), ["admin", "Hữu Huynh"]);
        assert_eq!(by(&["admin"], "<p>Sáng nay, hội nghị họp.</p><p>Trúc Linh</p>", true), ["admin"]);
    }
}
