//! Laws of what a feed held: months, tombstones, kin.

use loa::domain::feed::FeedOrigin;
use loa::store::history::Departed;

use super::given::{apply, feeds, publish, spec, t, upsert, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    what_left_a_feed_or_was_withdrawn_is_told_with_its_time_the_last_first,
    a_stretch_of_a_feed_holds_what_is_public_in_it_the_oldest_first,
    a_retired_feed_names_the_feeds_that_hold_the_most_of_it,
}

async fn what_left_a_feed_or_was_withdrawn_is_told_with_its_time_the_last_first(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let gone = publish(&base.store, "1", &[a, b], t(10)).await;
    publish(&base.store, "2", &[a], t(11)).await;
    publish(&base.store, "3", &[a, b], t(12)).await;
    withdraw(&base.store, gone, t(20)).await;
    // The third leaves one feed and stays in the other.
    apply(&base.store, vec![upsert("3", &[b], Some(loa::domain::article::ChangeKind::Revised), t(30))], t(30)).await;
    let departed = async |feed: i64, since: i64| base.store.feed_departed(feed, t(since), 10).await.expect("read");
    let of =
        |id: &str, second: i64| Departed { entry_id: format!("tag:example.vn,2021:cong/article/{id}"), at: t(second) };
    assert_eq!(departed(a, 0).await, [of("3", 30), of("1", 20)]);
    assert_eq!(departed(a, 21).await, [of("3", 30)]);
    assert_eq!(departed(b, 0).await, [of("1", 20)]);
    assert_eq!(base.store.feed_departed(a, t(0), 1).await.expect("read"), [of("3", 30)]);
    publish(&base.store, "1", &[a, b], t(40)).await;
    assert_eq!(departed(b, 0).await, [], "it came back");
}

async fn a_stretch_of_a_feed_holds_what_is_public_in_it_the_oldest_first(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let mut ids = Vec::new();
    for second in 1..=6 {
        ids.push(publish(&base.store, &second.to_string(), &[a], t(second)).await);
    }
    publish(&base.store, "khac", &[b], t(3)).await;
    withdraw(&base.store, ids[2], t(9)).await;
    let placed = base.store.feed_between(a, t(2), t(6)).await.expect("read");
    assert_eq!(placed.iter().map(|placed| placed.id).collect::<Vec<_>>(), [ids[1], ids[3], ids[4]]);
    let whole = base.store.feed_articles_between(a, (t(2), t(6)), 2, 1).await.expect("read");
    assert_eq!(whole.iter().map(|stored| stored.id).collect::<Vec<_>>(), [ids[3], ids[4]]);
    assert_eq!(whole[0].revision, placed[1].revision);
    assert_eq!(base.store.feed_around(a, t(4), t(5)).await.expect("read"), (Some(t(2)), Some(t(5))), "3 is withdrawn");
    assert_eq!(base.store.feed_around(a, t(1), t(7)).await.expect("read"), (None, None));
}

async fn a_retired_feed_names_the_feeds_that_hold_the_most_of_it(base: Base) {
    let [a, b, c] = feeds(&base.store, ["a", "b", "c"]).await;
    publish(&base.store, "1", &[a, b, c], t(1)).await;
    publish(&base.store, "2", &[a, c], t(2)).await;
    let kin = async |limit: i64| {
        let kin = base.store.feed_kin(a, limit).await.expect("read");
        kin.into_iter().map(|feed| feed.spec.slug).collect::<Vec<_>>()
    };
    assert_eq!(kin(5).await, ["c", "b"]);
    assert_eq!(kin(1).await, ["c"]);
    assert_eq!(base.store.feed_ended(a).await.expect("read"), None);
    base.store.declare_feeds(FeedOrigin::File, &[spec("b")], t(7)).await.expect("declared");
    assert_eq!(base.store.feed_ended(a).await.expect("read"), Some(t(7)));
    assert_eq!(kin(5).await, ["b"], "c is retired too");
}
