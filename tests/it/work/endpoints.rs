//! Laws of endpoints: each by itself.

use std::collections::BTreeSet;

use loa::notify::webhook::schema;
use loa::store::endpoint::CatchUp;
use loa::store::push::Replay;
use loa::work::deliver_webhook::FAILED_FOR_DAYS;

use crate::support::house::hook::{Hook, Posted};
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
    let public_id = hook.public_id();
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

const EVENTS: &str = "SELECT kind, state, count(*) FROM delivery GROUP BY kind, state ORDER BY kind, state";

/// The types and revisions of what came about one article, in their order.
fn story(hook: &Hook, id: &str) -> Vec<(String, i64)> {
    let mine = |p: &&Posted| p.json["data"]["url"].as_str().is_some_and(|url| url.ends_with(id));
    hook.posts()
        .iter()
        .filter(mine)
        .map(|p| (p.kind().to_owned(), p.json["data"]["revision"].as_i64().unwrap_or(0)))
        .collect()
}

#[tokio::test]
async fn of_one_article_nothing_overtakes_what_was_earlier() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.endpoint(&hook, &["tat-ca"]).await;
    hook.answer(None);
    with_news(&house, 3).await;
    let worker = house.webhooks();
    hook.wait_for(3).await;
    for n in 0..3 {
        house.revise(&format!("tin-{n:03}"), ORGANISATION, "Đã sửa.").await;
        house.revise(&format!("tin-{n:03}"), ORGANISATION, "Đã sửa lần nữa.").await;
    }
    house.publish("tin-khac", ORGANISATION);
    house.news().await;
    hook.wait_for(4).await;
    assert_eq!(hook.kinds(), ["article.published"; 4], "three are held, and nothing of theirs overtakes them");
    hook.answer(Some(204));
    house.quiet("webhook").await;
    house.remove("tin-000");
    house.news().await;
    house.quiet("webhook").await;
    worker.stop().await;
    for n in 0..3 {
        let mut wanted = vec!["article.published", "article.revised", "article.revised"];
        if n == 0 {
            wanted.push("article.withdrawn");
        }
        let told = story(&hook, &format!("tin-{n:03}"));
        assert_eq!(told.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), wanted);
        assert!(told.iter().map(|(_, revision)| revision).is_sorted(), "{told:?}");
    }
}

#[tokio::test]
async fn one_in_twenty_hangs_and_all_others_have_everything() {
    let house = House::sqlite().await;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for n in 0..100_u8 {
        let hook = Hook::on([127, 0, 1, n + 1]).await;
        house.endpoint(&hook, &["tat-ca"]).await;
        if n % 20 == 0 {
            hook.answer(None);
            bad.push(hook);
        } else {
            good.push(hook);
        }
    }
    with_news(&house, 10).await;
    let worker = house.webhooks();
    for hook in &good {
        hook.wait_for(10).await;
    }
    for hook in &bad {
        hook.wait_for(1).await;
        assert!(hook.most_at_once() <= 4, "{}", hook.most_at_once());
    }
    // No transaction is open while they hang: the next poll is written, and told.
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    for hook in &good {
        hook.wait_for(11).await;
    }
    for hook in &bad {
        hook.answer(Some(204));
    }
    house.quiet("webhook").await;
    worker.stop().await;
    assert!(good.iter().chain(&bad).all(|hook| ids(hook).len() == 11 && hook.posts().len() == 11));
    assert_eq!(house.base.lines(STATES).await, ["sent - 1100"]);
}

#[tokio::test]
async fn endpoints_of_one_machine_share_its_slots() {
    let house = House::sqlite().await;
    let mut hooks = Vec::new();
    for _ in 0..20 {
        let hook = Hook::start().await;
        hook.answer(None);
        house.endpoint(&hook, &["tat-ca"]).await;
        hooks.push(hook);
    }
    with_news(&house, 4).await;
    let worker = house.webhooks();
    let held = || hooks.iter().map(|hook| hook.posts().len()).sum::<usize>();
    let end = std::time::Instant::now() + crate::support::house::LONG;
    while held() < 16 && std::time::Instant::now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    assert_eq!(held(), 16, "eighty wait, sixteen may go");
    for hook in &hooks {
        hook.answer(Some(204));
    }
    house.quiet("webhook").await;
    worker.stop().await;
    assert!(hooks.iter().all(|hook| ids(hook).len() == 5));
}

#[tokio::test]
async fn after_an_outage_events_come_at_a_pace_and_each_once() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    hook.answer(Some(503));
    with_news(&house, 40).await;
    house.post().await;
    let health = house.base.store.health(id).await.expect("read").expect("there");
    assert!(health.failures >= 3 && health.rests_until > house.clock.now().millis());
    let before = hook.posts().len();
    house.pass(hours(1));
    hook.answer(None);
    let worker = house.webhooks();
    hook.wait_for(before + 1).await;
    // While its probe is held, whatever rings brings no second post.
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    assert_eq!(hook.posts().len(), before + 1);
    hook.answer(Some(204));
    house.quiet("webhook").await;
    worker.stop().await;
    assert!(hook.most_at_once() <= 16, "{}", hook.most_at_once());
    assert_eq!((ids(&hook).len(), hook.posts().len() - before), (41, 41), "each once after the outage");
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_gets_it_for_all_its_events() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    hook.answer(Some(429));
    hook.add_header("retry-after: 7200");
    with_news(&house, 1).await;
    house.post().await;
    let rests = |health: loa::store::push::Health| health.rests_until - house.clock.now().millis();
    let health = house.base.store.health(id).await.expect("read").expect("there");
    assert_eq!(rests(health), 7_200_000);
    with_news(&house, 5).await;
    house.pass(hours(1));
    house.post().await;
    assert_eq!(hook.posts().len(), 1, "not before the time that it named");
    hook.answer(Some(204));
    house.pass(hours(2));
    house.post().await;
    assert_eq!(ids(&hook).len(), 6, "the first was revised meanwhile");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_well_is_disabled_after_three_days_and_loses_nothing() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    hook.answer(Some(500));
    with_news(&house, 2).await;
    let begun = house.clock.now();
    let mut disabled = None;
    // A worker of its own each time, as if the program had been started anew: what counts is in the database.
    for _ in 0..60 {
        house.post().await;
        let endpoint = house.base.store.endpoint_by_subscriber(id).await.expect("read").expect("there");
        if let Some(at) = endpoint.disabled_at {
            disabled = Some((at, endpoint.disabled_reason.expect("a reason")));
            break;
        }
        house.pass(hours(2));
    }
    let (at, reason) = disabled.expect("it is disabled");
    assert_eq!(reason, FAILED_FOR_DAYS);
    assert!((75..90).contains(&((at - begun.millis()) / 3_600_000)), "{} hours", (at - begun.millis()) / 3_600_000);
    let tries = hook.posts().len();
    assert!((8..40).contains(&tries), "{tries} tries");
    assert_eq!(house.base.lines(EVENTS).await, ["disabled pending 1", "published pending 2"]);
    hook.answer(Some(204));
    house.base.store.enable_endpoint(id, CatchUp::Oldest, house.clock.now()).await.expect("enabled");
    house.post().await;
    assert_eq!(house.base.lines(EVENTS).await, ["disabled sent 1", "published sent 2"]);
}

#[tokio::test]
async fn one_event_that_is_never_taken_ends_and_the_others_come_and_it_can_be_had_again() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    with_news(&house, 1).await;
    // Its tries are used up but for the last; the endpoint itself does well.
    house.base.rows("UPDATE delivery SET attempts = 12").await;
    hook.answer(Some(422));
    house.post().await;
    assert_eq!(house.base.lines(STATES).await, ["dead exhausted 1"]);
    hook.answer(Some(204));
    house.publish("tin-moi", ORGANISATION);
    house.news().await;
    house.post().await;
    let last = hook.posts().pop().expect("one");
    assert_eq!((&last.json["seq"], &last.json["prev_seq"]), (&2.into(), &1.into()), "the gap can be seen");
    let dead = Replay { from: START_OF_TIME, to: house.clock.now().plus(hours(1)), state: "dead", newest_first: false };
    assert_eq!(house.base.store.replay(id, dead, house.clock.now()).await.expect("done"), 1);
    house.post().await;
    assert_eq!(hook.posts().pop().expect("one").json["seq"], 1);
    assert_eq!(house.base.lines(STATES).await, ["sent - 2"]);
}

const START_OF_TIME: loa::clock::Timestamp = loa::clock::Timestamp::from_millis(0);

#[tokio::test]
async fn a_target_that_loa_may_not_call_loses_no_event() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    let id = house.endpoint(&hook, &["tat-ca"]).await;
    house.base.rows("UPDATE endpoint SET url = 'http://10.0.0.1/'").await;
    with_news(&house, 2).await;
    house.post().await;
    assert_eq!(house.base.number("SELECT count(*) FROM delivery WHERE state = 'pending'").await, 2);
    house.base.rows(&format!("UPDATE endpoint SET url = '{}'", hook.url())).await;
    house.base.store.enable_endpoint(id, CatchUp::Oldest, house.clock.now()).await.expect("enabled");
    house.post().await;
    assert_eq!(ids(&hook).len(), 2);
}

#[tokio::test]
async fn a_withdrawal_says_nothing_of_what_the_article_was_about() {
    let house = House::sqlite().await;
    let hook = Hook::start().await;
    house.endpoint(&hook, &["tat-ca"]).await;
    with_news(&house, 1).await;
    house.post().await;
    house.remove("tin-000");
    house.news().await;
    house.post().await;
    let gone = hook.posts().pop().expect("one");
    let keys: Vec<_> = gone.json["data"].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        (gone.kind(), keys),
        ("article.withdrawn", vec!["id".to_owned(), "revision".to_owned(), "url".to_owned()])
    );
    assert!(!gone.json.to_string().contains("Hội nghị"), "{}", gone.json);
}

#[tokio::test]
async fn every_event_is_as_its_schema_says() {
    let house = House::sqlite().await;
    let (thin, full) = (Hook::start().await, Hook::start().await);
    let id = house.endpoint(&thin, &["tat-ca"]).await;
    let of_full = house.endpoint(&full, &["tat-ca"]).await;
    let now = || house.clock.now();
    house.base.store.set_payload(of_full, true).await.expect("set");
    house.base.store.add_test_event(id, now()).await.expect("made");
    with_news(&house, 2).await;
    house.revise("tin-000", ORGANISATION, "Đã sửa.").await;
    house.post().await;
    house.remove("tin-000");
    house.news().await;
    house.post().await;
    house.base.store.disable_endpoint(id, "by hand", now()).await.expect("done");
    house.publish("tin-sau", ORGANISATION);
    house.remove("tin-001");
    house.news().await;
    house.base.store.enable_endpoint(id, CatchUp::Digest, now()).await.expect("done");
    house.post().await;
    let mut seen = BTreeSet::new();
    for posted in thin.posts().iter().chain(&full.posts()) {
        let text = schema::of(posted.kind(), "https://bantin.example.vn/").expect("a schema");
        let text: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(text["$id"], format!("https://bantin.example.vn/schemas/{}.json", posted.kind()));
        let validator =
            jsonschema::draft202012::options().should_validate_formats(true).build(&text).expect("a schema");
        let faults: Vec<_> =
            validator.iter_errors(&posted.json).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?} in {}", posted.json);
        let mut odd = posted.json.clone();
        odd["seq"] = "one".into();
        assert!(!validator.is_valid(&odd), "a schema that takes anything says nothing");
        seen.insert(posted.kind().to_owned());
    }
    assert_eq!(seen.iter().map(String::as_str).collect::<BTreeSet<_>>(), schema::types().collect());
    let whole = |hook: &Hook| hook.posts().iter().filter(|p| p.json["data"]["content_html"].is_string()).count();
    assert!(whole(&full) > 0 && whole(&thin) == 0);
    let digest = thin.posts().into_iter().find(|p| p.kind() == "article.digest").expect("a digest");
    assert_eq!(digest.json["data"]["articles"].as_array().map(Vec::len), Some(1));
    assert_eq!(digest.json["data"]["withdrawn"].as_array().map(Vec::len), Some(1));
}
