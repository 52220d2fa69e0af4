//! A portal's old feed addresses, as readers meet them that never change theirs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use loa::domain::feed::FeedOrigin;

use crate::support::served::House;

const DAY: Duration = Duration::from_hours(24);
const RSS: &str = "/index.php/tin-t%E1%BB%A9c?format=feed&type=rss";
const ATOM: &str = "/index.php/tin-t%E1%BB%A9c?format=feed&type=atom";

/// What Joomla wrote for these articles: the link is the id.
fn as_the_portal_had_it(links: &[String]) -> String {
    let items = links.iter().fold(String::new(), |mut items, link| {
        let _ = write!(
            items,
            "<item><title>Tin</title><link>{link}</link><guid isPermaLink=\"true\">{link}</guid>\
             <pubDate>Mon, 09 Nov 2026 09:00:00 +0000</pubDate></item>"
        );
        items
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel><title>Tin tức</title><link>http://rachsen.example/</link><description>Tin</description>{items}</channel></rss>"
    )
}

/// A reader that keeps what it has seen by id, as most do. Answers what it shows as new.
fn read(seen: &mut BTreeSet<String>, feed: &[u8]) -> Vec<String> {
    let feed = feed_rs::parser::parse(feed).expect("a feed");
    feed.entries.into_iter().map(|entry| entry.id).filter(|id| seen.insert(id.clone())).collect()
}

#[actix_web::test]
async fn a_reader_of_the_old_address_sees_no_article_twice_and_every_new_one_once() {
    let house = House::open().await;
    let published = house.publisher.get("tat-ca").expect("published");
    let held = house.publisher.articles(&published).await.expect("read");
    let links: Vec<String> = held.iter().map(|a| a.article.url.replace("https://", "http://")).collect();
    assert!(links.len() > 20 && links[0].starts_with("http://rachsen.example/"), "{}", links[0]);
    let mut seen = BTreeSet::new();
    assert_eq!(read(&mut seen, as_the_portal_had_it(&links).as_bytes()).len(), links.len());

    for address in [RSS, ATOM] {
        let switched = house.get(address).await;
        assert_eq!(switched.status, 200, "{address}");
        assert_eq!(read(&mut seen, &switched.body), Vec::<String>::new(), "{address}");
    }
    house.clock.advance(Duration::from_mins(1));
    house.write("moi", "Bài đăng sau khi chuyển");
    house.poll().await;
    let new = read(&mut seen, &house.get(RSS).await.body);
    assert_eq!(new.len(), 1);
    assert!(new[0].starts_with("tag:rachsen.example,2021:demo/article/moi"), "{new:?}");
    assert!(read(&mut seen, &house.get(RSS).await.body).is_empty());
    // Our own address has our own ids.
    assert!(
        house.get("/feeds/tat-ca.rss").await.text().contains("tag:rachsen.example,2021:demo/article/chi-bo-bon-tot")
    );
}

#[actix_web::test]
async fn an_old_address_is_cached_and_guarded_as_every_feed_and_names_itself() {
    let house = House::open().await;
    let full = house.get(RSS).await;
    assert_eq!(full.header("content-type"), "application/rss+xml; charset=utf-8");
    assert_eq!(full.header("content-security-policy"), "default-src 'none'; style-src 'self'; img-src https:");
    assert_eq!(full.header("access-control-allow-origin"), "*");
    assert_eq!(full.header("vary"), "Accept-Encoding");
    // It names itself: nobody is sent to other ids.
    let own = format!("http://rachsen.example{RSS}");
    assert!(full.text().contains(&own.replace('&', "&amp;")));
    assert_eq!(full.header("link"), format!("<{own}>; rel=\"self\""));
    let again = house.get_with(RSS, &[("If-None-Match", full.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let verdict = crate::support::xmllint::verdict(None, &[("old.rss".to_owned(), full.body.clone())]);
    verdict.unwrap_or(Ok(())).expect("well-formed");
    let head = house.send("HEAD", RSS, &[], b"").await;
    assert_eq!((head.status, head.header("etag")), (200, full.header("etag")));
    assert_eq!(house.post(RSS, "").await.status, 405);
}

#[actix_web::test]
async fn every_spelling_of_an_old_address_is_answered_and_nothing_else_is() {
    let house = House::open().await;
    for same in [
        "/index.php/tin-t%e1%bb%a9c/?type=rss&format=feed",
        "/index.php/tin-t%E1%BB%A9c?format=feed&type=rss&Itemid=101&_=5",
        "/?option=com_content&view=category&id=8&format=feed&type=rss",
        "/tin-tuc.feed",
        "/tin-tuc.feed?type=rss",
    ] {
        let answer = house.get(same).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "application/rss+xml; charset=utf-8"),
            "{same}"
        );
    }
    for other in [
        "/index.php/tin-t%E1%BB%A9c",
        "/index.php/tin-t%E1%BB%A9c?format=feed",
        "/index.php/tin-t%E1%BB%A9c?format=feed&type=json",
        "/index.php/khac?format=feed&type=rss",
        "/mat.feed",
    ] {
        assert_eq!(house.get(other).await.status, 404, "{other}");
    }
    assert!(house.get("/?option=com_content&id=9&format=feed").await.header("content-type").starts_with("text/html"));
    let entries = house.get("/tin-tuc.feed").await;
    assert!(entries.text().contains("tag:rachsen.example,2021:demo/article/chi-bo-bon-tot"));
}

#[actix_web::test]
async fn an_old_address_says_for_a_month_that_its_feed_has_ended_and_is_then_gone() {
    let house = House::open().await;
    let before = house.get(RSS).await;
    house.clock.advance(DAY);
    let all = house.store.feeds().await.expect("feeds").into_iter().map(|feed| feed.spec);
    let left: Vec<_> = all.filter(|spec| spec.slug == "xay-dung-dang-va-to-chuc").collect();
    house.ingest.declare(FeedOrigin::File, &left).await.expect("declared");
    house.publisher.refresh().await.expect("published");
    let ended = house.get(RSS).await;
    assert_eq!(ended.status, 200);
    assert!(ended.text().contains("đã ngừng"), "{}", ended.text());
    assert_ne!(ended.header("etag"), before.header("etag"));
    let mut seen = BTreeSet::new();
    assert_eq!(read(&mut seen, &ended.body), ["tag:rachsen.example,2021:feed/tat-ca/ended"]);
    house.clock.advance(DAY * 30);
    assert_eq!(house.get(RSS).await.status, 410);
}
