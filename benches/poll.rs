//! Polls of a Joomla with 50,000 articles of about 2.6 KB: a hot scan with nothing changed and with one title changed, a
//! sweep with nothing changed, and the plain `SELECT` of every visible row's dates that others make of it, in turn on the
//! same server; then the same through ingest, and the first import, into SQLite and into PostgreSQL. Prints times, bytes and
//! memory.
//!
//! `cargo bench --bench poll`, with `LOA_TEST_MARIADB` and `LOA_TEST_POSTGRES`; README.md beside this file says how.

#[path = "support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use jiff::tz::TimeZone;
use loa::clock::{Clock, Timestamp};
use loa::domain::roll::Roll;
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::source::{AnySource, Ask, Depth, SMALL, Settings as SourceSettings, Source};
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, Settings};
use loa::work::wakes::Wakes;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};
use url::Url;
use wire::Wire;

const ARTICLES: usize = 50_000;
const ROUNDS: usize = 15;
/// As `[feeds] items` is shipped.
const WINDOW: i64 = 50;
const LATELY: Duration = Duration::from_hours(8 * 24);

/// One server with its portal.
#[derive(Clone, Copy, PartialEq)]
enum Engine {
    MariaDb,
    Postgres,
}

impl Engine {
    const ALL: [Self; 2] = [Self::MariaDb, Self::Postgres];

    const fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::Postgres => "PostgreSQL",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::MariaDb => "LOA_TEST_MARIADB",
            Self::Postgres => "LOA_TEST_POSTGRES",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::MariaDb => "jos_",
            Self::Postgres => "k3v9x_",
        }
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::MariaDb => include_str!("../tests/fixtures/joomla/joomla3.mysql.sql"),
            Self::Postgres => include_str!("../tests/fixtures/joomla/joomla5.postgres.sql"),
        }
    }
}

/// A connection of either kind, for what loa itself does not do.
enum Link {
    MariaDb(MySqlConnection),
    Postgres(PgConnection),
}

macro_rules! on {
    ($link:expr, $inner:ident => $call:expr) => {
        match $link {
            Link::MariaDb($inner) => $call,
            Link::Postgres($inner) => $call,
        }
    };
}

impl Link {
    async fn to(engine: Engine, url: &str) -> Self {
        match engine {
            Engine::MariaDb => Self::MariaDb(MySqlConnection::connect(url).await.expect("the server answers")),
            Engine::Postgres => Self::Postgres(PgConnection::connect(url).await.expect("the server answers")),
        }
    }

    async fn run(&mut self, sql: String) {
        let shown: String = sql.chars().take(200).collect();
        let done = on!(self, link => sqlx::raw_sql(AssertSqlSafe(sql)).execute(link).await.map(drop));
        done.unwrap_or_else(|error| panic!("{error} in: {shown}"));
    }

    /// Reads every row and forgets it; how many.
    async fn read(&mut self, sql: &str) -> usize {
        on!(self, link => {
            let mut rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(link);
            let mut count = 0;
            while let Some(row) = rows.try_next().await.expect("a row") {
                assert!(row.len() > 1);
                count += 1;
            }
            count
        })
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, engine, url, state] = arguments.as_slice() {
        let engine = if engine == "mariadb" { Engine::MariaDb } else { Engine::Postgres };
        match word.as_str() {
            "polls" => runtime.block_on(polls(engine, url, state)),
            _ => runtime.block_on(scans(engine, url, state)),
        }
        return;
    }
    for engine in Engine::ALL {
        let Some(server) = std::env::var(engine.variable()).ok().filter(|address| !address.is_empty()) else {
            println!("{}: {} names no server; left out", engine.name(), engine.variable());
            continue;
        };
        let name = format!("loa_bench_{}", std::process::id());
        let mut url = Url::parse(&server).expect("an address");
        url.set_path(&name);
        runtime.block_on(async {
            Link::to(engine, &server).await.run(format!("CREATE DATABASE {name}")).await;
            fill(engine, url.as_str()).await;
        });
        let folder = tempfile::tempdir().expect("a folder");
        let state = format!("sqlite://{}/loa.db", folder.path().display());
        let word = if engine == Engine::MariaDb { "mariadb" } else { "postgres" };
        // loa's side is a process of its own, so that its memory is its own.
        let run = |what: &str, state: &str| {
            let program = std::env::current_exe().expect("this program has a name");
            let status = Command::new(program).args([what, word, url.as_str(), state]).status();
            status.expect("loa's side starts").success()
        };
        let mut done = vec![run("polls", &state), run("scans", &state)];
        let on_server = |sql: String| runtime.block_on(async { Link::to(engine, &server).await.run(sql).await });
        if engine == Engine::Postgres {
            let own = format!("{name}_own");
            on_server(format!("CREATE DATABASE {own}"));
            let mut state = url.clone();
            state.set_path(&own);
            done.push(run("polls", state.as_str()));
            on_server(format!("DROP DATABASE {own}"));
        }
        on_server(format!("DROP DATABASE {name}"));
        assert!(done.iter().all(|well| *well), "loa's side ends well");
    }
}

/// The words of the bench's articles.
const WORDS: &str = "tổ chức cơ sở đảng nâng cao năng lực lãnh đạo sức chiến đấu hội nghị ban thường vụ tỉnh ủy công tác xây \
                     dựng chi bộ kết nạp đảng viên mới nghị quyết đại hội các cấp nhân dân huyện xã phường thị trấn năm \
                     qua đạt kết quả tích cực góp phần phát triển kinh tế";

/// Joomla's tables with articles, tags and Joomla's own indexes.
async fn fill(engine: Engine, url: &str) {
    let mut link = Link::to(engine, url).await;
    link.run(engine.schema().to_owned()).await;
    let prefix = engine.prefix();
    let (quote, never) = if engine == Engine::MariaDb { ('`', "'0000-00-00 00:00:00'") } else { ('"', "NULL") };
    if engine == Engine::MariaDb {
        link.run("SET SESSION sql_mode = ''".to_owned()).await;
    }
    link.run(format!("DELETE FROM {prefix}content")).await;
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    // Not chance, but no two articles alike.
    let mut state = 20_211_123_u64;
    let mut some = |count: usize| {
        let mut text = String::new();
        for _ in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap_or_default() % words.len();
            text.push_str(words[at]);
            text.push(' ');
        }
        text
    };
    for chunk in (1..=ARTICLES).collect::<Vec<_>>().chunks(250) {
        let mut sql = format!(
            "INSERT INTO {prefix}content (id, title, alias, introtext, {quote}fulltext{quote}, state, catid, created, \
             created_by, created_by_alias, modified, publish_up, publish_down, images, urls, attribs, metakey, metadesc, \
             access, metadata, language) VALUES "
        );
        for id in chunk {
            let (day, minute) = (1 + id / 2000, id % 60);
            let at = format!("'2026-10-{day:02} 07:{minute:02}:00'");
            let (title, intro, rest) = (some(12), some(70), some(350));
            let category = [10, 11, 12, 13, 50, 90, 91][id % 7];
            let comma = if *id == chunk[0] { "" } else { ", " };
            write!(
                sql,
                "{comma}({id}, '{title}', 'bai-{id}', '<p>{intro}</p>', '<p>{rest}</p>', 1, {category}, {at}, 42, '', {at}, \
                 {at}, {never}, '{{\"image_intro\":\"images/{id}.jpg\"}}', '', '{{}}', '', '', 1, '{{}}', '*')"
            )
            .expect("a String takes all");
        }
        link.run(sql).await;
    }
    link.run(format!("DELETE FROM {prefix}contentitem_tag_map")).await;
    for tag in [2, 3] {
        link.run(format!(
            "INSERT INTO {prefix}contentitem_tag_map (type_alias, core_content_id, content_item_id, tag_id, type_id) \
             SELECT 'com_content.article', id, id, {tag}, 1 FROM {prefix}content WHERE id % 5 = 0"
        ))
        .await;
    }
    link.run(format!("UPDATE {prefix}tags SET published = 1 WHERE id = 3")).await;
    for (name, table, columns) in [
        ("idx_access", "content", "access"),
        ("idx_state", "content", "state"),
        ("idx_catid", "content", "catid"),
        ("idx_createdby", "content", "created_by"),
        ("idx_language", "content", "language"),
        ("idx_alias", "content", if engine == Engine::MariaDb { "alias(191)" } else { "alias" }),
        ("uc_itemnametagid", "contentitem_tag_map", "type_id, content_item_id, tag_id"),
    ] {
        link.run(format!("CREATE INDEX {name} ON {prefix}{table} ({columns})")).await;
    }
    let analyze = if engine == Engine::MariaDb {
        format!("ANALYZE TABLE {prefix}content, {prefix}contentitem_tag_map")
    } else {
        "VACUUM ANALYZE".to_owned()
    };
    link.run(analyze).await;
}

fn source(url: &str) -> AnySource {
    let settings = format!("kind = \"joomla\"\nurl = \"{url}\"\nsite_url = \"https://portal.example.vn\"");
    AnySource::open("portal", toml::from_str::<SourceSettings>(&settings).expect("settings")).expect("a source")
}

/// Kilobytes from `/proc/self/status`.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of a bench are far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn timed<T>(into: &mut Vec<Duration>, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    into.push(began.elapsed());
    done
}

/// What ingest asks of a scan, from what it has written.
struct Asking {
    known: Roll,
    categories: Vec<loa::domain::article::Category>,
}

impl Asking {
    async fn at(store: &Store, depth: Depth, now: Timestamp) -> Self {
        let known = match depth {
            Depth::Sweep => store.known_articles("portal").await,
            Depth::Hot => store.shown_articles("portal", now.minus(LATELY), WINDOW, 1_000).await,
        };
        Self { known: known.expect("what is known"), categories: store.categories("portal").await.expect("categories") }
    }

    fn ask<'a>(&'a self, depth: Depth, due: &'a BTreeSet<String>, now: Timestamp) -> Ask<'a> {
        Ask { now, depth, known: self.known.public(), due, categories: &self.categories }
    }
}

fn ingest(store: &Store, clock: &Clock, source: AnySource) -> Ingest {
    let site = Site {
        imprint: loa::domain::site::Imprint::default(),
        title: "Cổng thông tin điện tử".into(),
        base_url: Url::parse("https://bantin.example.vn/").expect("an address"),
        authority: "example.vn,2021".to_owned(),
        locale: Locale::Vi,
        zone: TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
    };
    let settings = Settings {
        max_new: 50,
        max_age: Duration::from_hours(7 * 24),
        each_category: true,
        window: WINDOW,
        small: SMALL,
    };
    let sources = BTreeMap::from([("portal".to_owned(), Arc::new(source))]);
    let metrics = Metrics::new(clock.now());
    Ingest::new(store.clone(), clock.clone(), site, sources, settings, Wakes::default(), metrics)
}

fn instant() -> Timestamp {
    "2026-11-23T00:00:00Z".parse::<jiff::Timestamp>().expect("an instant").into()
}

/// The first import, and polls through ingest.
async fn polls(engine: Engine, url: &str, state: &str) {
    let clock = Clock::manual(instant());
    let store = Store::open(state).await.expect("a store");
    let idle = memory("VmRSS");
    let polls = ingest(&store, &clock, source(url));
    let began = Instant::now();
    let report = polls.poll("portal").await.expect("a poll");
    let import = began.elapsed();
    assert_eq!(report.applied.baseline, ARTICLES);
    let after_import = (memory("VmRSS"), memory("VmHWM"));

    let mut link = Link::to(engine, url).await;
    let (mut quiet, mut one, mut swept) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        clock.advance(Duration::from_secs(30));
        if round % 5 == 4 {
            let report = timed(&mut swept, Box::pin(polls.poll("portal"))).await.expect("a poll");
            assert!(report.swept);
        }
        clock.advance(Duration::from_secs(1));
        let report = timed(&mut quiet, Box::pin(polls.poll_on_beat("portal"))).await.expect("a poll");
        assert!(!report.swept && report.applied.revised == 0, "{report:?}");
        link.run(format!("UPDATE {}content SET title = 'Tên {round}' WHERE id = {}", engine.prefix(), ARTICLES - 3))
            .await;
        clock.advance(Duration::from_secs(1));
        let report = timed(&mut one, Box::pin(polls.poll_on_beat("portal"))).await.expect("a poll");
        assert_eq!((report.swept, report.applied.revised), (false, 1), "{report:?}");
    }
    let (mut shown, mut known) = (Vec::new(), Vec::new());
    let since = clock.now().minus(LATELY);
    for _ in 0..ROUNDS {
        let seen = timed(&mut shown, store.shown_articles("portal", since, WINDOW, 1_000)).await.expect("articles");
        assert!(seen.len() > 300, "{}", seen.len());
        let all = timed(&mut known, store.known_articles("portal")).await.expect("articles");
        assert_eq!(all.len(), ARTICLES);
    }
    let (portal, own) = (engine.name(), store.engine_name());
    println!("\n{portal} with {ARTICLES} articles, polled into {own}; median of {ROUNDS} rounds in turn");
    println!("{:<34} {:>10}", "poll through ingest", "ms");
    for (what, times) in [
        ("hot, nothing changed", quiet),
        ("hot, one changed", one),
        ("sweep, nothing changed", swept),
        ("what readers see, from the store", shown),
        ("all that is known, from the store", known),
    ] {
        println!("{what:<34} {:>10.1}", median(times).as_secs_f64() * 1e3);
    }
    println!("first import: {:.1} s", import.as_secs_f64());
    println!(
        "memory in MiB: {:.1} before, {:.1} after the import (peak {:.1}), {:.1} after all polls (peak {:.1})",
        mib(idle),
        mib(after_import.0),
        mib(after_import.1),
        mib(memory("VmRSS")),
        mib(memory("VmHWM")),
    );
}

/// The scans alone, as ingest asks for them; the plain `SELECT` first.
async fn scans(engine: Engine, url: &str, state: &str) {
    let store = &Store::open(state).await.expect("a store");
    let (wire, now) = (Wire::to(url).await, instant().plus(Duration::from_hours(1)));
    let prefix = engine.prefix();
    let plain = format!(
        "SELECT id, catid, modified, publish_up, publish_down, version FROM {prefix}content a WHERE a.state = 1 \
         AND a.access IN (1, 5) AND a.catid IN (10, 11, 12, 13, 50, 90, 91) \
         AND (a.publish_up IS NULL OR a.publish_up <= '2026-11-23 00:00:00') \
         AND (a.publish_down IS NULL OR a.publish_down < '1971-01-02' OR a.publish_down >= '2026-11-23 00:00:00')"
    );
    let (portal, counted) = (source(url), source(&wire.through(url)));
    let mut link = Link::to(engine, url).await;
    let mut counted_link = Link::to(engine, &wire.through(url)).await;
    let nobody = BTreeSet::new();
    let whole = Asking::at(store, Depth::Sweep, now).await;
    let shown = Asking::at(store, Depth::Hot, now).await;
    let (sweep, hot) = (whole.ask(Depth::Sweep, &nobody, now), shown.ask(Depth::Hot, &nobody, now));
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut bytes = [0; 5];
    let touch = |round: usize| format!("UPDATE {prefix}content SET title = 'Khác {round}' WHERE id = {}", ARTICLES - 2);

    // The first sweep of a process reads every text; so does the second, which finds all as it should be.
    for source in [&portal, &counted] {
        source.scan(&sweep).await.expect("a scan");
    }
    wire.take();
    let fresh = source(&wire.through(url));
    let scan = timed(&mut times[4], fresh.scan(&sweep)).await.expect("a scan");
    bytes[4] = wire.take();
    assert!(scan.articles.is_empty());
    for _ in 0..5 {
        timed(&mut times[0], link.read(&plain)).await;
        let scan = timed(&mut times[3], portal.scan(&sweep)).await.expect("a scan");
        assert!(scan.articles.is_empty());
    }
    counted.scan(&sweep).await.expect("a scan");
    bytes[3] = wire.take();
    portal.scan(&hot).await.expect("a scan");
    for round in 0..ROUNDS {
        assert_eq!(timed(&mut times[0], link.read(&plain)).await, ARTICLES);
        let scan = timed(&mut times[1], portal.scan(&hot)).await.expect("a scan");
        assert!(!scan.deeper && scan.articles.len() >= 1_000);
        link.run(touch(round)).await;
        timed(&mut times[2], portal.scan(&hot)).await.expect("a scan");
        if round == 0 {
            counted.scan(&hot).await.expect("a scan");
            wire.take();
            counted_link.read(&plain).await;
            bytes[0] = wire.take();
            counted.scan(&hot).await.expect("a scan");
            bytes[1] = wire.take();
            link.run(touch(ROUNDS)).await;
            counted.scan(&hot).await.expect("a scan");
            bytes[2] = wire.take();
        }
    }
    let what = [
        "plain SELECT of all visible",
        "hot, nothing changed",
        "hot, one changed",
        "sweep, nothing changed",
        "deep sweep, nothing changed",
    ];
    println!("{:<34} {:>10} {:>8} {:>12}", "scan", "ms", "ratio", "bytes");
    let plain = median(times[0].clone());
    for ((what, times), bytes) in what.into_iter().zip(times).zip(bytes) {
        let took = median(times);
        let ratio = took.as_secs_f64() / plain.as_secs_f64();
        println!("{what:<34} {:>10.1} {ratio:>8.2} {bytes:>12}", took.as_secs_f64() * 1e3);
    }
}
