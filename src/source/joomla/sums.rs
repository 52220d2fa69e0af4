//! Comparing what is known with sums that the database made, bucket by bucket of ids. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::print::{Print, cut, hash};
use crate::domain::roll::Public;

/// So many ids share a bucket.
pub(super) const WIDTH: i64 = 512;

/// So many ranges of ids go into one query.
const RANGES: usize = 64;

/// What is public in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) narrow: u128,
    pub(super) body: u128,
}

/// Known articles by their number.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    prints: Vec<(i64, Print)>,
    /// Known with a fingerprint that this source did not give, so that nothing can be said without reading them.
    foreign: Vec<i64>,
    /// Known by an id that no Joomla gives.
    pub(super) strange: Vec<&'a str>,
}

impl<'a> Known<'a> {
    pub(super) fn new(public: Public<'a>) -> Self {
        let mut known = Self::default();
        for (external_id, fingerprint) in public.iter() {
            // `+7` and `007` are no ids either.
            match external_id.parse::<i64>().ok().filter(|id| id.to_string() == external_id) {
                None => known.strange.push(external_id),
                Some(id) => match Print::parse(fingerprint) {
                    Some(print) => known.prints.push((id, print)),
                    None => known.foreign.push(id),
                },
            }
        }
        known.prints.sort_unstable_by_key(|(id, _)| *id);
        known
    }

    /// The fingerprint that is known of an article.
    pub(super) fn get(&self, id: i64) -> Option<Print> {
        let at = self.prints.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.prints.get(at).map(|(_, print)| *print)
    }

    /// Every known article with a fingerprint of ours.
    pub(super) fn prints(&self) -> impl Iterator<Item = (i64, Print)> {
        self.prints.iter().copied()
    }

    /// Every known number.
    pub(super) fn ids(&self) -> impl Iterator<Item = i64> {
        self.prints.iter().map(|(id, _)| *id).chain(self.foreign.iter().copied())
    }

    /// Sums of what is known and in a category that is visible; articles of others cannot be among what the database added up.
    fn sums(&self, is_visible: impl Fn(i64) -> bool) -> BTreeMap<i64, Sum> {
        let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
        for (id, print) in self.prints().filter(|(_, print)| is_visible(print.catid)) {
            let sum = sums.entry(bucket(id)).or_default();
            sum.count += 1;
            sum.narrow += u128::from(print.narrow);
            sum.body += u128::from(print.body);
        }
        sums
    }

    /// Which buckets are not as the database has them, and whether any differs in its texts alone.
    pub(super) fn differing(
        &self,
        found: &BTreeMap<i64, Sum>,
        deep: bool,
        is_visible: impl Fn(i64) -> bool,
    ) -> (BTreeSet<i64>, bool) {
        let known = self.sums(is_visible);
        let mut differing: BTreeSet<i64> = self.foreign.iter().map(|id| bucket(*id)).collect();
        let mut texts_alone = false;
        for at in known.keys().chain(found.keys()) {
            let [known, found] = [&known, found].map(|sums| sums.get(at).copied().unwrap_or_default());
            let narrow = known.count != found.count || cut(known.narrow) != cut(found.narrow);
            let texts = deep && !narrow && cut(known.body) != cut(found.body);
            texts_alone |= texts;
            if narrow || texts {
                differing.insert(*at);
            }
        }
        (differing, texts_alone)
    }
}

/// In which bucket an id is. The same as the database's division, for the ids that there are: from 1.
pub(super) fn bucket(id: i64) -> i64 {
    id.div_euclid(WIDTH)
}

/// Conditions on a column that together hold exactly the ids of these buckets, neighbours as one range.
pub(super) fn ranges(column: &str, buckets: &BTreeSet<i64>) -> Vec<String> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for bucket in buckets {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *bucket => *last = *bucket,
            _ => runs.push((*bucket, *bucket)),
        }
    }
    let range = |(first, last): &(i64, i64)| {
        format!("{column} BETWEEN {} AND {}", first.saturating_mul(WIDTH), last.saturating_mul(WIDTH) + (WIDTH - 1))
    };
    runs.chunks(RANGES).map(|runs| format!("({})", runs.iter().map(range).collect::<Vec<_>>().join(" OR "))).collect()
}

/// A sum as the database writes it.
pub(super) fn exact(text: &str) -> u128 {
    // Some servers write an exact decimal with its point.
    text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or_default()
}

/// A hash as the database writes it; one that cannot be read never equals one that could.
pub(super) fn read_hash(hex: &str) -> u64 {
    hash(hex).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::roll::Roll;

    fn print(narrow: u64, body: u64) -> Print {
        Print { narrow, body, tags: 0, catid: 10, extra: 0 }
    }

    fn roll<const N: usize>(articles: [(&str, Print); N]) -> Roll {
        articles.into_iter().map(|(id, print)| (id, print.to_string())).collect()
    }

    fn found(sums: &[(i64, u64, u128, u128)]) -> BTreeMap<i64, Sum> {
        sums.iter()
            .map(|(at, count, narrow, body)| (*at, Sum { count: *count, narrow: *narrow, body: *body }))
            .collect()
    }

    #[test]
    fn only_buckets_whose_sums_differ_are_listed() {
        let roll = roll([("1", print(5, 50)), ("511", print(7, 70)), ("512", print(9, 90))]);
        let known = Known::new(roll.public());
        let all = |_| true;
        let same = [(0, 2, 12, 120), (1, 1, 9, 90)];
        assert_eq!(known.differing(&found(&same), true, all), (BTreeSet::new(), false));
        let more = [(0, 2, 12, 120), (1, 1, 9, 90), (4, 1, 1, 1)];
        assert_eq!(known.differing(&found(&more), false, all), (BTreeSet::from([4]), false));
        assert_eq!(known.differing(&found(&same[..1]), false, all), (BTreeSet::from([1]), false));
        // A row of no weight is still one row more.
        assert_eq!(known.differing(&found(&[(0, 3, 12, 120), same[1]]), false, all).0, BTreeSet::from([0]));
        let text = [(0, 2, 12, 121), (1, 1, 9, 90)];
        assert_eq!(known.differing(&found(&text), false, all), (BTreeSet::new(), false));
        assert_eq!(known.differing(&found(&text), true, all), (BTreeSet::from([0]), true));
    }

    #[test]
    fn a_hidden_category_takes_its_articles_out_of_the_sums() {
        let roll = roll([("1", print(5, 50)), ("2", Print { catid: 20, ..print(7, 70) })]);
        let known = Known::new(roll.public());
        assert_eq!(known.differing(&found(&[(0, 1, 5, 50)]), true, |catid| catid == 10), (BTreeSet::new(), false));
    }

    #[test]
    fn what_another_version_knew_is_read_again_and_odd_ids_are_kept_apart() {
        let ours = print(1, 1).to_string();
        let roll: Roll = [("1030", "0123"), ("007", &ours), ("bai-1", &ours), ("7", &ours)].into_iter().collect();
        let known = Known::new(roll.public());
        assert_eq!(known.strange, ["007", "bai-1"]);
        assert_eq!((known.get(7), known.get(1030)), (Some(print(1, 1)), None));
        assert_eq!(known.differing(&found(&[(0, 1, 1, 1)]), true, |_| true), (BTreeSet::from([2]), false));
        assert_eq!(known.ids().collect::<Vec<_>>(), [7, 1030]);
    }

    #[test]
    fn neighbouring_buckets_are_one_range() {
        assert_eq!(
            ranges("a.id", &BTreeSet::from([0, 1, 2, 7])),
            ["(a.id BETWEEN 0 AND 1535 OR a.id BETWEEN 3584 AND 4095)"]
        );
        assert_eq!(ranges("a.id", &(0..200).map(|n| n * 2).collect()).len(), 4);
        assert!(ranges("a.id", &BTreeSet::new()).is_empty());
    }

    #[test]
    fn sums_of_both_servers_are_read_exactly() {
        assert_eq!(exact("590295810358705651712"), 1 << 69);
        assert_eq!((exact("12.0"), exact("")), (12, 0));
    }
}
