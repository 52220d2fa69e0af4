//! loa's side of the whole job, in a process of its own: the parts as `service.rs` wires them, from the change that a poll
//! has written to the last mail that is settled as sent. Talks to the bench by lines: says `ready`, hears `go` and
//! `arrived`, says `done` with its numbers.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loa::clock::Clock;
use loa::config::Config;
use loa::domain::delivery::Channel;
use loa::notify::message::Templates;
use loa::notify::smtp::relays::Relays;
use loa::schedule::follow;
use loa::service;
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::access;
use loa::work::compose::Composer;
use loa::work::deliver_mail::{Mailer, Transport};
use loa::work::fan_out::FanOut;
use loa::work::wakes::Wakes;
use tokio::sync::watch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::spans::StoreTimes;

/// What the bench tells this process.
pub struct Task {
    pub config: PathBuf,
    pub templates: Option<PathBuf>,
    pub store: String,
    pub relay: String,
}

impl Task {
    /// As arguments of the process.
    pub fn arguments(&self) -> Vec<String> {
        let templates = self.templates.as_ref().map(|t| t.display().to_string()).unwrap_or_default();
        vec!["--loa".to_owned(), self.config.display().to_string(), templates, self.store.clone(), self.relay.clone()]
    }

    /// From the arguments of the process, if it is one for loa's side.
    pub fn parse(arguments: &[String]) -> Option<Self> {
        let [_, flag, config, templates, store, relay, ..] = arguments else { return None };
        (flag == "--loa").then(|| Self {
            config: config.into(),
            templates: Some(templates).filter(|t| !t.is_empty()).map(PathBuf::from),
            store: store.clone(),
            relay: relay.clone(),
        })
    }
}

/// Does the job once.
pub fn run(task: &Task) {
    let times = StoreTimes::default();
    let lines = fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(lines).with(times.layer()).init();
    // As `loa serve` makes it.
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(deliver(task, &times));
}

async fn deliver(task: &Task, times: &StoreTimes) {
    let variables =
        [("LOA_STORE__URL".to_owned(), task.store.clone()), ("LOA_EMAIL__URL".to_owned(), task.relay.clone())];
    let config = Config::load(Some(&task.config), variables.into_iter()).expect("the configuration is good");
    let clock = Clock::system();
    let store = Store::open(config.store.url.expose()).await.expect("the database opens");
    store.take_for_serving().await.expect("the database is free");
    let (wakes, metrics) = (Wakes::default(), Metrics::new(clock.now()));
    let keys = access::link_keys(&store, &clock).await.expect("the keys of links");
    let templates = Templates::load(task.templates.as_deref()).expect("the templates");
    let composer = Composer::new(store.clone(), config.site(), templates, service::sender(&config), keys);
    let relays = Relays::new(service::relays(&config).expect("the relay's settings"));
    let connections = relays.connections();
    let mailer = Mailer::new(
        store.clone(),
        clock.clone(),
        composer,
        Transport::Smtp(relays),
        connections,
        wakes.clone(),
        metrics.clone(),
    );
    let (stop, stopped) = watch::channel(false);
    let mailing = tokio::spawn(mailer.run(stopped.clone()));

    println!("ready {connections}");
    hear("go");
    times.reset();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let fan_out = FanOut::new(store.clone(), clock.clone(), wakes.clone());
    let work: loa::schedule::Work = Arc::new(move || {
        let fan_out = fan_out.clone();
        Box::pin(async move {
            fan_out.run().await.expect("fanned out");
        })
    });
    let fanning = tokio::spawn(follow("fan-out", Arc::clone(&wakes.changes), Duration::from_secs(1), stopped, work));
    // Hearing blocks: not on a thread of the runtime.
    tokio::task::spawn_blocking(|| hear("arrived")).await.expect("the bench says when all has arrived");
    while store.next_due(Channel::Email).await.expect("the outbox is read").is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let store_times = times.by_name();
    let counts = store.delivery_counts(None).await.expect("the outbox is read");
    let settled: Vec<String> = counts.iter().map(|c| format!("{}={}", c.state, c.n)).collect();
    let store_micros: u128 = store_times.iter().map(|(_, _, took)| took.as_micros()).sum();
    println!("done {seconds} {cpu} {store_micros} {} {}", peak_kib(), settled.join(","));
    for (name, calls, took) in store_times {
        println!("store {name} {calls} {}", took.as_micros());
    }
    let _ = stop.send(true);
    let _ = mailing.await;
    let _ = fanning.await;
    store.close().await;
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
    // Nanoseconds; a thread that has ended no longer counts, which the runtime's and the database's do not here.
    let nanos = threads.filter_map(|t| times(t.path()).split(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    nanos / 1e9
}
