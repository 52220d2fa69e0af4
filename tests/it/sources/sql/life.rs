//! Whole polls through ingest: what an editor does to a portal of its own making becomes changes, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loa::clock::{Clock, Timestamp};
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, IngestError, Report, Settings};
use loa::work::wakes::Wakes;

use super::{Portal, crowd, now, on_each_server};
use crate::sources::set;
use crate::support::house::site;

on_each_server!(
    an_editors_day_becomes_changes_each_once,
    hot_polls_see_what_readers_see_and_a_sweep_sees_the_rest,
    a_poll_that_cannot_read_concludes_nothing,
);

/// Ingest over one portal, with its state in a file of its own.
struct Desk {
    ingest: Ingest,
    store: Store,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new(portal: &Portal, small: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&format!("sqlite://{}/loa.db", folder.path().display())).await.expect("a store");
        let clock = Clock::manual(now());
        let sources = BTreeMap::from([("portal".to_owned(), Arc::new(portal.source()))]);
        let settings =
            Settings { max_new: 50, max_age: Duration::from_hours(7 * 24), each_category: true, window: 50, small };
        let metrics = Metrics::new(clock.now());
        let ingest = Ingest::new(store.clone(), clock.clone(), site(), sources, settings, Wakes::default(), metrics);
        Self { ingest, store, clock, _folder: folder }
    }

    /// Published, revised and withdrawn in one poll that looks at everything.
    async fn poll(&self) -> (usize, usize, usize) {
        Self::counts(&self.ingest.poll("portal").await.expect("a poll"))
    }

    /// The same by the poll of the schedule, a minute later, which looks as deep as is due.
    async fn beat(&self) -> (usize, usize, usize) {
        self.wait(60);
        Self::counts(&self.ingest.poll_on_beat("portal").await.expect("a poll"))
    }

    fn counts(report: &Report) -> (usize, usize, usize) {
        assert_eq!((report.faults.len(), report.kept, report.partial, report.busy), (0, 0, false, false), "{report:?}");
        (report.applied.published, report.applied.revised, report.applied.withdrawn)
    }

    async fn visible(&self) -> BTreeSet<String> {
        let known = self.store.known_articles("portal").await.expect("articles");
        known.public().ids().map(str::to_owned).collect()
    }

    fn wait(&self, seconds: u64) {
        self.clock.set(Timestamp(self.clock.now().0 + i64::try_from(seconds * 1000).expect("a short time")));
    }
}

async fn an_editors_day_becomes_changes_each_once(portal: Portal) {
    let desk = Desk::new(&portal, 20_000).await;
    let first = desk.ingest.poll("portal").await.expect("a poll");
    assert_eq!((first.applied.baseline, first.applied.published), (4, 0), "the first poll tells nobody");
    assert_eq!(desk.poll().await, (0, 0, 0));
    desk.wait(60);
    assert_eq!(desk.poll().await, (0, 0, 1), "6 is over");
    for (edit, changes) in [
        (
            "INSERT INTO bai_viet (ma, tieu_de, ngay_dang, chuyen_muc) VALUES (30, 'Mới', '2026-11-23 06:59:00', 4)",
            (1, 0, 0),
        ),
        ("UPDATE bai_viet SET noi_dung = '<p>Sửa</p>' WHERE ma = 30", (0, 1, 0)),
        ("UPDATE bai_viet SET luot_xem = 7", (0, 0, 0)),
        ("UPDATE bai_viet SET chuyen_muc = 2 WHERE ma = 30", (0, 1, 0)),
        ("UPDATE bai_viet SET hien = 0 WHERE ma = 30", (0, 0, 1)),
        ("UPDATE bai_viet SET hien = 1 WHERE ma = 30", (1, 0, 0)),
        ("UPDATE chuyen_muc SET ten = 'Tổ chức' WHERE ma = 2", (0, 2, 0)),
        ("UPDATE chuyen_muc SET hien = 0 WHERE ma = 4", (0, 0, 1)),
        ("DELETE FROM bai_viet WHERE ma = 8", (0, 0, 1)),
    ] {
        portal.db.run(edit).await;
        desk.wait(60);
        assert_eq!(desk.poll().await, changes, "{edit}");
        assert_eq!(desk.poll().await, (0, 0, 0), "again: {edit}");
    }
    assert_eq!(desk.visible().await, set([1, 30]));
    portal.db.run("UPDATE chuyen_muc SET hien = 1 WHERE ma = 4").await;
    desk.clock.set(Timestamp(now().0 + 30 * 60_000));
    assert_eq!(desk.poll().await.0, 2, "2 is back, and 4 has come due");
    assert_eq!(desk.visible().await, set([1, 2, 4, 30]));
}

async fn hot_polls_see_what_readers_see_and_a_sweep_sees_the_rest(portal: Portal) {
    crowd(&portal).await;
    let desk = Desk::new(&portal, 0).await;
    assert_eq!(desk.ingest.poll("portal").await.expect("a poll").applied.baseline, 1004);
    // 1001 is old: neither in a feed's window nor among the newest.
    portal
        .db
        .run(
            "UPDATE bai_viet SET tieu_de = 'Sửa' WHERE ma IN (1001, 2000); DELETE FROM bai_viet WHERE ma = 1002;
             UPDATE bai_viet SET hien = 0 WHERE ma = 1999;
             INSERT INTO bai_viet (ma, tieu_de, ngay_dang, chuyen_muc) VALUES (3000, 'Mới', '2026-11-23 06:59:00', 4);",
        )
        .await;
    assert_eq!(desk.beat().await, (1, 1, 2), "3000 came, 2000 changed, 1999 went, and 6 is over");
    assert_eq!(desk.beat().await, (0, 0, 0));
    desk.wait(600);
    assert_eq!(desk.beat().await, (0, 1, 1), "the sweep finds the old ones");
    // A renamed category concerns a thousand old articles: the hot scan asks for a sweep.
    portal.db.run("UPDATE chuyen_muc SET ten = 'Tin' WHERE ma = 4").await;
    assert_eq!(desk.beat().await.1, 1000);
}

async fn a_poll_that_cannot_read_concludes_nothing(portal: Portal) {
    let desk = Desk::new(&portal, 20_000).await;
    desk.ingest.poll("portal").await.expect("a poll");
    let before = desk.visible().await;
    portal.db.run("ALTER TABLE the RENAME TO the_cu").await;
    let error = desk.ingest.poll("portal").await.expect_err("a table is away");
    assert!(matches!(error, IngestError::Source(_)), "{error}");
    assert_eq!(desk.visible().await, before);
    portal.db.run("ALTER TABLE the_cu RENAME TO the").await;
    assert_eq!(desk.poll().await, (0, 0, 0));
    assert_eq!(desk.visible().await, before);
}
