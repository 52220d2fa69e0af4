//! Hot scans and sweeps through ingest: whatever an editor does, what loa holds for public is what a visitor may see; at
//! once where readers look, and everywhere after a sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use loa::work::ingest::Report;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::at;
use super::stage::{Keep, Stage, copies, source};
use crate::sources::joomla::{Portal, now};
use crate::sources::joomla_tiers::{Edit, crowd, edits, oracle, sql};
use crate::support::databases::Engine;

/// What loa holds for public.
async fn held(stage: &Stage) -> BTreeSet<String> {
    let known = stage.store.known_articles("portal").await.expect("what is known");
    known.public().ids().map(str::to_owned).collect()
}

async fn beat(stage: &Stage) -> Report {
    stage.clock.advance(Duration::from_mins(1));
    let report = stage.ingest.poll_on_beat("portal").await.expect("a poll");
    assert!(!report.busy && !report.partial && report.kept == 0 && report.faults.is_empty(), "{report:?}");
    report
}

macro_rules! any_edits {
    ($($name:ident: $joomla:literal, $engine:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let test = concat!("portal::tiers::", stringify!($name));
            if let Some(portal) = Portal::new($joomla, Engine::$engine, test).await
                && let Some(stage) = Stage::build(source(&portal.db.url), Keep::Sqlite, test).await
            {
                every_poll_ends_where_the_rule_does(&portal, &stage).await;
            }
        }
    )+};
}

any_edits! {
    any_edits_of_joomla_3_on_mariadb: 3, MariaDb;
    any_edits_of_joomla_3_on_postgresql: 3, Postgres;
    any_edits_of_joomla_5_on_mariadb: 5, MariaDb;
    any_edits_of_joomla_5_on_postgresql: 5, Postgres;
}

/// A small portal is compared whole at every poll.
async fn every_poll_ends_where_the_rule_does(portal: &Portal, stage: &Stage) {
    stage.poll().await.expect("a poll");
    let (mut runner, mut next_id) = (TestRunner::deterministic(), 130);
    for _ in 0..4 {
        let edits = edits().new_tree(&mut runner).expect("edits").current();
        for edit in &edits {
            match edit {
                Edit::Minutes(minutes) => stage.clock.advance(Duration::from_secs(minutes * 60)),
                Edit::Sweep => _ = beat(stage).await,
                _ => {
                    portal.run(&sql(edit, stage.clock.now(), &mut next_id, portal)).await;
                    continue;
                }
            }
            let report = beat(stage).await;
            assert!(report.swept);
            assert_eq!(held(stage).await, oracle(portal, stage.clock.now()).await, "{edits:?}");
        }
        beat(stage).await;
        assert_eq!(held(stage).await, oracle(portal, stage.clock.now()).await, "{edits:?}");
    }
}

macro_rules! large {
    ($($name:ident: $joomla:literal, $engine:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let test = concat!("portal::tiers::", stringify!($name));
            if let Some(portal) = Portal::new($joomla, Engine::$engine, test).await {
                large(portal, test).await;
            }
        }
    )+};
}

large! {
    a_large_joomla_3_on_mariadb_is_polled_hot_and_swept: 3, MariaDb;
    a_large_joomla_3_on_postgresql_is_polled_hot_and_swept: 3, Postgres;
    a_large_joomla_5_on_mariadb_is_polled_hot_and_swept: 5, MariaDb;
    a_large_joomla_5_on_postgresql_is_polled_hot_and_swept: 5, Postgres;
}

async fn large(portal: Portal, test: &str) {
    crowd(&portal).await;
    let Some(stage) = Stage::build_for(source(&portal.db.url), Keep::Sqlite, test, 1_000).await else { return };
    let report = stage.ingest.poll("portal").await.expect("a poll");
    assert!(report.swept && report.applied.baseline > 1_500, "{report:?}");
    assert_eq!(held(&stage).await, oracle(&portal, now()).await);

    // 126 is far below the newest, but its end was foretold.
    stage.clock.set(at("2026-11-23T00:00:01Z"));
    stage.ingest.poll_called().await;
    assert_eq!(held(&stage).await, oracle(&portal, stage.clock.now()).await);
    let report = beat(&stage).await;
    assert!(!report.swept && report.applied == loa::store::article::Applied::default(), "{report:?}");

    // What is new, and what readers see in the feed of a category, is seen at once.
    portal.run(&copies(&portal, 2500..2501, 13, "2026-11-22 10:00:00")).await;
    portal.run("UPDATE #__content SET state = 0 WHERE id = 100").await;
    portal.run("UPDATE #__content SET title = 'Tên mới' WHERE id = 101").await;
    let report = beat(&stage).await;
    let applied = report.applied;
    assert_eq!((report.swept, applied.published, applied.revised, applied.withdrawn), (false, 1, 1, 1), "{report:?}");

    // What nobody sees now waits for the sweep.
    portal.run("UPDATE #__content SET state = 0 WHERE id = 1200").await;
    portal.run("DELETE FROM #__content WHERE id = 1201").await;
    portal.run("UPDATE #__content SET state = 1, publish_up = '2026-11-23 00:30:00' WHERE id = 103").await;
    for minute in 3..=10 {
        let report = beat(&stage).await;
        let due = minute == 10;
        assert_eq!((report.swept, report.applied.withdrawn), (due, if due { 2 } else { 0 }), "minute {minute}");
    }
    assert_eq!(held(&stage).await, oracle(&portal, stage.clock.now()).await);
    // Since then its time is known, to the second.
    stage.clock.set(at("2026-11-23T00:30:00Z"));
    stage.ingest.poll_called().await;
    assert!(held(&stage).await.contains("103"));

    // A category is followed at once, with everything in it.
    portal.run("UPDATE #__categories SET published = 0 WHERE id = 12").await;
    assert!(beat(&stage).await.swept);
    assert_eq!(held(&stage).await, oracle(&portal, stage.clock.now()).await);

    // A text changed by SQL is found by the first deep sweep.
    portal.run("UPDATE #__content SET introtext = '<p>Thay bằng SQL.</p>' WHERE id = 1202").await;
    stage.clock.advance(Duration::from_mins(10));
    let report = beat(&stage).await;
    assert_eq!((report.swept, report.applied.revised), (true, 0), "{report:?}");
    stage.clock.advance(Duration::from_hours(6));
    let report = beat(&stage).await;
    assert_eq!((report.swept, report.applied.revised), (true, 1), "{report:?}");

    // Any edits of articles, hot scans between them, a sweep at the end.
    let (mut runner, mut next_id) = (TestRunner::deterministic(), 2600);
    let edits = edits().prop_map(|edits| edits.into_iter().filter(|edit| matches!(edit, Edit::Article(..))));
    let edits: Vec<Edit> = (0..3).flat_map(|_| edits.new_tree(&mut runner).expect("edits").current()).collect();
    for (n, edit) in edits.iter().enumerate() {
        portal.run(&sql(edit, stage.clock.now(), &mut next_id, &portal)).await;
        if n % 5 == 0 {
            beat(&stage).await;
        }
    }
    stage.clock.advance(Duration::from_mins(10));
    assert!(beat(&stage).await.swept);
    assert_eq!(held(&stage).await, oracle(&portal, stage.clock.now()).await);
}
