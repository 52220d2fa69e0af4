//! Subscribers in and out as CSV: bad rows are named by line and the rest is kept.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::{Clock, Timestamp};
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency, Locale};
use crate::store::engine::Store;
use crate::store::subscriber::{Request, Wish};
use crate::work::subscribe::TEXT_VERSION;

use super::reader;

/// People in one transaction.
const BATCH: usize = 500;

/// Bad rows that are named one by one; more are counted.
const MOST_NAMED: usize = 200;

/// A row that can be imported.
struct Row {
    email: EmailAddress,
    wishes: Vec<Wish>,
    locale: Locale,
}

/// Imports subscriptions. The exit code is 1 if any row was bad; the good ones are in all the same.
pub(super) async fn import(store: &Store, clock: &Clock, file: &Path, dry_run: bool) -> anyhow::Result<ExitCode> {
    let feeds: HashMap<String, i64> =
        store.feeds().await?.into_iter().filter(|f| !f.retired).map(|f| (f.spec.slug, f.id)).collect();
    if feeds.is_empty() {
        bail!("there is no feed yet: start the service once (or run `loa poll`), so that feeds exist to subscribe to");
    }
    let mut csv = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(reader(file)?);
    let columns = Columns::find(csv.headers().with_context(|| format!("{}: line 1", file.display()))?)
        .with_context(|| format!("{}: line 1", file.display()))?;
    let bar = progress("rows");
    let (mut good, mut bad, mut new, mut named) = (0_u64, 0_u64, 0_u64, 0_usize);
    let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
    let mut seen: HashSet<(String, i64)> = HashSet::new();
    for record in csv.records() {
        bar.inc(1);
        let parsed = match &record {
            Ok(record) => columns.parse(record, &feeds, &mut seen).map_err(|what| {
                format!("{}:{}: {what}", file.display(), record.position().map_or(0, csv::Position::line))
            }),
            Err(e) => Err(format!("{}: {e}", file.display())),
        };
        match parsed {
            Ok(row) => {
                good += 1;
                batch.push(row);
            }
            Err(what) => {
                bad += 1;
                named += 1;
                if named <= MOST_NAMED {
                    bar.suspend(|| eprintln!("{what}"));
                }
            }
        }
        if batch.len() == BATCH {
            new += write(store, clock, &mut batch, dry_run).await?;
        }
    }
    new += write(store, clock, &mut batch, dry_run).await?;
    bar.finish_and_clear();
    if named > MOST_NAMED {
        eprintln!("… and {} more bad rows", named - MOST_NAMED);
    }
    let would = if dry_run { " (dry run: nothing was written)" } else { "" };
    println!("{good} rows taken, {new} new subscriptions, {bad} bad rows left out{would}");
    store.close().await;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn write(store: &Store, clock: &Clock, batch: &mut Vec<Row>, dry_run: bool) -> anyhow::Result<u64> {
    let requests: Vec<Request<'_>> = batch
        .iter()
        .map(|row| Request {
            email: &row.email,
            wishes: &row.wishes,
            locale: row.locale,
            text_version: TEXT_VERSION,
            method: "import",
        })
        .collect();
    let new = if dry_run || requests.is_empty() { 0 } else { store.import_people(&requests, clock.now()).await? };
    batch.clear();
    Ok(new)
}

/// Where each column stands.
struct Columns {
    email: usize,
    feeds: usize,
    frequency: usize,
    locale: Option<usize>,
}

impl Columns {
    fn find(headers: &csv::StringRecord) -> anyhow::Result<Self> {
        let place =
            |name: &str| headers.iter().position(|h| h.trim_start_matches('\u{FEFF}').eq_ignore_ascii_case(name));
        match (place("email"), place("feeds"), place("frequency")) {
            (Some(email), Some(feeds), Some(frequency)) => {
                Ok(Self { email, feeds, frequency, locale: place("locale") })
            }
            _ => bail!(
                "the first line must name the columns email, feeds, frequency and, if you like, locale; it names: {}",
                headers.iter().collect::<Vec<_>>().join(", ")
            ),
        }
    }

    fn parse(
        &self,
        record: &csv::StringRecord,
        feeds: &HashMap<String, i64>,
        seen: &mut HashSet<(String, i64)>,
    ) -> Result<Row, String> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        // The address itself is not repeated: this goes to terminals and logs.
        let email = EmailAddress::parse(field(self.email)).map_err(|e| format!("email: {e}"))?;
        let frequency = Frequency::parse(field(self.frequency))
            .ok_or_else(|| format!("frequency: \"{}\" is none of immediate, daily, weekly", field(self.frequency)))?;
        let locale = match self.locale.map(field) {
            None | Some("" | "vi") => Locale::Vi,
            Some("en") => Locale::En,
            Some(other) => return Err(format!("locale: \"{other}\" is none of vi, en")),
        };
        let mut wishes = Vec::new();
        for slug in field(self.feeds).split([' ', ';', '|']).filter(|s| !s.is_empty()) {
            let feed_id = *feeds.get(slug).ok_or_else(|| format!("feeds: there is no feed named \"{slug}\""))?;
            if !seen.insert((email.key(), feed_id)) {
                return Err(format!("feeds: this address follows \"{slug}\" on an earlier line already"));
            }
            wishes.push(Wish { feed_id, frequency });
        }
        if wishes.is_empty() {
            return Err("feeds: names no feed; write one or more, with a space between".to_owned());
        }
        Ok(Row { email, wishes, locale })
    }
}

/// Writes every live subscription.
pub(super) async fn export(store: &Store, site: &Site, file: Option<&Path>) -> anyhow::Result<()> {
    let out: Box<dyn Write> = match file {
        Some(path) => Box::new(private(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["email", "feeds", "frequency", "locale", "since"])?;
    let bar = progress("subscriptions");
    bar.set_length(u64::try_from(store.count_subscriptions().await?).unwrap_or(0));
    let mut after = 0;
    loop {
        let page = store.export_page(after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for row in &page {
            let since = Timestamp(row.since).rfc3339(&site.zone);
            csv.write_record([&row.email, &row.slug, &row.frequency, &row.locale, &since])?;
        }
        bar.inc(page.len() as u64);
    }
    csv.flush()?;
    bar.finish_and_clear();
    if file.is_some() {
        eprintln!("{} subscriptions written", bar.position());
    }
    Ok(())
}

/// A file of addresses is for its owner alone.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// A bar on a terminal; nothing elsewhere.
fn progress(what: &str) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}} {what} {{elapsed_precise}}")) {
        bar.set_style(style);
    }
    bar
}
