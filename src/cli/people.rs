//! Subscribers in and out as CSV: bad rows are named by line and the rest is kept.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};

use crate::clock::{Clock, Timestamp};
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency, Locale};
use crate::store::engine::Store;
use crate::store::subscriber::{Request, Wish};
use crate::work::subscribe::TEXT_VERSION;

use super::{progress, reader};

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
    let mut lines = Lines::new(reader(file)?);
    let head = lines.next().with_context(|| format!("{} is empty", file.display()))?;
    let head = head.map_err(|what| anyhow!("{}:1: {what}", file.display()))?;
    let columns = Columns::find(&head).with_context(|| format!("{}:1", file.display()))?;
    let bar = progress("rows");
    let (mut good, mut bad, mut new, mut named) = (0_u64, 0_u64, 0_u64, 0_usize);
    let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
    let mut seen: HashSet<(String, i64)> = HashSet::new();
    while let Some(line) = lines.next() {
        bar.inc(1);
        let record = line.and_then(|line| fields(&line, columns.delimiter));
        if record.as_ref().is_ok_and(|record| record.iter().all(str::is_empty)) {
            continue;
        }
        match record.and_then(|record| columns.parse(&record, &feeds, &mut seen)) {
            Ok(row) => {
                good += 1;
                batch.push(row);
            }
            Err(what) => {
                bad += 1;
                named += 1;
                if named <= MOST_NAMED {
                    bar.suspend(|| eprintln!("{}:{}: {what}", file.display(), lines.number));
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
    if dry_run {
        println!("{good} rows would be taken, {bad} bad rows left out (dry run: nothing was written)");
    } else {
        println!("{good} rows taken, {new} new subscriptions, {bad} bad rows left out");
    }
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

/// The lines of a file, one by one, so that a quote that is never closed spoils one row and not the rest of the file.
struct Lines {
    from: BufReader<Box<dyn Read>>,
    /// The number of the line that was read last, from 1.
    number: u64,
}

impl Lines {
    fn new(from: Box<dyn Read>) -> Self {
        Self { from: BufReader::new(from), number: 0 }
    }

    fn next(&mut self) -> Option<Result<String, String>> {
        let mut bytes = Vec::new();
        let read = self.from.read_until(b'\n', &mut bytes);
        self.number += 1;
        match read {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8(bytes).map_err(|_| "is not UTF-8; save the file as UTF-8".to_owned())),
            Err(e) => Some(Err(format!("cannot be read: {e}"))),
        }
    }
}

/// The fields of one line.
fn fields(line: &str, delimiter: u8) -> Result<csv::StringRecord, String> {
    if line.matches('"').count() % 2 == 1 {
        return Err("a quote is opened and not closed; remove it".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .buffer_capacity(256)
        .from_reader(line.as_bytes());
    reader.records().next().unwrap_or_else(|| Ok(csv::StringRecord::new())).map_err(|e| e.to_string())
}

/// What may be repeated on a terminal: nothing that could be an address.
fn shown(field: &str) -> String {
    if field.contains('@') { "(something with an @)".to_owned() } else { format!("\"{field}\"") }
}

/// Where each column stands.
struct Columns {
    delimiter: u8,
    email: usize,
    feeds: usize,
    frequency: usize,
    locale: Option<usize>,
}

impl Columns {
    /// Reads the first line. Tables save with commas, semicolons or tabs, by the language of the desk.
    fn find(head: &str) -> anyhow::Result<Self> {
        let head = head.trim_start_matches('\u{FEFF}');
        for delimiter in *b",;\t" {
            let names = fields(head, delimiter).map_err(|e| anyhow!(e))?;
            let place = |name: &str| names.iter().position(|h| h.eq_ignore_ascii_case(name));
            if let (Some(email), Some(feeds), Some(frequency)) = (place("email"), place("feeds"), place("frequency")) {
                return Ok(Self { delimiter, email, feeds, frequency, locale: place("locale") });
            }
        }
        let names: Vec<String> = fields(head, b',').map_err(|e| anyhow!(e))?.iter().map(shown).collect();
        bail!(
            "the first line must name the columns email, feeds, frequency and, if you like, locale; it has: {}",
            names.join(", ")
        )
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
        let frequency = Frequency::parse(field(self.frequency)).ok_or_else(|| {
            format!("frequency: {} is none of immediate, daily, weekly", shown(field(self.frequency)))
        })?;
        let locale = match self.locale.map(field) {
            None | Some("" | "vi") => Locale::Vi,
            Some("en") => Locale::En,
            Some(other) => return Err(format!("locale: {} is none of vi, en", shown(other))),
        };
        let mut wishes: Vec<Wish> = Vec::new();
        for slug in field(self.feeds).split([' ', ';', '|']).filter(|s| !s.is_empty()) {
            let feed_id = *feeds.get(slug).ok_or_else(|| format!("feeds: there is no feed named {}", shown(slug)))?;
            if seen.contains(&(email.key(), feed_id)) {
                return Err(format!("feeds: this address follows \"{slug}\" on an earlier line already"));
            }
            if wishes.iter().all(|w| w.feed_id != feed_id) {
                wishes.push(Wish { feed_id, frequency });
            }
        }
        // Only a row that is taken counts as an earlier line.
        seen.extend(wishes.iter().map(|w| (email.key(), w.feed_id)));
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
pub(super) fn private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // The mode above is for a new file; one that was there may be open to all.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
