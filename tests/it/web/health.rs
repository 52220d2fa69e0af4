//! What machines ask that watch over loa.

use std::time::Duration;

use loa::web::Doors;

use crate::support::served::House;

#[actix_web::test]
async fn a_house_is_ready_once_feeds_were_read_and_while_its_queue_moves() {
    let starting = House::unready(Doors::All).await;
    assert_eq!(starting.get("/healthz").await.status, 200);
    let not_yet = starting.get("/readyz").await;
    assert_eq!((not_yet.status, not_yet.json()["feeds"].as_str()), (503, Some("failing")));
    let house = House::open().await;
    assert_eq!(house.get("/readyz").await.status, 200);
    house.post("/subscribe", "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes").await;
    house.clock.advance(Duration::from_mins(15));
    assert_eq!(house.get("/readyz").await.status, 200);
    house.clock.advance(Duration::from_secs(1));
    let stuck = house.get("/readyz").await;
    assert_eq!((stuck.status, stuck.json()["queue"].as_str()), (503, Some("failing")));
}

#[actix_web::test]
async fn a_house_whose_database_can_be_read_but_not_written_is_not_ready() {
    let house = House::open().await;
    let writes = |answer: &crate::support::client::Answer| answer.json()["writes"].as_str().map(str::to_owned);
    let good = house.get("/readyz").await;
    assert_eq!((good.status, writes(&good).as_deref()), (200, Some("ok")));
    // As SQLite answers when the disk is full.
    house.sql("CREATE TRIGGER full BEFORE UPDATE ON lease BEGIN SELECT RAISE(ROLLBACK, 'no room'); END").await;
    assert_eq!(house.get("/readyz").await.status, 200, "it was tried just now: asking costs no more than reading");
    house.clock.advance(Duration::from_secs(10));
    let full = house.get("/readyz").await;
    assert_eq!((full.status, writes(&full).as_deref()), (503, Some("failing")));
    assert_eq!(full.json()["database"].as_str(), Some("ok"), "it still answers");
    house.sql("DROP TRIGGER full").await;
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(house.get("/readyz").await.status, 200);
}

#[actix_web::test]
async fn the_numbers_count_requests_and_tell_queue_and_polls() {
    let house = House::open().await;
    house.get("/feeds/tat-ca.rss").await;
    house.get("/feeds/khong-co.atom").await;
    house.post("/subscribe", "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes").await;
    house.clock.advance(Duration::from_secs(90));
    let text = house.get("/metrics").await.text().to_owned();
    for line in [
        "loa_feed_requests_total{format=\"rss\",status=\"200\"} 1",
        "loa_feed_requests_total{format=\"atom\",status=\"404\"} 1",
        "loa_due{lane=\"transactional\"} 1",
        "loa_due_age_seconds{lane=\"transactional\"} 90",
        "loa_poll_age_seconds{source=\"demo\"} 90",
        "loa_changes_held{source=\"demo\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
    assert!(!text.contains("so.example.vn"));
}

#[actix_web::test]
async fn a_public_listener_has_no_console_and_an_operators_has_nothing_else() {
    let public = House::unready(Doors::Public).await;
    for path in ["/admin", "/admin/login", "/metrics"] {
        assert_eq!(public.get(path).await.status, 404, "{path}");
    }
    assert_eq!(public.get("/subscribe").await.status, 200);
    let operator = House::unready(Doors::Operator).await;
    for path in ["/", "/subscribe", "/feeds.opml", "/api/v1/feeds"] {
        assert_eq!(operator.get(path).await.status, 404, "{path}");
    }
    assert_eq!(operator.get("/metrics").await.status, 200);
    assert_eq!(operator.get("/admin/login").await.status, 200);
    assert_eq!(operator.get("/healthz").await.status, 200);
}
