//! The sweep: everything that is public, compared with everything that is known. Lists whole articles only where the sums of
//! the database differ. Concludes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::lights::{light, narrow, sum};
use super::print::{Print, cut};
use super::query::list;
use super::rules::Rules;
use super::sums::{Known, Sum, bucket, exact, ranges, read_hash};
use super::{Joomla, dates};
use crate::clock::Timestamp;
use crate::source::database::{Row, Visit};
use crate::source::{Ask, Flip, Light, Reach, Scan, SourceError};

/// So many ids go into one `IN (…)`.
pub(super) const IDS: usize = 500;

/// A condition that all articles meet.
const ALL: &str = "1 = 1";

/// What the database says of each bucket.
struct Sums {
    of: BTreeMap<i64, Sum>,
    /// Buckets with articles that the clock alone will make public or hide.
    flips: BTreeSet<i64>,
}

impl Joomla {
    pub(super) async fn sweep_all(&self, visit: &mut Visit<'_>, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let rules = self.rules(visit).await?;
        let stamp = rules.stamp(&self.tag_stamp(visit, &rules).await?);
        let mut scan = Scan {
            reach: Reach::Whole,
            categories: Some(rules.tree.categories()),
            categories_hide: true,
            ..Scan::default()
        };
        self.with_memory(|memory| memory.types = None);
        if rules.tree.visible().next().is_some() {
            if ask.known.is_empty() {
                let tags = self.tag_sums(visit, &rules, None).await?;
                self.list(visit, &rules, ALL, &tags, ask.now, &mut scan.articles).await?;
                self.flips(visit, &rules, ALL, ask.now, &mut scan.flips).await?;
            } else {
                self.compare(visit, &rules, ask, &mut scan).await?;
            }
        }
        self.with_memory(|memory| {
            memory.rules = Some(stamp);
            memory.newest.clear();
        });
        Ok(scan)
    }

    /// Lists what differs from what is known.
    async fn compare(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        ask: &Ask<'_>,
        scan: &mut Scan,
    ) -> Result<(), SourceError> {
        let known = Known::new(ask.known);
        let deep = self.with_memory(|memory| memory.deep_is_due(ask.now, self.deep));
        let tags = self.tag_sums(visit, rules, None).await?;
        let sums = self.sums(visit, rules, deep, ask.now).await?;
        let is_visible = |catid| rules.extra(catid).is_some();
        let (differing, texts_alone) = known.differing(&sums.of, deep, is_visible);

        // Rows that are as they were may still show something else: of their categories, of their tags.
        let mut reach: BTreeSet<i64> = BTreeSet::new();
        let mut moved: Vec<i64> = Vec::new();
        for (id, print) in known.prints() {
            if differing.contains(&bucket(id)) {
                continue;
            }
            match rules.extra(print.catid) {
                // Its category is hidden, and the sums say that it is nowhere else.
                None => {
                    reach.insert(id);
                }
                Some(extra) if extra != print.extra || tags.get(&id).copied().unwrap_or(0) != print.tags => {
                    moved.push(id);
                }
                Some(_) => {}
            }
        }
        reach.extend(known.ids().filter(|id| differing.contains(&bucket(*id))));
        reach.extend(&moved);

        for condition in ranges("a.id", &differing) {
            self.list(visit, rules, &condition, &tags, ask.now, &mut scan.articles).await?;
        }
        for ids in moved.chunks(IDS) {
            let condition = format!("a.id IN ({})", list(ids));
            self.list(visit, rules, &condition, &tags, ask.now, &mut scan.articles).await?;
        }
        for condition in ranges("a.id", &sums.flips) {
            self.flips(visit, rules, &condition, ask.now, &mut scan.flips).await?;
        }
        let ids = reach.into_iter().map(|id| id.to_string());
        scan.reach = Reach::Only(ids.chain(known.strange.iter().map(|id| (*id).to_owned())).collect());
        if deep {
            self.with_memory(|memory| memory.swept_deep(ask.now, texts_alone));
        }
        Ok(())
    }

    async fn sums(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        deep: bool,
        now: Timestamp,
    ) -> Result<Sums, SourceError> {
        let mut sums = Sums { of: BTreeMap::new(), flips: BTreeSet::new() };
        let sql = self.queries(&rules.layout).sums(&rules.public(dates::text(now, &self.zone)), deep);
        let take = |row: Row| {
            let at = row.number(sum::BUCKET);
            let count = u64::try_from(row.number(sum::COUNT)).unwrap_or_default();
            if count > 0 {
                let [narrow, body] = [sum::NARROW, sum::BODY].map(|column| exact(row.text(column)));
                sums.of.insert(at, Sum { count, narrow, body });
            }
            if row.number(sum::FLIPS) > 0 {
                sums.flips.insert(at);
            }
        };
        visit.read(sql, take).await?;
        Ok(sums)
    }

    /// Adds what is public among those that meet a condition, each with its fingerprint.
    pub(super) async fn list(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        condition: &str,
        tags: &HashMap<i64, u64>,
        now: Timestamp,
        into: &mut Vec<Light>,
    ) -> Result<(), SourceError> {
        let sql = self.queries(&rules.layout).lights(&rules.public(dates::text(now, &self.zone)), condition);
        let take = |row: Row| {
            let (id, catid) = (row.number(light::ID), row.number(light::CATID));
            let print = Print {
                narrow: read_hash(row.text(light::NARROW)),
                body: read_hash(row.text(light::BODY)),
                tags: tags.get(&id).copied().unwrap_or(0),
                catid,
                extra: rules.extra(catid).unwrap_or_default(),
            };
            into.push(Light { external_id: id.to_string(), fingerprint: print.to_string() });
        };
        visit.read(sql, take).await
    }

    /// Adds what the clock alone will make public or hide, among those that meet a condition.
    async fn flips(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        condition: &str,
        now: Timestamp,
        into: &mut Vec<Flip>,
    ) -> Result<(), SourceError> {
        let sql = self.queries(&rules.layout).flips(&rules.public(dates::text(now, &self.zone)), condition);
        visit.read(sql, |row| into.extend(self.flip(&row, now))).await
    }

    /// When the clock alone makes an article public or hides it.
    pub(super) fn flip(&self, row: &Row, now: Timestamp) -> Option<Flip> {
        let at = dates::parse(row.maybe(narrow::FLIP), &self.zone)?;
        // The last second of `publish_down` is still public.
        let at = if row.text(narrow::WAITING) == "1" { at } else { at.plus(Duration::from_secs(1)) };
        (at > now).then(|| Flip { at, external_id: row.number(narrow::ID).to_string() })
    }

    /// Sums of the hashes of public tags, of all articles or of those with these ids.
    pub(super) async fn tag_sums(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        ids: Option<&[i64]>,
    ) -> Result<HashMap<i64, u64>, SourceError> {
        let mut tags = HashMap::new();
        let Some(types) = self.types(visit, rules).await? else { return Ok(tags) };
        let ids = ids.map(list);
        let among = ids.as_deref().map(|ids| (types.as_str(), ids));
        let sql = self.queries(&rules.layout).tag_sums(&rules.guest_list(), among);
        visit
            .read(sql, |row| {
                tags.insert(row.number(0), cut(exact(row.text(1))));
            })
            .await?;
        Ok(tags)
    }
}
