//! Laws of digest runs in the store.

use futures_util::future::join_all;
use loa::clock::Timestamp;
use loa::domain::digest::DueRun;
use loa::domain::subscriber::Frequency::{self, Daily, Immediate, Weekly};
use loa::domain::subscriber::{EndReason, Locale};
use loa::store::digest::{Member, Run, Section, Step};
use loa::store::engine::Store;

use super::given::{fan_out, feeds, person, publish, t, wishes};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_date_has_one_run,
    a_step_cut_off_by_a_crash_goes_on_and_nobody_is_in_two,
    a_window_is_behind_everyone_with_news_or_without,
    a_poll_that_commits_after_the_run_began_belongs_to_the_next,
    whoever_joins_while_a_run_is_made_loses_nothing,
    people_with_the_same_news_share_one_content,
    leaving_cancels_the_digest_of_that_frequency_and_changing_does_not,
}

fn due(frequency: Frequency, day: i8) -> DueRun {
    DueRun { frequency, date: jiff::civil::date(2026, 11, day), window_to: t(1000) }
}

async fn begin(store: &Store, frequency: Frequency, day: i8, now: Timestamp) -> Run {
    assert!(store.begin_run(&due(frequency, day), now).await.expect("begun"), "it is the first");
    store.open_runs().await.expect("read").pop().expect("open")
}

/// A step that brings these people this article.
fn step(members: &[Member], article: i64, last: bool) -> Step {
    let mut people: Vec<i64> = members.iter().map(|m| m.subscriber_id).collect();
    people.dedup();
    Step {
        sets: vec![("k".to_owned(), vec![Section { feed_id: members[0].feed_id, articles: vec![article] }])],
        cursor: if last { i64::MAX } else { people[people.len() - 1] },
        deliveries: people.into_iter().map(|p| (p, 0)).collect(),
        told: members.iter().map(|m| m.id).collect(),
        last,
    }
}

async fn a_date_has_one_run(base: Base) {
    let other = base.another().await;
    let begun = join_all((0..6).map(async |n| {
        let store = if n % 2 == 0 { &base.store } else { &other };
        store.begin_run(&due(Daily, 23), t(n)).await.expect("asked")
    }))
    .await;
    assert_eq!(begun.iter().filter(|b| **b).count(), 1);
    assert!(base.store.begin_run(&due(Weekly, 23), t(9)).await.expect("asked"), "another frequency");
    assert!(base.store.begin_run(&due(Daily, 24), t(9)).await.expect("asked"), "another date");
    let runs = base.store.open_runs().await.expect("read");
    assert_eq!(
        runs.iter().map(|r| (r.frequency.as_str(), r.date.as_str())).collect::<Vec<_>>(),
        [("daily", "2026-11-23"), ("weekly", "2026-11-23"), ("daily", "2026-11-24")]
    );
    for run in &runs {
        base.store
            .write_step(run, &Step { cursor: i64::MAX, last: true, ..Step::default() }, t(10))
            .await
            .expect("made");
    }
    assert!(base.store.open_runs().await.expect("read").is_empty());
    assert!(!base.store.begin_run(&due(Daily, 23), t(11)).await.expect("asked"), "a made run is not made again");
}

async fn a_step_cut_off_by_a_crash_goes_on_and_nobody_is_in_two(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..5 {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(a, Daily)], t(0)).await;
    }
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let run = begin(&base.store, Daily, 23, t(2)).await;
    let first = base.store.run_members(&run, 2).await.expect("read");
    assert!(base.store.write_step(&run, &step(&first, x, false), t(3)).await.expect("written"));
    // A replica that was slower, or the same one after a crash that hid the answer.
    assert!(!base.store.write_step(&run, &step(&first, x, false), t(4)).await.expect("asked"));
    assert_eq!(base.number("SELECT count(*) FROM delivery").await, 2);
    let run = base.store.open_runs().await.expect("read").pop().expect("it is open still");
    assert_eq!((run.cursor, run.members), (first[1].subscriber_id, 2));
    let rest = base.store.run_members(&run, 99).await.expect("read");
    assert_eq!(rest.len(), 3);
    assert!(base.store.write_step(&run, &step(&rest, x, true), t(5)).await.expect("written"));
    assert!(base.store.open_runs().await.expect("read").is_empty());
    assert_eq!(base.number("SELECT count(DISTINCT subscriber_id) FROM delivery WHERE kind = 'digest'").await, 5);
    assert_eq!(base.number("SELECT count(*) FROM delivery").await, 5);
    assert_eq!(base.store.run(run.id).await.expect("read").expect("there").members, 5);
}

async fn a_window_is_behind_everyone_with_news_or_without(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    for (n, feed) in [(0, a), (1, b), (2, a)] {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(feed, Daily)], t(0)).await;
    }
    person(&base.store, "tuan@so.example.vn", &[(a, Weekly)], t(0)).await;
    person(&base.store, "ngay@so.example.vn", &[(a, Immediate)], t(0)).await;
    let before = base.number("SELECT min(told_until) FROM subscription").await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let run = begin(&base.store, Daily, 23, t(2)).await;
    assert!(run.upto > before);
    let members = base.store.run_members(&run, 99).await.expect("read");
    let mut step = step(&members, x, true);
    step.deliveries.retain(|(person, _)| *person != members[1].subscriber_id);
    base.store.write_step(&run, &step, t(3)).await.expect("written");
    let told = base.lines("SELECT frequency, told_until FROM subscription ORDER BY id").await;
    let (on, off) = (run.upto, before);
    let daily = format!("daily {on}");
    assert_eq!(told, [daily.clone(), daily.clone(), daily, format!("weekly {off}"), format!("immediate {off}")]);
    assert_eq!(base.store.run(run.id).await.expect("read").expect("there").members, 2);
}

async fn a_poll_that_commits_after_the_run_began_belongs_to_the_next(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Daily)], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let run = begin(&base.store, Daily, 23, t(10)).await;
    // Its moment lies before the run's, its commit after.
    let y = publish(&base.store, "y", &[a], t(5)).await;
    let members = base.store.run_members(&run, 9).await.expect("read");
    let news = base.store.entered(a, members[0].told_until, run.upto).await.expect("read");
    assert_eq!(news, [x]);
    base.store.write_step(&run, &step(&members, x, true), t(11)).await.expect("written");
    let next = begin(&base.store, Daily, 24, t(20)).await;
    let members = base.store.run_members(&next, 9).await.expect("read");
    assert_eq!(base.store.entered(a, members[0].told_until, next.upto).await.expect("read"), [y]);
}

async fn whoever_joins_while_a_run_is_made_loses_nothing(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Daily)], t(0)).await;
    let moves = person(&base.store, "binh@so.example.vn", &[(a, Weekly)], t(0)).await;
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let run = begin(&base.store, Daily, 23, t(2)).await;
    let members = base.store.run_members(&run, 99).await.expect("read");
    assert_eq!(members.len(), 1);
    base.store.set_wishes(moves, &wishes(&[(a, Daily)]), Locale::Vi, t(3)).await.expect("changed");
    base.store.write_step(&run, &step(&members, x, true), t(4)).await.expect("written");
    let next = begin(&base.store, Daily, 24, t(20)).await;
    let members = base.store.run_members(&next, 99).await.expect("read");
    let mine = members.iter().find(|m| m.subscriber_id == moves).expect("a member");
    assert_eq!(base.store.entered(a, mine.told_until, next.upto).await.expect("read"), [x], "the next run brings it");
}

async fn people_with_the_same_news_share_one_content(base: Base) {
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..4 {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(a, Daily)], t(0)).await;
    }
    let x = publish(&base.store, "x", &[a], t(1)).await;
    let run = begin(&base.store, Daily, 23, t(2)).await;
    let first = base.store.run_members(&run, 2).await.expect("read");
    base.store.write_step(&run, &step(&first, x, false), t(3)).await.expect("written");
    let run = base.store.open_runs().await.expect("read").pop().expect("open");
    let rest = base.store.run_members(&run, 9).await.expect("read");
    base.store.write_step(&run, &step(&rest, x, true), t(3)).await.expect("written");
    assert_eq!(base.number("SELECT count(*) FROM digest_set").await, 1);
    assert_eq!(base.number("SELECT count(DISTINCT set_id) FROM delivery").await, 1);
    let set = base.number("SELECT min(set_id) FROM delivery").await;
    assert_eq!(base.store.digest_set(set).await.expect("read"), [Section { feed_id: a, articles: vec![x] }]);
}

async fn leaving_cancels_the_digest_of_that_frequency_and_changing_does_not(base: Base) {
    let [a, b] = feeds(&base.store, ["a", "b"]).await;
    let leaves = person(&base.store, "an@so.example.vn", &[(a, Daily), (b, Weekly)], t(0)).await;
    let changes = person(&base.store, "binh@so.example.vn", &[(a, Daily)], t(0)).await;
    let all = person(&base.store, "chi@so.example.vn", &[(a, Daily)], t(0)).await;
    let x = publish(&base.store, "x", &[a, b], t(1)).await;
    fan_out(&base.store, t(1)).await;
    for frequency in [Daily, Weekly] {
        let run = begin(&base.store, frequency, 23, t(2)).await;
        let members = base.store.run_members(&run, 99).await.expect("read");
        base.store.write_step(&run, &step(&members, x, true), t(3)).await.expect("written");
    }
    base.store.unsubscribe(leaves, Some(Daily), EndReason::Unsubscribed, t(4)).await.expect("left");
    base.store.unsubscribe(all, None, EndReason::Unsubscribed, t(4)).await.expect("left");
    // Its window is behind them: without this digest they would never hear of it.
    base.store.set_wishes(changes, &wishes(&[(a, Immediate)]), Locale::Vi, t(4)).await.expect("changed");
    let states = base
        .lines(
            "SELECT d.subscriber_id, r.frequency, d.state FROM delivery d JOIN digest_run r ON r.id = d.run_id
             ORDER BY d.subscriber_id, r.frequency",
        )
        .await;
    assert_eq!(
        states,
        [
            format!("{leaves} daily cancelled"),
            format!("{leaves} weekly pending"),
            format!("{changes} daily pending"),
            format!("{all} daily cancelled"),
        ]
    );
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE kind = 'published'").await, 0, "and not by both");
}
