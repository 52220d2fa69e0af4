//! Laws of endpoints: each by itself.

use std::collections::BTreeSet;

use loa::store::endpoint::CatchUp;

use crate::support::house::hook::Hook;
use crate::support::house::{House, ORGANISATION, hours};

const STATES: &str = "SELECT state, cause, count(*) FROM delivery GROUP BY state, cause ORDER BY state, cause";

async fn with_news(house: &House, articles: usize) {
    for n in 0..articles {
        house.publish(&format!("tin-{n:03}"), ORGANISATION);
    }
    house.news().await;
}

fn ids(hook: &Hook) -> BTreeSet<String> {
    hook.posts().iter().map(|p| p.header("webhook-id").to_owned()).collect()
}

#[tokio::test]
async fn a_hanging_endpoint_delays_no_other() {
    let house = House::sqlite().await;
    let (slow, good) = (Hook::start().await, Hook::start().await);
    slow.answer(None);
    house.endpoint(&slow, &["tat-ca"]).await;
    house.endpoint(&good, &["tat-ca"]).await;
    with_news(&house, 12).await;
    let worker = house.webhooks();
    good.wait_for(12).await;
    slow.wait_for(1).await;
    assert!(slow.posts().len() <= 4, "and takes few of our connections");
    slow.answer(Some(204));
    house.quiet("webhook").await;
    worker.stop().await;
    assert_eq!((ids(&slow).len(), slow.posts().len(), good.posts().len()), (12, 12, 12));
    assert_eq!(house.base.lines(STATES).await, ["sent - 24"]);
}

#[tokio::test]
async fn the_events_of_a_failing_endpoint_wait_and_none_is_lost() {
    let house = House::sqlite().await;
    let (bad, good) = (Hook::start().await, Hook::start().await);
    bad.answer(Some(500));
    house.endpoint(&bad, &["tat-ca"]).await;
    house.endpoint(&good, &["tat-ca"]).await;
    with_news(&house, 30).await;
    house.post().await;
    assert_eq!(good.posts().len(), 30);
    let asked = bad.posts().len();
    assert!((3..30).contains(&asked), "{asked}: it is left in peace after a few");
    assert_eq!(house.base.number("SELECT count(*) FROM delivery WHERE state = 'pending'").await, 30);
    let tried = house.base.number("SELECT sum(attempts) FROM delivery WHERE state = 'pending'").await;
    assert_eq!(usize::try_from(tried).expect("few"), asked, "what was not posted does not count as a try");
    bad.answer(Some(204));
    for _ in 0..3 {
        house.pass(hours(1));
        house.post().await;
    }
    assert_eq!((ids(&bad).len(), bad.posts().len()), (30, 30 + asked));
    assert_eq!(house.base.lines(STATES).await, ["sent - 60"]);
}

#[tokio::test]
async fn an_endpoint_that_says_gone_is_disabled_and_after_it_is_enabled_again_it_has_every_event() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    hook.answer(Some(410));
    with_news(&house, 1).await;
    house.post().await;
    let endpoint = house.base.store.endpoint_by_subscriber(id).await.expect("read").expect("there");
    assert_eq!((endpoint.disabled_at.is_some(), endpoint.disabled_reason.as_deref()), (true, Some("410 Gone")));
    assert_eq!(house.base.lines(STATES).await, ["pending - 1", "pending gone 1"]);
    hook.answer(Some(204));
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    let worker = house.webhooks();
    let depth = house.base.store.queue_depth(house.clock.now().plus(hours(9))).await.expect("read");
    assert_eq!(depth[0].oldest, house.clock.now().plus(hours(9)).millis(), "what waits for it is not overdue");
    worker.stop().await;
    assert_eq!(hook.posts().len(), 1, "nothing is posted to it");
    house.base.store.enable_endpoint(id, CatchUp::Oldest, house.clock.now()).await.expect("enabled");
    house.post().await;
    assert_eq!(hook.kinds()[1..], ["article.published", "endpoint.disabled", "article.published"]);
    let seqs: Vec<_> = hook.posts()[1..].iter().map(|p| p.json["seq"].as_i64()).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
    assert_eq!(hook.posts()[0].header("webhook-id"), hook.posts()[1].header("webhook-id"));
    assert_eq!(house.base.lines(STATES).await, ["sent - 3"]);
}

#[tokio::test]
async fn a_deleted_endpoint_hears_nothing_more() {
    let house = House::sqlite().await;
    let (hook, other) = (Hook::start().await, Hook::start().await);
    house.endpoint(&hook, &["tat-ca"]).await;
    house.endpoint(&other, &["tat-ca"]).await;
    with_news(&house, 2).await;
    let public_id = format!("ep_{}", hook.port());
    let now = house.clock.now();
    assert!(house.base.store.delete_endpoint(&public_id, now).await.expect("deleted"));
    assert!(!house.base.store.delete_endpoint(&public_id, now).await.expect("asked"), "once");
    assert_eq!(house.base.lines(STATES).await, ["cancelled endpoint_gone 2", "pending - 2"]);
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    house.post().await;
    assert_eq!((hook.posts().len(), other.posts().len()), (0, 3));
    assert!(house.base.store.endpoint(&public_id).await.expect("read").is_none());
    assert_eq!(house.base.number("SELECT count(*) FROM endpoint WHERE secret = ''").await, 1, "its secret is gone");
}
