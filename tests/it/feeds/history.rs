//! What readers can learn of a feed's past: archives, what is new since they asked, what left, and its end. Over HTTP, as
//! they do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loa::clock::Timestamp;
use loa::domain::feed::FeedOrigin;
use loa::feed::document::{Format, proof};
use roxmltree::Node;
use sqlx::{Connection, Executor};

use super::profile::{ATOM, children, text};
use crate::support::client::Answer;
use crate::support::served::House;
use crate::support::skip::skip;
use crate::support::xmllint;

const FEED: &str = "/feeds/tat-ca.atom";
const HISTORY: &str = "http://purl.org/syndication/history/1.0";
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";
const DAY: Duration = Duration::from_hours(24);

fn link(feed: Node<'_, '_>, rel: &str) -> Option<String> {
    let links = children(feed, ATOM, "link");
    let found: Vec<_> = links.into_iter().filter(|link| link.attribute("rel") == Some(rel)).collect();
    assert!(found.len() <= 1, "{rel} stands twice");
    found.first().map(|link| link.attribute("href").expect("href").to_owned())
}

/// An Atom document as a reader takes it.
#[derive(Debug)]
struct Read {
    ids: Vec<String>,
    links: BTreeMap<&'static str, String>,
    archive: bool,
    complete: bool,
    deleted: BTreeSet<String>,
}

fn read(xml: &[u8]) -> Read {
    let xml = std::str::from_utf8(xml).expect("UTF-8");
    let parsed = roxmltree::Document::parse(xml).expect("well-formed");
    let feed = parsed.root_element();
    let rels = ["self", "current", "prev-archive", "next-archive"];
    let gone = children(feed, TOMBSTONES, "deleted-entry");
    Read {
        ids: children(feed, ATOM, "entry").into_iter().map(|entry| text(entry, ATOM, "id")).collect(),
        links: rels.into_iter().filter_map(|rel| Some((rel, link(feed, rel)?))).collect(),
        archive: !children(feed, HISTORY, "archive").is_empty(),
        complete: !children(feed, HISTORY, "complete").is_empty(),
        deleted: gone.into_iter().map(|gone| gone.attribute("ref").expect("ref").to_owned()).collect(),
    }
}

fn keeps_the_grammar(test: &str, documents: &[(String, Vec<u8>)]) {
    match xmllint::verdict(Some(&super::schema()), documents) {
        None => skip(test, "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
}

/// The address without its host, and what lies there in the end.
async fn follow(house: &House, url: &str) -> (String, Answer) {
    let host = format!("http://{}", house.at);
    let mut path = url.strip_prefix(&host).unwrap_or(url).to_owned();
    for _ in 0..4 {
        let answer = house.get(&path).await;
        if !matches!(answer.status, 301 | 302) {
            return (path, answer);
        }
        answer.header("location").clone_into(&mut path);
    }
    panic!("{url} leads on and on");
}

/// Every archive that the current document leads to, the newest first: path and bytes.
async fn walk(house: &House) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut next = read(&house.get(FEED).await.body).links.get("prev-archive").cloned();
    while let Some(url) = next {
        let (path, answer) = follow(house, &url).await;
        assert_eq!(answer.status, 200, "{url}");
        assert!(found.len() < 200 && found.iter().all(|(known, _)| *known != path), "the chain is a circle");
        next = read(&answer.body).links.get("prev-archive").cloned();
        found.push((path, answer.body));
    }
    found
}

async fn public(house: &House) -> BTreeSet<String> {
    let feed = house.publisher.get("tat-ca").expect("published").feed.id;
    let all = house.store.feed_articles(feed, 10_000).await.expect("articles");
    all.into_iter().map(|stored| stored.entry_id).collect()
}

/// An article of today in the source.
fn today(house: &House, id: &str, title: &str) {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    let now = house.clock.now().in_zone(&zone).strftime("%Y-%m-%d %H:%M").to_string();
    let text =
        format!("---\nid: {id}\ntitle: \"{title}\"\npublished: {now}\ncategory: Xây dựng Đảng\n---\nMột đoạn.\n");
    std::fs::write(house.articles.join(format!("{id}.md")), text).expect("written");
}

/// Writes and publishes an article each so many days.
async fn write(house: &House, ids: std::ops::Range<u32>, every: Duration) {
    for id in ids {
        house.clock.advance(every);
        today(house, &format!("them-{id}"), &format!("Bài thêm số {id}"));
        house.poll().await;
    }
}

async fn remove(house: &House, id: &str) {
    std::fs::remove_file(house.articles.join(format!("{id}.md"))).expect("removed");
    house.clock.advance(DAY);
    house.poll().await;
}

#[actix_web::test]
async fn a_new_reader_rebuilds_the_whole_history_and_finds_no_article_in_two_archives() {
    let house = House::of_items(5).await;
    write(&house, 0..12, DAY * 8).await;
    let current = read(&house.get(FEED).await.body);
    assert_eq!((current.ids.len(), current.archive, current.complete), (5, false, false));
    let archives = walk(&house).await;
    assert!(archives.len() >= 3, "{} months", archives.len());
    let mut archived: Vec<String> = Vec::new();
    let mut newer: Option<&str> = None;
    for (path, bytes) in &archives {
        let document = read(bytes);
        assert!(document.archive && !document.complete && !document.ids.is_empty(), "{path}");
        assert_eq!(document.links["self"], format!("http://{}{path}", house.at));
        assert_eq!(document.links["current"], format!("http://{}{FEED}", house.at));
        if let Some(newer) = newer {
            let (there, _) = follow(&house, &document.links["next-archive"]).await;
            assert_eq!(there, newer, "the next is the one that led here");
        }
        archived.extend(document.ids);
        newer = Some(path);
    }
    let once: BTreeSet<String> = archived.iter().cloned().collect();
    assert_eq!(once.len(), archived.len(), "an article is in two archives");
    let all: BTreeSet<String> = once.into_iter().chain(current.ids).collect();
    assert_eq!(all, public(&house).await);
    let named = archives.iter().enumerate().map(|(n, (_, bytes))| (format!("{n}.atom"), bytes.clone()));
    keeps_the_grammar(
        "a_new_reader_rebuilds_the_whole_history_and_finds_no_article_in_two_archives",
        &named.collect::<Vec<_>>(),
    );
}

#[actix_web::test]
async fn an_archive_may_be_kept_for_a_year_and_is_moved_when_its_content_changes() {
    let house = House::of_items(5).await;
    write(&house, 0..8, DAY * 12).await;
    let archives = walk(&house).await;
    let (path, bytes) = &archives[archives.len() - 1];
    let first = house.get(path).await;
    assert_eq!(first.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(first.header("content-type"), "application/atom+xml; charset=utf-8");
    assert_eq!((first.header("vary"), first.header("access-control-allow-origin")), ("Accept-Encoding", "*"));
    assert_eq!(house.get_with(path, &[("If-None-Match", first.header("etag"))]).await.status, 304);
    assert_eq!(house.get_with(path, &[("Accept-Encoding", "br")]).await.header("content-encoding"), "br");
    // News do not touch it.
    write(&house, 20..22, DAY).await;
    assert_eq!(&house.get(path).await.body, bytes);
    let month = path.rsplit('/').next().expect("a month");
    let stable = format!("/feeds/tat-ca/archive/{month}");
    let now = house.get(&stable).await;
    assert_eq!((now.status, now.header("location")), (302, path.as_str()));
    assert!(now.header("cache-control").starts_with("public, max-age="), "{}", now.header("cache-control"));
    // A correction does.
    let file = house.articles.join("to-chuc-le-hoi-bong-sung.md");
    let source = std::fs::read_to_string(&file).expect("an article of the first month");
    std::fs::write(&file, source.replacen("title: ", "title: Đã sửa ", 1)).expect("written");
    house.clock.advance(DAY);
    house.poll().await;
    let old = house.get(path).await;
    assert_eq!((old.status, old.header("location")), (301, stable.as_str()));
    let (there, corrected) = follow(&house, path).await;
    assert_ne!(&there, path);
    assert!(corrected.text().contains("Đã sửa"), "{there}");
    // And withdrawing everything ends it.
    for entry in std::fs::read_dir(&house.articles).expect("the articles") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some() && !path.to_string_lossy().contains("them-") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    for _ in 0..8 {
        house.clock.advance(DAY);
        house.poll().await;
    }
    assert_eq!(house.get(path).await.status, 410);
    assert_eq!(house.get(&stable).await.status, 404);
    let left: BTreeSet<String> = read(&house.get(FEED).await.body).ids.into_iter().collect();
    let archived: BTreeSet<String> = walk(&house).await.iter().flat_map(|(_, bytes)| read(bytes).ids).collect();
    assert_eq!(&left | &archived, public(&house).await, "nothing else is told of any more");
}

#[actix_web::test]
async fn a_month_of_many_articles_is_cut_into_parts_that_stay_as_they_are() {
    let house = House::of_items(5).await;
    house.clock.advance(DAY * 20);
    for id in 0..450 {
        today(&house, &format!("nhieu-{id}"), &format!("Bài số {id}"));
    }
    house.poll().await;
    let archives = walk(&house).await;
    let counts: Vec<usize> = archives.iter().map(|(_, bytes)| read(bytes).ids.len()).collect();
    assert_eq!(counts[..3], [50, 200, 200], "{:?}", archives.iter().map(|a| &a.0).collect::<Vec<_>>());
    let all: BTreeSet<String> = archives.iter().flat_map(|(_, bytes)| read(bytes).ids).collect();
    assert_eq!(all.len(), counts.iter().sum::<usize>());
    write(&house, 0..1, Duration::from_mins(1)).await;
    let again = walk(&house).await;
    assert!(again[1..] == archives[1..], "only the last part took the news");
    assert_eq!(read(&again[0].1).ids.len(), 51);
}

#[actix_web::test]
async fn what_is_no_archive_is_not_found() {
    let house = House::of_items(5).await;
    for path in [
        "/feeds/tat-ca/archive/2026-13.atom",
        "/feeds/tat-ca/archive/1999-01.atom",
        "/feeds/tat-ca/archive/2026-11-9.atom",
        "/feeds/tat-ca/archive/2026-11.rss",
        "/feeds/tat-ca/archive/x/1999-01.atom",
        "/feeds/khong-co/archive/2026-11.atom",
    ] {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
    // Not ours, but of our form: nobody can tell it from one that was.
    assert_eq!(house.get("/feeds/tat-ca/archive/0123456789abcdef0123/1999-01.atom").await.status, 410);
    let post = house.send("POST", "/feeds/tat-ca/archive/2026-11.atom", &[], b"").await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD, OPTIONS"));
}

#[actix_web::test]
async fn a_feed_that_holds_everything_says_so_and_has_no_archive() {
    let house = House::open().await;
    let current = read(&house.get(FEED).await.body);
    assert!(current.complete && !current.links.contains_key("prev-archive"));
    assert_eq!(current.ids.into_iter().collect::<BTreeSet<_>>(), public(&house).await);
    assert_eq!(house.get("/feeds/tat-ca.json").await.json()["_loa"]["complete"], true);
}

#[actix_web::test]
async fn a_reader_who_takes_deltas_gets_only_what_is_new() {
    let house = House::open().await;
    for (n, ending) in (0_u32..).zip(["atom", "rss", "json"]) {
        let path = format!("/feeds/tat-ca.{ending}");
        let before = house.get(&path).await;
        write(&house, n..n + 1, DAY).await;
        remove(&house, &format!("them-{n}")).await;
        write(&house, n + 100..n + 101, DAY).await;
        let asks = [("A-IM", "feed"), ("If-None-Match", before.header("etag"))];
        let delta = house.get_with(&path, &asks).await;
        let whole = house.get(&path).await;
        assert_eq!((delta.status, delta.header("im")), (226, "feed"), "{path}");
        assert_eq!(delta.header("cache-control"), "no-store, im");
        assert_eq!(delta.header("etag"), whole.header("etag"));
        assert_eq!(delta.header("content-type"), whole.header("content-type"));
        assert!(delta.body.len() * 3 < whole.body.len(), "{} of {}", delta.body.len(), whole.body.len());
        assert!(delta.text().contains(&format!("Bài thêm số {}", n + 100)), "{}", delta.text());
        assert!(!delta.text().contains(&format!("Bài thêm số {n}<")), "it went again");
        assert_eq!(proof(Format::parse(ending).expect("a format"), &delta.body), Ok(()));
        if ending == "atom" {
            let name = "a_reader_who_takes_deltas_gets_only_what_is_new";
            keeps_the_grammar(name, &[("delta.atom".to_owned(), delta.body.clone())]);
        }
        let current = [("A-IM", "feed"), ("If-None-Match", whole.header("etag"))];
        assert_eq!(house.get_with(&path, &current).await.status, 304);
        assert_eq!(house.get_with(&path, &asks[1..]).await.status, 200, "nobody gets a delta unasked");
        let unknown = [("A-IM", "feed"), ("If-None-Match", "W/\"unknown\"")];
        assert_eq!(house.get_with(&path, &unknown).await.status, 200);
    }
}

#[actix_web::test]
async fn a_reader_who_was_away_for_long_gets_the_whole() {
    let house = House::open().await;
    let before = house.get(FEED).await;
    let asks = [("A-IM", "feed"), ("If-None-Match", before.header("etag"))];
    write(&house, 0..8, DAY).await;
    assert_eq!(house.get_with(FEED, &asks).await.status, 226);
    write(&house, 8..9, DAY).await;
    assert_eq!(house.get_with(FEED, &asks).await.status, 200);
}

#[actix_web::test]
async fn what_was_withdrawn_is_buried_for_a_month_and_rises_when_it_is_published_again() {
    let house = House::open().await;
    write(&house, 0..3, DAY).await;
    let file = house.articles.join("them-1.md");
    let source = std::fs::read_to_string(&file).expect("written");
    remove(&house, "them-1").await;
    let answer = house.get(FEED).await;
    let id = "tag:rachsen.example,2021:demo/article/them-1";
    assert_eq!(read(&answer.body).deleted, BTreeSet::from([id.to_owned()]));
    assert!(answer.text().find("<at:deleted-entry") < answer.text().find("<entry>"));
    let name = "what_was_withdrawn_is_buried_for_a_month_and_rises_when_it_is_published_again";
    keeps_the_grammar(name, &[("buried.atom".to_owned(), answer.body.clone())]);
    let json = house.get("/feeds/tat-ca.json").await.json();
    assert_eq!(json["_loa"]["deleted"][0]["ref"], id);
    let when = json["_loa"]["deleted"][0]["when"].as_str().expect("a date");
    assert_eq!(when, house.clock.now().rfc3339(&jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone")));
    assert!(!house.get("/feeds/tat-ca.rss").await.text().contains("them-1<"));
    // A category's feed buries it too, and a feed that never had it does not.
    assert!(read(&house.get("/feeds/xay-dung-dang.atom").await.body).deleted.contains(id));
    assert!(read(&house.get("/feeds/dan-van.atom").await.body).deleted.is_empty());
    std::fs::write(&file, source).expect("written");
    house.clock.advance(DAY);
    house.poll().await;
    let again = read(&house.get(FEED).await.body);
    assert!(again.deleted.is_empty() && again.ids.contains(&id.to_owned()));
    remove(&house, "them-1").await;
    write(&house, 4..5, DAY * 29).await;
    assert_eq!(read(&house.get(FEED).await.body).deleted.len(), 1);
    write(&house, 5..6, DAY * 2).await;
    assert!(read(&house.get(FEED).await.body).deleted.is_empty(), "a month is enough");
}

#[actix_web::test]
async fn a_minor_edit_is_silent_and_a_significant_one_is_not() {
    let house = House::open().await;
    write(&house, 0..1, DAY).await;
    let updated = |answer: &Answer| {
        let parsed = roxmltree::Document::parse(answer.text()).expect("well-formed");
        let entries = children(parsed.root_element(), ATOM, "entry");
        let entry = entries.into_iter().find(|entry| text(*entry, ATOM, "id").ends_with("/them-0")).expect("there");
        (text(entry, ATOM, "updated"), answer.header("etag").to_owned())
    };
    let before = updated(&house.get(FEED).await);
    let file = house.articles.join("them-0.md");
    let source = std::fs::read_to_string(&file).expect("written");
    std::fs::write(&file, source.replace("category: Xây dựng Đảng", "category: Dân vận")).expect("written");
    house.clock.advance(DAY);
    house.poll().await;
    let minor = updated(&house.get(FEED).await);
    assert_eq!(minor.0, before.0, "readers are not made to show it as changed");
    assert_ne!(minor.1, before.1, "but whoever asks gets it");
    std::fs::write(&file, source.replace("Bài thêm", "Bài đã sửa")).expect("written");
    house.clock.advance(DAY);
    house.poll().await;
    assert_ne!(updated(&house.get(FEED).await).0, before.0);
}

#[actix_web::test]
async fn a_retired_feed_says_for_a_month_what_to_follow_instead_and_is_then_gone() {
    let house = House::open().await;
    let before = house.get(FEED).await;
    house.clock.advance(DAY);
    let files = ["tat-ca", "xay-dung-dang-va-to-chuc"];
    let all = house.store.feeds().await.expect("feeds").into_iter().map(|feed| feed.spec);
    let all: Vec<_> = all.filter(|spec| files.contains(&spec.slug.as_str())).collect();
    let left: Vec<_> = all.iter().filter(|spec| spec.slug != "tat-ca").cloned().collect();
    house.ingest.declare(FeedOrigin::File, &left).await.expect("declared");
    house.publisher.refresh().await.expect("published");
    for ending in ["atom", "rss", "json"] {
        let answer = house.get(&format!("/feeds/tat-ca.{ending}")).await;
        assert_eq!(answer.status, 200);
        let said = answer.text();
        assert!(said.contains("đã ngừng") && said.contains("/feeds/cong-tac-to-chuc"), "{said}");
        assert_eq!(proof(Format::parse(ending).expect("a format"), &answer.body), Ok(()));
    }
    let answer = house.get(FEED).await;
    assert_eq!(read(&answer.body).ids, ["tag:rachsen.example,2021:feed/tat-ca/ended"]);
    let name = "a_retired_feed_says_for_a_month_what_to_follow_instead_and_is_then_gone";
    keeps_the_grammar(name, &[("ended.atom".to_owned(), answer.body.clone())]);
    assert_ne!(answer.header("etag"), before.header("etag"));
    assert_ne!(answer.header("last-modified"), before.header("last-modified"));
    assert_eq!(house.get("/feeds/tat-ca").await.status, 410, "its page sends nobody on");
    assert!(!house.get("/feeds.opml").await.text().contains("tat-ca.rss"));
    house.clock.advance(DAY * 29);
    assert_eq!(house.get(FEED).await.status, 200);
    house.clock.advance(DAY);
    for path in [FEED, "/feeds/tat-ca.rss", "/feeds/tat-ca.json", "/feeds/tat-ca", "/feeds/tat-ca/archive/2026-11.atom"]
    {
        assert_eq!(house.get(path).await.status, 410, "{path}");
    }
    house.ingest.declare(FeedOrigin::File, &all).await.expect("declared");
    house.publisher.refresh().await.expect("published");
    let again = house.get(FEED).await;
    assert_eq!(again.status, 200);
    assert!(read(&again.body).ids.len() > 10, "it came back as itself");
}

#[actix_web::test]
async fn a_version_that_cannot_be_made_leaves_the_last_good_one_with_its_age() {
    let house = House::open().await;
    let before = house.get("/feeds/dan-van.atom").await;
    let other = house.get("/feeds/tuyen-giao.atom").await;
    let path = house.articles.parent().expect("a folder").join("loa.db");
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("open");
    let broken = "UPDATE article SET body = '{' WHERE external_id = 'dan-van-kheo-vung-ven'";
    assert_eq!(database.execute(broken).await.expect("broken").rows_affected(), 1);
    house.clock.advance(DAY);
    for (id, category) in [("mot", "Dân vận"), ("hai", "Tuyên giáo")] {
        let text =
            format!("---\nid: {id}\ntitle: Tin {id}\npublished: 2026-11-23 08:30\ncategory: {category}\n---\nLời.\n");
        std::fs::write(house.articles.join(format!("{id}.md")), text).expect("written");
    }
    house.poll().await;
    house.clock.advance(Duration::from_mins(2));
    let kept = house.get("/feeds/dan-van.atom").await;
    assert_eq!((kept.status, kept.header("etag")), (200, before.header("etag")));
    assert_eq!(kept.body, before.body);
    assert_eq!(kept.header("loa-stale"), "120;reason=proof");
    let reason = house.publisher.get("dan-van").and_then(|feed| feed.trouble.clone()).expect("a trouble").reason;
    assert!(reason.contains("cannot read"), "{reason}");
    let moved = house.get("/feeds/tuyen-giao.atom").await;
    assert!(moved.text().contains("Tin hai") && moved.header("loa-stale").is_empty());
    assert_ne!(moved.header("etag"), other.header("etag"), "the others go on");
}

#[actix_web::test]
async fn two_versions_within_one_second_have_two_dates() {
    let house = House::open().await;
    house.clock.set(Timestamp(house.clock.now().0 + 5_100));
    house.write("mot", "Bài một");
    house.poll().await;
    house.clock.advance(Duration::from_millis(100));
    let first = house.get(FEED).await;
    house.write("hai", "Bài hai");
    house.poll().await;
    let since = [("If-Modified-Since", first.header("last-modified"))];
    assert_eq!(house.get_with(FEED, &since).await.status, 200, "the second is not missed");
    house.clock.advance(Duration::from_secs(3));
    let second = house.get(FEED).await;
    let since = [("If-Modified-Since", second.header("last-modified"))];
    assert_eq!(house.get_with(FEED, &since).await.status, 304);
    assert_ne!(first.header("last-modified"), second.header("last-modified"));
}
