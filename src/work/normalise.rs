//! From what a source says to what loa publishes: NFC and XML-safe text, clean HTML, absolute links. Pure.

use std::collections::HashMap;

use url::Url;

use crate::clock::Timestamp;
use crate::domain::article::{Article, Category, CategoryRef, Image, RawArticle};
use crate::domain::site::Site;
use crate::text::{excerpt, html, media, xml::XmlText};

/// The longest lede that is kept, in characters. A source without a lede lends the beginning of its text.
const SUMMARY_CHARS: usize = 400;

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
        agency: html::agency(&lede),
        title,
        summary,
        content_html,
        authors: texts(&raw.authors),
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
