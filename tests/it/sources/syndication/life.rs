//! A portal that gives nothing but its feed, through ingest: what happens to its articles there is what readers are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use loa::clock::Clock;
use loa::domain::article::StoredArticle;
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::store::article::Applied;
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, IngestError, Report, Settings};
use loa::work::wakes::Wakes;
use url::Url;

use super::super::web_server::{Reply, WebServer};
use super::{Item, feed, item, now, one_feed, portal};

/// loa over a portal's feed.
struct House {
    server: WebServer,
    store: Store,
    clock: Clock,
    ingest: Ingest,
    _folder: tempfile::TempDir,
}

impl House {
    async fn over(server: WebServer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite://{}/loa.db", folder.path().display())).await.expect("a store");
        let clock = Clock::manual(now());
        let ingest = ingest(&server, &store, &clock);
        Self { server, store, clock, ingest, _folder: folder }
    }

    /// The process ends and begins again: the database is all that is left.
    fn restart(&mut self) {
        self.ingest = ingest(&self.server, &self.store, &self.clock);
    }

    async fn try_poll(&self, minutes: u64) -> Result<Report, IngestError> {
        self.clock.advance(Duration::from_mins(minutes));
        self.ingest.poll("portal").await
    }

    /// What a poll did after so many minutes.
    async fn poll(&self, minutes: u64) -> Applied {
        let report = self.try_poll(minutes).await.expect("a poll");
        assert!(!report.partial && report.faults.is_empty(), "{report:?}");
        report.applied
    }

    async fn article(&self, id: u32) -> StoredArticle {
        self.store.find_article(&id.to_string()).await.expect("a database").expect("an article")
    }
}

fn ingest(server: &WebServer, store: &Store, clock: &Clock) -> Ingest {
    let site = Site {
        imprint: loa::domain::site::Imprint::default(),
        title: "Cổng thông tin điện tử".into(),
        base_url: Url::parse("https://bantin.example.vn/").expect("an address"),
        authority: "example.vn,2021".to_owned(),
        locale: Locale::Vi,
        zone: TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
    };
    let sources = BTreeMap::from([("portal".to_owned(), Arc::new(one_feed(server)))]);
    let max_age = Duration::from_hours(7 * 24);
    let settings = Settings { max_new: 50, max_age, each_category: true, window: 50, small: 20_000 };
    Ingest::new(store.clone(), clock.clone(), site, sources, settings, Wakes::default(), Metrics::new(clock.now()))
}

fn applied(published: usize, revised: usize, withdrawn: usize) -> Applied {
    Applied { published, revised, withdrawn, ..Applied::default() }
}

#[tokio::test]
async fn an_article_of_a_feed_is_published_revised_withdrawn_and_back() {
    let server = portal(&[1, 2]).await;
    for n in [1, 2, 3] {
        server.on(&format!("/bai/{n}"), Reply::html("bài"));
    }
    let mut house = House::over(server).await;
    assert_eq!(house.poll(0).await, Applied { baseline: 2, ..Applied::default() });
    assert_eq!(house.poll(1).await, Applied::default());

    house.server.on("/tin", feed(&[item(3), item(2), item(1)]));
    assert_eq!(house.poll(1).await, applied(1, 0, 0));
    let new = house.article(3).await;
    assert!(new.visible && new.article.url == house.server.url("/bai/3"));
    assert_eq!(new.article.title.as_str(), "Hội nghị số 3");

    house
        .server
        .on("/tin", feed(&[Item { title: "Hội nghị số 3 (đính chính)".to_owned(), ..item(3) }, item(2), item(1)]));
    assert_eq!(house.poll(1).await, applied(0, 1, 0));
    assert_eq!(house.article(3).await.revision, new.revision + 1);

    // The feed moves on: article 1 is only no longer listed, article 2 was taken from the portal.
    house.server.on("/tin", feed(&[Item { title: "Hội nghị số 3 (đính chính)".to_owned(), ..item(3) }]));
    house.server.on("/bai/2", Reply::status(410));
    assert_eq!(house.poll(1).await, Applied::default());
    assert_eq!(house.poll(6).await, applied(0, 0, 1));
    assert!(house.article(1).await.visible && !house.article(2).await.visible);
    assert_eq!(house.poll(6).await, Applied::default());

    // A document of error, whatever its status, and a feed that is empty, move nothing.
    let before = house.server.asked_for("/bai/1").len();
    for reply in [Reply::page("application/xml", "<error><code>404</code></error>"), Reply::status(404)] {
        house.server.on("/tin", reply);
        assert!(matches!(house.try_poll(70).await, Err(IngestError::Source(_))));
    }
    house.server.on("/tin", feed(&[]));
    let report = house.try_poll(70).await.expect("a poll");
    assert!(report.partial && report.applied == Applied::default(), "{report:?}");
    assert_eq!(house.server.asked_for("/bai/1").len(), before);

    // After a restart the same feed is no news, and what is listed again is back.
    house.server.on("/tin", feed(&[Item { title: "Hội nghị số 3 (đính chính)".to_owned(), ..item(3) }]));
    house.restart();
    assert_eq!(house.poll(1).await, Applied::default());
    house.server.on("/tin", feed(&[item(2), Item { title: "Hội nghị số 3 (đính chính)".to_owned(), ..item(3) }]));
    house.server.on("/bai/2", Reply::html("bài"));
    assert_eq!(house.poll(1).await, applied(1, 0, 0));
    assert!(house.article(2).await.visible);
}
