//! One article in a document, cleaned of what no feed can carry. Decides what is repaired and what cannot be; never
//! changes an id, a title that says something, or a text beyond its white space.

use crate::clock::Timestamp;
use crate::domain::article::{CategoryRef, Image, StoredArticle};
use crate::domain::feed::Feed;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::feed::{address, budget, wire};
use crate::text::xml::XmlText;

/// Characters of a summary that stand in for a missing title.
const TITLE_FROM_SUMMARY: usize = 80;

/// A category or tag as feeds name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The machine's name: the category's slug, or the tag itself.
    pub term: String,
    /// A `tag:` URI (RFC 4151) for the list that the term is from: RSS `domain`, Atom `scheme`.
    pub scheme: String,
    /// The name as people read it.
    pub title: XmlText,
}

impl Label {
    /// The label of a category; an empty `source` means that its source is not known.
    #[must_use]
    pub fn category(site: &Site, source: &str, slug: &str, title: &XmlText) -> Self {
        let list = if source.is_empty() { "categories".to_owned() } else { format!("{source}/categories") };
        let title = one_line(title);
        Self {
            term: XmlText::new(slug).into_string(),
            scheme: address::tag(&site.authority, &list),
            title: if is_blank(&title) { slug.into() } else { title.into() },
        }
    }

    fn tag(site: &Site, tag: &XmlText) -> Self {
        let title = XmlText::from(one_line(tag));
        Self { term: title.to_string(), scheme: address::tag(&site.authority, "tags"), title }
    }

    /// What it adds to a document, in bytes at most.
    #[must_use]
    pub fn weight(&self) -> usize {
        64 + budget::weight(&self.term) + budget::weight(&self.scheme) + budget::weight(&self.title)
    }
}

/// The picture of an article, with an address and a type that readers accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Absolute, `http` or `https`.
    pub url: String,
    /// What it shows; may be empty.
    pub alt: XmlText,
    /// Media type.
    pub media_type: String,
    /// Length in bytes; 0 where unknown, as the RSS profile asks.
    pub length: u64,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
}

/// One article in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Row id of the article, for the operator.
    pub article: i64,
    /// Its revision.
    pub revision: i64,
    /// The entry id: the same in RSS, Atom and JSON Feed.
    pub id: String,
    /// Absolute address of its page.
    pub link: String,
    /// Plain text on one line; never empty.
    pub title: XmlText,
    /// Plain text; may be empty.
    pub summary: XmlText,
    /// The full text; `None` when there is none or when it had to go ([`budget::fit`]).
    pub content_html: Option<XmlText>,
    /// Who wrote it; the agency if no person is named; may be empty.
    pub authors: Vec<XmlText>,
    /// The agency whose tag opens its lede.
    pub agency: Option<XmlText>,
    /// Its categories, the most specific first.
    pub categories: Vec<Label>,
    /// Its tags.
    pub tags: Vec<Label>,
    /// BCP 47 tag, only if it differs from the document's.
    pub language: Option<String>,
    /// Its picture.
    pub picture: Option<Picture>,
    /// From when it is public, as the editor set it.
    pub published: Timestamp,
    /// When a reader would last have seen it change.
    pub updated: Timestamp,
}

impl Item {
    /// Makes an item of an article; `notes` takes what had to be repaired.
    ///
    /// # Errors
    /// Why no format can carry it, in one sentence for the operator.
    pub fn new(
        site: &Site,
        document_language: &str,
        stored: &StoredArticle,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let article = &stored.article;
        if !address::is_entry_id(&stored.entry_id) {
            return Err(format!(
                "its id {:?} is not a URI; ids are made at ingest from the site's authority and the article's own id",
                stored.entry_id
            ));
        }
        let link = address::web(&article.url).ok_or_else(|| {
            format!("its address {:?} is not an absolute http or https address; correct it in the source", article.url)
        })?;
        let summary = paragraphs(&article.summary);
        let content = paragraphs(&article.content_html);
        let named = |category: &&CategoryRef| !is_blank(&category.slug) || !is_blank(&category.title);
        let label = |category: &CategoryRef| Label::category(site, &article.source, &category.slug, &category.title);
        Ok(Self {
            article: stored.id,
            revision: stored.revision,
            id: stored.entry_id.clone(),
            link,
            title: title(site.locale, &article.title, &summary, notes),
            summary,
            content_html: Some(content).filter(|text| !text.is_empty()),
            authors: authors(&article.authors, article.agency.as_ref()),
            agency: article.agency.as_ref().and_then(name),
            categories: article.categories.iter().filter(named).map(label).collect(),
            tags: article.tags.iter().filter(|tag| !is_blank(tag)).map(|tag| Label::tag(site, tag)).collect(),
            language: language_tag(&article.language)
                .filter(|tag| !tag.eq_ignore_ascii_case(document_language))
                .map(str::to_owned),
            picture: article.image.as_ref().and_then(|image| picture(image, notes)),
            published: article.published,
            updated: stored.updated,
        })
    }

    /// The last entry of a retired feed. Its id is the feed's own with `/ended` behind it.
    #[must_use]
    pub fn farewell(site: &Site, feed: &Feed, ended: Timestamp, instead: &[Feed], title: &str) -> Self {
        let english = site.locale == Locale::En;
        let (said, summary, lead) = if english {
            (
                format!("The feed “{title}” has ended"),
                "No article will be added to it any more. Please follow one of the feeds that are named here.",
                "Instead of it you may follow:",
            )
        } else {
            (
                format!("Kênh tin “{title}” đã ngừng"),
                "Kênh này sẽ không có thêm bài mới. Xin theo dõi một trong các kênh được nêu ở đây.",
                "Thay cho kênh này, xin mời theo dõi:",
            )
        };
        let home = (if english { "All feeds" } else { "Tất cả các kênh tin" }.to_owned(), site.link(""));
        let named = instead.iter().map(|feed| {
            let title = feed.spec.title_en.as_ref().filter(|_| english).unwrap_or(&feed.spec.title);
            (one_line(title), site.link(&format!("feeds/{}", feed.spec.slug)))
        });
        let mut list = String::new();
        for (title, url) in named.chain([home]) {
            let (url, title) = (wire::attribute(&url), wire::text(&title));
            list.extend(["<li><a href=\"", &*url, "\">", &title, "</a></li>"]);
        }
        Self {
            article: 0,
            revision: 1,
            id: address::tag(&site.authority, &format!("feed/{}/ended", feed.spec.slug)),
            link: address::web(&site.link("")).unwrap_or_else(|| site.link("")),
            title: said.as_str().into(),
            summary: summary.into(),
            content_html: Some(format!("<p>{summary}</p><p>{lead}</p><ul>{list}</ul>").as_str().into()),
            authors: Vec::new(),
            agency: None,
            categories: Vec::new(),
            tags: Vec::new(),
            language: None,
            picture: None,
            published: ended,
            updated: ended,
        }
    }

    /// Categories first, then tags: what RSS and Atom both call `category`.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.categories.iter().chain(&self.tags)
    }
}

/// The tag itself if it is written as BCP 47 wants it (the pattern of `atomLanguageTag` in RFC 4287, appendix B).
#[must_use]
pub fn language_tag(tag: &str) -> Option<&str> {
    let mut parts = tag.split('-');
    let fits = |part: &str| (1..=8).contains(&part.len());
    let first = parts.next().is_some_and(|part| fits(part) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    (first && parts.all(|part| fits(part) && part.bytes().all(|b| b.is_ascii_alphanumeric()))).then_some(tag)
}

/// The text with every run of white space as one space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether nothing of the text would be seen: white space, zero-width and direction marks only.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    })
}

/// The text without outer white space and with `\n` as its only line end: what an XML parser would make of it (XML 1.0
/// §2.11), done before so that XML and JSON readers see the same.
fn paragraphs(text: &XmlText) -> XmlText {
    if text.contains('\r') {
        return text.trim().replace("\r\n", "\n").replace('\r', "\n").into();
    }
    let trimmed = text.trim();
    if trimmed.len() == text.len() { text.clone() } else { trimmed.into() }
}

fn title(locale: Locale, title: &XmlText, summary: &str, notes: &mut Vec<String>) -> XmlText {
    let line = one_line(title);
    if !is_blank(&line) {
        return line.into();
    }
    notes.push("it has no title; the feed shows the start of its lede instead".to_owned());
    let lede = one_line(summary);
    if is_blank(&lede) {
        return match locale {
            Locale::Vi => "Bài chưa có tiêu đề".into(),
            Locale::En => "Untitled article".into(),
        };
    }
    let Some((end, _)) = lede.char_indices().nth(TITLE_FROM_SUMMARY) else {
        return lede.into();
    };
    let cut = lede[..end].rfind(' ').unwrap_or(end);
    format!("{}…", &lede[..cut]).into()
}

fn name(name: &XmlText) -> Option<XmlText> {
    Some(one_line(name)).filter(|line| !is_blank(line)).map(XmlText::from)
}

fn authors(names: &[XmlText], agency: Option<&XmlText>) -> Vec<XmlText> {
    let people: Vec<_> = names.iter().filter_map(name).collect();
    if people.is_empty() { agency.and_then(name).into_iter().collect() } else { people }
}

fn picture(image: &Image, notes: &mut Vec<String>) -> Option<Picture> {
    let Some(url) = address::web(&image.url) else {
        notes.push(format!("its picture's address {:?} is not absolute; the feed shows it without", image.url));
        return None;
    };
    let media_type = image.media_type.trim().to_ascii_lowercase();
    Some(Picture {
        url,
        alt: one_line(&image.alt).into(),
        media_type: if is_media_type(&media_type) { media_type } else { "application/octet-stream".to_owned() },
        length: image.length.unwrap_or(0),
        width: image.width,
        height: image.height,
    })
}

/// `type/subtype` of RFC 9110 §8.3.1, without parameters.
fn is_media_type(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.split_once('/').is_some_and(|(kind, name)| token(kind) && token(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_without_a_title_is_called_by_the_start_of_its_lede() {
        let mut notes = Vec::new();
        let lede = "Sáng nay, ".to_owned() + &"đại hội ".repeat(20);
        let named = title(Locale::Vi, &XmlText::new(" \u{200B}\n"), &lede, &mut notes);
        assert_eq!(named.as_str(), format!("Sáng nay, {}đại…", "đại hội ".repeat(8)));
        assert_eq!(title(Locale::Vi, &XmlText::new(""), "", &mut notes).as_str(), "Bài chưa có tiêu đề");
        assert_eq!(notes.len(), 2);
        assert_eq!(title(Locale::En, &XmlText::new("Một\r\n hai\u{A0}ba"), "", &mut notes).as_str(), "Một hai ba");
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn only_language_tags_that_atom_allows_pass() {
        for good in ["vi", "vi-VN", "en-GB-oxendict", "x-loa"] {
            assert_eq!(language_tag(good), Some(good));
        }
        for bad in ["", "vi_VN", "tiếng-Việt", "vi-", "-vi", "vietnamese", "1a"] {
            assert_eq!(language_tag(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_agency_signs_what_no_person_signed() {
        let agency = XmlText::new("TUAG");
        assert_eq!(authors(&["".into(), " \u{A0}".into()], Some(&agency)), ["TUAG".into()]);
        assert_eq!(authors(&["Nguyễn Văn\nAn".into()], Some(&agency)), ["Nguyễn Văn An".into()]);
        assert!(authors(&[], None).is_empty());
    }
}
