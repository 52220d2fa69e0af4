//! Suppressed addresses: listed, added, removed, and as CSV. What is printed is masked; what is written to a file is for its
//! owner alone.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use jiff::tz::TimeZone;

use super::people::private;
use super::{count, reader};
use crate::clock::{Clock, Timestamp};
use crate::domain::bounce::standing::Reason;
use crate::domain::subscriber::EmailAddress;
use crate::store::engine::Store;
use crate::store::suppression::{NewSuppression, Suppressed};

/// Rows read at a time.
const PAGE: i64 = 1_000;

const COLUMNS: [&str; 6] = ["email", "address_hash", "reason", "since", "lapses", "evidence"];

fn masked(row: &Suppressed) -> String {
    let address = row.email.as_deref().and_then(|e| EmailAddress::parse_international(e).ok());
    address.map_or_else(|| "(nobody known)".to_owned(), |a| a.to_string())
}

/// Whether a text is a keyed hash as lists show it.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text repeats an address; a masked one is none.
fn holds_address(text: &str) -> bool {
    let edges = |c: char| c.is_whitespace() || "<>()[],;:\"'".contains(c);
    text.split(edges).any(|word| EmailAddress::parse(word.trim_end_matches('.')).is_ok())
}

async fn each(store: &Store, mut act: impl FnMut(&Suppressed) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let (mut after, mut n) = (String::new(), 0);
    loop {
        let page = store.suppressions(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(n) };
        after.clone_from(&last.address_hash);
        for row in &page {
            act(row)?;
            n += 1;
        }
    }
}

pub(super) async fn list(store: &Store, zone: &TimeZone) -> anyhow::Result<ExitCode> {
    let when = |millis: i64| Timestamp(millis).rfc3339(zone);
    let n = each(store, |row| {
        let end = row.lapses_at.map_or_else(String::new, |at| format!(", tried again {}", when(at)));
        let address = masked(row);
        println!(
            "{}  {address:24}  {:13}  since {}{end}: {}",
            row.address_hash,
            row.reason,
            when(row.since),
            row.evidence
        );
        Ok(())
    })
    .await?;
    if n == 0 {
        println!("No address is suppressed.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn add(store: &Store, clock: &Clock, address: &str, note: &str) -> anyhow::Result<ExitCode> {
    let email = EmailAddress::parse(address).map_err(|e| anyhow!("the address: {e}"))?;
    if holds_address(note) {
        bail!("--note: leave the address out; it would be kept when its owner is erased");
    }
    store.suppress(&email, &NewSuppression::now(Reason::Operator, note, clock.now())).await?;
    println!("suppressed; `loa suppression remove` takes it back, and so does its owner by subscribing anew");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn remove(store: &Store, clock: &Clock, address: &str) -> anyhow::Result<ExitCode> {
    let lifted = if is_hash(address) {
        store.lift_hash(address, clock.now()).await?
    } else {
        let email = EmailAddress::parse(address).map_err(|e| anyhow!("neither an address ({e}) nor a hash"))?;
        store.lift(&email, clock.now()).await?
    };
    if !lifted {
        bail!("this address is not suppressed; `loa suppression list` names those that are");
    }
    println!("removed: the address is mailed again");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn waves(store: &Store, zone: &TimeZone) -> anyhow::Result<ExitCode> {
    let waves = store.waves().await?;
    for wave in &waves {
        let (since, last) = (Timestamp(wave.since).rfc3339(zone), Timestamp(wave.last_at).rfc3339(zone));
        println!("{}: \"no such user\" of {} people since {since}, the last time {last}", wave.domain, wave.people);
    }
    if waves.is_empty() {
        println!("Every domain is believed.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn export(store: &Store, zone: &TimeZone, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let out: Box<dyn Write> = match file {
        Some(path) => Box::new(private(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let when = |millis: i64| Timestamp(millis).rfc3339(zone);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    let n = each(store, |row| {
        let (since, lapses) = (when(row.since), row.lapses_at.map(when).unwrap_or_default());
        let email = row.email.as_deref().unwrap_or_default();
        csv.write_record([email, &row.address_hash, &row.reason, &since, &lapses, &row.evidence])?;
        Ok(())
    })
    .await?;
    csv.flush()?;
    if file.is_some() {
        eprintln!("{} written", count(usize::try_from(n).unwrap_or(usize::MAX), "row"));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of an import.
#[derive(serde::Deserialize)]
struct Line {
    #[serde(default)]
    email: String,
    #[serde(default)]
    address_hash: String,
    reason: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    lapses: String,
    #[serde(default)]
    evidence: String,
}

pub(super) async fn import(store: &Store, clock: &Clock, file: &Path) -> anyhow::Result<ExitCode> {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(reader(file)?);
    let (mut good, mut bad) = (0_usize, 0_usize);
    for (line, number) in csv.deserialize::<Line>().zip(2_u64..) {
        // What the reader says of a broken line may repeat it, and an address is in it.
        let taken = match line {
            Ok(line) => take(store, clock, &line).await?,
            Err(_) => Err("has other columns than email or address_hash, and reason; or is not UTF-8".to_owned()),
        };
        match taken {
            Ok(()) => good += 1,
            Err(what) => {
                bad += 1;
                eprintln!("{}:{number}: {what}", file.display());
            }
        }
    }
    println!("{} taken, {} left out", count(good, "row"), count(bad, "bad row"));
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn take(store: &Store, clock: &Clock, line: &Line) -> anyhow::Result<Result<(), String>> {
    let new = match line.read(clock.now()) {
        Ok(new) => new,
        Err(what) => return Ok(Err(what)),
    };
    if !line.email.is_empty() {
        let Ok(email) = EmailAddress::parse(&line.email) else {
            return Ok(Err("email: is no mail address".to_owned()));
        };
        store.suppress(&email, &new).await?;
    } else if is_hash(&line.address_hash) {
        store.suppress_hash(&line.address_hash, &new).await?;
    } else {
        return Ok(Err("names neither an email nor an address_hash of 64 hexadecimal digits".to_owned()));
    }
    Ok(Ok(()))
}

impl Line {
    fn read(&self, now: Timestamp) -> Result<NewSuppression<'_>, String> {
        let moment = |name: &str, text: &str| match text {
            "" => Ok(None),
            text => text
                .parse::<jiff::Timestamp>()
                .map(|at| Some(Timestamp::from(at)))
                .map_err(|_| format!("{name}: is no moment such as 2026-11-24T07:00:00+07:00")),
        };
        let words = Reason::ALL.map(Reason::as_str).join(", ");
        let reason = Reason::parse(&self.reason).ok_or_else(|| format!("reason: is none of {words}"))?;
        if holds_address(&self.evidence) {
            return Err("evidence: leave the address out; it would be kept when its owner is erased".to_owned());
        }
        let since = moment("since", &self.since)?.unwrap_or(now);
        let lapses_at = moment("lapses", &self.lapses)?.or_else(|| reason.lasts().map(|lasts| since.plus(lasts)));
        Ok(NewSuppression { reason, evidence: &self.evidence, since, lapses_at })
    }
}
