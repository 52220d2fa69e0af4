//! Rules by which public validators judge feeds (errors and warnings alike), over bytes and nothing else: an own reading
//! that shares nothing with loa's proof. Each finding has a validator's name for it.

use std::collections::BTreeSet;

use roxmltree::Node;
use serde_json::Value;

use super::profile::{ATOM, CONTENT, DC, DCTERMS, MEDIA, SY, all_text, children};

const FH: &str = "http://purl.org/syndication/history/1.0";
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";

/// Elements of HTML that give themselves away in what must be plain text.
const TAGS: [&str; 14] =
    ["a", "b", "br", "div", "em", "i", "img", "p", "script", "span", "strong", "style", "table", "ul"];

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn unless(&mut self, good: bool, name: &str, what: &str) {
        if !good {
            self.0.push(format!("{name}: {}", what.chars().take(160).collect::<String>()));
        }
    }

    fn uri(&mut self, address: &str) {
        // Brackets stand round an address of IPv6 and nowhere else.
        let rest =
            address.split_once("://[").and_then(|(_, rest)| rest.split_once(']')).map_or(address, |(_, rest)| rest);
        let good = url::Url::parse(address).is_ok()
            && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`[]".contains(&b));
        self.unless(good, "InvalidURLAttribute", address);
    }

    fn web(&mut self, address: &str) {
        self.uri(address);
        self.unless(address.starts_with("https://") || address.starts_with("http://"), "InvalidHttpLink", address);
    }

    fn plain(&mut self, text: &str) {
        let lower = text.to_lowercase();
        let html = TAGS.iter().any(|tag| lower.contains(&format!("<{tag}>")) || lower.contains(&format!("</{tag}>")));
        self.unless(!html, "ContainsHTML", text);
        self.characters(text);
    }

    fn characters(&mut self, text: &str) {
        let bad = text.chars().find(|c| matches!(c, '\u{0}'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}') && *c != '\u{7F}');
        self.unless(bad.is_none(), "BadCharacters", text);
    }

    /// HTML as readers are given it: nothing that runs, nothing relative.
    fn html(&mut self, html: &str) {
        self.characters(html);
        let lower = html.to_lowercase();
        for word in ["<script", "<iframe", "<object", "<embed", "<style", "<meta", "<link", "javascript:"] {
            let inert = lower.match_indices(word).all(|(at, _)| word == "javascript:" && !lower[..at].ends_with("=\""));
            self.unless(inert, "SecurityRisk", html);
        }
        let document = lower.split('<').filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()));
        for tag in document.filter_map(|tag| tag.split_once('>').map(|(tag, _)| tag)) {
            self.unless(!tag.contains(" on") || tag.contains(" on\""), "SecurityRiskAttr", tag);
            for name in [" href=\"", " src=\"", " poster=\""] {
                if let Some((_, value)) = tag.split_once(name) {
                    let absolute = ["https:", "http:", "mailto:", "tel:", "#"].iter().any(|s| value.starts_with(s));
                    self.unless(absolute, "ContainsRelRef", tag);
                }
            }
        }
    }

    fn rfc3339(&mut self, date: &str) {
        self.unless(date.len() == 25 && date.parse::<jiff::Timestamp>().is_ok(), "InvalidRFC3339Date", date);
    }

    fn rfc822(&mut self, date: &str) {
        let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date);
        self.unless(parsed.is_ok() && date.ends_with("+0700"), "InvalidRFC2822Date", date);
    }

    fn one_each(&mut self, parent: Node<'_, '_>, namespace: &str, names: &[&str]) {
        for name in names {
            let count = children(parent, namespace, name).len();
            self.unless(count <= 1, "DuplicateElement", name);
        }
    }

    /// No element or attribute that its specification does not know.
    fn known(&mut self, root: Node<'_, '_>, own: &[&str]) {
        for node in root.descendants().filter(Node::is_element) {
            let (namespace, name) = (node.tag_name().namespace().unwrap_or_default(), node.tag_name().name());
            let fine = match namespace {
                "" => own.contains(&name),
                ATOM if own.contains(&"feed") => own.contains(&name),
                ATOM => ["link", "updated"].contains(&name),
                CONTENT => name == "encoded",
                DC => ["creator", "publisher", "language"].contains(&name),
                DCTERMS => name == "modified",
                FH => ["complete", "archive"].contains(&name),
                MEDIA => ["content", "thumbnail", "description"].contains(&name),
                SY => ["updatePeriod", "updateFrequency"].contains(&name),
                TOMBSTONES => name == "deleted-entry",
                _ => false,
            };
            self.unless(fine, "UndefinedElement", &format!("{namespace} {name}"));
        }
    }
}

/// What is to be found in an RSS document that was read at this address.
pub fn rss(bytes: &[u8], at: &str) -> Vec<String> {
    let mut found = Findings::default();
    let xml = std::str::from_utf8(bytes).expect("UTF-8");
    let parsed = roxmltree::Document::parse(xml).expect("well-formed");
    let channel = children(parsed.root_element(), "", "channel")[0];
    let names = "rss channel title link description language lastBuildDate ttl skipHours hour copyright managingEditor \
                 webMaster image url generator docs category item guid pubDate enclosure";
    found.known(parsed.root_element(), &names.split_whitespace().collect::<Vec<_>>());
    let single = ["title", "link", "description", "language", "ttl", "image", "skipHours", "copyright"];
    found.one_each(channel, "", &single);
    let text =
        |node: Node<'_, '_>, name: &str| children(node, "", name).first().map(|n| all_text(*n)).unwrap_or_default();
    found.plain(&text(channel, "title"));
    found.web(&text(channel, "link"));
    found.rfc822(&text(channel, "lastBuildDate"));
    for person in ["managingEditor", "webMaster"] {
        for contact in children(channel, "", person) {
            let said = all_text(contact);
            let good = said.split_once(" (").is_some_and(|(mail, name)| mail.contains('@') && name.ends_with(')'));
            found.unless(good, "InvalidContact", &said);
        }
    }
    if let Some(image) = children(channel, "", "image").first() {
        found.unless(text(*image, "title") == text(channel, "title"), "ImageTitleDoesntMatch", &text(*image, "title"));
        found.unless(text(*image, "link") == text(channel, "link"), "ImageLinkDoesntMatch", &text(*image, "link"));
        found.web(&text(*image, "url"));
    }
    let hours: Vec<String> = children(channel, "", "skipHours")
        .into_iter()
        .flat_map(|hours| children(hours, "", "hour"))
        .map(all_text)
        .collect();
    found.unless(hours.iter().collect::<BTreeSet<_>>().len() == hours.len(), "DuplicateHour", &hours.join(" "));
    found.unless(hours.iter().all(|hour| hour.parse::<u8>().is_ok_and(|h| h < 24)), "InvalidHour", &hours.join(" "));
    let links = children(channel, ATOM, "link");
    let own = links.iter().find(|link| link.attribute("rel") == Some("self")).and_then(|link| link.attribute("href"));
    found.unless(own == Some(at), "SelfDoesntMatchLocation", at);
    let mut ids = BTreeSet::new();
    for item in children(channel, "", "item") {
        found.one_each(item, "", &["title", "link", "description", "guid", "pubDate", "enclosure"]);
        found.plain(&text(item, "title"));
        found.web(&text(item, "link"));
        found.rfc822(&text(item, "pubDate"));
        found.html(&text(item, "description"));
        for content in children(item, CONTENT, "encoded") {
            found.html(&all_text(content));
        }
        found.unless(ids.insert(text(item, "guid")), "DuplicateValue", &text(item, "guid"));
        for updated in children(item, ATOM, "updated").into_iter().chain(children(item, DCTERMS, "modified")) {
            found.rfc3339(&all_text(updated));
        }
        for enclosure in children(item, "", "enclosure") {
            found.web(enclosure.attribute("url").unwrap_or_default());
            found.unless(
                enclosure.attribute("length").is_some_and(|l| l.parse::<u64>().is_ok()),
                "InvalidInteger",
                "length",
            );
            found.unless(enclosure.attribute("type").is_some_and(|t| t.contains('/')), "InvalidMIMEAttribute", "type");
        }
        for category in children(item, "", "category") {
            found.plain(&all_text(category));
            found.uri(category.attribute("domain").unwrap_or_default());
        }
    }
    found.0
}

/// What is to be found in an Atom document that was read at this address.
pub fn atom(bytes: &[u8], at: &str) -> Vec<String> {
    let mut found = Findings::default();
    let xml = std::str::from_utf8(bytes).expect("UTF-8");
    let parsed = roxmltree::Document::parse(xml).expect("well-formed");
    let feed = parsed.root_element();
    let names = "feed title id updated author contributor name generator link subtitle rights icon logo category entry \
                 published summary content";
    found.known(feed, &names.split_whitespace().collect::<Vec<_>>());
    found.one_each(feed, ATOM, &["title", "id", "updated", "generator", "subtitle", "rights", "icon", "logo"]);
    let text =
        |node: Node<'_, '_>, name: &str| children(node, ATOM, name).first().map(|n| all_text(*n)).unwrap_or_default();
    let links = children(feed, ATOM, "link");
    let own = links.iter().find(|link| link.attribute("rel") == Some("self")).and_then(|link| link.attribute("href"));
    found.unless(own == Some(at), "SelfDoesntMatchLocation", at);
    found.uri(&text(feed, "id"));
    found.rfc3339(&text(feed, "updated"));
    for picture in ["icon", "logo"] {
        for node in children(feed, ATOM, picture) {
            found.web(&all_text(node));
        }
    }
    let mut ids = BTreeSet::from([text(feed, "id")]);
    let mut newest = String::new();
    for entry in children(feed, ATOM, "entry") {
        found.one_each(entry, ATOM, &["title", "id", "updated", "published", "summary", "content"]);
        found.plain(&text(entry, "title"));
        found.plain(&text(entry, "summary"));
        found.html(&text(entry, "content"));
        found.rfc3339(&text(entry, "updated"));
        found.rfc3339(&text(entry, "published"));
        newest = newest.max(text(entry, "updated"));
        found.unless(ids.insert(text(entry, "id")), "DuplicateValue", &text(entry, "id"));
        found.unless(!text(entry, "id").is_empty(), "MissingElement", "id");
        for link in children(entry, ATOM, "link") {
            found.web(link.attribute("href").unwrap_or_default());
        }
        for person in children(entry, ATOM, "author").into_iter().chain(children(entry, ATOM, "contributor")) {
            found.unless(!text(person, "name").trim().is_empty(), "MissingElement", "name");
        }
        for category in children(entry, ATOM, "category") {
            found.unless(!category.attribute("term").unwrap_or_default().is_empty(), "MissingAttribute", "term");
            found.uri(category.attribute("scheme").unwrap_or_default());
        }
    }
    found.unless(text(feed, "updated") >= newest, "UpdatedBehindEntries", &newest);
    found.0
}

/// What is to be found in a JSON Feed that was read at this address.
pub fn json(bytes: &[u8], at: &str) -> Vec<String> {
    let mut found = Findings::default();
    let feed: Value = serde_json::from_slice(bytes).expect("JSON");
    let own = "version title home_page_url feed_url description user_comment next_url icon favicon authors language expired \
               hubs items";
    for name in feed.as_object().expect("an object").keys() {
        found.unless(name.starts_with('_') || own.split_whitespace().any(|own| own == name), "UnknownMember", name);
    }
    found.unless(feed["feed_url"] == at, "SelfDoesntMatchLocation", at);
    for name in ["home_page_url", "feed_url", "icon", "favicon"] {
        if let Some(address) = feed[name].as_str() {
            found.web(address);
        }
    }
    let mut ids = BTreeSet::new();
    for item in feed["items"].as_array().expect("items") {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        found.unless(!text("id").is_empty() && ids.insert(text("id")), "DuplicateValue", text("id"));
        found.plain(text("title"));
        found.plain(text("summary"));
        found.html(text("content_html"));
        found.web(text("url"));
        found.rfc3339(text("date_published"));
        found.rfc3339(text("date_modified"));
        found.unless(
            !(text("content_html").is_empty() && text("content_text").is_empty()),
            "MissingContent",
            text("id"),
        );
    }
    found.0
}
