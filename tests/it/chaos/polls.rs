//! Laws of polls that meet each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loa::clock::Clock;
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::source::{AnySource, Settings as Source, folder};
use loa::store::article::{Applied, Poll};
use loa::store::engine::{Store, StoreError};
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, Settings};
use loa::work::wakes::Wakes;

use crate::support::binary::Place;

/// An ingest over the folder of articles, with a database beside it.
async fn ingest(place: &Place) -> (Ingest, Store) {
    let store = Store::open(&format!("sqlite://{}", place.path("loa.db").display())).await.expect("it opens");
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    let site = Site {
        title: "Cổng mẫu".into(),
        base_url: "https://bantin.example.vn/".parse().expect("a URL"),
        authority: "example.vn,2026".into(),
        locale: Locale::Vi,
        zone,
        imprint: loa::domain::site::Imprint::default(),
    };
    let settings = folder::Settings {
        path: place.path("articles"),
        site_url: "https://portal.example.vn/".into(),
        timezone: "Asia/Ho_Chi_Minh".into(),
    };
    let source = AnySource::open("portal", Source::Folder(settings)).expect("good settings");
    let sources = BTreeMap::from([("portal".to_owned(), Arc::new(source))]);
    let clock = Clock::system();
    let metrics = Metrics::new(clock.now());
    let rules =
        Settings { max_new: 50, max_age: Duration::from_hours(24), each_category: true, window: 50, small: 20_000 };
    (Ingest::new(store.clone(), clock, site, sources, rules, Wakes::default(), metrics), store)
}

#[tokio::test]
async fn two_polls_of_one_source_in_one_process_find_an_article_once() {
    let place = Place::new();
    place.article("bai-0", "Bai 000");
    let (ingest, store) = ingest(&place).await;
    ingest.poll("portal").await.expect("it polls");
    for n in 1..=5 {
        place.article(&format!("bai-{n}"), "Bai");
        let (one, other) = tokio::join!(ingest.poll("portal"), ingest.poll("portal"));
        let (one, other) = (one.expect("it polls"), other.expect("it polls"));
        assert!(one.busy != other.busy, "one of them finds the other at work: {one:?} {other:?}");
        assert_eq!(one.applied.published + other.applied.published, 1);
    }
    assert_eq!(store.open_changes(100).await.expect("read").len(), 5);
}

#[tokio::test]
async fn a_beat_finds_that_its_poll_was_made_and_a_poll_by_hand_is_never_left_out() {
    let place = Place::new();
    place.article("bai-0", "Bai 000");
    let (ingest, store) = ingest(&place).await;
    // The second may turn between the two; then the second beat is another one.
    let mut met = false;
    for _ in 0..5 {
        ingest.poll_on_beat("portal").await.expect("it polls");
        met |= ingest.poll_on_beat("portal").await.expect("it polls").busy;
        assert!(!ingest.poll("portal").await.expect("it polls").busy);
    }
    assert!(met);
    drop(store);
}

#[tokio::test]
async fn what_was_compared_under_a_lease_that_is_another_s_by_now_is_not_written() {
    let place = Place::new();
    place.article("bai-0", "Bai 000");
    let (_, store) = ingest(&place).await;
    let clock = Clock::system();
    let length = Duration::from_mins(1);
    assert!(store.take_lease("poll:portal", "worker:1", clock.now(), length).await.expect("taken"));
    let lease = |holder: &str| Some(("poll:portal".to_owned(), holder.to_owned()));
    let poll = |holder| Poll { source: "portal".into(), baseline_done: true, lease: lease(holder), ..Poll::default() };
    let refused = store.apply(&poll("worker:2"), clock.now()).await;
    assert!(matches!(refused, Err(StoreError::Superseded)), "{refused:?}");
    assert_eq!(store.source_state("portal").await.expect("read").baseline_at, None, "nothing was written");
    assert_eq!(store.apply(&poll("worker:1"), clock.now()).await.expect("written"), Applied::default());
    assert!(store.source_state("portal").await.expect("read").baseline_at.is_some());
}
