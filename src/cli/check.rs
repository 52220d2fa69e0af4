//! `loa check`: every fault at once. Files first, then, unless told otherwise, what the files point at.

use std::path::Path;
use std::process::ExitCode;

use crate::clock::Clock;
use crate::config::feeds::feed_files;
use crate::config::{Config, environment};
use crate::notify::message::{Templates, sample};
use crate::notify::smtp::Pool;
use crate::service::{client, relay, sources};
use crate::source::Source;
use crate::store::engine::Store;

/// Checks, prints what it found, and answers 1 if anything is wrong.
pub(super) async fn check(file: Option<&Path>, offline: bool, clock: Clock) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    let config = match Config::load(file, environment()) {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults.as_slice() {
                report.fault(fault);
            }
            // What the configuration does not say cannot be checked; templates can.
            templates(&mut report);
            return Ok(report.end());
        }
    };
    report.fine(format_args!("configuration: {} sources", config.sources.len()));
    let (feeds, faults) = feed_files(&config.feeds.dir);
    for fault in &faults {
        report.fault(fault);
    }
    for spec in &feeds {
        for what in spec.select.faults() {
            report.fault(format_args!("{}/{}.toml: [select] {what}", config.feeds.dir.display(), spec.slug));
        }
    }
    report.fine(format_args!("feeds: {} files in {}", feeds.len(), config.feeds.dir.display()));
    templates(&mut report);
    if let Err(e) = client(&config) {
        report.fault(format_args!("{e:#}"));
    }
    let relay = match relay(&config) {
        Ok(relay) => relay,
        Err(e) => {
            report.fault(format_args!("{e:#}"));
            None
        }
    };
    match sources(&config) {
        Err(faults) => {
            for fault in &faults {
                report.fault(fault);
            }
        }
        Ok(_) if offline => {}
        Ok(sources) => {
            for (name, source) in sources {
                match source.describe().await {
                    Ok(found) => report.fine(format_args!("source {name}: {}", found.found)),
                    Err(e) => report.fault(format_args!("source {name}: {e}")),
                }
                if let Ok(scan) = source.scan(clock.now()).await {
                    for fault in scan.faults {
                        report.fault(format_args!("source {name}: {}", fault.message));
                    }
                }
            }
        }
    }
    if !offline {
        if let Some(settings) = relay {
            match Pool::new(settings).check().await {
                Ok(offer) => report.fine(format_args!("relay: {offer}")),
                Err(e) => report.fault(format_args!("relay: {e}")),
            }
        }
        match Store::open(config.store.url.expose()).await {
            Ok(store) => {
                report.fine(format_args!("database: {}", store.engine_name()));
                store.close().await;
            }
            Err(e) => report.fault(&e),
        }
    }
    Ok(report.end())
}

fn templates(report: &mut Report) {
    match Templates::load(None) {
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
        match self.faults {
            0 => {
                println!("All is well.");
                ExitCode::SUCCESS
            }
            1 => {
                println!("1 fault.");
                ExitCode::FAILURE
            }
            n => {
                println!("{n} faults.");
                ExitCode::FAILURE
            }
        }
    }
}
