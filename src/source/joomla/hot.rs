//! The hot scan: the newest articles, those that readers see now, and whether anything moved that only a sweep can follow.
//! Cheap enough for every minute. Concludes nothing.

use std::collections::{BTreeSet, HashMap};

use super::lights::narrow;
use super::print::Print;
use super::query::list;
use super::rules::Rules;
use super::sums::{Known, read_hash};
use super::sweep::IDS;
use super::{Joomla, dates};
use crate::clock::Timestamp;
use crate::domain::article::Category;
use crate::source::database::{Row, Visit};
use crate::source::{Ask, Flip, Light, Reach, Scan, SourceError};

/// So many of the highest ids are looked at by each hot scan, whatever their state: what an editor publishes was mostly
/// written lately. A thousand is a hundred days of ten articles; measured, each thousand more costs the database as much
/// again (benches/README.md). What is older and not in `known` waits for the sweep.
const WINDOW: usize = 1_000;

/// What a hot scan saw of one public article.
struct Seen {
    id: i64,
    catid: i64,
    narrow: u64,
}

impl Joomla {
    pub(super) async fn hot(&self, visit: &mut Visit<'_>, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let rules = self.rules(visit).await?;
        let stamp = rules.stamp(&self.tag_stamp(visit, &rules).await?);
        let categories = rules.tree.categories();
        let as_ever = self.with_memory(|memory| memory.rules.as_ref() == Some(&stamp));
        if !as_ever || !same(&categories, ask.categories) {
            return Ok(Scan { deeper: true, reach: Reach::Only(BTreeSet::new()), ..Scan::default() });
        }
        let mut scan = Scan { categories: Some(categories), categories_hide: true, ..Scan::default() };
        scan.reach = Reach::Only(ask.known.ids().map(str::to_owned).collect());
        if rules.tree.visible().next().is_none() {
            return Ok(scan);
        }
        let known = Known::new(ask.known);
        let mut floor = 0;
        visit.read(self.queries(&rules.layout).floor(WINDOW), |row| floor = row.number(0)).await?;
        let due = ask.due.iter().filter_map(|id| id.parse::<i64>().ok());
        let below: BTreeSet<i64> = known.ids().chain(due).filter(|id| *id < floor).collect();
        let below: Vec<i64> = below.into_iter().collect();
        let conditions = [format!("a.id >= {floor}")];
        let conditions = conditions.into_iter().chain(below.chunks(IDS).map(|ids| format!("a.id IN ({})", list(ids))));
        let mut seen = Vec::new();
        for condition in conditions {
            self.look_at(visit, &rules, &condition, ask.now, &mut seen, &mut scan.flips).await?;
        }

        let mut newest = self.with_memory(|memory| std::mem::take(&mut memory.newest));
        let mut kept: HashMap<i64, Print> = HashMap::new();
        let mut to_read = Vec::new();
        for Seen { id, catid, narrow } in seen {
            let is_as = |print: &Print| print.narrow == narrow && rules.extra(catid) == Some(print.extra);
            // The text is not read while nothing else of the row moved: Joomla writes no text without `modified`.
            match known.get(id).filter(is_as).or_else(|| newest.remove(&id).filter(is_as)) {
                Some(print) => {
                    scan.articles.push(Light { external_id: id.to_string(), fingerprint: print.to_string() });
                    if id >= floor {
                        kept.insert(id, print);
                    }
                }
                None => to_read.push(id),
            }
        }
        for ids in to_read.chunks(IDS) {
            let tags = self.tag_sums(visit, &rules, Some(ids)).await?;
            let condition = format!("a.id IN ({})", list(ids));
            let from = scan.articles.len();
            self.list(visit, &rules, &condition, &tags, ask.now, &mut scan.articles).await?;
            let read = scan.articles[from..]
                .iter()
                .filter_map(|light| Some((light.external_id.parse().ok()?, Print::parse(&light.fingerprint)?)));
            kept.extend(read.filter(|(id, _)| *id >= floor));
        }
        self.with_memory(|memory| memory.newest = kept);
        Ok(scan)
    }

    /// Adds what is public among those that meet a condition, without reading a text; and what the clock will flip.
    async fn look_at(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        condition: &str,
        now: Timestamp,
        seen: &mut Vec<Seen>,
        flips: &mut Vec<Flip>,
    ) -> Result<(), SourceError> {
        let sql = self.queries(&rules.layout).narrow(&rules.public(dates::text(now, &self.zone)), condition);
        let take = |row: Row| {
            flips.extend(self.flip(&row, now));
            if row.text(narrow::WAITING) != "1" {
                seen.push(Seen {
                    id: row.number(narrow::ID),
                    catid: row.number(narrow::CATID),
                    narrow: read_hash(row.text(narrow::HASH)),
                });
            }
        };
        visit.read(sql, take).await
    }
}

/// Whether two lists hold the same categories, in whatever order.
fn same(left: &[Category], right: &[Category]) -> bool {
    let sorted = |list: &[Category]| {
        let mut list: Vec<Category> = list.to_vec();
        list.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        list
    };
    left.len() == right.len() && sorted(left) == sorted(right)
}
