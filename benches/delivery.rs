//! The whole job: one new article to 65,052 readers, from the change that the poll has written to the last mail settled
//! as sent, on the database as it is shipped; and Postfix's `smtp-source` with as many connections, messages and bytes
//! into the same sink, in turn. Every round checks that each reader got one mail.
//!
//! `cargo bench --bench delivery`; README.md beside this file says what it prints and which variables it knows.

#[path = "support/job.rs"]
mod job;
#[path = "support/portal.rs"]
mod portal;
#[path = "support/sink.rs"]
#[expect(dead_code, reason = "shared with another bench and the tests, which use more of it")]
mod sink;
#[path = "support/spans.rs"]
mod spans;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use job::Task;
use portal::Portal;
use sink::{Options, Sink};

const SMTP_SOURCE: &str = "/usr/sbin/smtp-source";
const PEOPLE: usize = 65_052;
const ROUNDS: usize = 3;
/// A round that takes longer has hung.
const ROUND: Duration = Duration::from_mins(3);

/// What one run of loa did.
#[derive(Clone)]
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    first_mail: f64,
    store_micros: f64,
    peak_kib: f64,
    bytes_per_mail: u64,
    trips_per_mail: f64,
    /// Calls of the store: name, calls, microseconds.
    store: Vec<(String, u64, f64)>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn number(name: &str, usual: usize) -> usize {
    variable(name).map_or(usual, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v}: write a number")))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
const fn float(n: u64) -> f64 {
    n as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn wait_for(sink: &Sink, messages: u64) {
    let until = Instant::now() + ROUND;
    while sink.counts().messages < messages {
        assert!(Instant::now() < until, "after {ROUND:?} the sink has {} of {messages}", sink.counts().messages);
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// loa, in a process of its own.
fn through_loa(sink: &Sink, task: &Task, people: usize) -> Run {
    let mut child = Command::new(std::env::current_exe().expect("this program has a name"))
        .args(task.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("loa's side starts");
    let mut tell = child.stdin.take().expect("its input is ours");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is ours")).lines();
    let mut next = || lines.next().map(|line| line.expect("a line"));
    assert_eq!(next().as_deref(), Some("ready 16"), "loa's side is ready, with 16 connections");

    let before = sink.counts();
    let taken = sink.taken().len();
    let people_u64 = u64::try_from(people).expect("few enough");
    let began = Instant::now();
    tell.write_all(b"go\n").expect("it listens");
    wait_for(sink, before.messages + 1);
    let first_mail = began.elapsed().as_secs_f64();
    wait_for(sink, before.messages + people_u64);
    tell.write_all(b"arrived\n").expect("it listens");
    let done = next().expect("loa's side ends well");
    let seconds = began.elapsed().as_secs_f64();
    let store = std::iter::from_fn(&mut next)
        .filter_map(|line| {
            let mut words = line.strip_prefix("store ")?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect();
    assert!(child.wait().expect("it ends").success(), "loa's side ends well");

    let after = sink.counts();
    let all = sink.taken();
    let to: HashSet<&str> = all[taken..].iter().map(|t| t.to.as_str()).collect();
    let ids: HashSet<&str> = all[taken..].iter().map(|t| t.message_id.as_str()).collect();
    assert_eq!(
        (after.messages - before.messages, to.len(), ids.len()),
        (people_u64, people, people),
        "as many messages as readers, each reader one, each with an id of its own"
    );
    let words: Vec<&str> = done.split(' ').collect();
    let ["done", _, cpu_seconds, store_micros, peak_kib, settled] = words[..] else {
        panic!("loa's side said: {done}")
    };
    assert_eq!(settled, format!("sent={people}"), "every delivery is settled as sent");
    Run {
        seconds,
        cpu_seconds: cpu_seconds.parse().expect("a number"),
        first_mail,
        store_micros: store_micros.parse().expect("a number"),
        peak_kib: peak_kib.parse().expect("a number"),
        bytes_per_mail: (after.bytes - before.bytes) / people_u64,
        trips_per_mail: float(after.groups - before.groups) / float(people_u64),
        store,
    }
}

/// `smtp-source`; `payload` is what it calls the length of a message, without its header. Answers seconds and bytes a
/// message.
fn through_smtp_source(sink: &Sink, mails: usize, payload: u64) -> (f64, u64) {
    let before = sink.counts();
    let mails_u64 = u64::try_from(mails).expect("few enough");
    let began = Instant::now();
    let status = Command::new(SMTP_SOURCE)
        .args(["-d", "-N", "-s", "16", "-m", &mails.to_string(), "-l", &payload.to_string()])
        .args(["-f", "bantin@example.vn", "-t", "r@so.example.vn", "-M", "loa.example.vn"])
        .arg(format!("inet:{}", sink.address()))
        .status()
        .expect("smtp-source starts");
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success(), "smtp-source: {status}");
    let after = sink.counts();
    assert_eq!(after.messages - before.messages, mails_u64, "every message of smtp-source arrives");
    (seconds, (after.bytes - before.bytes) / mails_u64)
}

/// What to ask of `smtp-source` so that its messages are as large as ours.
fn payload(sink: &Sink, wanted: u64) -> u64 {
    let (_, bytes) = through_smtp_source(sink, 16, wanted);
    wanted.saturating_sub(bytes.saturating_sub(wanted))
}

fn rounds(engine: &str, postgres: Option<String>) {
    let people = number("LOA_BENCH_PEOPLE", PEOPLE);
    let rounds = number("LOA_BENCH_ROUNDS", ROUNDS);
    let filler = number("LOA_BENCH_FILLER", 0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let began = Instant::now();
    let portal = runtime.block_on(Portal::make(people, filler, postgres));
    println!("{engine}: {people} confirmed readers made in {:.1} s", began.elapsed().as_secs_f64());
    let sink = Sink::start(Options { record: true, ..Options::default() }).expect("the sink starts");
    let peer = Path::new(SMTP_SOURCE).exists();
    if !peer {
        println!("smtp-source is not there (Debian: apt-get install postfix, without starting it)");
    }
    let people_float = float(u64::try_from(people).expect("few enough"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut ask = None;
    for round in 1..=rounds {
        let copy = runtime.block_on(portal.copy(round));
        let task = Task {
            config: portal.config(),
            templates: portal.templates(),
            store: copy.url.clone(),
            relay: format!("smtp://{}?tls=none", sink.address()),
        };
        let run = through_loa(&sink, &task, people);
        runtime.block_on(portal.discard(copy, round));
        print!(
            "round {round}: loa {:>6.2} s {:>7.0}/s, {} bytes, {:.2} trips/mail, CPU {:.1} us/mail, first {:.0} ms, store {:.4} ms/mail, {:.1} MiB",
            run.seconds,
            people_float / run.seconds,
            run.bytes_per_mail,
            run.trips_per_mail,
            run.cpu_seconds * 1e6 / people_float,
            run.first_mail * 1e3,
            run.store_micros / 1e3 / people_float,
            run.peak_kib / 1024.0
        );
        if peer {
            let ask = *ask.get_or_insert_with(|| payload(&sink, run.bytes_per_mail));
            let (seconds, bytes) = through_smtp_source(&sink, people, ask);
            print!("; smtp-source {seconds:>6.2} s {:>7.0}/s, {bytes} bytes", people_float / seconds);
            theirs.push(seconds);
        }
        println!();
        ours.push(run);
    }
    runtime.block_on(portal.remove());
    summary(engine, people_float, &ours, &theirs);
}

fn summary(engine: &str, people: f64, ours: &[Run], theirs: &[f64]) {
    let of = |value: fn(&Run) -> f64| median(ours.iter().map(value).collect());
    let rate = people / of(|r| r.seconds);
    println!("{engine}, median of {} rounds", ours.len());
    println!("  loa               {rate:>9.0} mails/s, whole job {:.2} s", of(|r| r.seconds));
    if !theirs.is_empty() {
        let peer = people / median(theirs.to_vec());
        println!("  smtp-source -d    {peer:>9.0} mails/s, ratio {:.2} (at least 0.5 is wanted)", rate / peer);
    }
    println!("  processor         {:>9.1} us a mail, on all threads of loa", of(|r| r.cpu_seconds) * 1e6 / people);
    println!("  first mail        {:>9.0} ms after the change was written", of(|r| r.first_mail) * 1e3);
    println!("  store             {:>9.4} ms a delivery (at most 0.2)", of(|r| r.store_micros) / 1e3 / people);
    println!("  peak memory       {:>9.1} MiB (at most 100 MB)", of(|r| r.peak_kib) / 1024.0);
    if let Some(run) = ours.last() {
        for (name, calls, micros) in &run.store {
            println!("    store {name:<14} {calls:>6} calls {:>8.1} ms", micros / 1e3);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(task) = Task::parse(&arguments) {
        job::run(&task);
        return;
    }
    // `cargo test --benches` only wants to know that it can be built and started.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    rounds("SQLite", None);
    if let Some(postgres) = variable("LOA_TEST_POSTGRES") {
        rounds("PostgreSQL", Some(postgres));
    }
}
