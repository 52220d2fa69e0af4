//! Webhooks: signed deliveries with a durable ledger beside `wrk` posting the same bytes to the same receiver, in turn; one
//! event to 816 slow endpoints; the way from a poll to the first byte; and what a twentieth of hostile endpoints costs the
//! others. Every round checks that each endpoint got each event once.
//!
//! `cargo bench --bench webhook`; README.md beside this file says what it prints.

#[path = "support/hooks.rs"]
mod hooks;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hooks::{Arrival, Manner, Place, Sink, Task};

/// Endpoints and articles of the rate: 20,032 deliveries to one machine, which is called over at most 64 connections.
const RATE: (usize, usize) = (64, 313);
const SLOW: usize = 816;
const ROUNDS: usize = 3;
/// A round that takes longer has hung.
const ROUND: Duration = Duration::from_mins(3);

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
const fn float(n: usize) -> f64 {
    n as f64
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

/// The value that so many thousandths of the sorted values do not exceed.
fn quantile(values: &[f64], thousandths: usize) -> f64 {
    values[((values.len() - 1) * thousandths).div_ceil(1000)]
}

fn wait_for(sink: &Sink, posts: usize) {
    let until = Instant::now() + ROUND;
    while sink.answered() < posts {
        assert!(Instant::now() < until, "after {ROUND:?} the sink has {} of {posts}", sink.answered());
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// What one run of loa, in a process of its own, did.
struct Run {
    seconds: f64,
    settled_seconds: f64,
    cpu_seconds: f64,
    peak_mib: f64,
}

fn through_loa(place: &Place, sink: &Sink, posts: usize) -> Run {
    let mut child = Command::new(std::env::current_exe().expect("this program has a name"))
        .args(["--loa", &place.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("loa's side starts");
    let mut tell = child.stdin.take().expect("its input is ours");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is ours")).lines();
    let mut next = || lines.next().expect("a line").expect("a line");
    assert_eq!(next(), "ready");
    let before = sink.answered();
    let began = Instant::now();
    tell.write_all(b"go\n").expect("it listens");
    wait_for(sink, before + posts);
    let seconds = began.elapsed().as_secs_f64();
    tell.write_all(b"arrived\n").expect("it listens");
    let done = next();
    assert!(child.wait().expect("it ends").success(), "loa's side ends well");
    let words: Vec<&str> = done.split(' ').collect();
    let ["done", settled, cpu, peak, sent] = words[..] else { panic!("loa's side said: {done}") };
    assert_eq!(sent, format!("sent={posts}"), "every delivery is settled as sent");
    let number = |word: &str| word.parse::<f64>().expect("a number");
    Run { seconds, settled_seconds: number(settled), cpu_seconds: number(cpu), peak_mib: number(peak) / 1024.0 }
}

/// Each endpoint got each event once.
fn check(arrivals: &[Arrival], posts: usize) {
    let different: HashSet<(&str, &str)> = arrivals.iter().map(|a| (a.path.as_str(), a.id.as_str())).collect();
    assert_eq!((arrivals.len(), different.len()), (posts, posts), "each event once at each endpoint");
}

fn wrk(sink: &Sink, folder: &Path, sample: &Arrival) -> f64 {
    let script = folder.join("post.lua");
    let quoted = |text: &str| format!("[==[{text}]==]");
    let mut lua = format!("wrk.method = \"POST\"\nwrk.body = {}\n", quoted(&sample.body));
    for name in ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature", "user-agent"] {
        let _ = writeln!(lua, "wrk.headers[\"{name}\"] = {}", quoted(sample.header(name)));
    }
    std::fs::write(&script, lua).expect("a file");
    let out = Command::new("wrk")
        .args(["-t1", "-c64", "-d3s", "-s"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{}/hook/1", sink.port()))
        .output()
        .expect("wrk starts");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find_map(|l| l.trim().strip_prefix("Requests/sec:")).expect("wrk tells a rate");
    line.trim().parse().expect("a number")
}

fn rate(runtime: &tokio::runtime::Runtime, sink: &Sink) {
    let (endpoints, articles) = RATE;
    let posts = endpoints * articles;
    let peer = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let (mut ours, mut theirs, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        sink.clear(Manner::Quick);
        let place = runtime.block_on(Place::make(
            (0..endpoints).map(|n| format!("http://127.0.0.1:{}/hook/{n}", sink.port())),
            articles,
        ));
        let run = through_loa(&place, sink, posts);
        let arrivals = sink.arrivals();
        check(&arrivals, posts);
        let rate = float(posts) / run.seconds;
        let bytes = arrivals.iter().map(|a| a.body.len()).sum::<usize>() / posts;
        print!(
            "round {round}: loa {rate:>7.0} posts/s ({bytes} bytes, all settled after {:.2} s, CPU {:.0} us/post, peak {:.1} MiB, {} connections)",
            run.settled_seconds,
            run.cpu_seconds * 1e6 / float(posts),
            run.peak_mib,
            sink.connections(),
        );
        ours.push(rate);
        if peer {
            sink.clear(Manner::Forgetful);
            let rate = wrk(sink, place.folder(), &arrivals[0]);
            print!("; wrk {rate:>7.0}");
            theirs.push(rate);
        }
        println!();
        runs.push(run);
    }
    println!("{posts} signed posts with the ledger durable (SQLite, synchronous=FULL), median of {ROUNDS} rounds");
    println!("  loa            {:>9.0} posts/s", median(ours.clone()));
    if peer {
        let theirs = median(theirs);
        println!("  wrk            {theirs:>9.0} posts/s, ratio {:.2} (at least 0.5 is wanted)", median(ours) / theirs);
    } else {
        println!("  wrk is not there (Debian: apt-get install wrk)");
    }
    println!("  peak memory    {:>9.1} MiB (at most 40 MB)", runs.iter().map(|r| r.peak_mib).fold(0.0, f64::max));
}

/// An address of loopback for each endpoint: a machine of its own, as far as loa can see.
fn machines(n: usize, port: u16) -> impl Iterator<Item = String> {
    (0..n).map(move |n| format!("http://127.1.{}.{}:{port}/hook/{n}", n / 250, 1 + n % 250))
}

fn slow(runtime: &tokio::runtime::Runtime, sink: &Sink) {
    let mut times = Vec::new();
    let mut peak = 0.0_f64;
    for _ in 0..ROUNDS {
        sink.clear(Manner::Slow(Duration::from_millis(200)));
        let place = runtime.block_on(Place::make(machines(SLOW, sink.port()), 1));
        let run = through_loa(&place, sink, SLOW);
        check(&sink.arrivals(), SLOW);
        times.push(run.seconds);
        peak = peak.max(run.peak_mib);
    }
    println!(
        "one event to {SLOW} endpoints that take 200 ms each: {:.2} s, median of {ROUNDS} rounds (at most 0.6); peak {peak:.1} MiB",
        median(times)
    );
}

/// Milliseconds from the beginning of the poll's write to the request at the receiver, for so many events.
fn spans(
    runtime: &tokio::runtime::Runtime,
    sink: &Sink,
    urls: &[String],
    events: usize,
    pause: Duration,
    counts: impl Fn(&str) -> bool,
) -> Vec<f64> {
    let place = runtime.block_on(Place::make(urls.iter().cloned(), 0));
    let began = runtime.block_on(hooks::trickle(&place, events, pause));
    let good = urls.iter().filter(|url| counts(url)).count();
    let until = Instant::now() + ROUND;
    let mine = |a: &Arrival| counts(&a.path) && began.contains_key(&a.article);
    while sink.arrivals().iter().filter(|a| mine(a)).count() < good * events {
        assert!(Instant::now() < until, "the good ones do not have everything");
        std::thread::sleep(Duration::from_millis(50));
    }
    let arrivals = sink.arrivals();
    let mut first: HashMap<(String, String), Instant> = HashMap::new();
    for arrival in arrivals.iter().filter(|a| mine(a)) {
        let entry = first.entry((arrival.path.clone(), arrival.article.clone())).or_insert(arrival.at);
        *entry = (*entry).min(arrival.at);
    }
    assert_eq!(first.len(), good * events);
    sorted(first.iter().map(|((_, article), at)| (*at - began[article]).as_secs_f64() * 1e3).collect())
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn latency(runtime: &tokio::runtime::Runtime, sink: &Sink) {
    sink.clear(Manner::Quick);
    let urls = vec![format!("http://127.0.0.1:{}/hook/0", sink.port())];
    let all = spans(runtime, sink, &urls, 200, Duration::from_millis(50), |_| true);
    println!(
        "from the poll's write to the first byte, 20 events a second: median {:.1} ms, p99 {:.1} ms (at most 20)",
        quantile(&all, 500),
        quantile(&all, 990)
    );
}

fn isolation(runtime: &tokio::runtime::Runtime, sink: &Sink) {
    let urls: Vec<String> = machines(1_000, sink.port()).collect();
    // Every twentieth is hostile; in the clean run those are asked after neither.
    let good = |path: &str| {
        let n: usize = path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        !n.is_multiple_of(20)
    };
    let mut p99 = Vec::new();
    for (name, manner) in [
        ("clean", Manner::Quick),
        ("hostile", Manner::HostileEvery(20)),
        ("clean", Manner::Quick),
        ("hostile", Manner::HostileEvery(20)),
    ] {
        sink.clear(manner);
        let before = resident_mib();
        let all = spans(runtime, sink, &urls, 10, Duration::from_millis(700), good);
        println!(
            "1,000 endpoints, {name}: the 950 good ones median {:.0} ms, p99 {:.0} ms; memory of both sides {before:.0} -> {:.0} MiB",
            quantile(&all, 500),
            quantile(&all, 990),
            resident_mib()
        );
        p99.push(quantile(&all, 990));
    }
    println!(
        "  p99 with 50 that hang, drip or flood: {:.2} and {:.2} of the clean run before (at most 1.10)",
        p99[1] / p99[0],
        p99[3] / p99[2]
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(task) = Task::parse(&arguments) {
        hooks::run(&task);
        return;
    }
    // `cargo test --benches` only wants to know that it can be built and started.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let sink = Sink::start();
    let only = variable("LOA_BENCH_ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.contains(name);
    if wanted("rate") {
        rate(&runtime, &sink);
    }
    if wanted("slow") {
        slow(&runtime, &sink);
    }
    if wanted("latency") {
        latency(&runtime, &sink);
    }
    if wanted("isolation") {
        isolation(&runtime, &sink);
    }
}
