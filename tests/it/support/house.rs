//! The whole way of an article on real parts, built as `service.rs` builds it, with a clock that the test sets: a folder
//! of articles, a database, ingest, fan-out, digests, the mail and webhook workers, a relay and endpoints on loopback.

pub mod base;
pub mod hook;
pub mod letters;
pub mod returns;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;
use loa::clock::{Clock, Timestamp};
use loa::domain::digest::Calendar;
use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::public_id::PublicId;
use loa::domain::selection::Selection;
use loa::domain::site::Site;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::http::client::{Client, Settings as HttpSettings};
use loa::http::guard::Guard;
use loa::notify::message::Templates;
use loa::notify::smtp::{Pool, settings::Settings as SmtpSettings};
use loa::source::{AnySource, Settings as SourceSettings, folder};
use loa::store::endpoint::NewEndpoint;
use loa::store::opt_in::Request;
use loa::store::subscriber::Wish;
use loa::telemetry::metrics::Metrics;
use loa::work::access;
use loa::work::compose::Composer;
use loa::work::deliver_mail::{Mailer, Transport};
use loa::work::deliver_webhook::Webhooks;
use loa::work::digest::Digests;
use loa::work::fan_out::FanOut;
use loa::work::ingest::{Ingest, Report, Settings as IngestSettings};
use loa::work::subscribe::Subscribe;
use loa::work::wakes::Wakes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::base::Base;
use self::hook::Hook;
use self::letters::Letter;
use super::smtp_server::SmtpServer;

/// Stamps laws (async functions over a fresh database) for both engines: `store::claims::<law>::sqlite` and `…::postgres`.
macro_rules! laws {
    ($($law:ident),+ $(,)?) => {$(
        mod $law {
            use crate::support::house::base::Base;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$law(Base::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(base) = Base::postgres(concat!(module_path!(), "::postgres")).await {
                    super::$law(base).await;
                }
            }
        }
    )+};
}
pub(crate) use laws;

/// A bound that only a failing test reaches.
pub const LONG: Duration = Duration::from_secs(20);

/// The name of the one source.
pub const SOURCE: &str = "cong";

/// The category whose feed is `cong-tac-to-chuc`.
pub const ORGANISATION: &str = "Công tác tổ chức";

/// The category whose feed is `doan-the`.
pub const UNIONS: &str = "Đoàn thể";

/// Thursday 2026-11-19, ten o'clock in Hà Nội.
pub const START: &str = "2026-11-19T10:00:00+07:00";

/// An instant by its RFC 3339 text.
pub fn at(text: &str) -> Timestamp {
    text.parse::<jiff::Timestamp>().expect("an RFC 3339 instant").into()
}

/// So many hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// The site that every house speaks for.
pub fn site() -> Site {
    Site {
        title: "Cổng thông tin điện tử Tỉnh ủy".into(),
        base_url: "https://bantin.example.vn/".parse().expect("an address"),
        authority: "example.vn,2021".to_owned(),
        locale: Locale::Vi,
        zone: TimeZone::get("Asia/Ho_Chi_Minh").expect("bundled"),
        imprint: loa::domain::site::Imprint::default(),
    }
}

/// An article as it lies in the folder.
#[derive(Clone, Debug)]
pub struct Paper {
    /// Its id and the name of its file.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The title of its category.
    pub category: String,
    /// From when it is public.
    pub published: Timestamp,
    /// Its text.
    pub body: String,
}

impl Paper {
    /// An article of that category, dated `published`.
    pub fn new(id: &str, category: &str, published: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            title: format!("Hội nghị sơ kết {id}"),
            category: category.to_owned(),
            published,
            body: format!("Sáng nay, hội nghị **{id}** đã diễn ra."),
        }
    }
}

/// A worker that runs until it is told to stop.
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it in order: what is on its way is finished and settled.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(LONG * 3, self.task).await.expect("it stops").expect("it does not panic");
    }
}

/// The parts. `relay` takes the mails.
pub struct House {
    pub base: Base,
    pub clock: Clock,
    pub site: Site,
    pub papers: tempfile::TempDir,
    pub ingest: Ingest,
    pub fan_out: FanOut,
    pub digests: Digests,
    pub subscribe: Subscribe,
    pub relay: SmtpServer,
    wakes: Wakes,
    metrics: Metrics,
    taken: AtomicUsize,
}

impl House {
    /// A house on SQLite.
    pub async fn sqlite() -> Self {
        Self::on(Base::sqlite().await).await
    }

    /// A house over this database, at [`START`], with an old article in each of its two categories (`cong-tac-to-chuc` and
    /// `doan-the`) that the first poll found: what comes is news.
    pub async fn on(base: Base) -> Self {
        let house = Self::unpolled(base).await;
        for (id, category) in [("cu-1", ORGANISATION), ("cu-2", UNIONS)] {
            house.write(&Paper::new(id, category, house.clock.now().minus(hours(48))));
        }
        house.poll().await;
        house
    }

    /// The same before its first poll.
    pub async fn unpolled(base: Base) -> Self {
        let (clock, site) = (Clock::manual(at(START)), site());
        let (wakes, metrics) = (Wakes::default(), Metrics::new(clock.now()));
        let papers = tempfile::tempdir().expect("a folder");
        let settings = SourceSettings::Folder(folder::Settings {
            path: papers.path().to_owned(),
            site_url: "https://portal.example.vn/".to_owned(),
            timezone: "Asia/Ho_Chi_Minh".to_owned(),
        });
        let source = AnySource::open(SOURCE, settings).expect("a source");
        let calendar =
            Calendar { daily: time(7, 0, 0, 0), weekly: (Weekday::Monday, time(7, 0, 0, 0)), zone: site.zone.clone() };
        base.store.begin_life(clock.now()).await.expect("a database");
        let keys = access::link_keys(&base.store, &clock).await.expect("keys");
        let store = &base.store;
        let ingest = Ingest::new(
            store.clone(),
            clock.clone(),
            site.clone(),
            BTreeMap::from([(SOURCE.to_owned(), Arc::new(source))]),
            IngestSettings { max_new: 50, max_age: hours(7 * 24), each_category: true, window: 50, small: 20_000 },
            wakes.clone(),
            metrics.clone(),
        );
        let house = Self {
            ingest,
            fan_out: FanOut::new(store.clone(), clock.clone(), wakes.clone()),
            digests: Digests::new(store.clone(), clock.clone(), calendar, wakes.clone()),
            subscribe: Subscribe::new(store.clone(), clock.clone(), keys, wakes.clone()),
            relay: SmtpServer::start().await,
            base,
            clock,
            site,
            papers,
            wakes,
            metrics,
            taken: AtomicUsize::new(0),
        };
        house.declare(&[all()]).await;
        house
    }

    /// Declares the feeds of the feed folder.
    pub async fn declare(&self, specs: &[FeedSpec]) {
        self.ingest.declare(FeedOrigin::File, specs).await.expect("feeds are declared");
        self.ingest.declare_category_feeds().await.expect("feeds are declared");
    }

    /// Moves the clock to an instant.
    pub fn at(&self, text: &str) {
        assert!(at(text) >= self.clock.now(), "{text} is past");
        self.clock.set(at(text));
    }

    /// Lets so much time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Puts an article into the folder, dated now, and gives what was written.
    pub fn publish(&self, id: &str, category: &str) -> Paper {
        let paper = Paper::new(id, category, self.clock.now());
        self.write(&paper);
        paper
    }

    /// Writes an article's file.
    pub fn write(&self, paper: &Paper) {
        let text = format!(
            "---\ntitle: {}\npublished: {}\ncategory: {}\n---\n\n{}\n",
            paper.title,
            paper.published.rfc3339(&self.site.zone),
            paper.category,
            paper.body
        );
        self.write_raw(&paper.id, &text);
    }

    /// Writes a file as it is.
    pub fn write_raw(&self, id: &str, text: &str) {
        // By rename, so that its inode tells of the change even within one tick of the file system's clock.
        let temporary = self.papers.path().join(".new");
        fs::write(&temporary, text).expect("a file is written");
        fs::rename(temporary, self.file(id)).expect("a file is renamed");
    }

    /// Removes an article's file.
    pub fn remove(&self, id: &str) {
        fs::remove_file(self.file(id)).expect("a file is removed");
    }

    /// The file of an article.
    pub fn file(&self, id: &str) -> PathBuf {
        self.papers.path().join(format!("{id}.md"))
    }

    /// One poll.
    pub async fn poll(&self) -> Report {
        self.ingest.poll(SOURCE).await.expect("a poll")
    }

    /// One poll and its fan-out. A moment passes before, so that no two polls share theirs.
    pub async fn news(&self) -> Report {
        self.pass(Duration::from_secs(1));
        let report = self.poll().await;
        self.fan_out.run().await.expect("a fan-out");
        report
    }

    /// The row id of an article.
    pub async fn article(&self, id: &str) -> i64 {
        self.base.store.find_article(id).await.expect("a database").expect("an article").id
    }

    /// The row id of a feed.
    pub async fn feed(&self, slug: &str) -> i64 {
        let feeds = self.base.store.feeds().await.expect("a database");
        feeds.iter().find(|f| f.spec.slug == slug).unwrap_or_else(|| panic!("no feed {slug}")).id
    }

    /// What these words wish for.
    pub async fn wishes(&self, wishes: &[(&str, Frequency)]) -> Vec<Wish> {
        let mut all = Vec::new();
        for (slug, frequency) in wishes {
            all.push(Wish { feed_id: self.feed(slug).await, frequency: *frequency });
        }
        all
    }

    /// A confirmed subscriber. Answers their row id.
    pub async fn follow(&self, email: &str, wishes: &[(&str, Frequency)]) -> i64 {
        self.follow_in(email, wishes, Locale::Vi).await
    }

    /// The same in a language.
    pub async fn follow_in(&self, email: &str, wishes: &[(&str, Frequency)], locale: Locale) -> i64 {
        let (address, wishes) = (EmailAddress::parse(email).expect("an address"), self.wishes(wishes).await);
        let request = Request::new(&address, &wishes, locale, "import", self.clock.random());
        self.base.store.import_people(&[request], false, self.clock.now()).await.expect("a subscriber");
        self.base.store.person_by_email(&address).await.expect("a database").expect("a subscriber")
    }

    /// What stands for a person in links.
    pub async fn public(&self, id: i64) -> PublicId {
        self.base.store.person(id).await.expect("read").expect("known").public_id
    }

    /// An endpoint that follows these feeds, and its subscriber id.
    pub async fn endpoint(&self, hook: &Hook, slugs: &[&str]) -> i64 {
        let mut feeds = Vec::new();
        for slug in slugs {
            feeds.push(self.feed(slug).await);
        }
        let public_id = hook.public_id();
        let new = NewEndpoint {
            public_id: &public_id,
            name: "Trang của sở",
            url: &hook.url(),
            secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            feeds: &feeds,
        };
        self.base.store.add_endpoint(&new, self.clock.now()).await.expect("an endpoint")
    }

    /// What makes mails.
    pub fn composer(&self) -> Composer {
        let sender = "Bản tin <bantin@example.vn>".parse().expect("a sender");
        let templates = Templates::load(None).expect("templates");
        Composer::new(self.base.store.clone(), self.site.clone(), templates, sender, self.subscribe.keys().clone())
    }

    /// A mail worker over the house's relay.
    pub fn mailer(&self) -> Running {
        self.mailer_to(Transport::Smtp(Pool::new(self.smtp()).into()))
    }

    /// How the house's relay is reached.
    pub fn smtp(&self) -> SmtpSettings {
        SmtpSettings::parse(&self.relay.url(), "bantin.example.vn").expect("an address")
    }

    /// A mail worker over a transport.
    pub fn mailer_to(&self, transport: Transport) -> Running {
        let mailer = Mailer::new(
            self.base.store.clone(),
            self.clock.clone(),
            self.composer(),
            transport,
            4,
            self.wakes.clone(),
            self.metrics.clone(),
        );
        let (stop, stopped) = watch::channel(false);
        Running { stop, task: tokio::spawn(mailer.run(stopped)) }
    }

    /// Works off all mails that are due, and gives what the relay took meanwhile.
    pub async fn deliver(&self) -> Vec<Letter> {
        let mailer = self.mailer();
        self.quiet("email").await;
        mailer.stop().await;
        self.letters()
    }

    /// What the relay took since the last look.
    pub fn letters(&self) -> Vec<Letter> {
        let messages = self.relay.messages();
        let from = self.taken.swap(messages.len(), Ordering::SeqCst);
        let mut letters: Vec<Letter> = messages[from..].iter().map(|m| Letter::read(&m.data)).collect();
        letters.sort_by(|a, b| a.to.cmp(&b.to));
        letters
    }

    /// A poll of this moment's change to an article: another text.
    pub async fn revise(&self, id: &str, category: &str, text: &str) {
        let paper = Paper { body: text.to_owned(), ..Paper::new(id, category, self.clock.now()) };
        self.write(&paper);
        self.news().await;
    }

    /// A webhook worker.
    pub fn webhooks(&self) -> Running {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")], vec!["bantin.example.vn".to_owned()]);
        let client = Client::new(guard, HttpSettings::default()).expect("a client");
        let worker = Webhooks::new(
            self.base.store.clone(),
            self.clock.clone(),
            self.site.clone(),
            client,
            self.wakes.clone(),
            self.metrics.clone(),
        );
        let (stop, stopped) = watch::channel(false);
        Running { stop, task: tokio::spawn(worker.run(stopped)) }
    }

    /// Works off all webhook deliveries that are due.
    pub async fn post(&self) {
        let worker = self.webhooks();
        self.quiet("webhook").await;
        worker.stop().await;
    }

    /// Waits until nothing of a channel is due or on its way, but for endpoints that are left in peace.
    pub async fn quiet(&self, channel: &str) {
        let now = self.clock.now().millis();
        let busy = format!(
            "SELECT count(*) FROM delivery WHERE channel = '{channel}' AND state = 'pending'
             AND (lease IS NOT NULL OR (due_at <= {now} AND NOT EXISTS (
                 SELECT 1 FROM push_queue q WHERE q.subscriber_id = delivery.subscriber_id AND q.rests_until > {now})))"
        );
        self.base.until("the outbox to be worked off", &busy, 0).await;
    }
}

/// The feed of everything: `tat-ca`.
pub fn all() -> FeedSpec {
    FeedSpec {
        slug: "tat-ca".to_owned(),
        title: "Tất cả tin".into(),
        description: "Mọi tin của cổng.".into(),
        title_en: Some("All news".into()),
        description_en: None,
        select: Selection::default(),
    }
}
