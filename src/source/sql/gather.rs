//! Light rows become a scan: what is public now, what only waits, what cannot be read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::categories::{Named, Tree, ids};
use super::dates::Dating;
use super::query::{MOST, light};
use super::shape::Shape;
use crate::clock::Timestamp;
use crate::source::database::Row;
use crate::source::stamp::Stamp;
use crate::source::{EXAMPLES, Fault, Flip, Light};

/// More rows with faults than this are a fault of the SELECT.
const MOST_FAULTS: usize = 100;

/// By what rows are judged.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) now: Timestamp,
    pub(super) dating: &'a Dating,
    pub(super) shape: &'a Shape,
    /// The public categories, where the operator lists them.
    pub(super) tree: Option<&'a Tree>,
    /// What of the settings an article shows: another address makes every article another.
    pub(super) settings: &'a str,
}

/// Collects rows in any order.
pub(super) struct Gather<'a> {
    rules: Rules<'a>,
    seen: BTreeMap<String, u32>,
    found: Found,
    /// Rows without an id.
    nameless: usize,
    rows: usize,
}

/// Why a row is not public now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// `published` lies ahead.
    Waits,
    /// `expires` has passed.
    Over,
    /// `categories` does not give its category.
    Category,
}

impl Why {
    /// For people, of several articles.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Waits => "wait for their time (`published` lies ahead)",
            Self::Over => "are over (`expires` has passed)",
            Self::Category => "lie in a category that `categories` does not give",
        }
    }
}

/// Rows that are not public for one reason.
#[derive(Default)]
pub(super) struct Unseen {
    pub(super) count: usize,
    /// Some of their ids.
    pub(super) ids: Vec<String>,
}

/// What the rows gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) articles: Vec<Light>,
    pub(super) flips: Vec<Flip>,
    pub(super) faults: Vec<Fault>,
    /// Categories that public articles name themselves.
    pub(super) named: Named,
    /// Rows that are not public now, by reason.
    pub(super) unseen: BTreeMap<Why, Unseen>,
    /// Public rows by the id of their first category.
    pub(super) by_category: BTreeMap<String, usize>,
    /// Whether a row could not be told from others.
    pub(super) blind: bool,
}

impl<'a> Gather<'a> {
    pub(super) fn new(rules: Rules<'a>) -> Self {
        Self { rules, seen: BTreeMap::new(), found: Found::default(), nameless: 0, rows: 0 }
    }

    /// Takes one light row.
    pub(super) fn take(&mut self, row: &Row) {
        self.rows += 1;
        let id = row.text(light::ID);
        if id.trim().is_empty() {
            self.nameless += 1;
            return;
        }
        let count = self.seen.entry(id.to_owned()).or_insert(0);
        *count += 1;
        if *count > 1 {
            return;
        }
        if let Err(what) = self.judge(id, row) {
            self.found.faults.push(fault(id, &what));
        }
    }

    fn judge(&mut self, id: &str, row: &Row) -> Result<(), String> {
        let Rules { now, dating, shape, tree, settings } = self.rules;
        if row.text(light::UNTITLED) == "1" {
            return Err("has no title (NULL or blank); give it one, or leave it out with WHERE".to_owned());
        }
        let date = |field: &str, column| {
            dating
                .read(row.maybe(column), shape.kind(field))
                .map_err(|what| column_fault(field, row.text(column), what))
        };
        let published = date("published", light::PUBLISHED)?.ok_or_else(|| {
            column_fault(
                "published",
                row.maybe(light::PUBLISHED).unwrap_or("NULL"),
                "is no date; give it one, or leave it out with WHERE",
            )
        })?;
        let expires = date("expires", light::EXPIRES)?;
        let own = ids(row.text(light::CATEGORY_ID));
        if expires.is_some_and(|at| at <= now) {
            self.unseen(Why::Over, id);
            return Ok(());
        }
        if tree.is_some_and(|tree| own.first().is_some_and(|first| !tree.has(first))) {
            self.unseen(Why::Category, id);
            return Ok(());
        }
        let flip = |at| Flip { at, external_id: id.to_owned() };
        if published > now {
            self.unseen(Why::Waits, id);
            self.found.flips.extend(expires.is_none_or(|end| end > published).then(|| flip(published)));
            return Ok(());
        }
        self.found.flips.extend(expires.map(flip));
        let mut stamp = Stamp::default();
        stamp.part(settings);
        stamp.part(published.millis().to_le_bytes());
        stamp.maybe(row.maybe(light::SUM));
        stamp.maybe(row.maybe(light::CATEGORY_ID));
        let mut count = |category: Option<&String>| {
            if let Some(category) = category {
                *self.found.by_category.entry(category.clone()).or_default() += 1;
            }
        };
        if let Some(tree) = tree {
            count(own.first());
            tree.stamp(&own, &mut stamp);
        } else {
            let title = row.text(light::CATEGORY);
            stamp.part(title);
            let category = Named::id(&own, title);
            count(category.as_ref());
            if let Some(category) = category {
                self.found.named.add(category, title);
            }
        }
        self.found.articles.push(Light { external_id: id.to_owned(), fingerprint: stamp.hex() });
        Ok(())
    }

    fn unseen(&mut self, why: Why, id: &str) {
        let unseen = self.found.unseen.entry(why).or_default();
        unseen.count += 1;
        if unseen.ids.len() < EXAMPLES {
            unseen.ids.push(id.to_owned());
        }
    }

    /// What came of all rows.
    ///
    /// # Errors
    /// When so much is wrong that the SELECT must be, as a sentence without its subject.
    pub(super) fn finish(self) -> Result<Found, String> {
        let mut found = self.found;
        if self.rows > MOST {
            return Err(format!(
                "`articles` gives more than {MOST} rows; a JOIN seems to lack its condition, or a WHERE its bound"
            ));
        }
        let doubles: BTreeSet<&str> = self.seen.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.as_str()).collect();
        if !doubles.is_empty() {
            // None of the rows is the right one, so the article is neither shown nor gone.
            found.articles.retain(|light| !doubles.contains(light.external_id.as_str()));
            found.flips.retain(|flip| !doubles.contains(flip.external_id.as_str()));
            found.faults.retain(|fault| !doubles.contains(fault.external_id.as_str()));
            found.faults.extend(doubles.iter().map(|id| {
                let times = self.seen.get(*id).copied().unwrap_or_default();
                fault(
                    id,
                    &format!("comes in {times} rows of `articles`; a JOIN repeats it: join less, or GROUP BY its id"),
                )
            }));
        }
        if found.faults.len() > MOST_FAULTS {
            let some: Vec<&str> = found.faults.iter().take(3).map(|fault| fault.message.as_str()).collect();
            return Err(format!(
                "{} of the {} rows of `articles` cannot be used, so nothing was taken from it; the first: {}",
                found.faults.len(),
                self.rows,
                some.join("; ")
            ));
        }
        if self.nameless > 0 {
            found.blind = true;
            found.faults.push(Fault {
                external_id: String::new(),
                message: format!(
                    "{} rows of `articles` have no `id` (NULL or blank); until they have or are left out with WHERE, no article \
                     is taken for withdrawn",
                    self.nameless
                ),
            });
        }
        Ok(found)
    }
}

fn fault(id: &str, what: &str) -> Fault {
    Fault { message: format!("article {}: {what}", shortened(id)), external_id: id.to_owned() }
}

/// A value of a column that cannot be what it is.
pub(super) fn column_fault(field: &str, value: &str, what: &str) -> String {
    format!("the column `{field}` holds \"{}\", which {what}", shortened(value))
}

/// A value on one line, cut where it grows long: a fault may quote a date, never a text.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 40;
    let mut line: String = value.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
