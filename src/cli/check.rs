//! `loa check`: every fault at once. Files first, then, unless told otherwise, what the files point at. Changes nothing,
//! makes nothing.

use std::path::Path;
use std::process::ExitCode;

use super::count;
use crate::clock::Clock;
use crate::config::feeds::feed_files;
use crate::config::sections::Transport;
use crate::config::{Config, environment};
use crate::domain::feed::FeedSpec;
use crate::domain::selection::score::{ENOUGH, Labels, SHIPPED, Score, Set};
use crate::notify::message::{MessageError, Templates, sample};
use crate::notify::smtp::Pool;
use crate::notify::smtp::settings::Settings as SmtpSettings;
use crate::service::sources::sources;
use crate::service::{client, relays, signer, templates as mail_templates};
use crate::source::{AnySource, Ask, Source};
use crate::store::engine::Store;

/// Checks, prints what it found, and answers 1 if anything is wrong.
pub(super) async fn check(file: Option<&Path>, offline: bool, clock: Clock) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    let read = Config::read(file, environment());
    for fault in &read.faults {
        report.fault(fault);
    }
    if let Some(config) = read.config.as_ref().filter(|_| read.faults.is_empty()) {
        report.fine(format_args!("configuration: {}", count(config.sources.len(), "source")));
    }
    if let Some(section) = &read.feeds {
        feeds(&mut report, &section.dir);
    }
    match &read.config {
        Some(config) => templates(&mut report, mail_templates(config)),
        None => templates(&mut report, Templates::load(None)),
    }
    match &read.config {
        Some(config) => pointed_at(&mut report, config, offline, &clock).await,
        None => println!("-      sources, relay and database are checked once the configuration can be read"),
    }
    Ok(report.end())
}

/// `loa check --feeds`: the feed files alone, and how well topics find what they are about. Answers 1 if a file has a
/// fault, or if a topic falls short on headlines that nobody chose its phrases on.
pub(super) fn check_feeds(file: Option<&Path>, labels: Option<&Path>) -> ExitCode {
    let mut report = Report::default();
    let read = Config::read(file, environment());
    let Some(section) = &read.feeds else {
        for fault in &read.faults {
            report.fault(fault);
        }
        return report.end();
    };
    let specs = feeds(&mut report, &section.dir);
    match read_labels(labels) {
        Ok(labels) => measure(&mut report, &specs, &labels),
        Err(faults) => faults.iter().for_each(|fault| report.fault(fault)),
    }
    report.end()
}

fn read_labels(file: Option<&Path>) -> Result<Labels, Vec<String>> {
    let Some(file) = file else { return Labels::parse(SHIPPED) };
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|e| vec![format!("{name}: cannot read the labels: {e}; it must be a UTF-8 text file")])?;
    Labels::parse(&text).map_err(|faults| faults.iter().map(|fault| format!("{name}: {fault}")).collect())
}

fn measure(report: &mut Report, specs: &[FeedSpec], labels: &Labels) {
    for topic in labels.topics() {
        let Some(spec) = specs.iter().find(|spec| spec.slug == topic) else {
            println!("-      {topic}: labels name it, but there is no such feed file that can be read");
            continue;
        };
        for set in Set::ALL {
            let score = labels.score(topic, &spec.select, set);
            if !score.says_something() {
                println!("-      {topic}, {set}: no headline of this set belongs to it, so nothing is known");
                continue;
            }
            let line = in_words(topic, set, &score);
            match set {
                Set::Held if !score.is_enough() => report.fault(format_args!("{line}; both must reach {ENOUGH:.2}")),
                _ => report.fine(format_args!("{line}")),
            }
            for fault in &score.faults {
                println!("         {fault}");
            }
        }
    }
}

fn in_words(topic: &str, set: Set, score: &Score) -> String {
    format!(
        "{topic}, {set}: precision {:.3}, recall {:.3} ({}; {} found rightly, {} wrongly, {} missed)",
        score.precision(),
        score.recall(),
        count(score.rows, "headline"),
        score.right,
        score.wrong(),
        score.missed()
    )
}

fn feeds(report: &mut Report, dir: &Path) -> Vec<FeedSpec> {
    let (feeds, faults) = feed_files(dir);
    let before = report.faults;
    for fault in &faults {
        report.fault(fault);
    }
    for spec in &feeds {
        for what in spec.select.faults() {
            report.fault(format_args!("{}/{}.toml: [select] {what}", dir.display(), spec.slug));
        }
    }
    if report.faults == before {
        report.fine(format_args!("feeds: {} in {}", count(feeds.len(), "file"), dir.display()));
    }
    feeds
}

fn templates(report: &mut Report, loaded: Result<Templates, MessageError>) {
    match loaded {
        Ok(templates) => {
            let faults = sample::check(&templates);
            for fault in &faults {
                report.fault(fault);
            }
            if faults.is_empty() {
                report.fine(format_args!("mail templates: every one renders in both languages"));
            }
        }
        Err(e) => report.fault(&e),
    }
}

/// What the configuration points at: made ready always, tried unless `offline`.
async fn pointed_at(report: &mut Report, config: &Config, offline: bool, clock: &Clock) {
    if let Err(e) = client(config) {
        report.fault(format_args!("{e:#}"));
    }
    let relays = relays(config).unwrap_or_else(|e| {
        report.fault(format_args!("{e:#}"));
        Vec::new()
    });
    guard(report, config);
    signatures(report, config);
    let (sources, faults) = sources(config);
    for fault in &faults {
        report.fault(fault);
    }
    if offline {
        return;
    }
    for (name, source) in sources {
        check_source(report, &name, &source, clock).await;
    }
    for (settings, _) in relays {
        check_relay(report, settings).await;
    }
    match Store::look(config.store.url.expose()).await {
        Ok(found) => report.fine(format_args!("database: {found}")),
        Err(e) => report.fault(format_args!("database: {e}")),
    }
}

/// Who gets mail, where that is not everyone.
fn guard(report: &mut Report, config: &Config) {
    if config.site.production || matches!(config.email.transport, Transport::Folder(_)) {
        return;
    }
    match &config.email.folder {
        Some(folder) => println!(
            "-      not production: mail goes to {} of [email] only, everyone else's into {}",
            count(config.email.only.len(), "address or domain"),
            folder.display()
        ),
        None => {
            report.fault("[email] folder: missing; with [site] production = false, mails that are not sent lie there");
        }
    }
}

/// The keys, and what DNS must say of them.
fn signatures(report: &mut Report, config: &Config) {
    match signer(config) {
        Ok(signer) => {
            for key in signer.keys() {
                report.fine(format_args!("DKIM key: publish in DNS  {} TXT \"{}\"", key.name(), key.record()));
            }
        }
        Err(faults) => faults.iter().for_each(|fault| report.fault(fault)),
    }
}

async fn check_source(report: &mut Report, name: &str, source: &AnySource, clock: &Clock) {
    // These faults name the source themselves.
    let found = match source.describe().await {
        Ok(description) => description.found,
        Err(e) => return report.fault(e),
    };
    match source.scan(&Ask::first(clock.now())).await {
        Ok(scan) if scan.faults.is_empty() => report.fine(format_args!("source `{name}`: {found}")),
        Ok(scan) => {
            for fault in scan.faults {
                report.fault(format_args!("source `{name}`: {}", fault.message));
            }
        }
        Err(e) => report.fault(e),
    }
}

async fn check_relay(report: &mut Report, settings: SmtpSettings) {
    match Pool::new(settings).check().await {
        Ok(offer) => report.fine(format_args!("relay: {offer}")),
        Err(e) => {
            report.fault(format_args!("relay: {e}; is it running, is [email] url right, may this machine connect?"));
        }
    }
}

#[derive(Default)]
struct Report {
    faults: usize,
}

impl Report {
    #[expect(clippy::unused_self, reason = "reads as one family with fault")]
    fn fine(&self, what: std::fmt::Arguments<'_>) {
        println!("ok     {what}");
    }

    fn fault(&mut self, what: impl std::fmt::Display) {
        self.faults += 1;
        println!("FAULT  {what}");
    }

    fn end(&self) -> ExitCode {
        if self.faults == 0 {
            println!("All is well.");
            return ExitCode::SUCCESS;
        }
        println!("{}.", count(self.faults, "fault"));
        ExitCode::FAILURE
    }
}
