//! How often a feed is worth polling, from its own dates. Looks at no clock: a feed that fell silent keeps its rhythm.

use crate::clock::Timestamp;

/// The hints that are given, in minutes: all divide an hour, so that `sy:updateFrequency` can say the same.
const STEPS: [u32; 5] = [5, 10, 15, 20, 30];

/// The hint where too few dates are known to tell a rhythm.
const UNKNOWN: u32 = 15;

/// How many of the newest dates are looked at.
const WINDOW: usize = 20;

/// Minutes between polls: a quarter of the usual gap between two articles, from 5 to 30. Never hours: readers take the
/// largest of all hints they find, and news would wait for it.
pub fn ttl(published: impl Iterator<Item = Timestamp>) -> u32 {
    let mut dates: Vec<_> = published.collect();
    dates.sort_unstable_by(|a, b| b.cmp(a));
    dates.truncate(WINDOW);
    let mut gaps: Vec<_> = dates.windows(2).map(|pair| pair[0].since(pair[1]).as_secs() / 60).collect();
    if gaps.len() < 2 {
        return UNKNOWN;
    }
    gaps.sort_unstable();
    let quarter = gaps[gaps.len() / 2] / 4;
    STEPS.into_iter().rev().find(|step| u64::from(*step) <= quarter).unwrap_or(STEPS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(minutes: i64, count: i64) -> u32 {
        ttl((0..count).map(|n| Timestamp::from_millis(1_767_600_000_000 - n * minutes * 60_000)))
    }

    #[test]
    fn busy_feeds_are_polled_often_and_quiet_ones_seldom() {
        assert_eq!([every(3, 50), every(20, 50), every(45, 50), every(90, 50)], [5, 5, 10, 20]);
        assert_eq!([every(24 * 60, 50), every(365 * 24 * 60, 3)], [30, 30]);
    }

    #[test]
    fn a_feed_that_has_no_rhythm_yet_gets_the_middle() {
        assert_eq!([every(60, 0), every(60, 1), every(60, 2)], [15, 15, 15]);
    }

    #[test]
    fn the_night_does_not_make_a_busy_office_slow() {
        let at = |minutes: i64| Timestamp::from_millis(1_767_600_000_000 - minutes * 60_000);
        let two_days = (0..10).map(|n| at(n * 24)).chain((0..10).map(|n| at(1440 + n * 24)));
        assert_eq!(ttl(two_days), 5);
    }
}
