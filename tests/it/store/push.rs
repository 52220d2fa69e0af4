//! Laws of the queues of endpoints: numbers, order, fairness, breaker, catching up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use loa::clock::Timestamp;
use loa::domain::article::ChangeKind;
use loa::store::delivery::Settled;
use loa::store::endpoint::CatchUp;
use loa::store::engine::Store;
use loa::store::push::{Beat, Post, Pulse, Replay, Room};

use super::given::{apply, endpoint, fan_out, feeds, publish, settle, t, upsert, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    numbers_have_no_gaps_even_when_many_fan_out_at_once,
    a_cancelled_event_is_no_gap_for_its_receiver,
    of_one_article_nothing_is_claimed_before_what_is_earlier_is_settled,
    a_queue_in_strict_order_gives_one_event_at_a_time,
    everybody_gets_a_first_event_before_anybody_gets_a_second,
    eight_claimers_take_each_event_once,
    a_receiver_whose_slots_are_taken_is_passed_over,
    a_failing_receiver_rests_and_is_tried_by_the_oldest_of_the_least_tried,
    failures_that_were_under_way_together_count_once,
    a_success_makes_all_that_waits_due,
    who_fails_for_days_is_named_and_keeps_every_event,
    fifty_replays_at_once_make_no_second_row,
    a_replay_takes_a_time_and_a_state_and_leaves_what_is_on_its_way,
    deleting_an_endpoint_cancels_ten_thousand_events_at_once,
    an_enabled_endpoint_catches_up_as_its_owner_likes,
    a_digest_stands_for_what_waited_since_the_last_one,
}

async fn claim(store: &Store, lease: i64, now: Timestamp, limit: usize) -> Vec<Post> {
    claim_with(store, lease, now, limit, &[]).await
}

async fn claim_with(store: &Store, lease: i64, now: Timestamp, limit: usize, rooms: &[Room]) -> Vec<Post> {
    let until = now.plus(Duration::from_mins(1));
    store.claim_posts(lease, (now, until), limit, 4, rooms).await.expect("claimed")
}

/// So many new articles in a feed, fanned out.
async fn news(store: &Store, feed: i64, names: std::ops::Range<usize>, now: Timestamp) {
    let lines = names.map(|n| upsert(&format!("x{n:05}"), &[feed], Some(ChangeKind::Published), now)).collect();
    apply(store, lines, now).await;
    fan_out(store, now).await;
}

fn seqs(posts: &[Post]) -> Vec<i64> {
    posts.iter().map(|p| p.seq).collect()
}

async fn sent(store: &Store, posts: &[Post], lease: i64, now: Timestamp) {
    for post in posts {
        assert_eq!(settle(store, post.id, lease, Settled::Sent, now).await, 1);
    }
}

fn pulse(subscriber_id: i64, began: Timestamp, beat: Beat) -> Pulse {
    Pulse { subscriber_id, began, beat }
}

const HOUR: fn(i64) -> Duration = |_| Duration::from_hours(1);

async fn numbers_have_no_gaps_even_when_many_fan_out_at_once(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let both = endpoint(&base.store, "ep_1", &[a, b], t(0)).await;
    let one = endpoint(&base.store, "ep_2", &[b], t(0)).await;
    for n in 0..12 {
        let feed = if n % 2 == 0 { a } else { b };
        apply(&base.store, vec![upsert(&format!("x{n}"), &[feed], Some(ChangeKind::Published), t(n))], t(n)).await;
    }
    let other = base.another().await;
    let runs = (0..6).map(|n| {
        let store = if n % 2 == 0 { base.store.clone() } else { other.clone() };
        tokio::spawn(async move { fan_out(&store, t(20)).await })
    });
    let made: u64 = join_all(runs).await.into_iter().map(|r| r.expect("no panic")).sum();
    assert_eq!(made, 18);
    for (who, events) in [(both, 12), (one, 6)] {
        let listed = base.store.events_after(who, 0, 100).await.expect("read");
        assert_eq!(listed.iter().map(|l| l.post.seq).collect::<Vec<_>>(), (1..=events).collect::<Vec<_>>());
        assert!(listed.iter().all(|l| l.post.prev_seq == l.post.seq - 1));
    }
    let rest = base.store.events_after(both, 9, 2).await.expect("read");
    assert_eq!(rest.iter().map(|l| l.post.seq).collect::<Vec<_>>(), [10, 11]);
}

async fn a_cancelled_event_is_no_gap_for_its_receiver(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    publish(&base.store, "y", &[a], t(2)).await;
    fan_out(&base.store, t(2)).await;
    withdraw(&base.store, x, t(3)).await;
    fan_out(&base.store, t(3)).await;
    let posts = claim(&base.store, 1, t(4), 9).await;
    let told: Vec<_> = posts.iter().map(|p| (p.seq, p.prev_seq, p.kind.as_str())).collect();
    assert_eq!(told, [(2, 0, "published"), (3, 2, "withdrawn")]);
}

async fn of_one_article_nothing_is_claimed_before_what_is_earlier_is_settled(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    for at in 2..4 {
        apply(&base.store, vec![upsert("x", &[a], Some(ChangeKind::Revised), t(at))], t(at)).await;
        fan_out(&base.store, t(at)).await;
    }
    publish(&base.store, "y", &[a], t(4)).await;
    fan_out(&base.store, t(4)).await;
    let first = claim(&base.store, 1, t(5), 9).await;
    assert_eq!(seqs(&first), [1, 4], "the first of each article");
    assert!(claim(&base.store, 2, t(6), 9).await.is_empty(), "while it is on its way");
    let mut late = super::given::line(first[0].id, 1, Settled::Pending);
    late.due_at = t(100).millis();
    base.store.settle(&[late], t(6)).await.expect("settled");
    sent(&base.store, &first[1..], 1, t(6)).await;
    assert!(claim(&base.store, 3, t(7), 9).await.is_empty(), "and while it waits for its next try");
    let again = claim(&base.store, 4, t(100), 9).await;
    assert_eq!((seqs(&again), again[0].attempts), (vec![1], 2));
    sent(&base.store, &again, 4, t(101)).await;
    assert_eq!(seqs(&claim(&base.store, 5, t(102), 9).await), [2]);
    withdraw(&base.store, x, t(103)).await;
}

async fn a_queue_in_strict_order_gives_one_event_at_a_time(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    base.store.set_in_order(who, true).await.expect("set");
    news(&base.store, a, 0..5, t(1)).await;
    for n in 1..=5 {
        let posts = claim(&base.store, n, t(n + 1), 9).await;
        assert_eq!(seqs(&posts), [n]);
        assert!(claim(&base.store, 50 + n, t(n + 1), 9).await.is_empty());
        sent(&base.store, &posts, n, t(n + 1)).await;
    }
}

async fn everybody_gets_a_first_event_before_anybody_gets_a_second(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let busy = endpoint(&base.store, "ep_0", &[a], t(0)).await;
    news(&base.store, a, 0..300, t(1)).await;
    let mut all = BTreeSet::from([busy]);
    for n in 1..20 {
        all.insert(endpoint(&base.store, &format!("ep_{n}"), &[b], t(2)).await);
    }
    news(&base.store, b, 5_000..5_003, t(3)).await;
    let first = claim(&base.store, 1, t(4), 20).await;
    assert_eq!(first.iter().map(|p| p.subscriber_id).collect::<BTreeSet<_>>(), all, "each its first");
    let second = claim(&base.store, 2, t(4), 40).await;
    let mut of = BTreeMap::new();
    for post in &second {
        *of.entry(post.subscriber_id).or_insert(0) += 1;
    }
    assert_eq!((of.len(), of.values().max()), (20, Some(&2)), "and their next in turn");
}

async fn eight_claimers_take_each_event_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..10 {
        endpoint(&base.store, &format!("ep_{n}"), &[a], t(0)).await;
    }
    news(&base.store, a, 0..60, t(1)).await;
    let other = base.another().await;
    let claimer = |n: i64| {
        let store = if n % 2 == 0 { base.store.clone() } else { other.clone() };
        tokio::spawn(async move {
            let (mut taken, mut idle) = (Vec::new(), 0);
            for round in 0.. {
                let posts = claim(&store, n * 1000 + round, t(2), 17).await;
                // Another's claim may hold just the rows that this one looked at.
                idle = if posts.is_empty() { idle + 1 } else { 0 };
                if idle == 3 {
                    break;
                }
                assert!(posts.iter().all(|p| p.attempts == 1));
                taken.extend(posts.iter().map(|p| p.id));
            }
            taken
        })
    };
    let taken: Vec<i64> = join_all((0..8).map(claimer)).await.into_iter().flat_map(|t| t.expect("no panic")).collect();
    assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (600, 600));
}

async fn a_receiver_whose_slots_are_taken_is_passed_over(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let full = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let wide = endpoint(&base.store, "ep_2", &[a], t(0)).await;
    let usual = endpoint(&base.store, "ep_3", &[a], t(0)).await;
    news(&base.store, a, 0..20, t(1)).await;
    let rooms = [Room { id: full, n: 0 }, Room { id: wide, n: 9 }];
    let posts = claim_with(&base.store, 1, t(2), 500, &rooms).await;
    let of = |who| posts.iter().filter(|p| p.subscriber_id == who).count();
    assert_eq!((of(full), of(wide), of(usual)), (0, 9, 4));
}

async fn a_failing_receiver_rests_and_is_tried_by_the_oldest_of_the_least_tried(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..4, t(1)).await;
    for round in 0..3 {
        let at = t(2 + round);
        base.store.feel(&[pulse(who, at, Beat::Failed)], at, t(-9), HOUR).await.expect("written");
        if round == 1 {
            assert!(base.store.posts_are_due(at).await.expect("read"), "two failures are no reason to rest");
        }
    }
    // The state is in the database: a process that starts now knows it.
    let again = base.another().await;
    let health = again.health(who).await.expect("read").expect("there");
    assert_eq!((health.failures, health.failing_since, health.pending), (3, Some(t(2).millis()), 4));
    assert_eq!(health.rests_until, t(4 + 3600).millis());
    assert!(!again.posts_are_due(t(100)).await.expect("read"));
    assert!(claim(&again, 1, t(100), 9).await.is_empty());
    let depth = again.queue_depth(t(9_000)).await.expect("read");
    assert_eq!((depth[0].pending, depth[0].oldest), (4, t(9_000).millis()), "nobody is late for it");
    for probe in 1..=4 {
        let at = t(4 + 3600 * probe);
        assert!(again.posts_are_due(at).await.expect("read"));
        let posts = claim(&again, probe, at, 9).await;
        assert_eq!(seqs(&posts), [probe], "one, and each time another");
        assert_eq!(posts[0].failures, 2 + probe);
        let mut line = super::given::line(posts[0].id, probe, Settled::Pending);
        line.due_at = t(99_999).millis();
        again.settle(&[line], at).await.expect("settled");
        again.feel(&[pulse(who, at, Beat::Failed)], at, t(-9), HOUR).await.expect("written");
    }
    let posts = claim(&again, 9, t(4 + 3600 * 5), 9).await;
    assert_eq!((seqs(&posts), posts[0].attempts), (vec![1], 2), "due or not");
}

async fn failures_that_were_under_way_together_count_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let four = [1, 2, 3, 4].map(|at| pulse(who, t(at), Beat::Failed));
    base.store.feel(&four, t(10), t(-9), HOUR).await.expect("written");
    let health = base.store.health(who).await.expect("read").expect("there");
    assert_eq!((health.failures, health.rests_until), (1, 0));
    base.store.feel(&[pulse(who, t(11), Beat::Wait(t(500)))], t(12), t(-9), HOUR).await.expect("written");
    let health = base.store.health(who).await.expect("read").expect("there");
    assert_eq!((health.failures, health.rests_until), (2, t(500).millis()), "as it asked");
}

async fn a_success_makes_all_that_waits_due(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..3, t(1)).await;
    base.rows(&format!("UPDATE delivery SET due_at = {} WHERE seq > 1", t(99_999).millis())).await;
    base.store.feel(&[pulse(who, t(2), Beat::Well)], t(2), t(-9), HOUR).await.expect("written");
    assert_eq!(seqs(&claim(&base.store, 1, t(3), 9).await), [1], "one that did well is left as it is");
    for at in 3..6 {
        base.store.feel(&[pulse(who, t(at), Beat::Failed)], t(at), t(-9), HOUR).await.expect("written");
    }
    base.store.feel(&[pulse(who, t(7), Beat::Well)], t(7), t(-9), HOUR).await.expect("written");
    assert_eq!(seqs(&claim(&base.store, 2, t(8), 9).await), [2, 3]);
    let health = base.store.health(who).await.expect("read").expect("there");
    assert_eq!((health.failures, health.failing_since, health.rests_until), (0, None, 0));
}

async fn who_fails_for_days_is_named_and_keeps_every_event(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..3, t(1)).await;
    let day = 86_400;
    let fail = async |at: i64| {
        let hopeless = t(at - 3 * day);
        base.store.feel(&[pulse(who, t(at), Beat::Failed)], t(at), hopeless, HOUR).await.expect("written")
    };
    assert!(fail(10).await.is_empty() && fail(2 * day).await.is_empty());
    assert_eq!(fail(4 * day).await, [who]);
    assert!(base.store.disable_endpoint(who, "no success", t(4 * day)).await.expect("done"));
    assert!(!base.store.disable_endpoint(who, "no success", t(4 * day)).await.expect("done"), "once");
    assert!(fail(5 * day).await.is_empty(), "what comes in late changes nothing");
    news(&base.store, a, 3..4, t(5 * day)).await;
    assert!(claim(&base.store, 1, t(9 * day), 9).await.is_empty());
    let listed = base.store.events_after(who, 0, 9).await.expect("read");
    let kinds: Vec<_> = listed.iter().map(|l| (l.post.kind.as_str(), l.state.as_str())).collect();
    assert_eq!(kinds[3], ("disabled", "pending"));
    assert!(kinds.len() == 5 && kinds.iter().all(|(_, state)| *state == "pending"), "{kinds:?}");
    assert_eq!(base.store.enable_endpoint(who, CatchUp::Oldest, t(9 * day)).await.expect("done"), 5);
    let rooms = [Room { id: who, n: 9 }];
    assert_eq!(seqs(&claim_with(&base.store, 2, t(9 * day), 9, &rooms).await), [1, 2, 3, 4, 5]);
}

async fn fifty_replays_at_once_make_no_second_row(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..3, t(1)).await;
    let posts = claim(&base.store, 1, t(2), 9).await;
    sent(&base.store, &posts, 1, t(3)).await;
    let other = base.another().await;
    let all = Replay { from: t(0), to: t(9), state: "", newest_first: false };
    let replays = (0..50).map(|n| {
        let store = if n % 2 == 0 { base.store.clone() } else { other.clone() };
        tokio::spawn(async move { store.replay(who, all, t(9)).await.expect("done") })
    });
    join_all(replays).await;
    assert_eq!(base.lines("SELECT state, count(*) FROM delivery GROUP BY state").await, ["pending 3"]);
    let again = claim(&base.store, 2, t(10), 9).await;
    let ids = |posts: &[Post]| posts.iter().map(|p| (p.id, p.seq, p.revision)).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&posts), "the same events");
    assert!(again.iter().all(|p| p.attempts == 1), "with all their tries");
}

async fn a_replay_takes_a_time_and_a_state_and_leaves_what_is_on_its_way(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    for at in 1..=4 {
        news(&base.store, a, usize::try_from(at).expect("few")..usize::try_from(at + 1).expect("few"), t(at)).await;
    }
    let posts = claim(&base.store, 1, t(5), 9).await;
    settle(&base.store, posts[0].id, 1, Settled::Sent, t(5)).await;
    settle(&base.store, posts[1].id, 1, Settled::Dead, t(5)).await;
    settle(&base.store, posts[2].id, 1, Settled::Sent, t(5)).await;
    let what = |from, to, state, newest_first| Replay { from: t(from), to: t(to), state, newest_first };
    let replay = async |what| base.store.replay(who, what, t(6)).await.expect("done");
    assert_eq!(replay(what(0, 9, "dead", false)).await, 1);
    assert_eq!(replay(what(3, 4, "sent", false)).await, 1, "the end is not part of it");
    assert_eq!(replay(what(4, 9, "", false)).await, 0, "what is on its way stays");
    assert_eq!(replay(what(0, 9, "", true)).await, 3);
    let first = claim_with(&base.store, 2, t(7), 1, &[]).await;
    assert_eq!(seqs(&first), [3], "the newest first");
}

async fn deleting_an_endpoint_cancels_ten_thousand_events_at_once(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    let due = t(1).millis();
    base.rows(&format!(
        "INSERT INTO delivery (lane, channel, kind, state, subscriber_id, due_at, created_at, seq)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         SELECT 'immediate', 'webhook', 'test', 'pending', {who}, {due}, {due}, i FROM n"
    ))
    .await;
    let posts = claim(&base.store, 1, t(2), 500).await;
    assert_eq!(posts.len(), 4);
    assert!(base.store.delete_endpoint("ep_1", t(3)).await.expect("done"));
    assert_eq!(base.lines("SELECT state, count(*) FROM delivery GROUP BY state").await, ["cancelled 10000"]);
    assert!(
        claim(&base.store, 2, t(4), 500).await.is_empty() && !base.store.posts_are_due(t(9_999)).await.expect("read")
    );
    for post in &posts {
        // What was on its way and failed does not come back.
        settle(&base.store, post.id, 1, Settled::Pending, t(5)).await;
    }
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE state = 'pending'").await, 0, "no orphans");
}

async fn an_enabled_endpoint_catches_up_as_its_owner_likes(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..6, t(1)).await;
    for (how, first) in [(CatchUp::Oldest, vec![1, 2]), (CatchUp::Newest, vec![5, 6])] {
        base.store.enable_endpoint(who, how, t(2)).await.expect("done");
        let posts = claim_with(&base.store, 1, t(3), 2, &[]).await;
        assert_eq!(seqs(&posts), first, "{how:?}");
        for post in posts {
            settle(&base.store, post.id, 1, Settled::Pending, t(3)).await;
        }
    }
    assert_eq!(base.store.enable_endpoint(who, CatchUp::Digest, t(4)).await.expect("done"), 1);
    let posts = claim(&base.store, 2, t(5), 9).await;
    assert_eq!((seqs(&posts), posts[0].kind.as_str(), posts[0].prev_seq), (vec![7], "digest", 0));
    assert_eq!(base.store.enable_endpoint(who, CatchUp::Digest, t(6)).await.expect("done"), 1, "nothing more to tell");
}

async fn a_digest_stands_for_what_waited_since_the_last_one(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    let who = endpoint(&base.store, "ep_1", &[a], t(0)).await;
    news(&base.store, a, 0..2, t(1)).await;
    base.store.enable_endpoint(who, CatchUp::Digest, t(2)).await.expect("done");
    apply(&base.store, vec![upsert("x00001", &[a], Some(ChangeKind::Revised), t(3))], t(3)).await;
    fan_out(&base.store, t(3)).await;
    news(&base.store, a, 2..3, t(4)).await;
    base.store.enable_endpoint(who, CatchUp::Digest, t(5)).await.expect("done");
    let ids = async |names: [&str; 2]| {
        let mut ids = Vec::new();
        for name in names {
            ids.push(base.store.find_article(name).await.expect("read").expect("there").id);
        }
        ids
    };
    let named = async |seq, limit| {
        let named = base.store.together(who, seq, limit).await.expect("read");
        named.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(named(3, 9).await, ids(["x00001", "x00000"]).await);
    assert_eq!(named(6, 9).await, ids(["x00002", "x00001"]).await);
    assert_eq!(named(6, 1).await.len(), 1);
}
