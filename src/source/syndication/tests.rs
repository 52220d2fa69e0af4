//! Laws of reading: what portals' feeds say and how they say it wrongly. Never touches a network.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use url::Url;

use super::document::{Document, Reading, read};
use super::xml;

fn reading() -> Reading {
    Reading {
        at: Url::parse("https://portal.example.vn/tin/nguon.xml").expect("an address"),
        site: None,
        zone: TimeZone::fixed(jiff::tz::offset(7)),
        language: String::new(),
    }
}

fn feed(text: &str) -> Document {
    read(text, &reading()).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

fn rss(items: &str) -> String {
    format!(
        "<rss version=\"2.0\" xmlns:dc=\"{}\" xmlns:content=\"{}\" xmlns:media=\"{}\" xmlns:atom=\"{}\"><channel>\
         <title>Tin</title><link>https://portal.example.vn/</link><language>vi-vn</language>{items}</channel></rss>",
        xml::DC,
        xml::CONTENT,
        xml::MEDIA,
        xml::ATOM
    )
}

fn date(at: Option<crate::clock::Timestamp>) -> String {
    at.map_or_else(|| "none".to_owned(), |at| at.rfc3339(&reading().zone))
}

#[test]
fn an_item_of_rss_is_read_with_all_that_its_modules_say() {
    let document = feed(&rss("<item><title>Hội nghị &amp;amp; tổng kết</title><link>/bai/1</link>\
        <guid isPermaLink=\"false\">so-1</guid><description>&lt;p&gt;Lời dẫn&lt;/p&gt;</description>\
        <content:encoded><![CDATA[<p>Cả bài</p>]]></content:encoded><dc:creator>Trúc Linh</dc:creator>\
        <author>ten@example.vn (Văn An)</author><category>Tin tức</category><category> Đoàn thể </category>\
        <pubDate>Tue, 23 Nov 2021 14:05:00 +0700</pubDate><atom:updated>2021-11-24T01:00:00Z</atom:updated>\
        <enclosure url=\"/tep/bai.pdf\" type=\"application/pdf\" length=\"9\"/>\
        <media:group><media:content url=\"/anh/nho.jpg\" width=\"100\"/>\
        <media:content url=\"/anh/lon.jpg#joomlaImage://local-images/lon.jpg\" width=\"800\" height=\"600\"/></media:group></item>"));
    assert_eq!((document.format.as_str(), document.title.as_str()), ("RSS 2.0", "Tin"));
    let [item] = &document.items[..] else { panic!("{document:?}") };
    assert_eq!((item.id.as_str(), item.link.as_str()), ("so-1", "https://portal.example.vn/bai/1"));
    assert_eq!(item.title, "Hội nghị &amp; tổng kết", "markup and entities of a title are taken out at ingest");
    assert_eq!((item.summary.as_str(), item.content.as_str()), ("<p>Lời dẫn</p>", "<p>Cả bài</p>"));
    assert_eq!(item.authors, ["Văn An", "Trúc Linh"]);
    assert_eq!(item.categories, ["Tin tức", "Đoàn thể"]);
    assert_eq!(date(item.published), "2021-11-23T14:05:00+07:00");
    assert_eq!(date(item.updated), "2021-11-24T08:00:00+07:00");
    assert_eq!(item.language, "vi-vn");
    let image = item.image.as_ref().expect("a picture");
    assert_eq!(image.url, "https://portal.example.vn/anh/lon.jpg");
    assert_eq!((image.width, image.height, image.media_type.as_str()), (Some(800), Some(600), "image/jpeg"));
}

#[test]
fn joomlas_numbers_are_ids_and_its_atom_links_lead_to_pages() {
    let atom = |alias: &str| {
        format!(
            "<feed xmlns=\"{}\" xml:base=\"https://portal.example.vn/\" xml:lang=\"vi-vn\"><title type=\"text\">Tin</title>\
             <generator uri=\"https://www.joomla.org\">Joomla! - Open Source Content Management</generator>\
             <link rel=\"self\" href=\"https://portal.example.vn//tin?format=feed\"/><entry><title>A &lt; B</title>\
             <link rel=\"alternate\" type=\"text/html\" href=\"/index.php?view=article&amp;id=9019:{alias}&amp;catid=7&amp;format=feed&amp;type=atom\"/>\
             <id>https://portal.example.vn/index.php?view=article&amp;id=9019:{alias}</id>\
             <published>2021-11-23T07:05:00+00:00</published><updated>2021-11-23T07:05:00+00:00</updated>\
             <author><name>Trúc Linh</name><email>ten@example.vn</email></author>\
             <summary type=\"html\">&lt;p&gt;&lt;img src=\"\"/&gt;Bài&lt;/p&gt;</summary></entry></feed>",
            xml::ATOM
        )
    };
    let (before, after) = (feed(&atom("hoi-nghi")), feed(&atom("hoi-nghi-moi")));
    assert_eq!(before.items[0].id, "joomla:9019");
    assert_eq!(before.items[0].id, after.items[0].id, "another alias is no other article");
    assert_eq!(before.items[0].link, "https://portal.example.vn/index.php?view=article&id=9019%3Ahoi-nghi&catid=7");
    assert_eq!(before.items[0].title, "A &lt; B", "a title of type text is no HTML");
    assert_eq!(before.items[0].authors, ["Trúc Linh"]);
    assert_eq!(before.items[0].language, "vi-vn");
    let rss = feed(&rss("<generator>Joomla! - Open Source Content Management</generator><item><title>A</title>\
        <link>https://portal.example.vn/index.php/7-tin/9019-hoi-nghi</link>\
        <guid isPermaLink=\"true\">https://portal.example.vn/index.php/7-tin/9019-hoi-nghi</guid></item>"));
    assert_eq!(rss.items[0].id, before.items[0].id, "both formats of one portal name one article");
}

#[test]
fn atom_is_read_with_its_bases_text_types_and_enclosures() {
    let document = feed(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>T</title><author><name>Ban biên tập</name></author>\
         <entry xml:base=\"https://khac.example.vn/thu/muc/\"><id>urn:1</id><link href=\"bai.html\"/>\
         <title type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\">Tin <b>mới</b></div></title>\
         <updated>2021-11-23T14:05:00</updated><category term=\"tt\" label=\"Tin tức\"/><category term=\"doan\"/>\
         <content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"a\">x &lt; y<br/></p></div></content>\
         <summary>một &amp; hai</summary><link rel=\"enclosure\" type=\"image/png\" href=\"anh.png\" length=\"0\"/></entry></feed>",
    );
    let item = &document.items[0];
    assert_eq!((item.id.as_str(), item.link.as_str()), ("urn:1", "https://khac.example.vn/thu/muc/bai.html"));
    assert_eq!(item.content, "<div><p class=\"a\">x &lt; y<br></p></div>");
    assert_eq!(item.summary, "một &amp; hai");
    assert_eq!(item.categories, ["Tin tức", "doan"]);
    assert_eq!(item.authors, ["Ban biên tập"]);
    assert_eq!(date(item.published), "2021-11-23T14:05:00+07:00", "no zone is the portal's");
    assert_eq!(item.base.as_ref().map(Url::as_str), Some("https://khac.example.vn/thu/muc/"));
    let image = item.image.as_ref().expect("a picture");
    assert_eq!((image.url.as_str(), image.length), ("https://khac.example.vn/thu/muc/anh.png", None));
}

#[test]
fn json_feeds_old_formats_and_numbers_as_ids_are_read() {
    let document = feed(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"Tin","language":"vi","items":[
        {"id":7,"url":"/bai/7","title":"A < B","content_text":"một\n\nhai","date_published":"2021-11-23T14:05:00+07:00",
         "tags":["x"],"authors":[{"name":"An"}],"image":"/a.jpg"},
        {"title":"không có địa chỉ"}]}"#,
    );
    assert_eq!(document.format, "JSON Feed 1.1");
    let [item] = &document.items[..] else { panic!("{document:?}") };
    assert_eq!((item.id.as_str(), item.link.as_str()), ("7", "https://portal.example.vn/bai/7"));
    assert_eq!((item.title.as_str(), item.content.as_str()), ("A &lt; B", "<p>một</p><p>hai</p>"));
    assert_eq!((item.authors.len(), item.tags.len(), item.language.as_str()), (1, 1, "vi"));
    assert_eq!(document.faults.len(), 1);
    assert!(document.faults[0].contains("item 2 (\"không có địa chỉ\")"), "{:?}", document.faults);

    let old = feed("<rss version=\"0.91\"><channel><item><title>a</title><link>/1</link></item></channel></rss>");
    assert_eq!((old.format.as_str(), old.items.len()), ("RSS 0.91", 1));
    let rdf = feed(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel/><item><title>a</title><link>/1</link>\
         <dc:date>2021-11-23T14:05:00+07:00</dc:date></item></rdf:RDF>",
    );
    assert_eq!(rdf.format, "RSS 1.0");
    assert_eq!(date(rdf.items[0].published), "2021-11-23T14:05:00+07:00");
}

#[test]
fn what_is_no_feed_is_named_for_what_it_is() {
    for (text, said) in [
        (
            "<error><code>404</code><message>Category not found</message></error>",
            "error document (404 Category not found)",
        ),
        ("<html><body/></html>", "for people"),
        ("<urlset/>", "sitemap"),
        ("<opml/>", "OPML"),
        ("<ket-qua/>", "<ket-qua>"),
        ("{\"error\":1}", "no JSON Feed"),
        ("{\"version\":", "JSON"),
        ("", "nothing"),
        ("  \n", "nothing"),
        ("Không tìm thấy", "neither XML nor JSON"),
        ("<rss version=\"2.0\"/>", "without <channel>"),
        ("<rss version=\"2.0\"><channel><item><title>a</title><link>/1</link></item><item><title>b</ti", "well-formed"),
    ] {
        let fault = read(text, &reading()).expect_err(text);
        assert!(fault.contains(said), "{fault}");
    }
    assert_eq!(feed("<rss version=\"2.0\"><channel/></rss>").items.len(), 0, "an empty feed is a feed");
}

#[test]
fn what_people_forget_in_xml_is_mended() {
    let item = |inner: &str| rss(&format!("<item><link>/1?a=1&amp;b=2</link>{inner}</item>"));
    for (inner, title) in [
        ("<title>Thanh tra & kiểm tra</title>", "Thanh tra & kiểm tra"),
        ("<title>A&nbsp;B &copy; C &#8211; D &amp;amp; E</title>", "A&nbsp;B &copy; C \u{2013} D &amp; E"),
        ("<title>A\u{b}\u{1}B &#11; C</title>", "AB &#11; C"),
        ("<title><![CDATA[A & B &nbsp; C]]></title><x>&</x>", "A & B &nbsp; C"),
        ("<title>A</title><geo:lat>1</geo:lat><slash:comments>0</slash:comments>", "A"),
        ("<title>A <b>đậm</b></title>", "A <b>đậm</b>"),
    ] {
        let document = feed(&item(inner));
        assert_eq!(document.items[0].title, title);
        assert_eq!(document.items[0].link, "https://portal.example.vn/1?a=1&b=2");
    }
    let undeclared = "<rss version='2.0'><channel><item><link>/1</link><dc:creator>An</dc:creator>\
                      <content:encoded>x</content:encoded></item></channel></rss>";
    assert_eq!((feed(undeclared).items[0].authors.len(), feed(undeclared).items[0].content.as_str()), (1, "x"));
    let netscape = "<!DOCTYPE rss PUBLIC \"-//Netscape Communications//DTD RSS 0.91//EN\" \
                    \"http://my.netscape.com/publish/formats/rss-0.91.dtd\"><rss version=\"0.91\"><channel/></rss>";
    assert_eq!(feed(netscape).items.len(), 0);
}

#[test]
fn an_item_that_cannot_be_read_is_named_and_the_others_are_read() {
    let good = |n: u8| format!("<item><title>Bài {n}</title><link>/{n}</link></item>");
    for bad in [
        "<item><title>Bài hỏng</title><link>/x</link><description><p>không đóng</description></item>",
        "<item><title>Bài hỏng</title></item>",
        "<item><title>Bài hỏng</title><link>javascript:void(0)</link></item>",
    ] {
        let document = feed(&rss(&format!("{}{bad}{}", good(1), good(3))));
        let titles: Vec<&str> = document.items.iter().map(|item| item.title.as_str()).collect();
        assert_eq!(titles, ["Bài 1", "Bài 3"], "{bad}");
        assert!(
            document.faults.iter().any(|f| f.contains("item 2 (\"Bài hỏng\")") || f.contains("item 1 (\"Bài hỏng\")")),
            "{:?}",
            document.faults
        );
    }
}

#[test]
fn an_id_stands_once_and_the_newer_version_of_it() {
    let item = |guid: &str, link: &str, title: &str, day: u8| {
        format!(
            "<item><title>{title}</title><link>{link}</link>{guid}\
             <pubDate>Tue, {day} Nov 2021 14:05:00 +0700</pubDate></item>"
        )
    };
    let guid = "<guid isPermaLink=\"false\">1</guid>";
    let document = feed(&rss(&[item(guid, "/a", "cũ", 22), item(guid, "/a", "mới", 23)].concat()));
    assert_eq!((document.items.len(), document.items[0].title.as_str(), document.faults.len()), (1, "mới", 0));
    let document = feed(&rss(&[item(guid, "/a", "một", 23), item(guid, "/b", "hai", 22)].concat()));
    assert_eq!((document.items.len(), document.items[0].title.as_str(), document.faults.len()), (1, "một", 1));
    let document = feed(&rss(&[item("", "/a", "một", 23), item("", "/a#x", "hai", 22)].concat()));
    assert_eq!((document.items.len(), document.faults.len()), (1, 1), "one link without guids is one article");
    let other = "<guid isPermaLink=\"false\">2</guid>";
    let document = feed(&rss(&[item(guid, "/a", "một", 23), item(other, "/a", "hai", 22)].concat()));
    assert_eq!((document.items.len(), document.faults.len()), (2, 0), "the guid goes before the link");
}

#[test]
fn a_title_in_nfd_and_a_date_that_is_none_are_no_obstacle() {
    let nfd: String = "Hội nghị tổng kết".nfd().collect();
    let document = feed(&rss(&format!(
        "<item><title>{nfd}</title><link>/1</link><pubDate>hôm qua</pubDate></item><item><title>b</title><link>/2</link></item>"
    )));
    assert_eq!(document.items[0].title.nfc().collect::<String>(), "Hội nghị tổng kết");
    assert_eq!((document.items[0].published, document.items[1].published), (None, None));
    assert_eq!(document.faults.len(), 1, "no date is no fault, a wrong one is");
    assert!(document.faults[0].contains("\"hôm qua\""));
}

#[test]
fn hostile_documents_end_in_a_moment() {
    let deep = format!("<rss>{}</rss>", "<a>".repeat(200_000));
    let wide = rss(&format!("<item>{}</item>", "<a/>".repeat(700_000)));
    let odd = rss(&format!("<item><link>/1</link>{}</item>", "<x a=\"b>c\" d='>'/>".repeat(1000)));
    assert_eq!(feed(&odd).items.len(), 1, "a sign in quotes ends no tag");
    let laughs = "<!DOCTYPE rss [<!ENTITY a \"ha\">\
        <!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\
        <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">\
        <!ENTITY f \"&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;\"><!ENTITY g \"&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;\">]>\
        <rss version=\"2.0\"><channel><item><title>&g;&g;&g;</title><link>/1</link></item></channel></rss>";
    for text in [&deep, &wide] {
        assert!(read(text, &reading()).is_err());
    }
    assert!(read(laughs, &reading()).map_or(true, |d| d.items.iter().all(|item| item.title.len() < 1000)));
    let many = rss(&"<item><title>a</title><link>/1</link></item>".repeat(3000));
    assert_eq!(feed(&many).items.len(), 1);
    let broken = rss(&"<item><title>a</title><link>/1</link><p></item>".repeat(3000));
    assert!(read(&broken, &reading()).is_err());
    let json = "[".repeat(100_000);
    assert!(read(&format!("{{\"a\":{json}"), &reading()).is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading(
        text in "\\PC{0,60}",
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<rss version='2.0'>", "<channel>", "<item>", "<title>", "</title>", "<link>/1</link>", "</item>", "</channel>",
                "</rss>", "<feed>", "<entry>", "</entry>", "</feed>", "<![CDATA[", "]]>", "&", "&#x;", "&#0;", "<dc:creator>", "<",
                ">", "<!DOCTYPE rss [", "<!ENTITY a '&a;'>", "]>", "đ", "{", "\"items\":[", "xml:base='//['", "<item", "</item",
                "<!--", "-->", "&amp;", "<?x ?>", "/>", "\u{b}",
            ]),
            0..24,
        ),
    ) {
        let _ = read(&text, &reading());
        let joined = parts.concat();
        let _ = read(&joined, &reading());
        let _ = read(&rss(&joined), &reading());
    }
}
