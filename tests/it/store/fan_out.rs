//! Laws of turning changes into deliveries.

use futures_util::future::join_all;
use loa::domain::article::ChangeKind;
use loa::domain::subscriber::Frequency::{Daily, Immediate, Weekly};
use loa::store::article::Poll;
use loa::store::delivery::Settled;

use super::given::{SOURCE, apply, claim, endpoint, fan_out, feeds, person, publish, settle, t, upsert, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_person_of_several_feeds_is_told_of_an_article_once,
    a_second_fan_out_of_one_change_makes_nothing,
    fan_outs_at_once_make_each_row_once,
    only_those_who_follow_at_once_and_followed_before_are_told,
    a_revision_reaches_endpoints_and_only_people_of_feeds_that_it_enters,
    withdrawal_cancels_unsent_notices_and_is_told_to_endpoints_only,
    an_article_that_comes_back_is_mailed_to_those_who_had_no_mail,
    a_mail_on_its_way_through_a_withdrawal_and_a_return_is_that_mail_again,
    endpoints_hear_that_an_article_left_their_feed,
    a_baseline_tells_nobody,
}

const TALLY: &str =
    "SELECT channel, kind, state, count(*) FROM delivery GROUP BY channel, kind, state ORDER BY 1, 2, 3";

async fn a_person_of_several_feeds_is_told_of_an_article_once(base: Base) {
    let [a, b, c] = feeds(&base.store, ["a", "b", "c"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate), (b, Immediate), (c, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(b, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a, b, c], t(0)).await;
    publish(&base.store, "x", &[a, b], t(1)).await;
    assert_eq!(fan_out(&base.store, t(2)).await, 3);
    assert_eq!(base.lines(TALLY).await, ["email published pending 2", "webhook published pending 1"]);
    let claimed = claim(&base.store, 1, t(2), 9).await;
    assert_eq!(claimed[0].feeds, [a, b], "and the mail can name both");
    assert_eq!(claimed[1].feeds, [b]);
}

async fn a_second_fan_out_of_one_change_makes_nothing(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    let change = base.store.open_changes(9).await.expect("read")[0].id;
    assert_eq!(base.store.fan_out(change, t(2)).await.expect("done"), Some(2));
    assert_eq!(base.store.fan_out(change, t(3)).await.expect("done"), None);
    base.rows("UPDATE change SET processed_at = NULL").await;
    assert_eq!(base.store.fan_out(change, t(4)).await.expect("done"), Some(0), "the keys turn a repetition away too");
    assert!(base.store.open_changes(9).await.expect("read").is_empty());
}

async fn fan_outs_at_once_make_each_row_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..40 {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(a, Immediate)], t(0)).await;
    }
    for n in 0..6 {
        publish(&base.store, &format!("x{n}"), &[a], t(1)).await;
    }
    let other = base.another().await;
    let open: Vec<i64> = base.store.open_changes(9).await.expect("read").iter().map(|c| c.id).collect();
    let runs = open.iter().flat_map(|id| [(*id, &base.store), (*id, &other), (*id, &base.store)]);
    let made = join_all(runs.map(async |(id, store)| store.fan_out(id, t(2)).await.expect("done"))).await;
    assert_eq!(made.iter().filter(|m| m.is_some()).count(), 6, "{made:?}");
    assert_eq!(made.iter().flatten().sum::<u64>(), 240);
    assert_eq!(base.number("SELECT count(*) FROM delivery").await, 240);
}

async fn only_those_who_follow_at_once_and_followed_before_are_told(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let early = person(&base.store, "som@so.example.vn", &[(a, Immediate)], t(1)).await;
    person(&base.store, "ngay@so.example.vn", &[(a, Daily)], t(0)).await;
    person(&base.store, "tuan@so.example.vn", &[(a, Weekly)], t(0)).await;
    person(&base.store, "khac@so.example.vn", &[(b, Immediate)], t(0)).await;
    let left = person(&base.store, "thoi@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a], t(2)).await;
    person(&base.store, "muon@so.example.vn", &[(a, Immediate)], t(3)).await;
    let reason = loa::domain::subscriber::EndReason::Unsubscribed;
    base.store.unsubscribe(left, None, reason, t(3)).await.expect("left");
    assert_eq!(fan_out(&base.store, t(4)).await, 1);
    assert_eq!(base.number("SELECT subscriber_id FROM delivery").await, early);
}

async fn a_revision_reaches_endpoints_and_only_people_of_feeds_that_it_enters(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    let newly = person(&base.store, "binh@so.example.vn", &[(b, Immediate)], t(0)).await;
    person(&base.store, "ca-hai@so.example.vn", &[(a, Immediate), (b, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    assert_eq!(fan_out(&base.store, t(1)).await, 3);
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Revised), t(2))], t(2)).await;
    assert_eq!(fan_out(&base.store, t(2)).await, 1, "the endpoint");
    apply(&base.store, vec![upsert("x", &[a, b], Some(ChangeKind::Revised), t(3))], t(3)).await;
    assert_eq!(fan_out(&base.store, t(3)).await, 2, "the endpoint, and who follows only the new feed");
    let last = "SELECT subscriber_id FROM delivery WHERE channel = 'email' ORDER BY id DESC LIMIT 1";
    assert_eq!(base.number(last).await, newly);
    let heard = base.lines("SELECT kind FROM delivery WHERE channel = 'webhook' ORDER BY id").await;
    assert_eq!(heard, ["published", "revised", "revised"]);
}

async fn withdrawal_cancels_unsent_notices_and_is_told_to_endpoints_only(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let y = publish(&base.store, "y", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let first = claim(&base.store, 5, t(1), 1).await.remove(0);
    assert_eq!(first.article_id, Some(x));
    settle(&base.store, first.id, 5, Settled::Sent, t(1)).await;
    assert_eq!(withdraw(&base.store, x, t(2)).await.cancelled, 2, "one mail and one webhook");
    assert_eq!(fan_out(&base.store, t(3)).await, 1);
    let of = |article: i64| {
        format!("SELECT channel, kind, state FROM delivery WHERE article_id = {article} ORDER BY channel, kind, state")
    };
    assert_eq!(
        base.lines(&of(x)).await,
        [
            "email published cancelled",
            "email published sent",
            "webhook published cancelled",
            "webhook withdrawn pending"
        ]
    );
    assert_eq!(
        base.lines(&of(y)).await,
        ["email published pending", "email published pending", "webhook published pending"],
        "another article's stay"
    );
    // Back, and gone again before anything was sent: what tells of a withdrawal is not cancelled by one.
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Published), t(4))], t(4)).await;
    fan_out(&base.store, t(4)).await;
    withdraw(&base.store, x, t(5)).await;
    fan_out(&base.store, t(5)).await;
    let told =
        format!("SELECT count(*) FROM delivery WHERE article_id = {x} AND kind = 'withdrawn' AND state = 'pending'");
    assert_eq!(base.number(&told).await, 2);
    assert_eq!(claim(&base.store, 6, t(6), 9).await.len(), 2, "only the mails of the other article are left");
}

async fn an_article_that_comes_back_is_mailed_to_those_who_had_no_mail(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let had = person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    let not = person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let first = claim(&base.store, 5, t(1), 1).await.remove(0);
    assert_eq!(first.subscriber_id, had);
    settle(&base.store, first.id, 5, Settled::Sent, t(1)).await;
    withdraw(&base.store, x, t(2)).await;
    let late = person(&base.store, "chi@so.example.vn", &[(a, Immediate)], t(3)).await;
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Published), t(4))], t(4)).await;
    assert_eq!(fan_out(&base.store, t(4)).await, 2);
    let claimed = claim(&base.store, 6, t(5), 9).await;
    assert_eq!(claimed.iter().map(|c| c.subscriber_id).collect::<Vec<_>>(), [not, late]);
    assert_eq!(claimed[0].revision, 3, "named by the revision that it tells of");
}

async fn a_mail_on_its_way_through_a_withdrawal_and_a_return_is_that_mail_again(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    person(&base.store, "binh@so.example.vn", &[(a, Immediate)], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    let on_their_way = claim(&base.store, 5, t(1), 9).await;
    withdraw(&base.store, x, t(2)).await;
    apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Published), t(3))], t(3)).await;
    fan_out(&base.store, t(3)).await;
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE state = 'pending'").await, 2);
    assert!(claim(&base.store, 6, t(4), 9).await.is_empty(), "they are on their way still");
    let mut again = super::given::line(on_their_way[1].id, 5, Settled::Pending);
    again.due_at = t(10).millis();
    let lines = [super::given::line(on_their_way[0].id, 5, Settled::Sent), again];
    assert_eq!(base.store.settle(&lines, t(5)).await.expect("settled"), 2);
    let left = claim(&base.store, 7, t(10), 9).await;
    assert_eq!(
        left.iter().map(|c| c.id).collect::<Vec<_>>(),
        [on_their_way[1].id],
        "and only what failed is tried again"
    );
    assert_eq!(base.lines(TALLY).await, ["email published pending 1", "email published sent 1"]);
}

async fn endpoints_hear_that_an_article_left_their_feed(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let of_a = endpoint(&base.store, "ep_a", &[a], t(0)).await;
    let of_b = endpoint(&base.store, "ep_b", &[b], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    for (second, feed) in [(2, b), (3, b)] {
        apply(&base.store, vec![upsert("x", &[feed], Some(ChangeKind::Revised), t(second))], t(second)).await;
        fan_out(&base.store, t(second)).await;
    }
    let heard = |id: i64| format!("SELECT kind, created_at FROM delivery WHERE subscriber_id = {id} ORDER BY id");
    let (first, moved, edited) = (t(1).millis(), t(2).millis(), t(3).millis());
    assert_eq!(base.lines(&heard(of_a)).await, [format!("published {first}"), format!("revised {moved}")]);
    assert_eq!(base.lines(&heard(of_b)).await, [format!("revised {moved}"), format!("revised {edited}")]);
}

async fn a_baseline_tells_nobody(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let poll = Poll {
        source: SOURCE.to_owned(),
        upserts: vec![upsert("x", &[a], None, t(1))],
        baseline_done: true,
        ..Poll::default()
    };
    assert_eq!(base.store.apply(&poll, t(1)).await.expect("written").baseline, 1);
    assert_eq!(fan_out(&base.store, t(2)).await, 0);
    assert_eq!(base.store.entered(a, 0, i64::MAX).await.expect("read"), [0_i64; 0], "nor by a digest");
    assert_eq!(base.store.feed_articles(a, 9).await.expect("read").len(), 1);
    assert_eq!(base.store.source_state(SOURCE).await.expect("read").baseline_at, Some(t(1)));
}
