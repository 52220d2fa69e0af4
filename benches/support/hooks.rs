//! Both sides of the webhook bench: a portal whose changes wait to be fanned out, loa's side (the parts as `service.rs`
//! wires them), and a receiver that can be quick, slow or hostile.

use std::collections::HashMap;
use std::io::BufRead;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loa::clock::{Clock, Timestamp};
use loa::domain::article::{Article, ChangeKind};
use loa::domain::delivery::Channel;
use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::selection::{Reason, Selection};
use loa::domain::site::{Imprint, Site};
use loa::domain::subscriber::Locale;
use loa::http::client::{Client, Settings};
use loa::http::guard::Guard;
use loa::notify::webhook::secret::Secret;
use loa::schedule::{Work, follow};
use loa::store::article::{Poll, Upsert};
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::deliver_webhook::Webhooks;
use loa::work::fan_out::FanOut;
use loa::work::wakes::Wakes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const SOURCE: &str = "cong";

/// A database with endpoints, on the disk.
pub struct Place {
    folder: TempDir,
    feed: i64,
}

impl Place {
    /// One with these endpoints, and so many articles whose changes were written and not fanned out.
    pub async fn make(urls: impl Iterator<Item = String>, articles: usize) -> Self {
        // Not in memory: a commit costs what it costs.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut place = Self { folder, feed: 0 };
        let (store, clock) = (Store::open(&place.url()).await.expect("a database"), Clock::system());
        let spec = FeedSpec {
            slug: "tat-ca".into(),
            title: "Tất cả tin".into(),
            description: "".into(),
            title_en: None,
            description_en: None,
            select: Selection::default(),
        };
        store.declare_feeds(FeedOrigin::File, &[spec], clock.now()).await.expect("declared");
        place.feed = store.feeds().await.expect("read")[0].id;
        for (n, url) in urls.enumerate() {
            let (public_id, secret) = (format!("ep_{n}"), Secret::generate(&clock).reveal());
            let new =
                NewEndpoint { public_id: &public_id, name: "Trang", url: &url, secret: &secret, feeds: &[place.feed] };
            store.add_endpoint(&new, clock.now()).await.expect("made");
        }
        if articles > 0 {
            // A moment later than the subscriptions, which begin at theirs.
            tokio::time::sleep(Duration::from_millis(2)).await;
            publish(&store, place.feed, 0..articles, clock.now()).await;
        }
        store.close().await;
        place
    }

    pub fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("loa.db").display())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// New articles of some 2 KB of event, in one poll.
async fn publish(store: &Store, feed: i64, names: std::ops::Range<usize>, now: Timestamp) {
    let summary = "Sáng nay, hội nghị bàn ba việc lớn của công tác tổ chức. ".repeat(18);
    let upserts = names
        .map(|n| Upsert {
            renew: true,
            light: "l".into(),
            fingerprint: "f".into(),
            entry_id: format!("tag:example.vn,2021:{SOURCE}/article/{n}"),
            first_seen: now,
            change: Some(ChangeKind::Published),
            people: true,
            held: false,
            matches: vec![(feed, Reason::Everything)],
            article: Article {
                source: SOURCE.into(),
                external_id: n.to_string(),
                url: format!("https://portal.example.vn/{n}"),
                title: format!("Hội nghị sơ kết {n}").as_str().into(),
                summary: summary.as_str().into(),
                content_html: "<p>Nội dung.</p>".into(),
                authors: vec!["Trúc Linh".into()],
                agency: None,
                categories: Vec::new(),
                tags: Vec::new(),
                language: "vi".into(),
                image: None,
                published: now,
            },
        })
        .collect();
    let poll = Poll { source: SOURCE.into(), upserts, ..Poll::default() };
    store.apply(&poll, now).await.expect("a poll is written");
}

struct Loa {
    store: Store,
    wakes: Wakes,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Loa {
    async fn start(url: &str, fan_out_now: bool) -> Self {
        let (clock, wakes) = (Clock::system(), Wakes::default());
        let store = Store::open(url).await.expect("the database opens");
        store.take_for_serving().await.expect("the database is free");
        let site = Site {
            title: "Cổng".into(),
            base_url: "https://bantin.example.vn/".parse().expect("an address"),
            authority: "example.vn,2021".into(),
            locale: Locale::Vi,
            zone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("bundled"),
            imprint: Imprint::default(),
        };
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")], Vec::new());
        let client = Client::new(guard, Settings::default()).expect("a client");
        let metrics = Metrics::new(clock.now());
        let worker = Webhooks::new(store.clone(), clock.clone(), site, client, wakes.clone(), metrics);
        let (stop, stopped) = watch::channel(false);
        let fan_out = FanOut::new(store.clone(), clock, wakes.clone());
        let work: Work = Arc::new(move || {
            let fan_out = fan_out.clone();
            Box::pin(async move {
                fan_out.run().await.expect("fanned out");
            })
        });
        let mut tasks = vec![tokio::spawn(worker.run(stopped.clone()))];
        if fan_out_now {
            tasks.push(tokio::spawn(follow(
                "fan-out",
                Arc::clone(&wakes.changes),
                Duration::from_secs(1),
                stopped,
                work,
            )));
            Self { store, wakes, stop, tasks }
        } else {
            println!("ready");
            hear("go");
            tasks.push(tokio::spawn(follow(
                "fan-out",
                Arc::clone(&wakes.changes),
                Duration::from_secs(1),
                stopped,
                work,
            )));
            Self { store, wakes, stop, tasks }
        }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
        self.store.close().await;
    }
}

/// What the bench tells loa's process.
pub struct Task {
    store: String,
}

impl Task {
    pub fn parse(arguments: &[String]) -> Option<Self> {
        let [_, flag, store, ..] = arguments else { return None };
        (flag == "--loa").then(|| Self { store: store.clone() })
    }
}

/// loa's side, in a process of its own: says `ready`, hears `go` and `arrived`, says `done` with its numbers.
pub fn run(task: &Task) {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(async {
        let loa = Loa::start(&task.store, false).await;
        let (began, cpu) = (Instant::now(), cpu_seconds());
        tokio::task::spawn_blocking(|| hear("arrived")).await.expect("the bench says when all has arrived");
        while loa.store.next_due(Channel::Webhook).await.expect("the outbox is read").is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let counts = loa.store.delivery_counts(None).await.expect("the outbox is read");
        let settled: Vec<String> = counts.iter().map(|c| format!("{}={}", c.state, c.n)).collect();
        println!("done {seconds} {cpu} {} {}", peak_kib(), settled.join(","));
        loa.end().await;
    });
}

/// Publishes so many events, one at a time, with loa in this process; when each poll began to be written, by article.
pub async fn trickle(place: &Place, events: usize, pause: Duration) -> HashMap<String, Instant> {
    let loa = Loa::start(&place.url(), true).await;
    let mut began = HashMap::new();
    for n in 0..events {
        tokio::time::sleep(pause).await;
        began.insert(format!("tag:example.vn,2021:{SOURCE}/article/{n}"), Instant::now());
        publish(&loa.store, place.feed, n..n + 1, Clock::system().now()).await;
        loa.wakes.changes.notify_one();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    loa.end().await;
    began
}

fn hear(word: &str) {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("the bench speaks");
    assert_eq!(line.trim(), word, "the bench says what is next");
}

/// The most memory that this process has had resident, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Processor time that this process has used, in seconds, on all its threads.
fn cpu_seconds() -> f64 {
    let times = |path: std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux tells of threads").flatten();
    let nanos = threads.filter_map(|t| times(t.path()).split(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    nanos / 1e9
}

/// How the receiver answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// 204 at once, and remembers what came.
    Quick,
    /// 204 at once, and remembers nothing.
    Forgetful,
    /// 204 after so long.
    Slow(Duration),
    /// As quick, but for every so many-th path: those hang, drip or flood.
    HostileEvery(usize),
}

/// A post that came.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: Instant,
    pub path: String,
    pub id: String,
    pub article: String,
    pub body: String,
    head: String,
}

impl Arrival {
    /// A header by its name in lower case; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    }
}

struct Shared {
    manner: Mutex<Manner>,
    arrivals: Mutex<Vec<Arrival>>,
    answered: AtomicUsize,
    connections: AtomicUsize,
}

/// The receiver, on a thread of its own, at every address of loopback.
pub struct Sink {
    port: u16,
    shared: Arc<Shared>,
}

impl Sink {
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Quick),
            arrivals: Mutex::default(),
            answered: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a socket of this system");
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((socket, _)) = listener.accept().await {
                    of_thread.connections.fetch_add(1, Ordering::Relaxed);
                    let _ = socket.set_nodelay(true);
                    let shared = Arc::clone(&of_thread);
                    tokio::spawn(async move {
                        let _ = serve(socket, &shared).await;
                    });
                }
            });
        });
        Self { port, shared }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Forgets what came, and answers in this manner from now on.
    pub fn clear(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
        *lock(&self.shared.arrivals) = Vec::new();
        self.shared.connections.store(0, Ordering::Relaxed);
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.shared.arrivals).clone()
    }

    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Opened since the last clearing.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut socket: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut bytes: Vec<u8> = Vec::with_capacity(8 * 1024);
    loop {
        let (head, length) = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let find =
                    |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
                let length = head.lines().find_map(find).unwrap_or(0);
                if bytes.len() >= end + 4 + length {
                    break (head, length);
                }
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let manner = *lock(&shared.manner);
        let (start, path) = (head.len() + 4, head.split(' ').nth(1).unwrap_or_default().to_owned());
        if !matches!(manner, Manner::Forgetful) {
            let at = Instant::now();
            let body = String::from_utf8_lossy(&bytes[start..start + length]).into_owned();
            // Read by hand: the receiver must not be what is measured.
            let article = body.split("\"data\":{\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let article = article.unwrap_or_default().to_owned();
            let id = head.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap_or_default().to_owned();
            lock(&shared.arrivals).push(Arrival { at, path: path.clone(), id, article, body, head });
        }
        bytes.drain(..start + length);
        match manner {
            Manner::Quick | Manner::Forgetful => {}
            Manner::Slow(pause) => tokio::time::sleep(pause).await,
            Manner::HostileEvery(n) => {
                let nth: usize = path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(1);
                if nth.is_multiple_of(n) {
                    return hostile(socket, nth / n).await;
                }
            }
        }
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn hostile(mut socket: TcpStream, which: usize) -> std::io::Result<()> {
    match which % 3 {
        // Hangs.
        0 => tokio::time::sleep(Duration::from_mins(1)).await,
        // Drips a head.
        1 => {
            for byte in b"HTTP/1.1 200 OK\r\nx: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                socket.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        // Floods with a body.
        _ => {
            socket.write_all(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            for _ in 0..100_000 {
                socket.write_all(b"400\r\n").await?;
                socket.write_all(&[b'x'; 1024]).await?;
                socket.write_all(b"\r\n").await?;
            }
        }
    }
    Ok(())
}
