//! How feeds are served: a large portal's cold start, a poll that changes one article, and a document beside nginx that
//! serves the same bytes from disk, by `wrk`.
//!
//! `cargo bench --bench feeds`. Compare within a run only. nginx and wrk (Debian: nginx-light, wrk; neither need run as a
//! service) are left out when they are not there. `LOA_BENCH_ARTICLES` and `LOA_BENCH_FEEDS` make the portal smaller.

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

const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
const FEED: &str = "/feeds/kenh-000.atom";

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` only sees whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
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
    beside_nginx(&loa, folder.path());
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

fn beside_nginx(loa: &Server, folder: &Path) {
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
    let file = dir.join(format!("www{FEED}"));
    fs::write(&file, &plain.body).expect("a file");
    fs::write(file.with_extension("atom.gz"), compress(Coding::Gzip, &plain.body)).expect("a file");
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let nginx = Server::nginx(&dir, workers);
    assert!(get(nginx.at, FEED, &[]).expect("nginx answers").body == plain.body, "the same bytes");
    let packed = get(nginx.at, FEED, &[("Accept-Encoding", "gzip")]).expect("nginx answers");
    assert_eq!(packed.header("content-encoding"), "gzip");
    let tags =
        [plain.header("etag").to_owned(), get(nginx.at, FEED, &[]).expect("nginx answers").header("etag").to_owned()];
    println!("\nwrk, 32 connections, {ROUNDS} rounds in turn of {SECONDS} s, medians; loa / nginx = ratio; p99 in ms");
    for close in [false, true] {
        for kind in ["304", "gzip 200", "identity 200"] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                for (server, tag, loads) in [(loa, &tags[0], &mut ours), (&nginx, &tags[1], &mut theirs)] {
                    let mut headers = match kind {
                        "304" => vec![("If-None-Match", tag.as_str())],
                        "gzip 200" => vec![("Accept-Encoding", "gzip")],
                        _ => Vec::new(),
                    };
                    if close {
                        headers.push(("Connection", "close"));
                    }
                    loads.push(wrk(server.at, FEED, &headers, SECONDS));
                }
            }
            let (ours, theirs) = (median(ours), median(theirs));
            println!(
                "{kind:>12}, {}: {:>8.0} / {:>8.0} = {:.2}; p99 {:.2} / {:.2}",
                if close { "a new connection each" } else { "kept connections     " },
                ours.per_second,
                theirs.per_second,
                ours.per_second / theirs.per_second,
                ours.p99,
                theirs.p99
            );
        }
    }
    // The document that was measured is a real one.
    assert_eq!(loa::feed::document::proof(Format::Atom, &plain.body), Ok(()));
}

fn median(mut loads: Vec<Load>) -> Load {
    let mut p99: Vec<f64> = loads.iter().map(|load| load.p99).collect();
    p99.sort_by(f64::total_cmp);
    loads.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Load { per_second: loads[loads.len() / 2].per_second, p99: p99[p99.len() / 2] }
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
