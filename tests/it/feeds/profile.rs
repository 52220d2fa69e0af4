//! What the wire checklists ask of each document, written against the articles that went in: an own reading of the
//! specifications that shares nothing with loa's proof.

use std::collections::BTreeSet;

use loa::feed::document::Document;
use roxmltree::Node;
use serde_json::Value;

pub const ATOM: &str = "http://www.w3.org/2005/Atom";
pub const CONTENT: &str = "http://purl.org/rss/1.0/modules/content/";
pub const DC: &str = "http://purl.org/dc/elements/1.1/";
pub const DCTERMS: &str = "http://purl.org/dc/terms/";
pub const MEDIA: &str = "http://search.yahoo.com/mrss/";
pub const SY: &str = "http://purl.org/rss/1.0/modules/syndication/";

const START: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<?xml-stylesheet type=\"text/css\" href=\"https://loa.songcau.example/static/feed.css\"?>\n<";

/// Text of the one child of that name.
pub fn text(parent: Node<'_, '_>, namespace: &str, name: &str) -> String {
    let found: Vec<_> = children(parent, namespace, name);
    assert_eq!(found.len(), 1, "{name} in {}", parent.tag_name().name());
    all_text(found[0])
}

/// All text in a node.
pub fn all_text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// Children of that name.
pub fn children<'a, 'i>(parent: Node<'a, 'i>, namespace: &str, name: &str) -> Vec<Node<'a, 'i>> {
    let wanted = (!namespace.is_empty()).then_some(namespace);
    parent
        .children()
        .filter(|node| node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == wanted)
        .collect()
}

/// Every prefix that is declared is used, and the other way round (the latter by well-formedness).
fn only_used_prefixes_are_declared(xml: &str, root: Node<'_, '_>) {
    for namespace in root.namespaces() {
        if let Some(prefix) = namespace.name() {
            assert!(xml.contains(&format!("<{prefix}:")), "{prefix} is declared and not used");
        }
    }
}

/// `Mon, 5 Jan 2026 07:30:00 +0700`, strictly.
fn is_rfc822(date: &str) -> bool {
    let parts: Vec<_> = date.split(' ').collect();
    let digits =
        |text: &str, lengths: &[usize]| lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let [day_name, day, month, year, time, zone] = parts[..] else { return false };
    ["Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"].contains(&day_name)
        && digits(day, &[1, 2])
        && ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].contains(&month)
        && digits(year, &[4])
        && time.split(':').count() == 3
        && time.split(':').all(|part| digits(part, &[2]))
        && zone.starts_with(['+', '-'])
        && digits(&zone[1..], &[4])
}

/// `2026-01-05T07:30:00+07:00`, strictly.
fn is_rfc3339(date: &str) -> bool {
    date.len() == 25
        && date.bytes().zip(b"0000-00-00T00:00:00+00:00").all(|(byte, pattern)| match pattern {
            b'0' => byte.is_ascii_digit(),
            b'+' => b"+-".contains(&byte),
            pattern => byte == *pattern,
        })
}

fn is_web(address: &str) -> bool {
    (address.starts_with("https://") || address.starts_with("http://"))
        && address.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b))
}

/// RSS 2.0 and the RSS profile.
pub fn rss(bytes: &[u8], document: &Document) {
    let xml = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(xml.starts_with(START), "{}", &xml[..200.min(xml.len())]);
    assert_eq!(xml.matches("<?xml-stylesheet").count(), 1);
    let parsed = roxmltree::Document::parse(xml).expect("well-formed");
    only_used_prefixes_are_declared(xml, parsed.root_element());
    let channels = children(parsed.root_element(), "", "channel");
    assert_eq!(channels.len(), 1);
    let channel = channels[0];
    assert_eq!(text(channel, "", "link"), "https://loa.songcau.example/feeds/cong-tac-to-chuc");
    assert_eq!(text(channel, "", "language"), "vi");
    assert!(text(channel, "", "generator").starts_with("loa "));
    assert!(!text(channel, "", "description").is_empty());
    assert!(is_rfc822(&text(channel, "", "lastBuildDate")));
    let minutes: u32 = text(channel, "", "ttl").parse().expect("a number");
    assert!((5..=30).contains(&minutes));
    assert_eq!(text(channel, SY, "updatePeriod"), "hourly");
    assert_eq!(text(channel, SY, "updateFrequency").parse::<u32>().expect("a number") * minutes, 60);
    let links: Vec<_> = children(channel, ATOM, "link")
        .iter()
        .map(|link| (link.attribute("rel").expect("rel").to_owned(), link.attribute("href").expect("href").to_owned()))
        .collect();
    let expected = ["self rss", "alternate atom", "alternate json"].map(|pair| {
        let (rel, ending) = pair.split_once(' ').expect("two words");
        (rel.to_owned(), format!("https://loa.songcau.example/feeds/cong-tac-to-chuc.{ending}"))
    });
    let hub = document.hub.clone().map(|hub| ("hub".to_owned(), hub));
    assert_eq!(links, expected.into_iter().chain(hub).collect::<Vec<_>>());
    let items = children(channel, "", "item");
    assert_eq!(items.len(), document.items.len());
    let ids: BTreeSet<_> = items.iter().map(|item| rss_item(*item)).collect();
    assert_eq!(ids.len(), items.len(), "two items have one guid");
}

fn rss_item(item: Node<'_, '_>) -> String {
    assert!(!text(item, "", "title").trim().is_empty());
    assert!(is_web(&text(item, "", "link")), "{}", text(item, "", "link"));
    assert!(is_rfc822(&text(item, "", "pubDate")), "{}", text(item, "", "pubDate"));
    assert!(is_rfc3339(&text(item, ATOM, "updated")));
    assert_eq!(text(item, ATOM, "updated"), text(item, DCTERMS, "modified"));
    assert!(children(item, "", "author").is_empty(), "author without a mail address");
    let guids = children(item, "", "guid");
    assert_eq!((guids.len(), guids[0].attribute("isPermaLink")), (1, Some("false")));
    for category in children(item, "", "category") {
        assert!(category.attribute("domain").is_some_and(|domain| domain.starts_with("tag:songcau.example,2021:")));
        assert!(!all_text(category).is_empty());
    }
    let (short, long) = (children(item, "", "description"), children(item, CONTENT, "encoded"));
    assert!(short.len() <= 1 && long.len() <= 1);
    if let ([short], [long]) = (&short[..], &long[..]) {
        assert!(short.range().end <= long.range().start);
    }
    let pictures = children(item, "", "enclosure");
    let (content, thumbnail) = (children(item, MEDIA, "content"), children(item, MEDIA, "thumbnail"));
    assert!(pictures.len() <= 1);
    assert_eq!((content.len(), thumbnail.len()), (pictures.len(), pictures.len()));
    if let Some(picture) = pictures.first() {
        assert!(picture.attribute("length").is_some_and(|length| length.parse::<u64>().is_ok()));
        assert!(picture.attribute("type").is_some_and(|kind| kind.contains('/')));
        assert!(picture.attribute("url").is_some_and(is_web));
        assert_eq!(picture.attribute("url"), content[0].attribute("url"));
        assert_eq!(picture.attribute("url"), thumbnail[0].attribute("url"));
        assert_eq!(content[0].attribute("medium"), Some("image"));
    }
    all_text(guids[0])
}

/// RFC 4287, where its grammar is silent.
pub fn atom(bytes: &[u8], document: &Document) {
    let xml = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(xml.starts_with(START), "{}", &xml[..200.min(xml.len())]);
    let parsed = roxmltree::Document::parse(xml).expect("well-formed");
    let feed = parsed.root_element();
    only_used_prefixes_are_declared(xml, feed);
    assert_eq!(feed.attribute(("http://www.w3.org/XML/1998/namespace", "lang")), Some("vi"));
    assert_eq!(text(feed, ATOM, "id"), "tag:songcau.example,2021:feed/cong-tac-to-chuc");
    assert!(is_rfc3339(&text(feed, ATOM, "updated")));
    let generator = children(feed, ATOM, "generator");
    assert_eq!(all_text(generator[0]), "loa");
    assert!(generator[0].attribute("version").is_some() && generator[0].attribute("uri").is_some());
    let link = |rel: &str, kind: Option<&str>| {
        let links = children(feed, ATOM, "link");
        let found: Vec<_> = links
            .iter()
            .filter(|link| link.attribute("rel") == Some(rel) && link.attribute("type") == kind)
            .map(|link| link.attribute("href").expect("href").to_owned())
            .collect();
        assert_eq!(found.len(), 1, "{rel} {kind:?}");
        found[0].clone()
    };
    let page = "https://loa.songcau.example/feeds/cong-tac-to-chuc";
    assert_eq!(link("self", Some("application/atom+xml")), format!("{page}.atom"));
    assert_eq!(link("alternate", Some("text/html")), page);
    assert_eq!(link("alternate", Some("application/rss+xml")), format!("{page}.rss"));
    assert_eq!(link("alternate", Some("application/feed+json")), format!("{page}.json"));
    if let Some(hub) = &document.hub {
        assert_eq!(link("hub", None), *hub);
    }
    for entry in children(feed, ATOM, "entry") {
        assert!(is_rfc3339(&text(entry, ATOM, "updated")) && is_rfc3339(&text(entry, ATOM, "published")));
        for content in children(entry, ATOM, "content") {
            assert_eq!(content.attribute("type"), Some("html"));
        }
        for link in children(entry, ATOM, "link") {
            assert!(link.attribute("href").is_some_and(is_web));
        }
    }
}

/// JSON Feed 1.1.
pub fn json(bytes: &[u8], document: &Document) {
    let feed: Value = serde_json::from_slice(bytes).expect("JSON");
    let page = "https://loa.songcau.example/feeds/cong-tac-to-chuc";
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(feed["home_page_url"], page);
    assert_eq!(feed["feed_url"], format!("{page}.json"));
    assert_eq!(feed["language"], "vi");
    assert!(feed.get("next_url").is_none());
    assert_eq!(feed.get("hubs").is_some(), document.hub.is_some());
    if let Some(hub) = &document.hub {
        assert_eq!(feed["hubs"], serde_json::json!([{"type": "WebSub", "url": hub}]));
    }
    let known = [
        "id",
        "url",
        "external_url",
        "title",
        "content_html",
        "content_text",
        "summary",
        "image",
        "banner_image",
        "date_published",
        "date_modified",
        "authors",
        "tags",
        "language",
        "attachments",
    ];
    let items = feed["items"].as_array().expect("items");
    assert_eq!(items.len(), document.items.len());
    for item in items {
        let item = item.as_object().expect("an object");
        for name in item.keys() {
            assert!(known.contains(&name.as_str()) || name.starts_with('_'), "{name}");
        }
        assert!(item["id"].is_string() && item["url"].as_str().is_some_and(is_web));
        assert!(item.contains_key("content_html") != item.contains_key("content_text"));
        for name in ["date_published", "date_modified"] {
            assert!(item[name].as_str().is_some_and(is_rfc3339), "{}", item[name]);
        }
        for author in item.get("authors").and_then(Value::as_array).into_iter().flatten() {
            assert!(author["name"].as_str().is_some_and(|name| !name.is_empty()));
        }
        for tag in item.get("tags").and_then(Value::as_array).into_iter().flatten() {
            assert!(tag.is_string());
        }
        for attachment in item.get("attachments").and_then(Value::as_array).into_iter().flatten() {
            assert!(attachment["url"].as_str().is_some_and(is_web) && attachment["mime_type"].is_string());
            assert!(attachment.get("size_in_bytes").is_none_or(Value::is_u64));
        }
    }
}
