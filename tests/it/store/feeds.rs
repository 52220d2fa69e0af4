//! Laws of declared feeds and what they hold.

use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::selection::Reason;
use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::store::engine::Store;
use loa::store::feed::Membership;

use super::given::{endpoint, fan_out, feeds, person, publish, spec, t};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_feed_is_filled_anew_only_when_its_selection_is_new,
    a_feed_that_is_no_longer_declared_is_retired_and_comes_back_as_itself,
    a_file_wins_over_a_category_of_its_name_and_gives_it_back,
    filling_a_feed_tells_nobody,
}

async fn declare(store: &Store, origin: FeedOrigin, specs: &[FeedSpec], second: i64) -> Vec<String> {
    let fill = store.declare_feeds(origin, specs, t(second)).await.expect("declared");
    fill.into_iter().map(|f| f.spec.slug).collect()
}

async fn states(base: &Base) -> Vec<String> {
    base.lines(
        "SELECT slug, origin, CASE WHEN retired_at IS NULL THEN 'live' ELSE 'retired' END FROM feed ORDER BY slug",
    )
    .await
}

async fn a_feed_is_filled_anew_only_when_its_selection_is_new(base: Base) {
    let [mut a, b] = [spec("a"), spec("b")];
    assert_eq!(declare(&base.store, FeedOrigin::File, &[a.clone(), b.clone()], 1).await, ["a", "b"]);
    let before = base.store.feeds().await.expect("read");
    assert!(declare(&base.store, FeedOrigin::File, &[a.clone(), b.clone()], 2).await.is_empty());
    assert_eq!(base.store.feeds().await.expect("read"), before, "the same again moves nothing");
    a.title = "Tên mới".into();
    assert!(declare(&base.store, FeedOrigin::File, &[a.clone(), b.clone()], 3).await.is_empty());
    let renamed = base.store.feeds().await.expect("read");
    assert_eq!((renamed[0].spec.title.as_str(), renamed[0].id), ("Tên mới", before[0].id));
    assert!(renamed[0].version > before[1].version && renamed[0].changed == t(3), "its documents show the title");
    assert_eq!(renamed[1], before[1]);
    a.select.phrases = vec!["đại hội".to_owned()];
    assert_eq!(declare(&base.store, FeedOrigin::File, &[a, b], 4).await, ["a"]);
}

async fn a_feed_that_is_no_longer_declared_is_retired_and_comes_back_as_itself(base: Base) {
    let [a, b] = [spec("a"), spec("b")];
    declare(&base.store, FeedOrigin::File, &[a.clone(), b.clone()], 1).await;
    let before = base.store.feeds().await.expect("read");
    assert!(declare(&base.store, FeedOrigin::File, std::slice::from_ref(&b), 2).await.is_empty());
    assert_eq!(states(&base).await, ["a file retired", "b file live"]);
    let retired = base.store.feeds_since(before[1].version).await.expect("read");
    assert_eq!((retired.len(), retired[0].id, retired[0].retired), (1, before[0].id, true), "its readers are told");
    declare(&base.store, FeedOrigin::File, std::slice::from_ref(&b), 3).await;
    assert_eq!(base.store.feeds_since(retired[0].version).await.expect("read").len(), 0, "once");
    declare(&base.store, FeedOrigin::File, &[a, b], 4).await;
    assert_eq!(states(&base).await, ["a file live", "b file live"]);
    assert_eq!(base.store.feeds().await.expect("read")[0].id, before[0].id, "with those who follow it");
}

async fn a_file_wins_over_a_category_of_its_name_and_gives_it_back(base: Base) {
    let category = spec("tin");
    let mut file = spec("tin");
    file.select.phrases = vec!["đại hội".to_owned()];
    assert_eq!(declare(&base.store, FeedOrigin::Category, std::slice::from_ref(&category), 1).await, ["tin"]);
    let id = base.store.feeds().await.expect("read")[0].id;
    assert_eq!(declare(&base.store, FeedOrigin::File, std::slice::from_ref(&file), 2).await, ["tin"]);
    assert_eq!(states(&base).await, ["tin file live"]);
    assert!(declare(&base.store, FeedOrigin::Category, std::slice::from_ref(&category), 3).await.is_empty());
    assert!(declare(&base.store, FeedOrigin::Category, &[], 4).await.is_empty(), "nor does it go with the category");
    assert_eq!(states(&base).await, ["tin file live"]);
    assert_eq!(base.store.feeds().await.expect("read")[0].spec.select, file.select);
    declare(&base.store, FeedOrigin::File, &[], 5).await;
    assert_eq!(states(&base).await, ["tin file retired"]);
    assert_eq!(declare(&base.store, FeedOrigin::Category, std::slice::from_ref(&category), 6).await, ["tin"]);
    assert_eq!(states(&base).await, ["tin category live"]);
    let back = base.store.feeds().await.expect("read").remove(0);
    assert_eq!((back.id, back.spec.select), (id, category.select));
}

async fn filling_a_feed_tells_nobody(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let y = publish(&base.store, "y", &[a], t(2)).await;
    let id = person(&base.store, "an@so.example.vn", &[(b, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(b, Daily)], t(0)).await;
    endpoint(&base.store, "ep_1", &[b], t(0)).await;
    let member = |article_id, second| Membership { article_id, first_seen: t(second), reason: Reason::Everything };
    // At the very moment of a change, and before its fan-out.
    base.store.refill_feed(b, &[member(x, 1), member(y, 2)], t(2)).await.expect("filled");
    fan_out(&base.store, t(3)).await;
    let mails = format!("SELECT count(*) FROM delivery WHERE channel = 'email' OR subscriber_id = {id}");
    assert_eq!(base.number(&mails).await, 0);
    assert_eq!(base.store.entered(b, 0, i64::MAX).await.expect("read"), [0_i64; 0]);
    let shown: Vec<i64> = base.store.feed_articles(b, 9).await.expect("read").iter().map(|s| s.id).collect();
    assert_eq!(shown, [y, x], "the newest first");
    let version = base.store.feeds().await.expect("read")[1].version;
    base.store.refill_feed(b, &[member(x, 1)], t(4)).await.expect("filled");
    let left: Vec<i64> = base.store.feed_articles(b, 9).await.expect("read").iter().map(|s| s.id).collect();
    assert_eq!(left, [x]);
    assert!(base.store.feeds().await.expect("read")[1].version > version);
}
