//! What is there and not shown, and why: for a person who sets the source up.

use std::collections::BTreeMap;

use super::row::Row;
use super::rules::Rules;
use super::scan::ARTICLES;
use super::{JoomlaApi, State};
use crate::clock::Timestamp;
use crate::source::{Census, EXAMPLES, Hidden, SourceError};

/// States that no visitor sees, with the reason.
const STATES: [(&str, &str); 3] = [("0", "unpublished"), ("2", "archived"), ("-2", "in the trash")];

/// What the last walk counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    by_category: BTreeMap<String, usize>,
    hidden: BTreeMap<&'static str, Hidden>,
}

impl Tally {
    /// Counts a published row.
    pub(super) fn count(&mut self, api: &JoomlaApi, rules: &Rules, row: &Row, now: Timestamp) {
        let Some(reason) = reason(api, rules, row, now) else {
            *self.by_category.entry(row.catid.to_string()).or_default() += 1;
            return;
        };
        let hidden = self.hidden.entry(reason).or_insert_with(|| Hidden {
            reason: reason.to_owned(),
            count: 0,
            examples: Vec::new(),
        });
        hidden.count += 1;
        if hidden.examples.len() < EXAMPLES {
            hidden.examples.push(format!("{}: {}", row.id, row.title));
        }
    }
}

/// Why a visitor does not see a published article now.
fn reason(api: &JoomlaApi, rules: &Rules, row: &Row, now: Timestamp) -> Option<&'static str> {
    if !rules.guests.contains(&row.access) {
        return Some("for an access level that guests do not have");
    }
    if rules.tree.chain(row.catid).next().is_none() {
        return Some("in a category that guests do not see");
    }
    if !api.shows(rules, row) {
        return Some("in another language than `language` says");
    }
    if row.up.is_some_and(|up| up > now) {
        return Some("waiting for the time in `publish_up`");
    }
    let over = row.down.is_some_and(|down| down.seconds() < now.seconds());
    over.then_some("past the time in `publish_down`")
}

impl JoomlaApi {
    /// What the last walk counted, and how many rows there are of each state that nobody sees.
    pub(super) async fn count(&self, state: &State, now: Timestamp) -> Result<Census, SourceError> {
        let mut hidden = Vec::new();
        for (number, reason) in STATES {
            // One row a page: the number of pages is that of the rows.
            let one = [("filter[state]", number), ("page[limit]", "1")];
            let list = self.list(ARTICLES, &one, now).await?;
            let examples =
                list.rows.iter().filter_map(|row| Some(format!("{}: {}", row.id()?, row.text("title")))).collect();
            if list.pages > 0 {
                hidden.push(Hidden { reason: reason.to_owned(), count: list.pages, examples });
            }
        }
        hidden.extend(state.tally.hidden.values().cloned());
        let walked = !state.tally.by_category.is_empty();
        Ok(Census { by_category: walked.then(|| state.tally.by_category.clone()), hidden })
    }
}
