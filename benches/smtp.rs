//! How fast mails are handed over: loa's pool and Postfix's `smtp-source`, in turn into the same sink.
//!
//! `cargo bench --bench smtp`. Rates are medians of three interleaved rounds; compare the ratios, not the rates, from one
//! machine to another. `smtp-source` (Debian: package postfix, which need not run) is left out when it is not there. With
//! `LOA_BENCH_DELAY_MS=1` the sink answers as late as a relay that far away.

#[path = "support/sink.rs"]
mod sink;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loa::domain::delivery::Outcome;
use loa::domain::subscriber::EmailAddress;
use loa::notify::smtp::settings::Settings;
use loa::notify::smtp::{Envelope, Pool};
use sink::{Options, Sink};

const SMTP_SOURCE: &str = "/usr/sbin/smtp-source";
const ROUNDS: usize = 3;
/// The longest that all of it may take; what is left then is not begun.
const BUDGET: Duration = Duration::from_secs(55);

/// What one run did.
#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    groups_per_mail: f64,
}

/// A personal mail of about `size` bytes: a header, and base64 lines of 76 characters.
fn mail(size: usize) -> String {
    let head = "From: Ban tin <bantin@example.vn>\r\nTo: <an@so.example.vn>\r\nSubject: Tin moi\r\n\
                Message-ID: <d.1.7k2mq4x9tz@bantin.example.vn>\r\nMIME-Version: 1.0\r\n\
                Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let line = "TsahaMSRdW5nIGLhuqNuIHRpbiBow7RtIG5heSBj4bunYSBj4buVbmcgdGjDtG5nIHRpbiDEkWnhu4du".to_owned();
    let line = format!("{}\r\n", &line[..76]);
    head.to_owned() + &line.repeat((size - head.len()) / line.len())
}

fn measured(sink: &Sink, mails: usize, work: impl FnOnce()) -> Run {
    let before = sink.counts();
    let start = Instant::now();
    work();
    let took = start.elapsed();
    let after = sink.counts();
    let arrived = after.messages - before.messages;
    assert_eq!(arrived, mails as u64, "every mail arrives, and once");
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
    let (arrived, groups) = (arrived as f64, (after.groups - before.groups) as f64);
    Run { per_second: arrived / took.as_secs_f64(), groups_per_mail: groups / arrived }
}

/// loa's pool, with one sender more than connections so that none waits for a sender.
async fn through_the_pool(pool: &Pool, senders: usize, mails: usize, message: &Arc<String>) {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..=senders)
        .map(|_| {
            let (pool, next, message) = (pool.clone(), Arc::clone(&next), Arc::clone(message));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= mails {
                        return;
                    }
                    let to = EmailAddress::parse(&format!("r{n}@so.example.vn")).expect("an address");
                    let envelope = Envelope { from: "b+7k2mq4x9tz@tra.bantin.example.vn", to: &to };
                    let outcome = pool.send(&envelope, message.as_bytes()).await;
                    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a sender ends well");
    }
}

fn through_smtp_source(sink: &Sink, sessions: usize, mails: usize, size: usize) {
    let status = Command::new(SMTP_SOURCE)
        .args(["-d", "-N", "-s", &sessions.to_string(), "-m", &mails.to_string(), "-l", &size.to_string()])
        .args(["-f", "bantin@example.vn", "-t", "r@so.example.vn", "-M", "loa.example.vn"])
        .arg(format!("inet:{}", sink.address()))
        .status()
        .expect("smtp-source starts");
    assert!(status.success(), "smtp-source: {status}");
}

fn median(runs: &[Run]) -> Run {
    let mut runs = runs.to_vec();
    runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    runs[runs.len() / 2]
}

/// Before anything is measured: every mail arrives, and none twice.
fn prove(runtime: &tokio::runtime::Runtime) {
    let sink = Sink::start(Options { record: true, ..Options::default() }).expect("the sink starts");
    let settings = Settings::parse(&format!("smtp://{}?tls=none", sink.address()), "loa.example.vn");
    let pool = Pool::new(settings.expect("the settings are good"));
    runtime.block_on(through_the_pool(&pool, 4, 1000, &Arc::new(mail(8_000))));
    assert_eq!((sink.taken().len(), sink.twice().len()), (1000, 0), "every mail arrives, and once");
}

fn main() {
    // `cargo test --benches` only wants to know that it can be built and started.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let delay = std::env::var("LOA_BENCH_DELAY_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let options = Options { delay: Duration::from_millis(delay), ..Options::default() };
    let sink = Sink::start(options).expect("the sink starts");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let peer = std::path::Path::new(SMTP_SOURCE).exists();
    if !peer {
        println!("smtp-source is not there (Debian: apt-get install postfix, without starting it)");
    }
    prove(&runtime);
    let start = Instant::now();
    println!(
        "{:>5} {:>11} {:>9} {:>11} {:>11} {:>6}",
        "size", "connections", "loa/s", "trips/mail", "smtp-source", "ratio"
    );
    for size in [8_000, 30_000] {
        let message = Arc::new(mail(size));
        for connections in [4, 16, 64] {
            let mut settings = Settings::parse(&format!("smtp://{}?tls=none", sink.address()), "loa.example.vn")
                .expect("the settings are good");
            settings.connections = connections;
            let pool = Pool::new(settings);
            let mails = if delay > 0 { 2_000 } else { 20_000 };
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                if start.elapsed() > BUDGET {
                    break;
                }
                ours.push(measured(&sink, mails, || {
                    runtime.block_on(through_the_pool(&pool, connections, mails, &message));
                }));
                if peer {
                    theirs.push(measured(&sink, mails, || through_smtp_source(&sink, connections, mails, size)));
                }
            }
            runtime.block_on(pool.close());
            if ours.is_empty() {
                println!("{size:>5} {connections:>11}   no time left");
                continue;
            }
            let ours = median(&ours);
            let (rate, ratio) = if theirs.is_empty() {
                ("-".to_owned(), "-".to_owned())
            } else {
                let theirs = median(&theirs);
                (format!("{:.0}", theirs.per_second), format!("{:.2}", ours.per_second / theirs.per_second))
            };
            println!(
                "{size:>5} {connections:>11} {:>9.0} {:>11.2} {rate:>11} {ratio:>6}",
                ours.per_second, ours.groups_per_mail
            );
        }
    }
    println!("{} connections in all, {:.1} s", sink.counts().connections, start.elapsed().as_secs_f64());
}
