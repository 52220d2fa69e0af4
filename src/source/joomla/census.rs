//! What is in a portal's tables, counted, and why the rest of it is not shown. For `loa source try`; decides nothing.

use std::collections::BTreeMap;

use super::{Joomla, dates};
use crate::clock::Timestamp;
use crate::source::database::{Row, Visit};
use crate::source::{Census, EXAMPLES, Hidden, SourceError};

// Columns of the query.
const ID: usize = 0;
const CATID: usize = 1;
const STATE: usize = 2;
const ACCESS: usize = 3;
const TITLE: usize = 4;
const UP: usize = 5;
const DOWN: usize = 6;

impl Joomla {
    /// Reads one narrow row of each article, the newest first.
    pub(super) async fn count(&self, visit: &mut Visit<'_>, now: Timestamp) -> Result<Census, SourceError> {
        let rules = self.rules(visit).await?;
        let sql = self.queries(&rules.layout).every();
        let mut by_category: BTreeMap<String, usize> = BTreeMap::new();
        let mut hidden: Vec<Hidden> = Vec::new();
        let reason = |row: &Row| {
            let catid = row.number(CATID);
            let date = |column| dates::parse(row.maybe(column), &self.zone);
            match row.number(STATE) {
                1 => {}
                0 => return Some("unpublished".to_owned()),
                2 => return Some("archived".to_owned()),
                -2 => return Some("in the trash".to_owned()),
                other => return Some(format!("in the unknown state {other}")),
            }
            if let Some(why) = rules.tree.why_hidden(catid, rules.guest_levels()) {
                return Some(why);
            }
            let access = row.number(ACCESS);
            if !rules.guest_levels().contains(&access) {
                return Some(format!("of the access level {access}, which guests do not have"));
            }
            if date(UP).is_some_and(|up| up > now) {
                return Some("published, but their time (publish_up) has not come".to_owned());
            }
            // The last second of `publish_down` is still public.
            date(DOWN)
                .is_some_and(|down| down.plus(std::time::Duration::from_secs(1)) <= now)
                .then(|| "published, but their time (publish_down) is over".to_owned())
        };
        visit
            .read(sql, |row| {
                let Some(reason) = reason(&row) else {
                    *by_category.entry(row.number(CATID).to_string()).or_default() += 1;
                    return;
                };
                let at = hidden.iter().position(|hidden| hidden.reason == reason).unwrap_or_else(|| {
                    hidden.push(Hidden { reason, count: 0, examples: Vec::new() });
                    hidden.len() - 1
                });
                let hidden = &mut hidden[at];
                hidden.count += 1;
                if hidden.examples.len() < EXAMPLES {
                    hidden.examples.push(format!("{}: {}", row.number(ID), row.text(TITLE)));
                }
            })
            .await?;
        hidden.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        Ok(Census { by_category: Some(by_category), hidden })
    }
}
