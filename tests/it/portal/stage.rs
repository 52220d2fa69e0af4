//! One portal, one loa, its readers and endpoints: everything that the service builds, with a clock that the test moves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;
use loa::clock::{Clock, Timestamp};
use loa::config::feeds::feed_files;
use loa::domain::digest::Calendar;
use loa::domain::feed::FeedOrigin;
use loa::domain::site::Site;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::http::client::{Client, Settings as HttpSettings};
use loa::http::guard::Guard;
use loa::notify::message::Templates;
use loa::notify::smtp::{Pool, settings::Settings as SmtpSettings};
use loa::notify::webhook::secret::Secret;
use loa::source::AnySource;
use loa::store::delivery::QueueDepth;
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;
use loa::store::opt_in::Request;
use loa::store::subscriber::Wish;
use loa::telemetry::metrics::Metrics;
use loa::work::access;
use loa::work::compose::Composer;
use loa::work::deliver_mail::{Mailer, Transport};
use loa::work::deliver_webhook::Webhooks;
use loa::work::digest::Digests;
use loa::work::fan_out::FanOut;
use loa::work::ingest::{Ingest, IngestError, Report, Settings};
use loa::work::publish::Publisher;
use loa::work::wakes::Wakes;
use tokio::sync::watch;
use url::Url;

use super::read::{self, Feed};
use super::receiver::{Event, Receiver};
use crate::sources::joomla::{Portal, now, source_as};
use crate::support::databases::{self, Db, Engine};
use crate::support::smtp_server::SmtpServer;

/// A bound that only a failing test reaches.
pub const LONG: Duration = Duration::from_secs(30);

/// Where loa keeps its own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Sqlite,
    Postgres,
}

/// What one step sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// Who got a mail, and all that can be read in it.
    pub mails: Vec<(String, String)>,
    /// Events by endpoint.
    pub events: Vec<Event>,
}

/// Everything that runs.
pub struct Stage {
    pub clock: Clock,
    pub store: Store,
    pub ingest: Ingest,
    pub publisher: Publisher,
    pub fan_out: FanOut,
    pub digests: Digests,
    pub smtp: SmtpServer,
    pub receiver: Receiver,
    secret: Secret,
    mails_seen: std::sync::Mutex<usize>,
    stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
    _db: Option<Db>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A portal as a source whose addresses carry category and alias.
pub fn source(url: &str) -> AnySource {
    source_as(url, "link = \"{base}{cat_path}/bai/{id}-{alias}\"")
}

/// Marks each article, so that a leak of any part of it is seen, and makes some of the hidden ones recent.
pub async fn mark(portal: &Portal) {
    portal
        .run(
            "UPDATE #__content SET title = CONCAT(title, ' td', id, 'q'), \
             introtext = CONCAT(introtext, '<p>tb', id, 'q</p>')",
        )
        .await;
    portal.run("UPDATE #__content SET publish_up = '2026-11-22 07:00:00' WHERE id IN (103, 105, 108, 109)").await;
}

pub fn site() -> Site {
    Site {
        title: "Cổng thông tin điện tử".into(),
        base_url: Url::parse("https://bantin.example.vn/").expect("an address"),
        authority: "example.vn,2021".to_owned(),
        locale: Locale::Vi,
        zone: TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
        imprint: loa::domain::site::Imprint::default(),
    }
}

impl Stage {
    /// Builds everything over a source, with the feeds that loa ships. Nothing was polled yet. Nothing where the server for
    /// loa's own state lacks.
    pub async fn build(source: AnySource, keep: Keep, test: &str) -> Option<Self> {
        Self::build_for(source, keep, test, 20_000).await
    }

    /// The same, with hot scans from so many public articles on.
    pub async fn build_for(source: AnySource, keep: Keep, test: &str, small: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = match keep {
            Keep::Sqlite => None,
            Keep::Postgres => Some(databases::postgres(test).await?),
        };
        let url = match &db {
            None => format!("sqlite://{}/loa.db", folder.path().display()),
            Some(db) => db.url.clone(),
        };
        let store = Store::open(&url).await.expect("a store");
        let clock = Clock::manual(now());
        let (wakes, metrics) = (Wakes::default(), Metrics::new(clock.now()));
        let settings =
            Settings { max_new: 50, max_age: Duration::from_hours(7 * 24), each_category: true, window: 50, small };
        let sources = BTreeMap::from([("portal".to_owned(), Arc::new(source))]);
        let ingest =
            Ingest::new(store.clone(), clock.clone(), site(), sources, settings, wakes.clone(), metrics.clone());
        let (specs, faults) = feed_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds"));
        assert!(faults.is_empty() && specs.len() >= 3, "{faults:?}");
        ingest.declare(FeedOrigin::File, &specs).await.expect("feeds");

        let smtp = SmtpServer::start().await;
        let mut relay = SmtpSettings::parse(&smtp.url(), "bantin.example.vn").expect("settings");
        relay.rest_first = Duration::from_millis(5);
        relay.rest_longest = Duration::from_millis(5);
        let keys = access::link_keys(&store, &clock).await.expect("keys");
        let sender = "Bản tin <bantin@example.vn>".parse().expect("a sender");
        let composer = Composer::new(store.clone(), site(), Templates::load(None).expect("templates"), sender, keys);
        let transport = Transport::Smtp(Pool::new(relay).into());
        let mailer = Mailer::new(store.clone(), clock.clone(), composer, transport, 2, wakes.clone(), metrics.clone());
        let guard = Guard::new(vec!["127.0.0.1/32".parse().expect("a network")], Vec::new());
        let client = Client::new(guard, HttpSettings::default()).expect("a client");
        let webhooks = Webhooks::new(store.clone(), clock.clone(), site(), client, wakes.clone(), metrics);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(mailer.run(stopped.clone()));
        tokio::spawn(webhooks.run(stopped));

        let calendar =
            Calendar { daily: time(7, 0, 0, 0), weekly: (Weekday::Monday, time(7, 0, 0, 0)), zone: site().zone };
        Some(Self {
            publisher: Publisher::new(store.clone(), clock.clone(), site(), 100),
            fan_out: FanOut::new(store.clone(), clock.clone(), wakes.clone()),
            digests: Digests::new(store.clone(), clock.clone(), calendar, wakes),
            receiver: Receiver::start().await,
            secret: Secret::generate(&clock),
            mails_seen: std::sync::Mutex::default(),
            clock,
            store,
            ingest,
            smtp,
            stop,
            _folder: folder,
            _db: db,
        })
    }

    /// The feed's row id.
    pub async fn feed_id(&self, slug: &str) -> i64 {
        let feeds = self.store.feeds().await.expect("feeds");
        feeds.iter().find(|feed| feed.spec.slug == slug).unwrap_or_else(|| panic!("no feed {slug}")).id
    }

    /// A confirmed subscriber.
    pub async fn follow(&self, name: &str, slugs: &[&str], frequency: Frequency) {
        let email = EmailAddress::parse(&format!("{name}@example.vn")).expect("an address");
        let mut wishes = Vec::new();
        for slug in slugs {
            wishes.push(Wish { feed_id: self.feed_id(slug).await, frequency });
        }
        let request = Request::new(&email, &wishes, Locale::Vi, "import", self.clock.random());
        let came = self.store.import_people(&[request], false, self.clock.now()).await.expect("a subscriber");
        assert_eq!(came.new, slugs.len() as u64);
    }

    /// Someone who asked and never confirmed.
    pub async fn ask(&self, name: &str, slug: &str) {
        let email = EmailAddress::parse(&format!("{name}@example.vn")).expect("an address");
        let wishes = [Wish { feed_id: self.feed_id(slug).await, frequency: Frequency::Immediate }];
        let request = Request::new(&email, &wishes, Locale::Vi, "form", self.clock.random());
        self.store.request_opt_in(&request, self.clock.now()).await.expect("a request").expect("a first one");
    }

    /// An endpoint that follows these feeds.
    pub async fn endpoint(&self, name: &str, slugs: &[&str]) {
        let mut feeds = Vec::new();
        for slug in slugs {
            feeds.push(self.feed_id(slug).await);
        }
        let (url, secret) = (self.receiver.url(name), self.secret.reveal());
        let new = NewEndpoint { public_id: name, name, url: &url, secret: &secret, feeds: &feeds };
        self.store.add_endpoint(&new, self.clock.now()).await.expect("an endpoint");
    }

    /// One poll and all that follows it, up to the last accepted message.
    pub async fn poll(&self) -> Result<Report, IngestError> {
        let report = self.ingest.poll("portal").await?;
        self.spread().await;
        Ok(report)
    }

    /// Fans out and publishes.
    pub async fn spread(&self) {
        self.fan_out.run().await.expect("a fan-out");
        self.publisher.refresh().await.expect("feeds");
    }

    /// Waits until nothing of these is in the outbox.
    pub async fn empty(&self, these: impl Fn(&QueueDepth) -> bool) {
        let done = async {
            while self.store.queue_depth(self.clock.now()).await.expect("a count").iter().any(&these) {
                // The outbox has no bell for "empty"; the workers ring for work only.
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        assert!(tokio::time::timeout(LONG, done).await.is_ok(), "the outbox does not empty");
    }

    /// Waits until nothing is in the outbox, and takes what went out.
    pub async fn quiet(&self) -> Sent {
        self.empty(|_| true).await;
        let messages = self.smtp.messages();
        let mut seen = self.mails_seen.lock().expect("never poisoned");
        let mails = messages[*seen..].iter().map(|mail| (mail.to.join(","), read::mail(&mail.data))).collect();
        *seen = messages.len();
        let events = self.receiver.take();
        for event in &events {
            let oracle = standardwebhooks::Webhook::new(&self.secret.reveal()).expect("a secret");
            let expected = oracle.sign(&event.id, event.timestamp, event.body.as_bytes()).expect("a signature");
            assert_eq!(event.signature, expected);
        }
        Sent { mails, events }
    }

    /// Every document of every feed that there ever was, retired ones too.
    pub async fn feeds(&self) -> BTreeMap<String, Feed> {
        let all = self.store.feeds().await.expect("feeds");
        all.iter()
            .map(|feed| {
                let slug = &feed.spec.slug;
                (slug.clone(), read::feed(&self.publisher.get(slug).expect("published")))
            })
            .collect()
    }

    /// All articles in all feeds.
    pub async fn shown(&self) -> BTreeSet<i64> {
        self.feeds().await.values().flat_map(|feed| feed.ids.iter().copied()).collect()
    }
}

/// What a visitor may see at a time, by a rule that is written otherwise than loa's: by nested sets. Ids and their
/// categories.
pub async fn visible(portal: &Portal, at: Timestamp) -> BTreeMap<i64, i64> {
    let at = at.in_zone(&TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let sql = format!(
        "SELECT a.id, a.catid FROM {p}content a JOIN {p}categories c ON c.id = a.catid AND c.extension = 'com_content' \
         WHERE a.state = 1 AND a.access IN (1, 5) AND a.catid NOT IN (70, 71, 80) \
         AND (a.publish_up IS NULL OR a.publish_up <= '{at}') \
         AND (a.publish_down IS NULL OR a.publish_down < '1971-01-02' OR a.publish_down >= '{at}') \
         AND NOT EXISTS (SELECT 1 FROM {p}categories p WHERE p.lft <= c.lft AND p.rgt >= c.rgt AND p.level > 0 \
                         AND (p.published <> 1 OR p.access NOT IN (1, 5)))",
        p = portal.prefix
    );
    pairs(portal, &sql).await
}

/// Two numbers of each row.
pub async fn pairs(portal: &Portal, sql: &str) -> BTreeMap<i64, i64> {
    let number = |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse().ok()).expect("a number");
    portal.db.rows(sql).await.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

/// SQL for articles like 119 with marks of their own.
pub fn copies(portal: &Portal, ids: std::ops::Range<i64>, category: i64, publish_up: &str) -> String {
    let full = if portal.db.engine == Engine::Postgres { "\"fulltext\"" } else { "`fulltext`" };
    let same =
        "state, access, created, modified, images, urls, attribs, metadesc, metadata, language, created_by, metakey";
    let from: Vec<String> = same.split(", ").map(|column| format!("a.{column}")).collect();
    let from = from.join(", ");
    let mut sql = String::new();
    for id in ids {
        let _ = write!(
            sql,
            "INSERT INTO #__content (id, catid, title, alias, introtext, publish_up, {same}, {full}) \
             SELECT {id}, {category}, 'Bài số td{id}q', 'bai-{id}', '<p>Lời tb{id}q.</p>', '{publish_up}', {from}, '' \
             FROM #__content a WHERE a.id = 119;"
        );
    }
    sql
}
