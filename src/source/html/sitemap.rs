//! `sitemap.xml`, its index and the news extension (sitemaps.org; Google's news sitemaps): addresses with dates. Parses
//! text; fetches nothing.

use jiff::tz::TimeZone;
use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use crate::clock::Timestamp;
use crate::text::date::parse::date;

/// The largest file that is read, in bytes. The format allows 50 MiB; what is new stands in far less.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Nodes of one file.
const MAX_NODES: u32 = 1_000_000;

/// One address of a sitemap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub url: Url,
    /// When it last changed, as the portal claims.
    pub modified: Option<Timestamp>,
    /// When it was published, in a news sitemap.
    pub published: Option<Timestamp>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sitemap {
    /// Addresses of pages.
    Pages(Vec<Place>),
    /// Addresses of sitemaps.
    Index(Vec<Place>),
}

/// Reads a file.
///
/// # Errors
/// Why it is no sitemap, as a clause that follows its address.
pub(super) fn read(text: &str, zone: &TimeZone) -> Result<Sitemap, String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text.trim_start(), options)
        .map_err(|error| format!("is no XML that can be read ({error})"))?;
    let root = document.root_element();
    let entry = match root.tag_name().name() {
        "urlset" => "url",
        "sitemapindex" => "sitemap",
        other => return Err(format!("is no sitemap: its first element is <{other}>")),
    };
    let entries = root.children().filter(|node| node.tag_name().name() == entry);
    let places: Vec<Place> = entries
        .filter_map(|node| {
            let when = |name| text_of(node, name).and_then(|text| date(text, zone));
            let url = Url::parse(text_of(node, "loc")?).ok()?;
            Some(Place { url, modified: when("lastmod"), published: when("publication_date") })
        })
        .collect();
    Ok(if entry == "url" { Sitemap::Pages(places) } else { Sitemap::Index(places) })
}

/// The text of the first such element, whatever its namespace: portals misspell those.
fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let found = node.descendants().find(|inner| inner.is_element() && inner.tag_name().name() == name)?;
    found.text().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_indexes_and_news_are_told_apart_and_dated() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let file = "\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:news=\"x\">\
            <url><loc> https://portal.example.vn/tin/1?a=1&amp;b=2 </loc><lastmod>2021-11-23</lastmod></url>\
            <url><loc>https://portal.example.vn/tin/2</loc><news:news><news:publication>\
            <news:name>Cổng</news:name></news:publication>\
            <news:publication_date>2021-11-23T14:05:00+07:00</news:publication_date></news:news></url>\
            <url><loc>không phải địa chỉ</loc></url><url/></urlset>";
        let Ok(Sitemap::Pages(places)) = read(file, &zone) else { panic!("no pages") };
        let dates: Vec<_> = places
            .iter()
            .map(|p| (p.url.as_str(), p.modified.map(|at| at.rfc3339(&zone)), p.published.map(|at| at.rfc3339(&zone))))
            .collect();
        assert_eq!(
            dates,
            [
                ("https://portal.example.vn/tin/1?a=1&b=2", Some("2021-11-23T00:00:00+07:00".to_owned()), None),
                ("https://portal.example.vn/tin/2", None, Some("2021-11-23T14:05:00+07:00".to_owned())),
            ]
        );
        let index = "<sitemapindex><sitemap><loc>https://portal.example.vn/a.xml</loc></sitemap></sitemapindex>";
        assert!(matches!(read(index, &zone), Ok(Sitemap::Index(places)) if places.len() == 1));
    }

    #[test]
    fn what_is_no_sitemap_is_said() {
        for (text, said) in [
            ("<!doctype html><html></html>", "no XML"),
            ("<rss version=\"2.0\"/>", "<rss>"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><urlset>&b;</urlset>", "no XML"),
        ] {
            let fault = read(text, &TimeZone::UTC).expect_err(text);
            assert!(fault.contains(said), "{fault}");
        }
    }
}
