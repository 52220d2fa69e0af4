//! How often a feed is worth polling, from its own dates. Looks at no clock: a feed that fell silent keeps its rhythm.

use jiff::tz::TimeZone;

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

/// Dates that must be known before an hour is said to be quiet.
const ENOUGH: usize = 20;

/// Hours of the office's night (22 to 5 on its wall clock) in which, and in whose neighbours, nothing was ever
/// published: as hours of UTC, ascending. Empty where too little is known. By day an hour is never quiet: news may come.
#[must_use]
pub fn skip_hours(published: impl Iterator<Item = Timestamp>, zone: &TimeZone) -> Vec<u8> {
    let (mut busy, mut known) = ([false; 24], 0);
    let mut shift = 0;
    for at in published {
        let local = at.in_zone(zone);
        // Zones that are not whole hours off round towards the earlier hour, which the neighbours cover.
        shift = local.offset().seconds().div_euclid(3600);
        if let Ok(hour) = usize::try_from(local.hour()) {
            for near in [hour + 23, hour, hour + 1] {
                busy[near % 24] = true;
            }
        }
        known += 1;
    }
    if known < ENOUGH {
        return Vec::new();
    }
    let night = [22, 23, 0, 1, 2, 3, 4];
    let quiet = night.into_iter().filter(|hour: &i32| !busy[usize::try_from(*hour).unwrap_or(0)]);
    let mut hours: Vec<u8> = quiet.filter_map(|hour| u8::try_from((hour - shift).rem_euclid(24)).ok()).collect();
    hours.sort_unstable();
    hours
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
    fn only_hours_of_the_night_in_which_nothing_ever_came_are_skipped() {
        let zone = TimeZone::posix("<+07>-7").expect("a zone");
        // 2026-01-05 00:00 at the office.
        let midnight = 1_767_546_000_000_i64;
        let at = |hours: &[i64], count: usize| -> Vec<u8> {
            let dates = hours.iter().cycle().take(count);
            skip_hours(dates.map(|hour| Timestamp::from_millis(midnight + hour * 3_600_000)), &zone)
        };
        assert_eq!(at(&[7, 9, 14, 16], 40), [15, 16, 17, 18, 19, 20, 21], "22:00 to 05:00 in Vietnam");
        assert_eq!(at(&[7, 23], 40), [18, 19, 20, 21], "22, 23 and 0 are not quiet");
        assert_eq!(at(&[7], 19), [0_u8; 0], "too few to tell");
        assert_eq!(at(&[0, 2, 4, 22], 40), [0_u8; 0]);
    }

    #[test]
    fn the_night_does_not_make_a_busy_office_slow() {
        let at = |minutes: i64| Timestamp::from_millis(1_767_600_000_000 - minutes * 60_000);
        let two_days = (0..10).map(|n| at(n * 24)).chain((0..10).map(|n| at(1440 + n * 24)));
        assert_eq!(ttl(two_days), 5);
    }
}
