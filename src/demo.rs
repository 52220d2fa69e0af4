//! `loa demo`: the whole service on sample articles, on one machine, with nothing else. Writes its files into one
//! folder, seeds readers and an endpoint, and publishes an article now and then so that a newcomer sees the whole way.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use include_dir::{Dir, include_dir};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::feeds::feed_files;
use crate::domain::subscriber::{EmailAddress, Frequency, Locale};
use crate::notify::webhook::secret::Secret;
use crate::service::{DemoParts, Service, log_format, stop_signal};
use crate::store::endpoint::NewEndpoint;
use crate::store::opt_in::Request;
use crate::store::subscriber::Wish;
use crate::telemetry;
use crate::web::demo::hook::DemoHook;

static SAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/deploy/demo");
static FEEDS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/feeds");

/// Sample readers: name, feeds, frequency, language.
const READERS: [(&str, &[&str], Frequency, Locale); 6] = [
    ("an", &["tien-toi-dai-hoi-dang", "cong-tac-to-chuc"], Frequency::Immediate, Locale::Vi),
    ("binh", &["tat-ca"], Frequency::Daily, Locale::Vi),
    ("chi", &["cong-tac-to-chuc", "giai-phong-mien-nam"], Frequency::Daily, Locale::Vi),
    ("dung", &["tat-ca"], Frequency::Immediate, Locale::Vi),
    ("giang", &["tien-toi-dai-hoi-dang"], Frequency::Weekly, Locale::Vi),
    ("emily", &["tat-ca"], Frequency::Immediate, Locale::En),
];

/// The first line of the demo's configuration: what lies beside it is the demo's.
const MARK: &str = "# Written by `loa demo` at each start.";

/// The source's name in the demo.
const SOURCE: &str = "portal";

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// What kept it from running.
pub async fn run(dir: &Path, fresh: bool, port: u16, every: Duration, clock: Clock) -> anyhow::Result<()> {
    let own = std::fs::read_to_string(dir.join("loa.toml")).map(|text| text.starts_with(MARK));
    if matches!(own, Ok(false)) {
        bail!("{} has a loa.toml that the demo did not write: choose another folder with --dir", dir.display());
    }
    if fresh && own.is_ok() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    let again = dir.join("loa.db").exists();
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let port = free_port(port)?;
    write_files(&dir, port, again, &clock)?;

    let config = Config::load(Some(&dir.join("loa.toml")), std::iter::empty())
        .map_err(|faults| anyhow::anyhow!("the demo's configuration has faults:\n{faults}"))?;
    telemetry::init(log_format(&config), &config.log.level)?;
    let (feeds, faults) = feed_files(&config.feeds.dir);
    for fault in faults {
        tracing::error!("{fault}");
    }
    let service = Service::build(config, feeds, clock.clone()).await?;
    service.declare_feeds().await?;
    service.ingest.poll(SOURCE).await?;
    let secret = seed(&service, port).await?;
    print_welcome(&dir, port, every, again);

    let stop = stop_signal();
    let publishing = tokio::spawn(publish_now_and_then(dir.clone(), every, clock, stop.clone()));
    let parts = DemoParts {
        mailbox: Some(dir.join("mail")),
        articles: Some(dir.join("articles")),
        hook: Some(Arc::new(DemoHook::new(secret))),
    };
    let result = service.run(parts, stop).await;
    let _ = publishing.await;
    println!("The demo has ended. `loa demo` goes on from here; `loa demo --fresh` begins anew.");
    result
}

fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|l| l.local_addr()).map(|a| a.port());
    free(wanted).or_else(|_| free(0)).context("no port is free on 127.0.0.1")
}

/// Writes the configuration anew and, at the first start, feeds and articles.
fn write_files(dir: &Path, port: u16, again: bool, clock: &Clock) -> anyhow::Result<()> {
    // The digest is due two minutes from now, so that a newcomer sees one.
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").context("the time zone")?;
    let digest = clock.now().plus(Duration::from_mins(2)).in_zone(&zone).strftime("%H:%M").to_string();
    let config = format!(
        r#"{MARK}
[site]
title = "Cổng thông tin Tỉnh ủy Thanh Bình (mẫu)"
base_url = "http://127.0.0.1:{port}/"
authority = "demo.example.vn,2026"

[web]
listen = "127.0.0.1:{port}"
workers = 2

[store]
url = "sqlite://{db}"

[feeds]
dir = "feeds"

[[source]]
name = "{SOURCE}"
kind = "folder"
poll = "*/5 * * * * *"
path = "articles"
site_url = "http://127.0.0.1:{port}/demo/articles/"

[email]
transport = "folder"
folder = "mail"
from = "Bản tin mẫu <bantin@demo.example.vn>"

[digest]
daily = "{digest}"

[webhook]
allow = ["127.0.0.1/32"]

[log]
level = "warn,loa=info"
"#,
        db = dir.join("loa.db").display(),
    );
    write(&dir.join("loa.toml"), config.as_bytes())?;
    std::fs::create_dir_all(dir.join("mail"))?;
    if again {
        return Ok(());
    }
    for file in FEEDS.files() {
        write(&dir.join("feeds").join(file.path()), file.contents())?;
    }
    if let Some(articles) = SAMPLES.get_dir("articles") {
        extract(articles, dir)?;
    }
    Ok(())
}

fn extract(from: &Dir<'_>, to: &Path) -> anyhow::Result<()> {
    for file in from.files() {
        write(&to.join(file.path()), file.contents())?;
    }
    for inner in from.dirs() {
        extract(inner, to)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Seeds readers and the endpoint, once. Answers the endpoint's secret.
async fn seed(service: &Service, port: u16) -> anyhow::Result<Secret> {
    let now = service.clock.now();
    let url = format!("http://127.0.0.1:{port}/demo/hook");
    let mut endpoints = service.store.endpoints().await?;
    // The port may be another one this time.
    if let Some(at) = endpoints.iter().position(|e| e.url == url) {
        return Ok(Secret::parse(&endpoints.swap_remove(at).secret)?);
    }
    for old in endpoints {
        service.store.delete_endpoint(&old.public_id, now).await?;
    }
    let feeds = service.store.feeds().await?;
    let id = |slug: &str| feeds.iter().find(|f| f.spec.slug == slug).map(|f| f.id);
    for (name, slugs, frequency, locale) in READERS {
        let email = EmailAddress::parse(&format!("{name}@demo.example.vn")).map_err(|e| anyhow::anyhow!("{e}"))?;
        let wishes: Vec<Wish> = slugs.iter().filter_map(|s| id(s)).map(|feed_id| Wish { feed_id, frequency }).collect();
        let request = Request::new(&email, &wishes, locale, "import", service.clock.random());
        service.store.import_people(&[request], false, now).await?;
    }
    let secret = Secret::generate(&service.clock);
    let endpoint = NewEndpoint {
        public_id: "ep_demo",
        name: "Demo",
        url: &url,
        secret: &secret.reveal(),
        feeds: &id("tat-ca").into_iter().collect::<Vec<_>>(),
    };
    let endpoint = NewEndpoint { public_id: &format!("ep_demo_{}", now.millis()), ..endpoint };
    service.store.add_endpoint(&endpoint, now).await?;
    Ok(secret)
}

fn print_welcome(dir: &Path, port: u16, every: Duration, again: bool) {
    let base = format!("http://127.0.0.1:{port}");
    println!(
        "
  loa demo {}

  Every {} seconds an article appears in {}/articles,
  and goes its way: poll, feeds, mails, webhook. Edit or delete a file there, and see what happens.
  The digest of the day {}.

    What can be followed    {base}/
    One feed                {base}/feeds/tien-toi-dai-hoi-dang
    The mails               {base}/demo/mail
    The webhook's events    {base}/demo/hook
    For the operator        {base}/admin      (token: cargo run --release -- --config {}/loa.toml token create me)

  Ctrl-C ends it.
",
        if again { "goes on from where it was (--fresh begins anew)" } else { "begins" },
        every.as_secs(),
        dir.display(),
        // A day has one.
        if again { "came, or comes in about two minutes" } else { "comes in about two minutes" },
        dir.display(),
    );
}

/// Publishes the sample articles that are still to come, one at a time; edits one and withdraws one on the way.
async fn publish_now_and_then(dir: PathBuf, every: Duration, clock: Clock, mut stop: watch::Receiver<bool>) {
    let Some(later) = SAMPLES.get_dir("later") else { return };
    let mut files: Vec<_> = later.files().collect();
    files.sort_by_key(|f| f.path());
    for (nth, file) in files.into_iter().enumerate() {
        let Some(name) = file.path().file_name() else { continue };
        let path = dir.join("articles").join(name);
        if path.exists() || dir.join("articles").join("_drafts").join(name).exists() {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => return,
        }
        let step = match nth {
            4 => revise(&dir),
            8 => withdraw(&dir),
            _ => Ok(None),
        };
        let published = step.and_then(|told| {
            if let Some(told) = told {
                println!("  {told}");
            }
            let text = file.contents_utf8().context("a sample article is not UTF-8")?;
            write(&path, dated(text, &clock).as_bytes())
        });
        match published {
            Ok(()) => println!("  published: articles/{}", name.to_string_lossy()),
            Err(e) => tracing::error!("the demo cannot publish: {e:#}"),
        }
    }
    println!("  That was the last sample article; write one of your own into {}/articles.", dir.display());
}

/// A sample article with the present moment as its date.
fn dated(text: &str, clock: &Clock) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap_or(jiff::tz::TimeZone::UTC);
    let now = clock.now().in_zone(&zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
    text.replacen("---\n", &format!("---\npublished: {now}\n"), 1)
}

/// Edits the newest published sample, as an editor would who mends a sentence.
fn revise(dir: &Path) -> anyhow::Result<Option<String>> {
    let Some(path) = later_ones(dir).pop() else { return Ok(None) };
    let mut text = std::fs::read_to_string(&path)?;
    let _ = writeln!(text, "\nBản tin được cập nhật lúc cuối ngày: ban tổ chức bổ sung thêm số liệu.");
    std::fs::write(&path, text)?;
    Ok(Some(format!("revised: {}", path.file_name().unwrap_or_default().to_string_lossy())))
}

/// Takes the oldest published sample back.
fn withdraw(dir: &Path) -> anyhow::Result<Option<String>> {
    let Some(path) = later_ones(dir).into_iter().next() else { return Ok(None) };
    let name = path.file_name().unwrap_or_default().to_owned();
    std::fs::create_dir_all(dir.join("articles/_drafts"))?;
    std::fs::rename(&path, dir.join("articles/_drafts").join(&name))?;
    Ok(Some(format!("withdrawn: {}", name.to_string_lossy())))
}

/// Samples that the demo published itself, in the order in which it did.
fn later_ones(dir: &Path) -> Vec<PathBuf> {
    let Some(later) = SAMPLES.get_dir("later") else { return Vec::new() };
    let mut paths: Vec<PathBuf> = later
        .files()
        .filter_map(|f| Some(dir.join("articles").join(f.path().file_name()?)))
        .filter(|p| p.exists())
        .collect();
    paths.sort();
    paths
}
