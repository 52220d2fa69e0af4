//! The list of public feeds as OPML 2.0 (<http://opml.org/spec2.opml>), for readers that follow all of them at once.
//! Says nothing of articles.

use std::fmt::Write;

use crate::clock::Timestamp;
use crate::domain::feed::Feed;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::feed::document::{Document, Format, RenderError};
use crate::feed::{proof, wire};

/// The value of `Content-Type`.
pub const CONTENT_TYPE: &str = "text/x-opml; charset=utf-8";

/// Writes the list in the order given; retired feeds are passed over. With no feed left, the body holds one line that
/// says so, for OPML asks for at least one outline.
///
/// # Errors
/// [`RenderError::Proof`] if the bytes fail their check.
pub fn render(site: &Site, feeds: &[Feed]) -> Result<Vec<u8>, RenderError> {
    let feeds: Vec<_> = feeds.iter().filter(|feed| !feed.retired).collect();
    let owner = wire::text(site.title.trim());
    let group = wire::attribute(site.title.trim());
    let (title, empty) = match site.locale {
        Locale::Vi => (format!("Các kênh tin của {owner}"), "Chưa có kênh tin nào"),
        Locale::En => (format!("Feeds of {owner}"), "There are no feeds yet"),
    };
    let mut opml = format!("{}<opml version=\"2.0\"><head><title>{title}</title>", wire::DECLARATION);
    if let Some(changed) = feeds.iter().map(|feed| feed.changed).max() {
        opml.push_str(&element("dateModified", &date(site, changed)));
    }
    opml.push_str(&element("ownerName", &owner));
    opml.push_str("</head><body>");
    if feeds.is_empty() {
        let _ = write!(opml, "<outline text=\"{empty}\"/>");
    } else {
        let _ = write!(opml, "<outline text=\"{}\">", if group.is_empty() { "loa" } else { &group });
        for feed in feeds {
            outline(site, feed, &mut opml);
        }
        opml.push_str("</outline>");
    }
    opml.push_str("</body></opml>\n");
    proof::opml(opml.as_bytes()).map_err(|reason| RenderError::Proof { format: "OPML", reason })?;
    Ok(opml.into_bytes())
}

fn outline(site: &Site, feed: &Feed, opml: &mut String) {
    let document = Document::new(site, feed, &[]);
    let attributes = [
        ("type", "rss"),
        ("text", &document.title),
        ("title", &document.title),
        ("xmlUrl", &document.address(Format::Rss)),
        ("htmlUrl", &document.page),
        ("description", &document.description),
        ("language", &document.language),
        ("version", "RSS2"),
    ]
    .map(|(name, value)| format!(" {name}=\"{}\"", wire::attribute(value)));
    let _ = write!(opml, "<outline{}/>", attributes.concat());
}

fn element(name: &str, escaped: &str) -> String {
    format!("<{name}>{escaped}</{name}>")
}

fn date(site: &Site, at: Timestamp) -> String {
    at.rfc2822(&site.zone)
}
