//! What the log is told of a poll: changes, what is held, and faults once while they stand.

use std::sync::PoisonError;

use super::{Ingest, Report};
use crate::store::article::Applied;

impl Ingest {
    pub(super) fn tell(&self, name: &str, report: &Report) {
        tell(name, report);
        let mut faults = report.faults.clone();
        if report.partial {
            faults.push("not everything could be read: until it can, no article is taken for withdrawn".to_owned());
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(name.to_owned(), faults.clone()).unwrap_or_default();
        for fault in faults.iter().filter(|fault| !before.contains(fault)) {
            tracing::warn!(source = name, "{fault}");
        }
        if faults.is_empty() && !before.is_empty() {
            tracing::info!(source = name, "everything can be read again");
        }
    }
}

fn tell(name: &str, report: &Report) {
    let a = report.applied;
    tracing::debug!(source = name, "polled");
    if a != Applied::default() {
        tracing::info!(
            source = name,
            baseline = a.baseline,
            published = a.published,
            revised = a.revised,
            withdrawn = a.withdrawn,
            cancelled = a.cancelled,
            "poll found changes"
        );
    }
    if report.held {
        tracing::warn!(
            source = name,
            published = a.published,
            revised = a.revised,
            "unusually many new or changed articles: their notices are held; release them with `loa poll {name} --release`"
        );
    }
    if report.kept > 0 {
        tracing::warn!(
            source = name,
            gone = report.kept,
            "unusually many articles are gone from the source: they are kept for two more polls; check the source's \
             address, table prefix and grants"
        );
    }
}
