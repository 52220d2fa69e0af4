//! Laws of what is known of the time to come.

use loa::store::article::Poll;
use loa::store::source::Flips;

use super::given::{SOURCE, feeds, publish, t};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_flip_concerns_the_feeds_of_its_article_and_one_that_is_not_public_yet_any,
    a_source_is_silent_from_its_first_failed_poll_to_its_next_good_one,
}

async fn a_flip_concerns_the_feeds_of_its_article_and_one_that_is_not_public_yet_any(base: Base) {
    let [a, b, c] = feeds(&base.store, ["a", "b", "c"]).await;
    publish(&base.store, "1", &[a, b], t(10)).await;
    publish(&base.store, "2", &[b], t(11)).await;
    let flips = [(t(100), "1"), (t(90), "2"), (t(95), "still-to-come"), (t(5_000), "1")];
    let flips = Flips::All(flips.map(|(at, id)| (at, id.to_owned())).to_vec());
    let poll = Poll { source: SOURCE.to_owned(), flips, ..Poll::default() };
    base.store.apply(&poll, t(20)).await.expect("written");
    let mut seen = base.store.feed_flips(t(20), t(3_600)).await.expect("read");
    seen.sort();
    assert_eq!(seen, [(None, t(95)), (Some(a), t(100)), (Some(b), t(90))], "feed {c} holds none of them");
    assert_eq!(base.store.feed_flips(t(100), t(3_600)).await.expect("read"), [], "what is over, and what is far away");
    let part = async |feed: i64, from: i64, to: i64| base.store.part_flip(feed, (t(from), t(to)), t(20)).await;
    assert_eq!(part(b, 0, 50).await.expect("read"), Some(t(90)));
    assert_eq!(part(b, 0, 11).await.expect("read"), Some(t(100)), "the second lies in another part");
    assert_eq!(part(c, 0, 50).await.expect("read"), None);
}

async fn a_source_is_silent_from_its_first_failed_poll_to_its_next_good_one(base: Base) {
    let poll = Poll { source: SOURCE.to_owned(), ..Poll::default() };
    base.store.apply(&poll, t(10)).await.expect("written");
    assert_eq!(base.store.silent_sources().await.expect("read"), []);
    for second in [20, 30] {
        base.store.poll_failed(SOURCE, "it does not answer", t(second)).await.expect("written");
        assert_eq!(base.store.silent_sources().await.expect("read"), [(SOURCE.to_owned(), t(10))]);
    }
    base.store.apply(&poll, t(40)).await.expect("written");
    assert_eq!(base.store.silent_sources().await.expect("read"), []);
    base.store.poll_failed("never", "it does not answer", t(20)).await.expect("written");
    assert_eq!(base.store.silent_sources().await.expect("read"), [], "what was never read is in no feed");
}
