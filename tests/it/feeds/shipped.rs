//! Every feed that comes with loa, in every format, over articles that went the way of all: zero findings.

use std::collections::HashMap;
use std::path::Path;

use loa::clock::Timestamp;
use loa::config::feeds::feed_files;
use loa::domain::article::{Category, Image, RawArticle, StoredArticle};
use loa::domain::feed::{Feed, FeedOrigin};
use loa::domain::site::{Contact, Imprint, Site};
use loa::domain::subscriber::EmailAddress;
use loa::feed::document::{Document, Format, Place, Tombstone};
use loa::feed::edition::Edition;
use loa::work::normalise::normalise;

use super::corpus::{START, addresses, site, texts};
use super::{schema, validator};
use crate::support::served::House;
use crate::support::skip::skip;
use crate::support::xmllint;

/// A site that says all that a site can say.
pub fn full_site() -> Site {
    let contact = |name: &str| Contact {
        name: name.into(),
        address: EmailAddress::parse("toasoan@songcau.example").expect("an address"),
    };
    let picture = |name: &str| Some(format!("https://songcau.example/images/{name}.png").parse().expect("an address"));
    Site {
        imprint: Imprint {
            rights: "© Tỉnh ủy Sông Cầu & các tác giả".into(),
            editor: Some(contact("Ban biên tập (cổng)")),
            webmaster: Some(contact("Tổ kỹ thuật")),
            icon: picture("bieu-tuong"),
            logo: picture("bieu-trung"),
        },
        ..site()
    }
}

/// Hostile texts and addresses as a source gives them, through ingest's own cleaning.
fn ingested() -> Vec<StoredArticle> {
    let category = Category {
        external_id: "7".into(),
        parent: None,
        title: "Tổ chức & cán bộ <mới>".into(),
        slug: "to-chuc".into(),
    };
    let categories = HashMap::from([("7".to_owned(), category)]);
    let links = addresses().into_iter().map(|address| {
        let html = format!("<p>Xem <a href=\"{address}\">ở đây</a> <img src=\"{address}\" onerror=\"x()\"></p>");
        ("Bài có liên kết".to_owned(), html, address)
    });
    let all = texts().into_iter().map(|text| {
        let html = format!("<p onclick=\"x()\">{text}</p>{text}<script>{text}</script><iframe src=\"/phim\"></iframe>");
        (text, html, "/tin/bai.html".to_owned())
    });
    let mut stored = Vec::new();
    for (n, (title, html, url)) in (0_i64..).zip(all.chain(links)) {
        let raw = RawArticle {
            external_id: n.to_string(),
            url,
            title: title.clone(),
            summary_html: format!("<p>{title} (TUSC) – mở đầu</p>"),
            content_html: html,
            authors: vec![title.clone()],
            categories: vec!["7".to_owned()],
            tags: vec![title.clone()],
            published: Timestamp::from_millis(START + n * 3_600_000),
            language: title.clone(),
            image: Some(Image {
                url: "images/anh.jpg".to_owned(),
                alt: title.as_str().into(),
                width: None,
                height: None,
                media_type: "image/jpeg".to_owned(),
                length: None,
            }),
            ..RawArticle::default()
        };
        let Ok(article) =
            normalise("portal", &raw, &categories, &full_site(), &loa::work::normalise::Credit::default())
        else {
            continue;
        };
        let at = Timestamp::from_millis(START + n * 3_600_000);
        stored.push(StoredArticle {
            id: n,
            revision: 1,
            entry_id: format!("tag:songcau.example,2021:portal/article/{n}"),
            first_seen: at,
            updated: at,
            visible: true,
            article,
        });
    }
    stored.reverse();
    stored
}

fn findings(format: Format, bytes: &[u8], at: &str) -> Vec<String> {
    match format {
        Format::Rss => validator::rss(bytes, at),
        Format::Atom => validator::atom(bytes, at),
        Format::Json => validator::json(bytes, at),
    }
}

#[test]
fn no_shipped_feed_has_a_finding_in_any_format_over_more_than_sixty_hostile_articles() {
    let articles = ingested();
    assert!(articles.len() > 60, "{} is too small a corpus", articles.len());
    let (specs, faults) = feed_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds"));
    assert!(faults.is_empty() && specs.len() >= 4);
    let tombstone =
        Tombstone { id: "tag:songcau.example,2021:portal/article/9999".into(), when: Timestamp::from_millis(START) };
    let mut atoms = Vec::new();
    for (id, spec) in (1_i64..).zip(specs) {
        let changed = Timestamp::from_millis(START);
        let feed = Feed { id, spec, origin: FeedOrigin::File, version: id, changed, retired: false };
        let older = Some(format!("https://loa.songcau.example/feeds/{}/archive/0a/2025-12.atom", feed.spec.slug));
        let now = Document::new(&full_site(), &feed, &articles)
            .at(Place { older, ..Place::default() })
            .with_deleted(vec![tombstone.clone()])
            .with_hub("https://loa.songcau.example/hub");
        let all = Document::new(&full_site(), &feed, &articles[..5]).at(Place { complete: true, ..Place::default() });
        let none = Document::new(&full_site(), &feed, &[]);
        let ended = Document::of_ended(&full_site(), &feed, changed, std::slice::from_ref(&feed));
        for (what, document) in [("now", now), ("all", all), ("none", none), ("ended", ended)] {
            assert!(what != "now" || document.items.len() > 60, "{:?}", document.left_out);
            let addresses = Format::ALL.map(|format| document.address(format));
            let edition = Edition::of(document).expect("published");
            for (format, at) in Format::ALL.into_iter().zip(addresses) {
                let found = findings(format, edition.bytes(format), &at);
                assert!(found.is_empty(), "{} {what} {format:?}: {found:#?}", feed.spec.slug);
            }
            atoms.push((format!("{id}-{what}.atom"), edition.atom));
        }
        let place = Place {
            archive: Some("https://loa.songcau.example/feeds/x/archive/0a/2026-01.atom".to_owned()),
            older: Some("https://loa.songcau.example/feeds/x/archive/2025-12.atom".to_owned()),
            newer: Some("https://loa.songcau.example/feeds/x/archive/2026-02.atom".to_owned()),
            complete: false,
        };
        let at = place.archive.clone().expect("said above");
        let (bytes, _) =
            loa::feed::edition::atom(Document::of_archive(&full_site(), &feed, &articles, place)).expect("written");
        assert_eq!(validator::atom(&bytes, &at), [""; 0]);
        atoms.push((format!("{id}-archive.atom"), bytes));
    }
    let name = "no_shipped_feed_has_a_finding_in_any_format_over_more_than_sixty_hostile_articles";
    match xmllint::verdict(Some(&schema()), &atoms) {
        None => skip(name, "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
}

#[actix_web::test]
async fn no_feed_of_the_demo_has_a_finding_as_it_is_served() {
    let house = House::open().await;
    let all = house.publisher.all();
    assert!(all.len() > 8);
    for published in all {
        for format in Format::ALL {
            let path = format!("/feeds/{}.{}", published.feed.spec.slug, format.extension());
            let answer = house.get(&path).await;
            let found = findings(format, &answer.body, &format!("http://{}{path}", house.at));
            assert!(found.is_empty(), "{path}: {found:#?}");
        }
    }
}

#[test]
fn the_validator_finds_what_it_looks_for() {
    let (specs, _) = feed_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds"));
    let feed = Feed {
        id: 1,
        spec: specs[0].clone(),
        origin: FeedOrigin::File,
        version: 1,
        changed: Timestamp::from_millis(START),
        retired: false,
    };
    let document = Document::new(&full_site(), &feed, &[super::stored(1)]);
    let at = Format::ALL.map(|format| document.address(format));
    let edition = Edition::of(document).expect("published");
    let cases: &[(usize, &str, &str, &str)] = &[
        (0, "<title>Chi bộ", "<title>&lt;b>Chi&lt;/b> bộ", "ContainsHTML"),
        (0, "<b>trang", "<script>x</script><b>trang", "SecurityRisk"),
        (0, "<b>trang", "<a href=\"/x\">y</a><b>trang", "ContainsRelRef"),
        (0, "<ttl>", "<cloud/><ttl>", "UndefinedElement"),
        (0, "toasoan@songcau.example (", "toasoan (", "InvalidContact"),
        (0, "+0700</pubDate>", "GMT+7</pubDate>", "InvalidRFC2822Date"),
        (1, "rel=\"self\"", "rel=\"via\"", "SelfDoesntMatchLocation"),
        (1, "<subtitle>", "<rights>x</rights><subtitle>", "DuplicateElement"),
        (2, "\"title\":\"Chi", "\"title\":\"<b>Chi</b>", "ContainsHTML"),
        (2, "\"items\"", "\"entries\":1,\"items\"", "UnknownMember"),
    ];
    for (index, from, to, name) in cases {
        let format = Format::ALL[*index];
        let good = String::from_utf8(edition.bytes(format).to_vec()).expect("UTF-8");
        let bad = good.replacen(from, to, 1);
        assert_ne!(good, bad, "{from}");
        let found = findings(format, bad.as_bytes(), &at[*index]);
        assert!(found.iter().any(|finding| finding.starts_with(name)), "{name}: {found:?}");
    }
}
