//! Laws of several sources side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loa::clock::Clock;
use loa::domain::site::{Imprint, Site};
use loa::domain::subscriber::Locale;
use loa::source::{AnySource, Settings as SourceSettings, folder};
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, Settings};
use loa::work::wakes::Wakes;

use crate::support::served::NOW;

#[tokio::test]
async fn sources_that_are_new_together_are_all_taken_over_at_the_first_poll() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite://{}", dir.path().join("loa.db").display())).await.expect("a store");
    let mut sources = BTreeMap::new();
    for name in ["mot", "hai", "ba"] {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        let article =
            |n: usize| format!("---\ntitle: Bài {n}\npublished: 2026-11-20 08:00\ncategory: Mục {name}\n---\n\nx\n");
        for n in 0..250 {
            std::fs::write(path.join(format!("bai-{n}.md")), article(n)).expect("written");
        }
        let settings = folder::Settings {
            path,
            site_url: "https://portal.example.vn/".to_owned(),
            timezone: "Asia/Ho_Chi_Minh".to_owned(),
        };
        let source = AnySource::open(name, SourceSettings::Folder(settings)).expect("a source");
        sources.insert(name.to_owned(), Arc::new(source));
    }
    let site = Site {
        title: "Cổng".into(),
        base_url: "https://bantin.example.vn/".parse().expect("an address"),
        authority: "example.vn,2021".into(),
        locale: Locale::Vi,
        zone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
        imprint: Imprint::default(),
    };
    let rules =
        Settings { max_new: 50, max_age: Duration::from_hours(168), each_category: true, window: 50, small: 20_000 };
    let (clock, metrics) = (Clock::manual(NOW), Metrics::new(NOW));
    let ingest = Ingest::new(store, clock, site, sources, rules, Wakes::default(), metrics);
    let (one, two, three) = tokio::join!(ingest.poll("mot"), ingest.poll("hai"), ingest.poll("ba"));
    for report in [one, two, three] {
        // What was written before feeds of the others came is there, and counts no second time.
        let report = report.expect("the feeds of the others are no reason to fail");
        assert!(report.applied.baseline > 0 && report.applied.published == 0, "{report:?}");
    }
}
