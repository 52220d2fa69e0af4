//! The whole web side of loa on loopback: a real server over a temporary SQLite store and a folder of the demo's
//! articles, with mails written to a folder. Time stands still unless a test moves it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use loa::clock::{Clock, Timestamp};
use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::link::Link;
use loa::domain::public_id::PublicId;
use loa::domain::scope::{Scope, Scopes};
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::feed::document::Format;
use loa::http::client::{Client, Settings as HttpSettings};
use loa::http::guard::Guard;
use loa::notify::folder::Folder;
use loa::notify::message::Templates;
use loa::notify::webhook::secret::Secret;
use loa::source::{AnySource, Settings as SourceSettings, folder};
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::web::demo::hook::DemoHook;
use loa::web::{Doors, State, Web};
use loa::work::access;
use loa::work::compose::Composer;
use loa::work::deliver_mail::{Mailer, Transport};
use loa::work::ingest::{Ingest, Settings as IngestSettings};
use loa::work::old::{Ids, OldAddress};
use loa::work::publish::Publisher;
use loa::work::subscribe::Subscribe;
use loa::work::wakes::Wakes;
use tempfile::TempDir;
use tokio::sync::watch;

use super::client::{Answer, call};

/// A running house. Stops when it is dropped.
pub struct House {
    pub at: SocketAddr,
    pub store: Store,
    pub clock: Clock,
    pub publisher: Arc<Publisher>,
    pub ingest: Arc<Ingest>,
    pub subscribe: Subscribe,
    pub secret: Secret,
    pub mails: PathBuf,
    pub articles: PathBuf,
    composer: Option<Composer>,
    wakes: Wakes,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    server: ServerHandle,
    dir: TempDir,
}

/// When it is in the house: Monday, 23 November 2026, 09:00 in Vietnam.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_399_200_000);

impl House {
    /// A house that has read its source and published its feeds.
    pub async fn open() -> Self {
        let house = Self::unready(Doors::All).await;
        house.declare().await;
        house.poll().await;
        house
    }

    /// A house that has just started: nothing read, nothing published.
    pub async fn unready(doors: Doors) -> Self {
        Self::showing(doors, 50, None).await
    }

    /// A house that has read its source, and shows so many articles in a feed.
    pub async fn of_items(items: usize) -> Self {
        let house = Self::showing(Doors::All, items, None).await;
        house.declare().await;
        house.poll().await;
        house
    }

    /// A house that has read its source, and names a hub.
    pub async fn with_hub(url: &str) -> Self {
        let house = Self::showing(Doors::All, 50, Some(url)).await;
        house.declare().await;
        house.poll().await;
        house
    }

    async fn showing(doors: Doors, items: usize, hub: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (articles, mails) = (dir.path().join("articles"), dir.path().join("mails"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/demo/articles"), &articles);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("bound");
        let clock = Clock::manual(NOW);
        let store = Store::open(&format!("sqlite://{}", dir.path().join("loa.db").display())).await.expect("a store");
        let site = Site {
            title: "Trang tin Rạch Sen".into(),
            base_url: format!("http://{at}/").parse().expect("a URL"),
            authority: "rachsen.example,2021".into(),
            locale: Locale::Vi,
            zone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
            imprint: loa::domain::site::Imprint::default(),
        };
        let settings = folder::Settings {
            path: articles.clone(),
            site_url: "https://rachsen.example/".into(),
            timezone: "Asia/Ho_Chi_Minh".into(),
        };
        let source = AnySource::open("demo", SourceSettings::Folder(settings)).expect("a source");
        let sources = BTreeMap::from([("demo".to_owned(), Arc::new(source))]);
        let wakes = Wakes::default();
        let metrics = Metrics::new(clock.now());
        let rules = IngestSettings {
            max_new: 5,
            max_age: Duration::from_hours(48),
            each_category: true,
            window: 50,
            small: 20_000,
        };
        let (stored, site_of) = (store.clone(), site.clone());
        let ingest = Ingest::new(stored, clock.clone(), site_of, sources, rules, wakes.clone(), metrics.clone());
        let ingest = Arc::new(ingest);
        let publisher = Publisher::new(store.clone(), clock.clone(), site.clone(), items);
        let publisher = Arc::new(match hub {
            Some(url) => publisher.with_hub(url),
            None => publisher,
        });
        let keys = access::link_keys(&store, &clock).await.expect("keys");
        let subscribe = Subscribe::new(store.clone(), clock.clone(), keys.clone(), wakes.clone());
        let guard = Guard::new(vec!["127.0.0.9/32".parse().expect("a net")], vec!["loa.example".into()]);
        let client = Client::new(guard, HttpSettings::default()).expect("a client");
        let secret = Secret::generate(&clock);
        let state = State {
            site: site.clone(),
            publisher: Arc::clone(&publisher),
            subscribe: subscribe.clone(),
            ingest: Arc::clone(&ingest),
            store: store.clone(),
            clock: clock.clone(),
            client,
            metrics: metrics.clone(),
            trusted_proxies: vec!["127.0.0.1/32".parse().expect("a net")],
            articles: None,
            mailbox: Some(mails.clone()),
            hook: Some(Arc::new(DemoHook::new(secret.clone()))),
        };
        let web = Web::with_old_addresses(state, old_addresses());
        let server = HttpServer::new(move || web.app(doors))
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)
            .expect("a listener")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        let templates = Templates::load(None).expect("the templates");
        let sender = "Trang tin Rạch Sen <tin@rachsen.example>".parse().expect("a sender");
        let composer = Some(Composer::new(store.clone(), site, templates, sender, keys));
        let (stop, _) = watch::channel(false);
        Self {
            at,
            store,
            clock,
            publisher,
            ingest,
            subscribe,
            secret,
            mails,
            articles,
            composer,
            wakes,
            metrics,
            stop,
            server: handle,
            dir,
        }
    }

    async fn declare(&self) {
        let spec = |slug: &str, title: &str, english: &str, categories: &[&str]| FeedSpec {
            slug: slug.into(),
            title: title.into(),
            description: "".into(),
            title_en: Some(english.into()),
            description_en: None,
            select: loa::domain::selection::Selection {
                categories: categories.iter().map(|c| (*c).to_owned()).collect(),
                ..Default::default()
            },
        };
        let mut specs = vec![
            spec("tat-ca", "Tất cả tin bài", "All articles", &[]),
            spec("xay-dung-dang-va-to-chuc", "Xây dựng Đảng và tổ chức", "Party building", &["xay-dung-dang"]),
        ];
        specs[0].description = "Mọi tin bài mới trên cổng, từ mọi chuyên mục.".into();
        self.ingest.declare(FeedOrigin::File, &specs).await.expect("declared");
    }

    /// Reads the source and publishes what moved.
    /// Runs a statement of SQLite behind the house's back.
    pub async fn sql(&self, statement: &'static str) {
        use sqlx::Connection;
        let url = format!("sqlite://{}", self.dir.path().join("loa.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("a database");
        sqlx::raw_sql(statement).execute(&mut connection).await.expect(statement);
    }

    pub async fn poll(&self) {
        self.ingest.poll("demo").await.expect("polled");
        self.publisher.refresh().await.expect("published");
    }

    /// Adds an article to the source.
    pub fn write(&self, id: &str, title: &str) {
        let text = format!(
            "---\nid: {id}\ntitle: \"{title}\"\npublished: 2026-11-23 08:30\ncategory: Xây dựng Đảng\n---\nMột đoạn.\n"
        );
        fs::write(self.articles.join(format!("{id}.md")), text).expect("written");
    }

    /// Begins to send mails into [`House::mails`].
    pub fn mail(&mut self) {
        let composer = self.composer.take().expect("mails are sent once");
        let transport = Transport::Folder(Folder::new(&self.mails));
        let mailer = Mailer::new(
            self.store.clone(),
            self.clock.clone(),
            composer,
            transport,
            2,
            self.wakes.clone(),
            self.metrics.clone(),
        );
        tokio::spawn(mailer.run(self.stop.subscribe()));
    }

    /// The newest mail to this address, once there is one; the rest of it is looked at by the caller.
    pub async fn mail_to(&self, address: &str) -> String {
        for _ in 0..400 {
            let found = fs::read_dir(&self.mails).into_iter().flatten().filter_map(Result::ok).find_map(|entry| {
                let name = entry.file_name().into_string().ok().filter(|n| !n.starts_with('.'))?;
                let bytes = fs::read(entry.path()).ok()?;
                let mail = mail_parser::MessageParser::default().parse(&bytes)?;
                let to = mail.to()?.first()?.address()?.to_owned();
                (to == address).then(|| (name, mail.body_text(0).expect("a text part").into_owned()))
            });
            if let Some((_, text)) = found {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no mail came for {address}");
    }

    /// What stands for a person in links.
    pub async fn public(&self, id: i64) -> PublicId {
        self.store.person(id).await.expect("read").expect("known").public_id
    }

    /// The newest request, by its link's token.
    pub async fn confirm_token(&self) -> String {
        for id in (1..500).rev() {
            if let Some(asked) = self.store.opt_in(id).await.expect("read") {
                return self.subscribe.keys().sign(Link::Confirm(asked.public_id));
            }
        }
        panic!("nobody asked");
    }

    /// A bearer token that may do this alone.
    pub async fn token_for(&self, scope: Scope) -> String {
        let scopes = Scopes::new(vec![scope]);
        access::create_token(&self.store, &self.clock, scope.as_str(), &scopes).await.expect("a token")
    }

    /// A bearer token.
    pub async fn token(&self) -> String {
        access::create_token(&self.store, &self.clock, "kiểm thử", &Scopes::new(Vec::new())).await.expect("a token")
    }

    pub async fn get(&self, path: &str) -> Answer {
        call(self.at, "GET", path, &[], b"").await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        call(self.at, "GET", path, headers, b"").await
    }

    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        call(self.at, "POST", path, &[kind], form.as_bytes()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        call(self.at, method, path, headers, body).await
    }

    /// An API call with a token.
    pub async fn api(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        call(self.at, method, path, &headers, body.as_bytes()).await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        // The server's threads end when their handle says so; waiting for it would need an async drop.
        drop(self.server.stop(false));
    }
}

/// Where the feeds of the portal were before: in two formats by query, and one by its path.
fn old_addresses() -> Vec<OldAddress> {
    let old = |path: &str, query: &[(&str, &str)], format: Format, ids: Ids| OldAddress {
        path: path.into(),
        query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        feed: "tat-ca".into(),
        format,
        ids,
        origin: Some("http://rachsen.example/".parse().expect("a URL")),
    };
    let links = Ids::LinksUntil(Some(NOW));
    vec![
        old("/index.php/tin-tức", &[("format", "feed"), ("type", "rss")], Format::Rss, links),
        old("/index.php/tin-tức", &[("format", "feed"), ("type", "atom")], Format::Atom, links),
        old("/", &[("option", "com_content"), ("id", "8"), ("format", "feed")], Format::Rss, links),
        old("/tin-tuc.feed", &[], Format::Rss, Ids::Entries),
        OldAddress { feed: "khong-co".into(), ..old("/mat.feed", &[], Format::Rss, links) },
    ]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the demo's articles").map(|e| e.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).map(drop).expect("copied");
        }
    }
}
