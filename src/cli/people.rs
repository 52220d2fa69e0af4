//! Subscribers in and out as CSV: bad rows are named by line and the rest is kept.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::domain::hour::Hour;
use crate::domain::selection::day::Day;
use crate::domain::site::Site;
use crate::domain::subscriber::{EmailAddress, Frequency, Locale};
use crate::say::Output;
use crate::store::engine::Store;
use crate::store::import::Imported;
use crate::store::opt_in::{Consent, Request};
use crate::store::subscriber::Wish;

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
    hour: Option<Hour>,
    paused_until: Option<Timestamp>,
    given_at: Option<Timestamp>,
    method: String,
    text_version: String,
    text_hash: Option<String>,
    evidence: Option<String>,
}

/// Imports subscriptions. The exit code is 1 if any row was bad; the good ones are in all the same.
pub(super) async fn import(
    store: &Store,
    clock: &Clock,
    site: &Site,
    file: &Path,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
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
    let (mut good, mut bad, mut named) = (0_u64, 0_u64, 0_usize);
    let mut came = Imported::default();
    let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
    let mut seen = Seen::default();
    while let Some(line) = lines.next() {
        bar.inc(1);
        let record = line.and_then(|line| fields(&line, columns.delimiter));
        if record.as_ref().is_ok_and(|record| record.iter().all(str::is_empty)) {
            continue;
        }
        match record.and_then(|record| columns.parse(&record, &feeds, site, &mut seen)) {
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
            came = came.and(write(store, clock, &mut batch, dry_run).await?);
        }
    }
    came = came.and(write(store, clock, &mut batch, dry_run).await?);
    bar.finish_and_clear();
    if named > MOST_NAMED {
        eprintln!("… and {} more bad rows", named - MOST_NAMED);
    }
    let Imported { new, known, gone, declined } = came;
    let would = if dry_run { " would be" } else { "" };
    println!("{good} rows{would} taken, {new} new subscriptions, {bad} bad rows left out");
    if known > 0 {
        println!("{known} rows bring nothing new: these people follow all of it already");
    }
    if gone > 0 {
        println!("{gone} rows{would} left out: these people left or were erased; only they themselves can come back");
    }
    if declined > 0 {
        println!("{declined} subscriptions{would} left out: these people ended them themselves");
    }
    if dry_run {
        println!("dry run: nothing was written, nobody is mailed");
    }
    store.close().await;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn write(store: &Store, clock: &Clock, batch: &mut Vec<Row>, dry_run: bool) -> anyhow::Result<Imported> {
    let requests: Vec<Request<'_>> = batch
        .iter()
        .map(|row| Request {
            hour: row.hour,
            paused_until: row.paused_until,
            consent: Consent {
                text_version: &row.text_version,
                text_hash: row.text_hash.as_deref(),
                method: &row.method,
                evidence: row.evidence.as_deref(),
                given_at: row.given_at,
            },
            ..Request::new(&row.email, &row.wishes, row.locale, "", clock.random())
        })
        .collect();
    let came = store.import_people(&requests, dry_run, clock.now()).await?;
    batch.clear();
    Ok(came)
}

/// Which address follows which feed by an earlier line: 16 bytes for each, however long the addresses are.
#[derive(Default)]
struct Seen(HashSet<u128>);

impl Seen {
    fn key(email: &EmailAddress, feed_id: i64) -> u128 {
        let hash = Sha256::new().chain_update(feed_id.to_be_bytes()).chain_update(email.key()).finalize();
        hash.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
    }
}

/// Erases a person, or keeps lists from bringing in somebody who is not known.
pub(super) async fn erase(store: &Store, clock: &Clock, address: &str) -> anyhow::Result<()> {
    let email = EmailAddress::parse_international(address)
        .map_err(|e| anyhow!("the address: {e}; write: loa subscribers erase ADDRESS"))?;
    if let Some(id) = store.person_by_email(&email).await? {
        store.erase(id, clock.now()).await?;
        println!("erased: a keyed hash keeps imports from bringing this address back, nothing else is left");
    } else {
        store.bar(&email, clock.now()).await?;
        println!("nobody with this address is known; a keyed hash now keeps imports from bringing it in");
    }
    println!("Backups that were made before still hold what they held.");
    store.close().await;
    Ok(())
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
    /// Columns that may be missing, by name.
    others: HashMap<&'static str, usize>,
}

/// Columns that may be missing.
const OTHERS: [&str; 8] =
    ["locale", "hour", "paused_until", "consent_at", "consent_method", "consent_text", "consent_sha256", "evidence"];

/// Letters of what is said of a consent, at most.
const LONGEST: usize = 500;

impl Columns {
    /// Reads the first line. Tables save with commas, semicolons or tabs, by the language of the desk.
    fn find(head: &str) -> anyhow::Result<Self> {
        let head = head.trim_start_matches('\u{FEFF}');
        for delimiter in *b",;\t" {
            let names = fields(head, delimiter).map_err(|e| anyhow!(e))?;
            let place = |name: &str| names.iter().position(|h| h.eq_ignore_ascii_case(name));
            if let (Some(email), Some(feeds), Some(frequency)) = (place("email"), place("feeds"), place("frequency")) {
                let others = OTHERS.iter().filter_map(|name| Some((*name, place(name)?))).collect();
                return Ok(Self { delimiter, email, feeds, frequency, others });
            }
        }
        let names: Vec<String> = fields(head, b',').map_err(|e| anyhow!(e))?.iter().map(shown).collect();
        bail!(
            "the first line must name the columns email, feeds, frequency and, if you like, {}; it has: {}",
            OTHERS.join(", "),
            names.join(", ")
        )
    }

    fn parse(
        &self,
        record: &csv::StringRecord,
        feeds: &HashMap<String, i64>,
        site: &Site,
        seen: &mut Seen,
    ) -> Result<Row, String> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        let other = |name: &str| Some(field(*self.others.get(name)?)).filter(|text| !text.is_empty());
        // The address itself is not repeated: this goes to terminals and logs.
        let email = EmailAddress::parse(field(self.email)).map_err(|e| format!("email: {e}"))?;
        let frequency = Frequency::parse(field(self.frequency)).ok_or_else(|| {
            format!("frequency: {} is none of immediate, daily, weekly", shown(field(self.frequency)))
        })?;
        let locale = match other("locale") {
            None => site.locale,
            Some("vi") => Locale::Vi,
            Some("en") => Locale::En,
            Some(other) => return Err(format!("locale: {} is none of vi, en", shown(other))),
        };
        let mut wishes: Vec<Wish> = Vec::new();
        for slug in field(self.feeds).split([' ', ';', '|']).filter(|s| !s.is_empty()) {
            let feed_id = *feeds.get(slug).ok_or_else(|| format!("feeds: there is no feed named {}", shown(slug)))?;
            if seen.0.contains(&Seen::key(&email, feed_id)) {
                return Err(format!("feeds: this address follows \"{slug}\" on an earlier line already"));
            }
            if wishes.iter().all(|w| w.feed_id != feed_id) {
                wishes.push(Wish { feed_id, frequency });
            }
        }
        if wishes.is_empty() {
            return Err("feeds: names no feed; write one or more, with a space between".to_owned());
        }
        let when =
            |name: &str| other(name).map(|text| moment(text, site)).transpose().map_err(|e| format!("{name}: {e}"));
        let said = |name: &str| match other(name) {
            Some(text) if text.chars().count() > LONGEST => Err(format!("{name}: is longer than {LONGEST} characters")),
            text => Ok(text.map(str::to_owned)),
        };
        let method = said("consent_method")?.map_or_else(|| "import".to_owned(), imported);
        let row = Row {
            hour: other("hour").map(str::parse).transpose().map_err(|e| format!("hour: {e}"))?,
            paused_until: when("paused_until")?,
            given_at: when("consent_at")?,
            method,
            text_version: said("consent_text")?.unwrap_or_else(|| "stated".to_owned()),
            text_hash: said("consent_sha256")?,
            evidence: said("evidence")?,
            email,
            wishes,
            locale,
        };
        // Only a row that is taken counts as an earlier line.
        seen.0.extend(row.wishes.iter().map(|w| Seen::key(&row.email, w.feed_id)));
        Ok(row)
    }
}

/// How consent was given, marked as brought in; what was brought in once is marked already.
fn imported(method: String) -> String {
    if method == "import" || method.starts_with("import ") { method } else { format!("import {method}") }
}

/// A day or a moment.
fn moment(text: &str, site: &Site) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.into());
    }
    text.parse::<Day>().map(|day| day.begins(&site.zone)).map_err(|_| {
        format!("{} is no day such as 2026-11-23 and no moment such as 2026-11-23T08:00:00+07:00", shown(text))
    })
}

/// Writes every live subscription.
pub(super) async fn export(store: &Store, site: &Site, file: Option<&Path>) -> anyhow::Result<()> {
    let out: Box<dyn Write> = match file {
        Some(path) => Box::new(private(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(Output),
    };
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "email",
        "feeds",
        "frequency",
        "locale",
        "hour",
        "paused_until",
        "consent_at",
        "consent_method",
        "consent_text",
        "consent_sha256",
        "evidence",
        "since",
    ])?;
    let bar = progress("subscriptions");
    bar.set_length(u64::try_from(store.count_subscriptions().await?).unwrap_or(0));
    let mut after = 0;
    loop {
        let page = store.export_page(after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for row in &page {
            let when = |millis: i64| Timestamp(millis).rfc3339(&site.zone);
            let hour = row.digest_minute.and_then(Hour::from_minutes).map(|h| h.to_string());
            csv.write_record([
                &row.email,
                &row.slug,
                &row.frequency,
                &row.locale,
                &hour.unwrap_or_default(),
                &row.paused_until.map(when).unwrap_or_default(),
                &row.consent_at.map(when).unwrap_or_default(),
                row.consent_method.as_deref().unwrap_or_default(),
                row.consent_text.as_deref().unwrap_or_default(),
                row.consent_hash.as_deref().unwrap_or_default(),
                row.evidence.as_deref().unwrap_or_default(),
                &when(row.since),
            ])?;
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
