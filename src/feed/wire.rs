//! Between loa and the crates that write feeds: the one place that knows their faults and works round them. Each fault
//! is pinned by a test below that fails once the crate is mended, so that the workaround can go.
//!
//! What is worked round, with `rss` 2.1 and `atom_syndication` 0.12:
//! - both write control characters as they are (kept out by [`crate::text::xml::XmlText`], caught by the proof);
//! - neither writes a stylesheet instruction, and Atom's declaration names no encoding;
//! - extension maps declare no namespace;
//! - Atom writes the attributes of extensions unescaped;
//! - Atom writes the feed's own extensions behind the entries, where RFC 4287 allows none;
//! - Atom calls content text and dates 1970 unless told; `rss` calls every guid an address and drops its own poll hints
//!   unless a namespace is named by hand (they go through extensions here);
//! - both read back what no parser accepts (the proof is ours, by another parser; the check that `rss` offers is not built
//!   in).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use atom_syndication::WriteConfig;

use crate::feed::document::{Document, Format, RenderError, Tombstone};
use crate::feed::item::Item;

/// How every XML document of loa begins.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// The namespaces of extension elements, by the prefix under which readers know them. (`content` and `dc` are not among
/// them: those are fields of the `rss` crate, which declares them itself.)
pub const NAMESPACES: [(&str, &str); 6] = [
    ("at", "http://purl.org/atompub/tombstones/1.0"),
    ("atom", "http://www.w3.org/2005/Atom"),
    ("dcterms", "http://purl.org/dc/terms/"),
    ("fh", "http://purl.org/syndication/history/1.0"),
    ("media", "http://search.yahoo.com/mrss/"),
    ("sy", "http://purl.org/rss/1.0/modules/syndication/"),
];

/// An extension element, for either crate. Values are plain; escaping is done here.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: BTreeMap<String, String>,
    text: Option<String>,
    children: Vec<Self>,
}

impl Element {
    /// An empty element; the name has its prefix.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, attributes: BTreeMap::new(), text: None, children: Vec::new() }
    }

    /// With an attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// With text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// With a child, if there is one.
    #[must_use]
    pub fn child(mut self, child: Option<Self>) -> Self {
        self.children.extend(child);
        self
    }

    fn split(&self) -> (String, String) {
        let (prefix, name) = self.name.split_once(':').unwrap_or(("", self.name));
        (prefix.to_owned(), name.to_owned())
    }

    fn into_rss(self) -> rss::extension::Extension {
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for child in self.children {
            children.entry(child.split().1).or_default().push(child.into_rss());
        }
        rss::extension::Extension { name: self.name.to_owned(), value: self.text, attrs: self.attributes, children }
    }

    fn into_atom(self) -> atom_syndication::extension::Extension {
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for child in self.children {
            children.entry(child.split().1).or_default().push(child.into_atom());
        }
        let attrs = self.attributes.into_iter().map(|(name, value)| (name, attribute(&value).into_owned())).collect();
        atom_syndication::extension::Extension { name: self.name.to_owned(), value: self.text, attrs, children }
    }
}

/// `sy:` elements that repeat [`Document::ttl`] for readers that know only them.
#[must_use]
pub fn rhythm(document: &Document) -> Vec<Element> {
    vec![
        Element::new("sy:updatePeriod").text("hourly"),
        Element::new("sy:updateFrequency").text((60 / document.ttl.clamp(1, 60)).to_string()),
    ]
}

/// What a document is in its feed's history (RFC 5005): an archive, or all there is.
#[must_use]
pub fn history(document: &Document) -> Option<Element> {
    if document.place.archive.is_some() {
        return Some(Element::new("fh:archive"));
    }
    document.place.complete.then(|| Element::new("fh:complete"))
}

/// What left the feed (RFC 6721). Atom alone has a word for it; it stands before the first entry.
#[must_use]
pub fn tombstones(document: &Document) -> Vec<Element> {
    let tombstone = |gone: &Tombstone| {
        Element::new("at:deleted-entry").attr("ref", &gone.id).attr("when", document.rfc3339(gone.when))
    };
    document.deleted.iter().map(tombstone).collect()
}

/// The picture of an item as Media RSS, twice: readers look either at the content or at the thumbnail.
#[must_use]
pub fn media(item: &Item) -> Vec<Element> {
    let Some(picture) = &item.picture else { return Vec::new() };
    let mut content = Element::new("media:content")
        .attr("url", &picture.url)
        .attr("type", &picture.media_type)
        .attr("medium", "image");
    let mut thumbnail = Element::new("media:thumbnail").attr("url", &picture.url);
    if picture.length > 0 {
        content = content.attr("fileSize", picture.length.to_string());
    }
    for (name, size) in [("width", picture.width), ("height", picture.height)] {
        if let Some(size) = size {
            content = content.attr(name, size.to_string());
            thumbnail = thumbnail.attr(name, size.to_string());
        }
    }
    let described = Some(&picture.alt).filter(|alt| !alt.is_empty());
    let described = described.map(|alt| Element::new("media:description").attr("type", "plain").text(alt.as_str()));
    vec![content.child(described), thumbnail]
}

/// Extension elements as the `rss` crate keeps them.
#[must_use]
pub fn rss_extensions(elements: impl IntoIterator<Item = Element>) -> rss::extension::ExtensionMap {
    let mut map = rss::extension::ExtensionMap::new();
    for element in elements {
        let (prefix, name) = element.split();
        map.entry(prefix).or_default().entry(name).or_default().push(element.into_rss());
    }
    map
}

/// Extension elements as the `atom_syndication` crate keeps them, their attributes escaped beforehand.
#[must_use]
pub fn atom_extensions(elements: impl IntoIterator<Item = Element>) -> atom_syndication::extension::ExtensionMap {
    let mut map = atom_syndication::extension::ExtensionMap::new();
    for element in elements {
        let (prefix, name) = element.split();
        map.entry(prefix).or_default().entry(name).or_default().push(element.into_atom());
    }
    map
}

/// Writes a channel: namespaces declared for every prefix that is used, the stylesheet named.
///
/// # Errors
/// [`RenderError::Writer`] if a prefix is not ours or the crate gives up.
pub fn rss(mut channel: rss::Channel, stylesheet: &str) -> Result<Vec<u8>, RenderError> {
    let maps = std::iter::once(&channel.extensions).chain(channel.items.iter().map(|item| &item.extensions));
    channel.namespaces = namespaces(Format::Rss, maps.flat_map(BTreeMap::keys))?;
    let written = channel.write_to(Vec::new()).map_err(|error| failed(Format::Rss, &error))?;
    let root = written.windows(4).position(|four| four == b"<rss").unwrap_or(0);
    Ok(assemble(stylesheet, &[&written[root..]]))
}

/// Writes a feed: namespaces declared for every prefix that is used, the stylesheet named, the feed's extensions before
/// its entries.
///
/// # Errors
/// [`RenderError::Writer`] if a prefix is not ours or the crate gives up.
pub fn atom(mut feed: atom_syndication::Feed, stylesheet: &str) -> Result<Vec<u8>, RenderError> {
    const END: usize = "</feed>".len();
    let maps = std::iter::once(&feed.extensions).chain(feed.entries.iter().map(|entry| &entry.extensions));
    feed.namespaces = namespaces(Format::Atom, maps.flat_map(BTreeMap::keys))?;
    let write = |feed: &atom_syndication::Feed| {
        let config = WriteConfig { write_document_declaration: false, indent_size: None };
        feed.write_with_config(Vec::new(), config).map_err(|error| failed(Format::Atom, &error))
    };
    // Three writings of one feed: with everything but entries; with neither; with entries but no extensions. The last
    // begins with the second, and what follows is the entries.
    let entries = std::mem::take(&mut feed.entries);
    let head = write(&feed)?;
    feed.extensions.clear();
    let bare = write(&feed)?.len() - END;
    feed.entries = entries;
    let all = write(&feed)?;
    Ok(assemble(stylesheet, &[&head[..head.len() - END], &all[bare..]]))
}

fn assemble(stylesheet: &str, parts: &[&[u8]]) -> Vec<u8> {
    let style = format!("<?xml-stylesheet type=\"text/css\" href=\"{}\"?>\n", attribute(stylesheet));
    let mut bytes = [DECLARATION.as_bytes(), style.as_bytes()].concat();
    bytes.reserve_exact(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.push(b'\n');
    bytes
}

fn namespaces<'a>(
    format: Format,
    prefixes: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, String>, RenderError> {
    let prefixes: BTreeSet<_> = prefixes.collect();
    let bind = |prefix: &String| {
        let (_, uri) = NAMESPACES.iter().find(|(known, _)| known == prefix).ok_or_else(|| RenderError::Writer {
            format: format.name(),
            reason: format!("the prefix {prefix} has no namespace in feed::wire::NAMESPACES"),
        })?;
        Ok((prefix.clone(), (*uri).to_owned()))
    };
    prefixes.into_iter().map(bind).collect()
}

fn failed(format: Format, error: &dyn std::error::Error) -> RenderError {
    RenderError::Writer { format: format.name(), reason: error.to_string() }
}

/// Escaped for element content, of XML or HTML.
#[must_use]
pub fn text(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escaped for an attribute in double quotes. Line ends and tabs stay what they are (XML 1.0 §3.3.3).
#[must_use]
pub fn attribute(plain: &str) -> Cow<'_, str> {
    if !plain.contains(['&', '<', '>', '"', '\n', '\r', '\t']) {
        return Cow::Borrowed(plain);
    }
    let mut escaped = text(plain);
    for (raw, entity) in [("\"", "&quot;"), ("\n", "&#10;"), ("\r", "&#13;"), ("\t", "&#9;")] {
        escaped = escaped.replace(raw, entity);
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    //! The faults themselves. If one of these fails, the crate was mended: remove the workaround with the test.

    use super::*;

    fn picture() -> atom_syndication::extension::ExtensionMap {
        let raw = atom_syndication::extension::Extension {
            name: "media:content".to_owned(),
            attrs: BTreeMap::from([("url".to_owned(), "https://tinh.example/a?b=1&c=2".to_owned())]),
            ..Default::default()
        };
        BTreeMap::from([("media".to_owned(), BTreeMap::from([("content".to_owned(), vec![raw])]))])
    }

    fn namespace() -> BTreeMap<String, String> {
        BTreeMap::from([("media".to_owned(), "http://search.yahoo.com/mrss/".to_owned())])
    }

    #[test]
    fn atom_still_writes_extension_attributes_unescaped() {
        let entry = atom_syndication::Entry { extensions: picture(), ..Default::default() };
        let feed = atom_syndication::Feed { entries: vec![entry], namespaces: namespace(), ..Default::default() };
        let written = feed.to_string();
        assert!(written.contains("url=\"https://tinh.example/a?b=1&c=2\""), "{written}");
        assert!(roxmltree::Document::parse(&written).is_err());
    }

    #[test]
    fn atom_still_writes_feed_extensions_behind_the_entries() {
        let feed = atom_syndication::Feed {
            extensions: atom_extensions([Element::new("sy:updatePeriod").text("hourly")]),
            entries: vec![atom_syndication::Entry::default()],
            ..Default::default()
        };
        let written = feed.to_string();
        assert!(written.find("<sy:updatePeriod>") > written.find("</entry>"), "{written}");
    }

    #[test]
    fn atom_still_calls_content_text_and_names_no_encoding_unless_told() {
        let content = Some(atom_syndication::Content { value: Some("<p>a</p>".to_owned()), ..Default::default() });
        let entry = atom_syndication::Entry { content, ..Default::default() };
        let written = atom_syndication::Feed { entries: vec![entry], ..Default::default() }.to_string();
        assert!(written.contains("<content>") && written.starts_with("<?xml version=\"1.0\"?>"), "{written}");
    }

    #[test]
    fn rss_and_atom_still_leave_extension_namespaces_undeclared() {
        let extensions = rss_extensions([Element::new("media:thumbnail").attr("url", "https://tinh.example/a.jpg")]);
        let rss = rss::Channel { extensions, ..Default::default() }.to_string();
        assert!(roxmltree::Document::parse(&rss).is_err_and(|e| e.to_string().contains("namespace")), "{rss}");
        let extensions = atom_extensions([Element::new("sy:updatePeriod").text("hourly")]);
        let atom = atom_syndication::Feed { extensions, ..Default::default() }.to_string();
        assert!(roxmltree::Document::parse(&atom).is_err_and(|e| e.to_string().contains("namespace")), "{atom}");
    }

    #[test]
    fn rss_and_atom_still_write_control_characters() {
        let rss = rss::Channel { title: "a\u{B}b\u{FFFE}".to_owned(), ..Default::default() }.to_string();
        assert!(rss.contains("a\u{B}b\u{FFFE}") && roxmltree::Document::parse(&rss).is_err());
        let atom = atom_syndication::Feed { title: "a\u{B}b\u{FFFE}".into(), ..Default::default() }.to_string();
        assert!(atom.contains("a\u{B}b\u{FFFE}") && roxmltree::Document::parse(&atom).is_err());
    }

    #[test]
    fn rss_still_drops_poll_hints_in_silence() {
        let sy = rss::extension::syndication::SyndicationExtension::default();
        let written = rss::Channel { syndication_ext: Some(sy), ..Default::default() }.to_string();
        assert!(!written.contains("updatePeriod"), "{written}");
    }

    #[test]
    fn atom_still_dates_everything_to_1970_unless_told() {
        let written = atom_syndication::Feed::default().to_string();
        assert!(written.contains("<updated>1970-01-01T00:00:00"), "{written}");
    }

    #[test]
    fn rss_and_atom_still_write_no_stylesheet_instruction() {
        assert!(!rss::Channel::default().to_string().contains("<?xml-stylesheet"));
        assert!(!atom_syndication::Feed::default().to_string().contains("<?xml-stylesheet"));
    }

    #[test]
    fn both_still_read_back_what_no_parser_accepts() {
        let rss = "<rss version=\"2.0\"><channel><title>a\u{B}</title><link>x</link><description>d</description></channel></rss>";
        assert!(roxmltree::Document::parse(rss).is_err());
        assert!(rss::Channel::read_from(rss.as_bytes()).is_ok());
        let atom = "<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>x</id><title>a\u{B}</title><updated>2026-01-05T00:00:00Z</updated></feed>";
        assert!(roxmltree::Document::parse(atom).is_err());
        assert!(atom_syndication::Feed::read_from(atom.as_bytes()).is_ok());
    }

    #[test]
    fn rss_still_takes_every_guid_for_an_address() {
        assert!(rss::Guid::default().permalink);
    }

    #[test]
    fn escaped_attributes_read_back_as_they_were() {
        let hostile = "a&b<c>d\"e'f\ng\th";
        let xml = format!("<a b=\"{}\"/>", attribute(hostile));
        let read = roxmltree::Document::parse(&xml).expect("well-formed");
        assert_eq!(read.root_element().attribute("b"), Some(hostile));
    }

    #[test]
    fn a_prefix_without_a_namespace_is_refused_before_it_is_written() {
        let extensions = rss_extensions([Element::new("geo:lat").text("21.59")]);
        let error = rss(rss::Channel { extensions, ..Default::default() }, "").expect_err("no such namespace");
        assert!(error.to_string().contains("geo"), "{error}");
    }
}
