//! Comparing a scan with what is known: what to fetch, what is gone, and what is too odd to believe at once. Writes nothing.

use std::collections::HashSet;

use super::look::Look;
use super::{Ingest, IngestError};
use crate::domain::article::{Article, Category};
use crate::source::{Light, Reach, Scan};

/// A mass of vanished articles is believed at the third poll that sees it.
const MISSING_POLLS: i64 = 2;

/// So many articles may go at once without being a mass.
const FEW: usize = 20;

/// What a scan means, once compared with what is known.
pub(super) struct Compared<'a> {
    /// Ids in order, each once.
    pub(super) fetch: Vec<&'a str>,
    pub(super) gone: Vec<i64>,
    pub(super) kept: usize,
    pub(super) missing_polls: i64,
}

/// Categories that this scan shows and the last did not, where that is what shows their articles.
pub(super) fn opened<'a>(scan: &'a Scan, before: &[Category]) -> HashSet<&'a str> {
    if !scan.categories_hide {
        return HashSet::new();
    }
    let before: HashSet<&str> = before.iter().map(|c| c.external_id.as_str()).collect();
    let now = scan.categories.iter().flatten().map(|c| c.external_id.as_str());
    now.filter(|id| !before.contains(id)).collect()
}

impl Ingest {
    /// Compares a scan with what is known.
    pub(super) async fn compare<'a>(
        &self,
        name: &str,
        look: &'a Look,
        before: &[Category],
        missing_polls: i64,
    ) -> Result<Compared<'a>, IngestError> {
        let Look { scan, known, .. } = look;
        let differs =
            |light: &&Light| known.get(&light.external_id).is_none_or(|k| !k.visible || k.light != light.fingerprint);
        let mut fetch: Vec<&str> =
            scan.articles.iter().filter(differs).map(|light| light.external_id.as_str()).collect();
        fetch.sort_unstable();
        fetch.dedup();
        let mut compared = Compared { fetch, gone: Vec::new(), kept: 0, missing_polls: 0 };
        let looked_for = |id: &str| match &scan.reach {
            Reach::Whole => true,
            Reach::Only(ids) => ids.contains(id),
            Reach::Part => false,
        };
        if scan.reach == Reach::Part {
            compared.missing_polls = missing_polls;
            return Ok(compared);
        }
        // By the order of what is known: a mark each, not another set of ids.
        let mut seen = vec![false; known.len()];
        let told = scan.articles.iter().map(|light| light.external_id.as_str());
        // What could not be read is unknown, not gone.
        for id in told.chain(scan.faults.iter().map(|fault| fault.external_id.as_str())) {
            if let Some(seen) = known.find(id).and_then(|at| seen.get_mut(at)) {
                *seen = true;
            }
        }
        let missing = known.iter().zip(&seen).filter(|(known, seen)| known.visible && !**seen);
        compared.gone =
            missing.filter(|(known, _)| looked_for(known.external_id)).map(|(known, _)| known.row).collect();
        compared.gone.sort_unstable();
        if self.too_many_gone(name, compared.gone.len(), missing_polls).await? {
            let hidden = self.gone_with_category(name, scan, before).await?;
            let (explained, odd): (Vec<i64>, Vec<i64>) = compared.gone.iter().partition(|id| hidden.contains(*id));
            if self.too_many_gone(name, odd.len(), missing_polls).await? {
                compared.gone = explained;
                compared.kept = odd.len();
                compared.missing_polls = missing_polls + 1;
            }
        }
        Ok(compared)
    }

    /// Whether so many are a mass that is not believed yet.
    pub(super) async fn too_many_gone(&self, name: &str, gone: usize, missing_polls: i64) -> Result<bool, IngestError> {
        Ok(gone > FEW && missing_polls < MISSING_POLLS && gone > FEW.max(self.store.visible_count(name).await? / 5))
    }

    /// Articles whose category is no longer shown, while others are: somebody hid it, and they went with it. Reads every
    /// article, which only a suspicion is worth.
    async fn gone_with_category(
        &self,
        name: &str,
        scan: &Scan,
        before: &[Category],
    ) -> Result<HashSet<i64>, IngestError> {
        let mut gone = HashSet::new();
        let shown: HashSet<&str> = scan.categories.iter().flatten().map(|c| c.external_id.as_str()).collect();
        let (left, hidden): (Vec<&Category>, Vec<&Category>) =
            before.iter().partition(|c| shown.contains(c.external_id.as_str()));
        if !scan.categories_hide || left.is_empty() || hidden.is_empty() {
            return Ok(gone);
        }
        let hidden: HashSet<&str> = hidden.iter().map(|c| c.slug.as_str()).collect();
        let mut after = 0;
        loop {
            let page = self.store.articles_after(after, 500).await?;
            let Some(last) = page.last() else { return Ok(gone) };
            after = last.id;
            let own = |article: &Article| {
                article.source == name && article.categories.first().is_some_and(|c| hidden.contains(c.slug.as_str()))
            };
            gone.extend(page.iter().filter(|stored| own(&stored.article)).map(|stored| stored.id));
        }
    }
}
