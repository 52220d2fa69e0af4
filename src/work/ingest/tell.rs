//! What the log is told of a poll: changes, what is held, and faults once while they stand.

use std::sync::PoisonError;

use super::{Ingest, Report};
use crate::store::article::Applied;

impl Report {
    /// What it means that the source was read in part.
    #[must_use]
    pub fn what_lacks(&self) -> &'static str {
        if self.silent {
            "not everything could be read: until it can, nobody is told of new articles, since the first whole look is silent"
        } else {
            "not everything could be read: until it can, no article is taken for withdrawn"
        }
    }
}

impl Ingest {
    pub(super) fn tell(&self, name: &str, report: &Report) {
        tell(name, report);
        let mut faults = report.faults.clone();
        if report.partial {
            faults.push(report.what_lacks().to_owned());
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
