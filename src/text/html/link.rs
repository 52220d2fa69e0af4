//! Addresses and pictures of a text, made absolute. Relative ones hang on the site root, as Joomla writes them; whatever
//! is not http, https or mailto is none.

use url::Url;

use crate::text::excerpt::excerpt;
use crate::text::html::entity::decode;
use crate::text::html::scan::Tag;
use crate::text::html::{Picture, head, visible};
use crate::text::xml::{XmlText, is_xml_char};

/// The longest address that is kept, in bytes.
const LONGEST: usize = 4096;
/// The longest description of a picture, in characters.
const LONGEST_ALT: usize = 500;

/// The site root as a base: a folder, whatever its last sign.
pub(super) fn root(base: &Url) -> Url {
    let mut root = base.clone();
    root.set_query(None);
    root.set_fragment(None);
    if !root.path().ends_with('/') {
        root.set_path(&format!("{}/", base.path()));
    }
    root
}

/// The absolute address of a link; nothing for fragments of the page, scripts and other schemes.
pub(super) fn href(raw: &str, base: &Url) -> Option<Url> {
    let url = absolute(raw, base)?;
    matches!(url.scheme(), "http" | "https" | "mailto").then_some(url)
}

/// The absolute address of a picture, frame or video.
pub(super) fn src(raw: &str, base: &Url) -> Option<Url> {
    absolute(raw, base).filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn absolute(raw: &str, base: &Url) -> Option<Url> {
    // Pictures pasted as data may have megabytes: not even decoded.
    if raw.len() > LONGEST {
        return None;
    }
    // `java&#11;script:` is what it would be without the character that XML does not know.
    let decoded: String = decode(raw, true).chars().filter(|c| is_xml_char(*c)).collect();
    let trimmed = decoded.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return None;
    }
    base.join(trimmed).ok().filter(|url| url.as_str().len() <= LONGEST)
}

/// The page that shows an embedded video; other addresses stay.
pub(super) fn page_of(url: &Url) -> Url {
    let host = url.host_str().unwrap_or_default().trim_start_matches("www.");
    let id = match host {
        "youtube.com" | "youtube-nocookie.com" => url.path().strip_prefix("/embed/"),
        _ => None,
    };
    id.and_then(|id| Url::parse(&format!("https://www.youtube.com/watch?v={id}")).ok()).unwrap_or_else(|| url.clone())
}

/// The picture of an `img` tag, lazily loaded ones too. Nothing if it has no address to fetch or is a pixel that counts
/// readers.
pub(super) fn picture(tag: &Tag<'_>, base: &Url) -> Option<Picture> {
    let mut url = ["src", "data-src", "data-original", "data-lazy-src"]
        .iter()
        .filter_map(|name| tag.get(name))
        .find_map(|raw| src(raw, base))?;
    let pixels = |raw: Option<&str>| raw.and_then(|raw| raw.trim().trim_end_matches("px").parse::<u32>().ok());
    let mut width = pixels(tag.get("width"));
    let mut height = pixels(tag.get("height"));
    // Joomla 4 and later: images/x.jpg#joomlaImage://local-images/x.jpg?width=800&height=600
    if let Some(tail) = url.fragment().filter(|tail| tail.starts_with("joomlaImage:")).map(str::to_owned) {
        for pair in tail.split_once('?').map_or("", |(_, query)| query).split('&') {
            match pair.split_once('=') {
                Some(("width", value)) => width = width.or(pixels(Some(value))),
                Some(("height", value)) => height = height.or(pixels(Some(value))),
                _ => {}
            }
        }
    }
    url.set_fragment(None);
    if width.is_some_and(|w| w <= 2) || height.is_some_and(|h| h <= 2) {
        return None;
    }
    let alt = XmlText::from(excerpt(&visible(head(tag.get("alt").unwrap_or_default(), LONGEST)), LONGEST_ALT));
    Some(Picture { url: url.into(), alt, width, height })
}
