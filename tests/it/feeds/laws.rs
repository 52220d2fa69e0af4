//! What a document says, what it leaves out, and what its proof refuses.

use jiff::tz::TimeZone;
use loa::clock::Timestamp;
use loa::domain::subscriber::Locale;
use loa::feed::budget::LIMIT;
use loa::feed::document::{Document, Format, proof};
use loa::feed::edition::{Edition, render};
use loa::feed::opml;
use loa::text::xml::XmlText;

use super::corpus::{START, feed, site, stored};
use super::profile::{ATOM, CONTENT, DC, all_text, children, text};

fn rss_of(document: &Document) -> String {
    String::from_utf8(render(document, Format::Rss).expect("written")).expect("UTF-8")
}

#[test]
fn an_article_has_one_id_in_all_formats_and_it_is_the_one_that_mails_carry() {
    let document = Document::new(&site(), &feed(), &[stored(2), stored(1)]);
    let rss = rss_of(&document);
    let rss = roxmltree::Document::parse(&rss).expect("well-formed");
    let atom = String::from_utf8(render(&document, Format::Atom).expect("written")).expect("UTF-8");
    let atom = roxmltree::Document::parse(&atom).expect("well-formed");
    let json: serde_json::Value =
        serde_json::from_slice(&render(&document, Format::Json).expect("written")).expect("JSON");
    let expected = [stored(2).entry_id, stored(1).entry_id];
    let guids: Vec<_> = rss.descendants().filter(|n| n.has_tag_name("guid")).map(all_text).collect();
    let ids: Vec<_> =
        atom.descendants().filter(|n| n.has_tag_name((ATOM, "entry"))).map(|n| text(n, ATOM, "id")).collect();
    let json_ids: Vec<_> = json["items"].as_array().expect("items").iter().map(|i| i["id"].as_str()).collect();
    assert_eq!(guids, expected);
    assert_eq!(ids, expected);
    assert_eq!(json_ids, expected.each_ref().map(|id| Some(id.as_str())));
}

#[test]
fn a_document_says_when_its_content_changed_and_never_when_it_was_made() {
    let old = Document::new(&site(), &feed(), &[stored(1)]);
    assert_eq!(old.updated, stored(1).updated);
    let mut touched = feed();
    touched.changed = Timestamp::from_millis(START + 86_400_000);
    assert_eq!(Document::new(&site(), &touched, &[stored(1)]).updated, touched.changed, "an article left the feed");
    assert_eq!(Document::new(&site(), &feed(), &[]).updated, feed().changed);
    assert!(rss_of(&old).contains("<lastBuildDate>Mon, 5 Jan 2026 08:30:00 +0700</lastBuildDate>"));
}

#[test]
fn an_article_that_no_feed_can_carry_is_left_out_and_named_and_the_feed_goes_on() {
    let (mut nowhere, mut twin, mut nameless) = (stored(5), stored(4), stored(3));
    nowhere.article.url = "/tin/5.html".to_owned();
    twin.entry_id = stored(6).entry_id;
    nameless.entry_id = String::new();
    let document = Document::new(&site(), &feed(), &[stored(6), nowhere, twin, nameless, stored(2)]);
    assert_eq!(document.items.iter().map(|item| item.article).collect::<Vec<_>>(), [6, 2]);
    let named: Vec<_> = document.left_out.iter().map(|(id, reason)| (*id, reason.as_str())).collect();
    assert!(
        matches!(named[..], [(5, url), (4, id), (3, none)]
        if url.contains("/tin/5.html") && id.contains("already") && none.contains("not a URI")),
        "{named:?}"
    );
    assert!(Edition::of(document).is_ok());
}

#[test]
fn an_item_that_fails_the_proof_is_found_and_left_out_of_every_format() {
    let mut document = Document::new(&site(), &feed(), &[stored(3), stored(2), stored(1)]);
    document.items[1].link = "https://songcau.example/\u{B}".to_owned();
    let edition = Edition::of(document).expect("the feed goes on");
    assert!(matches!(&edition.left_out[..], [(2, reason)] if reason.contains("U+000B")), "{:?}", edition.left_out);
    for format in Format::ALL {
        let written = String::from_utf8_lossy(edition.bytes(format));
        assert!(written.contains("portal/article/3\"") || written.contains("portal/article/3<"));
        assert!(!written.contains("portal/article/2"), "{written}");
    }
}

#[test]
fn a_feed_that_is_wrong_itself_is_not_published() {
    let mut document = Document::new(&site(), &feed(), &[stored(1)]);
    document.page = "feeds/tin".to_owned();
    let error = Edition::of(document).expect_err("no reader could follow it").to_string();
    assert!(error.contains("RSS") && error.contains("feeds/tin"), "{error}");
}

#[test]
fn a_withdrawn_article_is_in_no_document() {
    let mut withdrawn = stored(2);
    withdrawn.visible = false;
    let document = Document::new(&site(), &feed(), &[withdrawn, stored(1)]);
    assert_eq!(document.items.len(), 1);
    assert!(document.left_out.is_empty(), "withdrawal is no fault");
}

#[test]
fn the_oldest_articles_lose_their_full_text_first_and_no_document_exceeds_two_megabytes() {
    let long = "<p>Nghị quyết \"về\" công tác & tổ chức]]></p>\n".repeat(2_000);
    let articles: Vec<_> = (1..=50)
        .rev()
        .map(|id| {
            let mut stored = stored(id);
            stored.article.content_html = long.as_str().into();
            stored
        })
        .collect();
    let document = Document::new(&site(), &feed(), &articles);
    assert_eq!(document.items.len(), 50);
    let full: Vec<_> = document.items.iter().map(|item| item.content_html.is_some()).collect();
    let kept = full.iter().take_while(|full| **full).count();
    assert!(kept > 5 && kept < 50 && full[kept..].iter().all(|full| !full), "{full:?}");
    assert_eq!(document.repaired.len(), 50 - kept);
    for format in Format::ALL {
        let size = render(&document, format).expect("written").len();
        assert!(size <= LIMIT, "{format:?} takes {size}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&render(&document, Format::Json).expect("written")).expect("JSON");
    assert_eq!(json["items"][49]["content_text"], stored(1).article.summary.as_str());
}

#[test]
fn one_endless_article_does_not_cost_the_others_their_text() {
    let mut endless = stored(3);
    endless.article.content_html = "<p>dài</p>".repeat(200_000).as_str().into();
    let document = Document::new(&site(), &feed(), &[endless, stored(2), stored(1)]);
    let full: Vec<_> = document.items.iter().map(|item| item.content_html.is_some()).collect();
    assert_eq!(full, [false, true, true]);
    assert!(matches!(&document.repaired[..], [(3, reason)] if reason.contains("too long")));
}

#[test]
fn even_summaries_alone_cannot_burst_a_document() {
    let articles: Vec<_> = (1..=50)
        .rev()
        .map(|id| {
            let mut stored = stored(id);
            stored.article.summary = "&<]]>\"".repeat(4_000).as_str().into();
            stored
        })
        .collect();
    let document = Document::new(&site(), &feed(), &articles);
    assert!(!document.items.is_empty() && document.items.len() + document.left_out.len() == 50);
    assert_eq!(document.items[0].article, 50, "the newest stay");
    for format in Format::ALL {
        assert!(render(&document, format).expect("written").len() <= LIMIT);
    }
}

#[test]
fn a_summary_is_plain_text_even_for_readers_that_take_it_for_html() {
    let mut article = stored(1);
    article.article.summary = "<Nghị quyết> 5 < 6 & ]]> hết".into();
    let document = Document::new(&site(), &feed(), &[article]);
    let rss = rss_of(&document);
    let rss = roxmltree::Document::parse(&rss).expect("well-formed");
    let item = rss.descendants().find(|node| node.has_tag_name("item")).expect("an item");
    assert_eq!(text(item, "", "description"), "&lt;Nghị quyết&gt; 5 &lt; 6 &amp; ]]&gt; hết");
    assert_eq!(text(item, CONTENT, "encoded"), stored(1).article.content_html.as_str());
    assert_eq!(children(item, DC, "creator").len(), 1);
}

#[test]
fn an_article_in_another_language_says_so() {
    let mut article = stored(1);
    article.article.language = "en".to_owned();
    let document = Document::new(&site(), &feed(), &[article]);
    assert!(rss_of(&document).contains("<dc:language>en</dc:language>"));
    let atom = String::from_utf8(render(&document, Format::Atom).expect("written")).expect("UTF-8");
    assert!(atom.contains("<title xml:lang=\"en\">") && atom.contains("<content xml:lang=\"en\" type=\"html\">"));
    let json = String::from_utf8(render(&document, Format::Json).expect("written")).expect("UTF-8");
    assert!(json.contains("\"language\":\"en\""));
}

#[test]
fn a_hub_is_named_only_where_there_is_one() {
    let document = Document::new(&site(), &feed(), &[stored(1)]);
    for format in Format::ALL {
        let without = String::from_utf8(render(&document, format).expect("written")).expect("UTF-8");
        assert!(!without.contains("hub"), "{without}");
        let with = document.clone().with_hub("https://loa.songcau.example/hub?a=1&b=2");
        let with = render(&with, format).expect("written");
        proof(format, &with).expect("fit for readers");
        assert!(String::from_utf8_lossy(&with).contains("loa.songcau.example/hub?a=1&"));
    }
}

#[test]
fn dates_stand_in_whole_minutes_even_where_clocks_once_followed_the_sun() {
    let mut site = site();
    site.zone = TimeZone::posix("LMT-7:06:30").expect("a zone");
    let document = Document::new(&site, &feed(), &[stored(1)]);
    assert_eq!(document.rfc3339(Timestamp::from_millis(START)), "2026-01-05T07:36:00+07:06");
    assert_eq!(document.rfc2822(Timestamp::from_millis(START)), "Mon, 5 Jan 2026 07:36:00 +0706");
}

#[test]
fn an_english_site_speaks_english_of_itself() {
    let mut site = site();
    site.locale = Locale::En;
    let document = Document::new(&site, &feed(), &[]);
    assert_eq!(document.title.as_str(), "Organisational work – Trang tin Tỉnh ủy Sông Cầu");
    assert_eq!(document.language, "en");
    let mut silent = feed();
    silent.spec.description = XmlText::default();
    let title = "Công tác tổ chức";
    let said = Document::new(&super::site(), &silent, &[]).description;
    assert_eq!(said.as_str(), format!("Bài mới về “{title}” từ Trang tin Tỉnh ủy Sông Cầu"));
}

#[test]
fn the_list_of_feeds_names_each_feed_once_and_no_retired_one() {
    let mut retired = feed();
    retired.retired = true;
    retired.spec.slug = "cu".to_owned();
    let list = String::from_utf8(opml::render(&site(), &[feed(), retired]).expect("written")).expect("UTF-8");
    let list = roxmltree::Document::parse(&list).expect("well-formed");
    let outlines: Vec<_> = list.descendants().filter(|node| node.has_tag_name("outline")).collect();
    assert_eq!(outlines.len(), 2);
    assert_eq!(outlines[0].attributes().len(), 1, "a group has nothing but its text");
    assert_eq!(outlines[1].attribute("xmlUrl"), Some("https://loa.songcau.example/feeds/cong-tac-to-chuc.rss"));
    assert_eq!(outlines[1].attribute("type"), Some("rss"));
    assert_eq!(outlines[1].attribute("language"), Some("vi"));
    let head = list.descendants().find(|node| node.has_tag_name("head")).expect("a head");
    assert_eq!(text(head, "", "dateModified"), "Mon, 5 Jan 2026 07:30:00 +0700");
    assert_eq!(text(head, "", "ownerName"), site().title.as_str());
    let empty = String::from_utf8(opml::render(&site(), &[]).expect("written")).expect("UTF-8");
    assert_eq!(empty.matches("<outline").count(), 1);
    assert!(!empty.contains("dateModified"), "there is nothing that could have changed");
}

#[test]
fn the_proof_refuses_what_readers_refuse() {
    let document = Document::new(&site(), &feed(), &[stored(2), stored(1)]);
    let twin = ("portal/article/1", "portal/article/2");
    let cases: &[(Format, &str, &str, &str)] = &[
        (Format::Rss, "<?xml v", "\u{FEFF}<?xml v", "byte order mark"),
        (Format::Rss, "<?xml v", " <?xml v", "declaration"),
        (Format::Rss, "Chi bộ", "Chi\u{B}bộ", "U+000B"),
        (Format::Rss, "Chi bộ", "Chi &#11; bộ", "well-formed"),
        (Format::Rss, "Chi bộ", "Chi & bộ", "well-formed"),
        (Format::Rss, " xmlns:media=\"http://search.yahoo.com/mrss/\"", "", "media"),
        (Format::Rss, twin.0, twin.1, "two items"),
        (Format::Rss, "isPermaLink=\"false\"", "", "calls itself an address"),
        (Format::Rss, "<language>vi</language>", "", "no language"),
        (Format::Rss, "rel=\"self\"", "rel=\"via\"", "own address"),
        (Format::Rss, "08:30:00 +0700</pubDate>", "8h30</pubDate>", "RFC 5322"),
        (Format::Rss, "<ttl>", "<ttl>9", "ttl"),
        (Format::Rss, "length=\"182044\"", "length=\"180 KB\"", "length"),
        (Format::Rss, "https://songcau.example/tin/1-", "/tin/1-", "absolute"),
        (Format::Rss, "</channel>", "<docs>a</docs></channel>", "behind the first item"),
        (Format::Atom, twin.0, twin.1, "two items"),
        (Format::Atom, " xml:lang=\"vi\"", "", "xml:lang"),
        (Format::Atom, " type=\"html\"", "", "does not say"),
        (Format::Atom, "</feed>", "<icon>a</icon></feed>", "behind the first entry"),
        (Format::Atom, "<updated>2026-01-05T08:30:00+07:00", "<updated>05/01/2026", "RFC 3339"),
        (Format::Atom, "type=\"application/feed+json\"", "type=\"application/rss+xml\"", "second alternate"),
        (Format::Json, twin.0, twin.1, "two items"),
        (Format::Json, "\"id\":\"tag:songcau.example,2021:portal/article/1\"", "\"id\":1", "empty or no id"),
        (Format::Json, "\"content_html\"", "\"content\"", "no content"),
        (Format::Json, "version/1.1", "version/1", "version"),
        (Format::Json, "}", "", "not JSON"),
    ];
    for (format, from, to, reason) in cases {
        let good = String::from_utf8(render(&document, *format).expect("written")).expect("UTF-8");
        assert_eq!(proof(*format, good.as_bytes()), Ok(()));
        let bad = good.replace(from, to);
        assert_ne!(good, bad, "{from} is not in the {format:?} document");
        let said = proof(*format, bad.as_bytes()).expect_err(reason);
        assert!(said.contains(reason), "{format:?} with {to:?}: {said}");
    }
    assert!(proof(Format::Rss, b"\xFF").is_err_and(|said| said.contains("UTF-8")));
}

#[test]
fn line_ends_are_the_same_for_readers_of_xml_and_of_json() {
    let mut article = stored(1);
    article.article.content_html = "<pre>một\r\nhai\rba\nbốn</pre>\r\n".into();
    let document = Document::new(&site(), &feed(), &[article]);
    let meant = "<pre>một\nhai\nba\nbốn</pre>";
    let rss = rss_of(&document);
    let rss = roxmltree::Document::parse(&rss).expect("well-formed");
    let item = rss.descendants().find(|node| node.has_tag_name("item")).expect("an item");
    assert_eq!(text(item, "", "link"), document.items[0].link);
    assert_eq!(text(item, CONTENT, "encoded"), meant);
    let json: serde_json::Value =
        serde_json::from_slice(&render(&document, Format::Json).expect("written")).expect("JSON");
    assert_eq!(json["items"][0]["content_html"], meant);
}
