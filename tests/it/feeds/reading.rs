//! Whatever an article says, readers read the same, in every format.

use loa::clock::Timestamp;
use loa::domain::article::{Image, StoredArticle};
use loa::domain::feed::Feed;
use loa::domain::site::Site;
use loa::feed::document::{Document, Format, proof};
use loa::feed::edition::render;
use loa::text::xml::XmlText;
use proptest::prelude::*;

use super::corpus::{addresses, feed, site, stored, texts};

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::sample::select(texts()),
        proptest::collection::vec(proptest::sample::select(texts()), 1..4).prop_map(|texts| texts.concat()),
    ]
}

fn any_address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|path| format!("https://songcau.example/{path}")),
        proptest::sample::select(addresses()),
    ]
}

prop_compose! {
    fn any_article()(
        id in 1_i64..1_000_000,
        (title, summary, content) in (any_text(), any_text(), any_text()),
        names in proptest::collection::vec(any_text(), 0..3),
        tags in proptest::collection::vec(any_text(), 0..3),
        url in any_address(),
        image in proptest::option::of((any_address(), any_text(), any_text(), any::<Option<u64>>())),
        language in prop_oneof![Just("vi".to_owned()), Just("en".to_owned()), any::<String>()],
        published in prop_oneof![any::<i64>(), -3_000_000_000_000_i64..300_000_000_000_000],
        updated in 0_i64..4_000_000_000_000,
    ) -> StoredArticle {
        let mut stored = stored(id);
        stored.updated = Timestamp::from_millis(updated);
        let article = &mut stored.article;
        article.title = XmlText::new(&title);
        article.summary = XmlText::new(&summary);
        article.content_html = XmlText::new(&content);
        article.authors = names.iter().map(|name| XmlText::new(name)).collect();
        article.tags = tags.iter().map(|tag| XmlText::new(tag)).collect();
        article.url = url;
        article.language = language;
        article.published = Timestamp::from_millis(published);
        article.image = image.map(|(url, alt, media_type, length)| Image {
            url,
            alt: XmlText::new(&alt),
            width: None,
            height: None,
            media_type,
            length,
        });
        stored
    }
}

/// What a reader should find, told from the article alone.
fn visible(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(text: &str) -> String {
    text.trim().replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_article_reads_back_the_same_in_every_format(stored in any_article()) {
        let document = Document::new(&site(), &feed(), std::slice::from_ref(&stored));
        for format in Format::ALL {
            let bytes = render(&document, format).expect("written");
            prop_assert_eq!(proof(format, &bytes), Ok(()));
            let read = feed_rs::parser::parse(&bytes[..]).expect("a second reader reads it");
            prop_assert_eq!(read.entries.len() + document.left_out.len(), 1);
            let Some(entry) = read.entries.first() else { continue };
            prop_assert_eq!(&entry.id, &stored.entry_id);
            let title = entry.title.as_ref().expect("a title").content.clone();
            if visible(&stored.article.title) {
                prop_assert_eq!(title.trim(), one_line(&stored.article.title));
            } else {
                prop_assert!(!title.is_empty());
            }
            let link = &entry.links.first().expect("a link").href;
            let meant = url::Url::parse(stored.article.url.trim()).expect("an address");
            prop_assert_eq!(
                url::Url::parse(link).expect("an address").host_str().map(str::to_owned),
                meant.host_str().map(str::to_owned)
            );
            prop_assert_eq!(entry.updated.expect("a date").timestamp(), stored.updated.seconds());
            let (first, last) = (-2_177_452_800, 253_402_207_200);
            prop_assert_eq!(
                entry.published.expect("a date").timestamp(),
                stored.article.published.seconds().clamp(first, last)
            );
            let content = lines(&stored.article.content_html);
            if !content.is_empty() && document.items[0].content_html.is_some() {
                let body = entry.content.as_ref().and_then(|content| content.body.clone()).expect("a body");
                prop_assert_eq!(body.trim(), content.trim());
            }
        }
    }

    #[test]
    fn the_same_articles_give_the_same_bytes(articles in proptest::collection::vec(any_article(), 0..6)) {
        for format in Format::ALL {
            let first = render(&Document::new(&site(), &feed(), &articles), format).expect("written");
            let second = render(&Document::new(&site(), &feed(), &articles.clone()), format).expect("written");
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn ids_never_change_when_host_scheme_slug_title_or_category_change(
        articles in proptest::collection::vec(any_article(), 1..4),
        other in any_article(),
        (host, slug) in ("[a-z]{1,12}\\.example", "[a-z][a-z0-9]{0,20}"),
        title in any_text(),
    ) {
        let mut moved_site = site();
        moved_site.base_url = format!("http://{host}:8080/duoi/").parse().expect("an address");
        moved_site.title = XmlText::new(&title);
        let mut moved_feed = feed();
        moved_feed.spec.slug = slug;
        moved_feed.spec.title = XmlText::new(&title);
        moved_feed.version += 1;
        let mut moved = articles.clone();
        for stored in &mut moved {
            stored.revision += 1;
            let article = &mut stored.article;
            article.title = other.article.title.clone();
            article.categories[0].slug = "chuyen-muc-khac".to_owned();
            article.categories[0].title = XmlText::new(&title);
            article.url = article.url.replace("https://songcau.example/", &format!("http://{host}/moi/"));
        }
        for format in Format::ALL {
            let ids = |site: &Site, feed: &Feed, articles: &[StoredArticle]| -> Vec<String> {
                let bytes = render(&Document::new(site, feed, articles), format).expect("written");
                let read = feed_rs::parser::parse(&bytes[..]).expect("read");
                read.entries.into_iter().map(|entry| entry.id).collect()
            };
            prop_assert_eq!(ids(&site(), &feed(), &articles), ids(&moved_site, &moved_feed, &moved));
        }
    }

    #[test]
    fn rss_xml_carries_title_and_text_to_the_letter(stored in any_article()) {
        let document = Document::new(&site(), &feed(), &[stored]);
        let Some(item) = document.items.first() else { return Ok(()) };
        let xml = String::from_utf8(render(&document, Format::Rss).expect("written")).expect("UTF-8");
        let parsed = roxmltree::Document::parse(&xml).expect("well-formed");
        let node = parsed.descendants().find(|node| node.has_tag_name("item")).expect("an item");
        prop_assert_eq!(super::profile::text(node, "", "title"), item.title.as_str());
        prop_assert_eq!(super::profile::text(node, "", "link"), item.link.as_str());
        if let Some(content) = &item.content_html {
            prop_assert_eq!(super::profile::text(node, super::profile::CONTENT, "encoded"), content.as_str());
        }
        let creators: Vec<_> =
            super::profile::children(node, super::profile::DC, "creator").into_iter().map(super::profile::all_text).collect();
        prop_assert_eq!(creators, item.authors.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}
