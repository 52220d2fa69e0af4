//! How feeds are served: a large portal's cold start, a poll that changes one article, and a document by `wrk`: from loa,
//! from nginx that serves the same bytes from disk, and from the bare framework that holds them in memory.
//!
//! `cargo bench --bench feeds`. Compare within a run only. nginx and wrk (Debian: nginx-light, wrk; neither need run as a
//! service) are left out when they are not there. `LOA_BENCH_ARTICLES` and `LOA_BENCH_FEEDS` make the portal smaller,
//! `LOA_BENCH_ROUNDS` and `LOA_BENCH_SECONDS` the comparison longer.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/library.rs"]
mod library;
#[path = "support/servers.rs"]
mod servers;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use library::{Chance, corrected, declare, fill, upsert, write_feeds};
use loa::clock::Clock;
use loa::config::Config;
use loa::feed::document::Format;
use loa::store::article::Poll;
use loa::store::engine::Store;
use loa::work::publish::Publisher;
use loa::work::publish::ready::{Coding, compress};
use servers::{Load, Server, get, has, wrk};

const FEED: &str = "/feeds/kenh-000.atom";

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, bare::WORD, at, folder] => bare::serve(at, Path::new(folder)),
        // `cargo test --benches` only sees whether it starts.
        _ if arguments.iter().any(|argument| argument == "--test") => {}
        _ => tokio::runtime::Runtime::new().expect("a runtime").block_on(measure()),
    }
}

async fn measure() {
    let (articles, feeds) = (setting("LOA_BENCH_ARTICLES", 100_000), setting("LOA_BENCH_FEEDS", 500));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Clock::system();
    write_feeds(&folder.path().join("feeds"), feeds);
    let url = format!("sqlite://{}/loa.db", folder.path().display());
    let store = Store::open(&url).await.expect("a store");
    let ids = declare(&store, &folder.path().join("feeds"), &clock).await;
    let start = Instant::now();
    fill(&store, &ids, articles, clock.now()).await;
    println!("a portal of {articles} articles in {feeds} feeds, written in {:.1?}\n", start.elapsed());
    one_change(&store, &clock, folder.path(), &ids, articles).await;
    store.close().await;
    let (loa, ready) = Server::loa(folder.path(), CONFIG);
    cold_start(&loa, ready, feeds);
    side_by_side(&loa, folder.path());
    let (now, most) = loa.memory();
    println!("\nmemory of loa in the end: {now} MiB, at most {most} MiB");
}

/// A poll that changes one article: what is done must depend on the feeds that hold it, not on the portal's size.
async fn one_change(store: &Store, clock: &Clock, folder: &Path, ids: &[i64], articles: usize) {
    fs::write(folder.join("loa.toml"), CONFIG.replace("@LISTEN@", "127.0.0.1:1")).expect("a file");
    let site = Config::load(Some(&folder.join("loa.toml")), std::iter::empty()).expect("a configuration").site();
    let publisher = Publisher::new(store.clone(), clock.clone(), site, 50);
    let start = Instant::now();
    publisher.refresh().await.expect("feeds are made");
    let all = start.elapsed();
    println!("every feed made, proven and packed, one after another: {all:.1?}, {:.1?} a feed", per(all, ids.len()));
    for holders in [1, 2, 10] {
        let mut took = Vec::new();
        let mut wrote = Vec::new();
        for round in 0..7 {
            let at = clock.now();
            let fresh = upsert(articles + holders, &mut Chance(holders as u64), 9, at, &ids[1..=holders], 1);
            let upserts = vec![corrected(fresh, round)];
            let start = Instant::now();
            store.apply(&Poll { source: "cong".to_owned(), upserts, ..Poll::default() }, at).await.expect("written");
            wrote.push(start.elapsed());
            let start = Instant::now();
            let moved = publisher.refresh().await.expect("feeds are made");
            assert_eq!(moved, holders, "no other feed is touched");
            took.push(start.elapsed());
        }
        took.sort();
        wrote.sort();
        println!(
            "one article of {articles} changed, held by {holders} feeds: written in {:.1?}, published in {:.1?}",
            wrote[3], took[3]
        );
    }
}

/// From nothing: how long until it is ready, and how long each feed's first answer takes.
fn cold_start(loa: &Server, ready: Duration, feeds: usize) {
    println!("\ncold start: ready after {ready:.1?}, {} MiB", loa.memory().0);
    let mut first: Vec<Duration> = (0..feeds)
        .rev()
        .map(|n| {
            let start = Instant::now();
            let answer = get(loa.at, &format!("/feeds/kenh-{n:03}.atom"), &[("Accept-Encoding", "gzip")]);
            assert_eq!(answer.expect("an answer").status, 200);
            start.elapsed()
        })
        .collect();
    first.sort();
    let at = |share: usize| first[(first.len() - 1) * share / 100];
    println!("first answers of {feeds} feeds: median {:.1?}, 99% {:.1?}, worst {:.1?}", at(50), at(99), at(100));
    for format in ["rss", "json"] {
        for n in 0..feeds {
            let path = format!("/feeds/kenh-{n:03}.{format}");
            assert_eq!(get(loa.at, &path, &[]).expect("an answer").status, 200);
        }
    }
    let (now, most) = loa.memory();
    println!("memory after every document of every feed was read: {now} MiB, at most {most} MiB");
}

fn side_by_side(loa: &Server, folder: &Path) {
    let plain = get(loa.at, FEED, &[]).expect("the document");
    println!("\na document of 50 whole articles: {} bytes", plain.body.len());
    for coding in Coding::DENSEST {
        let start = Instant::now();
        let bytes = compress(coding, &plain.body);
        println!("  {}: {} bytes, made in {:.1?}", coding.word().unwrap_or_default(), bytes.len(), start.elapsed());
    }
    if !has("nginx") || !has("wrk") {
        println!("no comparison: nginx and wrk must be there (Debian: apt-get install nginx-light wrk)");
        return;
    }
    let dir = folder.join("nginx");
    fs::create_dir_all(dir.join("www/feeds")).expect("a folder");
    let gzip = compress(Coding::Gzip, &plain.body);
    for (name, bytes) in [("feed", &plain.body[..]), ("feed.gz", &gzip[..])] {
        fs::write(dir.join(name), bytes).expect("a file");
    }
    let file = dir.join(format!("www{FEED}"));
    fs::write(&file, &plain.body).expect("a file");
    fs::write(file.with_extension("atom.gz"), gzip).expect("a file");
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (nginx, bare) = (Server::nginx(&dir, workers), Server::bare(&dir));
    for other in [&nginx, &bare] {
        assert!(get(other.at, FEED, &[]).expect("an answer").body == plain.body, "the same bytes");
        let packed = get(other.at, FEED, &[("Accept-Encoding", "gzip")]).expect("an answer");
        assert_eq!(packed.header("content-encoding"), "gzip");
    }
    let servers = [loa, &nginx, &bare];
    let tags = servers.map(|server| get(server.at, FEED, &[]).expect("an answer").header("etag").to_owned());
    let rounds = setting("LOA_BENCH_ROUNDS", 5).max(1);
    let seconds = u32::try_from(setting("LOA_BENCH_SECONDS", 3)).unwrap_or(3);
    println!(
        "\nwrk, 32 connections, {rounds} rounds in turn of {seconds} s; medians of answers a second, of ratios within a \
         round (least to most), of 99% in ms and of processor time an answer in us"
    );
    for close in [false, true] {
        println!("{}", if close { "a new connection each:" } else { "kept connections:" });
        for kind in ["304", "gzip 200", "identity 200"] {
            let mut loads: [Vec<Load>; 3] = Default::default();
            for _ in 0..rounds {
                for ((server, tag), loads) in servers.iter().zip(&tags).zip(&mut loads) {
                    let mut headers = match kind {
                        "304" => vec![("If-None-Match", tag.as_str())],
                        "gzip 200" => vec![("Accept-Encoding", "gzip")],
                        _ => Vec::new(),
                    };
                    if close {
                        headers.push(("Connection", "close"));
                    }
                    loads.push(wrk(server, FEED, &headers, seconds));
                }
            }
            report(kind, &loads);
        }
    }
    // The document that was measured is a real one.
    assert_eq!(loa::feed::document::proof(Format::Atom, &plain.body), Ok(()));
}

/// One line: loa, nginx and the bare framework at one kind of request.
fn report(kind: &str, [loa, nginx, bare]: &[Vec<Load>; 3]) {
    let rate = |loads: &[Load]| middle(loads.iter().map(|load| load.per_second)).1;
    let p99 = |loads: &[Load]| middle(loads.iter().map(|load| load.p99)).1;
    let cpu = |loads: &[Load]| middle(loads.iter().map(|load| load.micros)).1;
    let beside = |over: &[Load], under: &[Load]| {
        let (least, median, most) = middle(over.iter().zip(under).map(|(a, b)| a.per_second / b.per_second));
        format!("{median:.2} ({least:.2} to {most:.2})")
    };
    println!(
        "{kind:>14}: loa {:.0}, nginx {:.0}, bare {:.0}; loa/nginx {}; bare/nginx {}; loa/bare {}; 99% {:.2}, {:.2}, \
         {:.2}; cpu {:.1}, {:.1}, {:.1}",
        rate(loa),
        rate(nginx),
        rate(bare),
        beside(loa, nginx),
        beside(bare, nginx),
        beside(loa, bare),
        p99(loa),
        p99(nginx),
        p99(bare),
        cpu(loa),
        cpu(nginx),
        cpu(bare),
    );
}

/// The least, the median and the most.
fn middle(of: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    (all[0], all[all.len() / 2], all[all.len() - 1])
}

fn per(all: Duration, count: usize) -> Duration {
    all / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

const CONFIG: &str = r#"
[site]
title = "Cổng thông tin điện tử Tỉnh ủy"
base_url = "https://bantin.tinhuy.example.vn/"
authority = "tinhuy.example.vn,2021"

[web]
listen = "@LISTEN@"

[store]
url = "sqlite://loa.db"

[feeds]
dir = "feeds"
each_category = false
"#;
