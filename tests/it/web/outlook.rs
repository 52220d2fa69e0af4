//! For how long what is served may be believed: never beyond what the clock is known to change, and with its age where the
//! source does not answer.

use std::fs;
use std::time::Duration;

use sqlx::Connection;

use crate::support::served::{House, NOW};

const FEED: &str = "/feeds/tat-ca.atom";

/// Seconds of `max-age`.
fn age(header: &str) -> u64 {
    let seconds = header.split("max-age=").nth(1).expect("an age").split(',').next().expect("a number");
    seconds.parse().expect("seconds")
}

/// Notes that the clock alone hides an article at this second from now, as a portal's `publish_down` does.
async fn hides(house: &House, id: &str, second: i64) {
    let path = house.articles.parent().expect("a folder").join("loa.db");
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("open");
    let at = NOW.millis() + second * 1000;
    let note = sqlx::query("INSERT INTO flip (source, at, external_id) VALUES ('demo', $1, $2)").bind(at).bind(id);
    note.execute(&mut database).await.expect("noted");
    house.clock.advance(Duration::from_secs(10));
    house.publisher.refresh().await.expect("looked ahead");
}

#[actix_web::test]
async fn nothing_is_kept_beyond_the_moment_when_a_scheduled_article_appears() {
    let house = House::open().await;
    let usual = house.get(FEED).await.header("cache-control").to_owned();
    assert!(age(&usual) >= 300, "{usual}");
    house.write("hen-gio", "Bài hẹn giờ");
    let file = house.articles.join("hen-gio.md");
    let text = fs::read_to_string(&file).expect("written").replace("2026-11-23 08:30", "2026-11-23 09:03");
    fs::write(&file, text).expect("written");
    house.poll().await;
    house.clock.advance(Duration::from_secs(10));
    house.publisher.refresh().await.expect("looked ahead");
    let before = house.get(FEED).await;
    assert_eq!(before.header("cache-control"), "public, max-age=170, must-revalidate");
    // Nobody knows yet where it will stand.
    assert_eq!(age(house.get("/feeds/dan-van.rss").await.header("cache-control")), 170);
    let same = house.get_with(FEED, &[("If-None-Match", before.header("etag"))]).await;
    assert_eq!((same.status, age(same.header("cache-control"))), (304, 170));
    assert_eq!(house.get("/feeds/tat-ca").await.header("cache-control"), "public, max-age=60");
    house.clock.advance(Duration::from_secs(140));
    assert_eq!(age(house.get(FEED).await.header("cache-control")), 30);
    assert_eq!(house.get("/feeds/tat-ca").await.header("cache-control"), "public, max-age=30, must-revalidate");
    // The moment has come and nobody has looked yet: whoever asks now asks again at once.
    house.clock.advance(Duration::from_secs(32));
    house.publisher.refresh().await.expect("looked ahead");
    assert_eq!(age(house.get(FEED).await.header("cache-control")), 5);
    house.poll().await;
    let after = house.get(FEED).await;
    assert!(after.text().contains("Bài hẹn giờ"));
    assert!(age(after.header("cache-control")) >= 300, "{}", after.header("cache-control"));
}

#[actix_web::test]
async fn an_article_that_the_clock_will_hide_shortens_its_own_feeds_and_no_others() {
    let house = House::open().await;
    let usual = house.get("/feeds/tuyen-giao.atom").await.header("cache-control").to_owned();
    hides(&house, "dan-van-kheo-vung-ven", 250).await;
    for path in ["/feeds/dan-van.atom", FEED] {
        assert_eq!(house.get(path).await.header("cache-control"), "public, max-age=240, must-revalidate", "{path}");
    }
    assert_eq!(house.get("/feeds/tuyen-giao.atom").await.header("cache-control"), usual);
}

#[actix_web::test]
async fn an_archive_is_kept_for_a_year_unless_the_clock_is_known_to_hide_something_of_it() {
    let house = House::of_items(5).await;
    let atom = house.get(FEED).await;
    let older =
        atom.text().split("rel=\"prev-archive\"").next().expect("there").rsplit("href=\"").next().expect("there");
    let path =
        older.split('"').next().expect("an address").split_once(&house.at.to_string()).expect("ours").1.to_owned();
    let archive = house.get(&path).await;
    assert_eq!(archive.header("cache-control"), "public, max-age=31536000, immutable");
    let id = archive.text().split("demo/article/").nth(1).expect("an entry").split('<').next().expect("an id");
    hides(&house, id, 864_010).await;
    let ending = house.get(&path).await;
    assert_eq!((ending.status, ending.header("cache-control")), (200, "public, max-age=864000, must-revalidate"));
    assert_eq!(ending.body, archive.body);
}

#[actix_web::test]
async fn a_source_that_has_not_answered_for_long_is_told_with_the_age_of_what_is_there() {
    let house = House::open().await;
    let good = house.get(FEED).await;
    let away = house.articles.with_extension("away");
    fs::rename(&house.articles, &away).expect("moved");
    house.clock.advance(Duration::from_mins(20));
    house.ingest.poll("demo").await.expect_err("it is away");
    house.publisher.refresh().await.expect("looked ahead");
    assert_eq!(house.get(FEED).await.header("loa-stale"), "", "a short while is nobody's business");
    house.clock.advance(Duration::from_mins(20));
    house.ingest.poll("demo").await.expect_err("it is away");
    house.publisher.refresh().await.expect("looked ahead");
    for path in [FEED, "/feeds/dan-van.json"] {
        assert_eq!(house.get(path).await.header("loa-stale"), "2400;reason=source", "{path}");
    }
    let same = house.get_with(FEED, &[("If-None-Match", good.header("etag"))]).await;
    assert_eq!((same.status, same.header("loa-stale")), (304, "2400;reason=source"));
    fs::rename(&away, &house.articles).expect("back");
    house.poll().await;
    house.clock.advance(Duration::from_secs(10));
    house.publisher.refresh().await.expect("looked ahead");
    assert_eq!(house.get(FEED).await.header("loa-stale"), "");
}
