//! What a source that is read page by page remembers between two scans, which articles it asks for one by one, and what a
//! scan may conclude. Pure: reads nothing itself.
//!
//! To read such a source whole is heavy for its server, so it is done once in `full_walk`, not whenever ingest sweeps. A sweep
//! in between is answered from memory, with the newest articles read anew on top: what a poll learned and could not write is
//! then told again, and what went is found by asking for single articles in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Ask, Depth, Fault, Flip, Light, Reach, Scan, SourceError};
use crate::clock::Timestamp;
use crate::domain::article::Category;

/// A source that was at most so large at its last walk is walked whenever ingest sweeps: that costs no more than a hot scan.
const SMALL: usize = 300;

/// After a walk that came to nothing, this long passes before the next.
const AGAIN: Duration = Duration::from_mins(10);

/// One article that is public, or waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) fingerprint: String,
    /// Public from then on.
    pub(super) from: Option<Timestamp>,
    /// No longer public from then on.
    pub(super) until: Option<Timestamp>,
}

impl Seen {
    fn shows(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| until > now)
    }

    /// The next instant at which the clock alone changes what is seen.
    fn flip(&self, now: Timestamp) -> Option<Timestamp> {
        if self.from.is_some_and(|from| from > now) { self.from } else { self.until.filter(|until| *until > now) }
    }
}

/// What one scan looked at.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What was looked for: nothing for an article that is not public and does not wait to be.
    pub(super) rows: BTreeMap<i64, Option<Seen>>,
    pub(super) faults: Vec<Fault>,
    pub(super) categories: Vec<Category>,
    pub(super) categories_hide: bool,
}

/// How a scan looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// At the newest articles and at single ones.
    Hot,
    /// At all, and missed none.
    Walk,
    /// At all, but the list moved too much.
    Broken,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: BTreeMap<i64, Seen>,
    /// When the source was last read whole, and by which rules.
    walked: Option<(Timestamp, String)>,
    /// When a walk last came to nothing.
    broken: Option<Timestamp>,
    /// The id at which the turn of single articles stands.
    turn: i64,
}

impl Memory {
    /// Whether this scan has to read everything. `rules` moves when anything that decides about many articles at once moves:
    /// categories, the levels of guests.
    pub(super) fn wants_walk(&self, ask: &Ask<'_>, full_walk: Duration, rules: &str) -> bool {
        ask.depth == Depth::Sweep
            && self.broken.is_none_or(|at| ask.now.since(at) >= AGAIN || at > ask.now)
            && self
                .walked
                .as_ref()
                .is_none_or(|(at, by)| by != rules || is_over(*at, ask.now, full_walk) || self.seen.len() <= SMALL)
    }

    /// Whether a hot scan cannot follow what happened, or a walk is due and ingest does not know.
    pub(super) fn wants_sweep(&self, ask: &Ask<'_>, full_walk: Duration, categories: &[Category], rules: &str) -> bool {
        let sweep = Ask { depth: Depth::Sweep, ..*ask };
        ask.depth == Depth::Hot
            && self.walked.as_ref().map_or_else(
                || !same(ask.categories, categories),
                |(at, by)| {
                    (by != rules || is_over(*at, ask.now, full_walk)) && self.wants_walk(&sweep, full_walk, rules)
                },
            )
    }

    /// Known articles that should have been met and were not, and those whose time has come; the latter first. `newest` is
    /// the id down to which the list was read without a gap.
    pub(super) fn suspects(&self, ask: &Ask<'_>, look: &Look, newest: Option<i64>) -> Vec<i64> {
        let unmet = |id: &i64| !look.rows.contains_key(id);
        let due: Vec<i64> = numbers(ask.due.iter().map(String::as_str)).filter(unmet).collect();
        let odd = |id: &i64| {
            newest.is_some_and(|newest| *id >= newest) || (self.walked.is_some() && !self.seen.contains_key(id))
        };
        let mut suspects: Vec<i64> = known(ask).filter(unmet).filter(odd).filter(|id| !due.contains(id)).collect();
        suspects.sort_unstable_by(|a, b| b.cmp(a));
        due.into_iter().chain(suspects).collect()
    }

    /// The next `count` known articles in turn, from the newest to the oldest and round again, without those that this scan
    /// has looked at.
    pub(super) fn in_turn(&mut self, ask: &Ask<'_>, look: &Look, count: usize) -> Vec<i64> {
        let mut ids: Vec<i64> = known(ask).filter(|id| !look.rows.contains_key(id)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let start = ids.partition_point(|id| *id >= self.turn);
        ids.rotate_left(start);
        ids.truncate(count);
        self.turn = ids.last().copied().unwrap_or_default();
        ids
    }

    /// Known articles of which this scan has learned nothing.
    pub(super) fn unmet(ask: &Ask<'_>, look: &Look) -> Vec<i64> {
        known(ask).filter(|id| !look.rows.contains_key(id)).collect()
    }

    /// Remembers what was looked at and says what it means.
    pub(super) fn conclude(&mut self, ask: &Ask<'_>, look: Look, extent: Extent, rules: String) -> Scan {
        let Look { rows, faults, categories, categories_hide } = look;
        let unread: BTreeSet<i64> = numbers(faults.iter().map(|fault| fault.external_id.as_str())).collect();
        let met = |id: &&str| number(id).is_none_or(|id| rows.contains_key(&id));
        let looked = || ask.known.ids().filter(met).map(str::to_owned).collect::<BTreeSet<_>>();
        let reach = match extent {
            Extent::Broken => Reach::Part,
            // Nobody may take the newest articles for all that there are.
            Extent::Hot if ask.depth == Depth::Sweep && self.walked.is_none() => Reach::Part,
            Extent::Walk if known(ask).all(|id| rows.contains_key(&id) || unread.contains(&id)) => Reach::Whole,
            Extent::Walk | Extent::Hot => Reach::Only(looked()),
        };
        if extent == Extent::Broken {
            self.broken = Some(ask.now);
        }
        if extent == Extent::Walk {
            self.broken = None;
            // What could not be read just now is as it was.
            self.seen.retain(|id, _| unread.contains(id));
            self.walked = Some((ask.now, rules));
        }
        let mut scan = Scan { reach, faults, categories: Some(categories), categories_hide, ..Scan::default() };
        let mut tell = |id: i64, seen: &Seen| {
            let external_id = id.to_string();
            scan.flips.extend(seen.flip(ask.now).map(|at| Flip { at, external_id: external_id.clone() }));
            // What could not be read is a fault, not an article.
            if seen.shows(ask.now) && !unread.contains(&id) {
                scan.articles.push(Light { external_id, fingerprint: seen.fingerprint.clone() });
            }
        };
        let everything = ask.depth == Depth::Sweep;
        for (id, seen) in rows {
            match seen {
                Some(seen) => {
                    if !everything {
                        tell(id, &seen);
                    }
                    self.seen.insert(id, seen);
                }
                None => {
                    self.seen.remove(&id);
                }
            }
        }
        if everything {
            self.seen.iter().for_each(|(id, seen)| tell(*id, seen));
        }
        scan
    }
}

/// The setting `full_walk`: how long from one reading of everything to the next.
///
/// # Errors
/// [`SourceError::Schema`] when it is no duration from a minute to a week.
pub(super) fn full_walk(name: &str, text: &str) -> Result<Duration, SourceError> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| (Duration::from_mins(1)..=Duration::from_hours(7 * 24)).contains(duration)).ok_or_else(|| {
        SourceError::Schema(format!(
            "source `{name}`: full_walk = \"{text}\" is no time from one minute to a week; write a number and a unit (m, h) \
             such as \"30m\" or \"12h\""
        ))
    })
}

fn is_over(since: Timestamp, now: Timestamp, long: Duration) -> bool {
    now.since(since) >= long || since > now
}

fn number(id: &str) -> Option<i64> {
    id.parse().ok()
}

fn numbers<'a>(ids: impl Iterator<Item = &'a str>) -> impl Iterator<Item = i64> {
    ids.filter_map(number)
}

/// Ids of known articles. What is no number was never an article of this source, and no scan will bring it.
fn known(ask: &Ask<'_>) -> impl Iterator<Item = i64> {
    numbers(ask.known.ids())
}

fn same(before: &[Category], after: &[Category]) -> bool {
    let by_id = |all: &[Category]| all.iter().map(|c| (c.external_id.clone(), c.clone())).collect::<BTreeMap<_, _>>();
    by_id(before) == by_id(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::roll::Roll;

    const HOUR: Duration = Duration::from_hours(1);

    fn seen(fingerprint: &str) -> Seen {
        Seen { fingerprint: fingerprint.to_owned(), from: None, until: None }
    }

    fn lights(ids: impl IntoIterator<Item = i64>) -> Roll {
        ids.into_iter().map(|id| (id.to_string(), "a")).collect()
    }

    fn look(rows: impl IntoIterator<Item = (i64, Option<Seen>)>) -> Look {
        Look { rows: rows.into_iter().collect(), ..Look::default() }
    }

    fn all(ids: std::ops::Range<i64>) -> Look {
        look(ids.map(|id| (id, Some(seen("a")))))
    }

    fn ids(scan: &Scan) -> Vec<i64> {
        numbers(scan.articles.iter().map(|light| light.external_id.as_str())).collect()
    }

    fn only(ids: &[i64]) -> Reach {
        Reach::Only(ids.iter().map(ToString::to_string).collect())
    }

    /// A memory of a walk over 1000 articles at the time 0.
    fn walked() -> Memory {
        let mut memory = Memory::default();
        let scan = memory.conclude(&Ask::first(Timestamp(0)), all(1..1_001), Extent::Walk, "r".to_owned());
        assert_eq!((scan.reach, scan.articles.len()), (Reach::Whole, 1_000));
        memory
    }

    #[test]
    fn a_sweep_walks_first_then_once_in_the_given_time_and_whenever_the_rules_moved() {
        let at = |millis| Ask::first(Timestamp(millis));
        assert!(Memory::default().wants_walk(&at(0), HOUR, "r"));
        let memory = walked();
        assert!(!memory.wants_walk(&at(3_599_999), HOUR, "r"));
        assert!(memory.wants_walk(&at(3_600_000), HOUR, "r"));
        assert!(memory.wants_walk(&at(1), HOUR, "other"));
        assert!(!memory.wants_walk(&Ask { depth: Depth::Hot, ..at(3_600_000) }, HOUR, "r"));
        let deeper = |millis, rules| memory.wants_sweep(&Ask { depth: Depth::Hot, ..at(millis) }, HOUR, &[], rules);
        assert!(deeper(1, "other") && deeper(3_600_000, "r"));
        assert!(!deeper(1, "r"));
        let mut small = Memory::default();
        small.conclude(&at(0), all(1..301), Extent::Walk, "r".to_owned());
        assert!(small.wants_walk(&at(1), HOUR, "r"));
    }

    #[test]
    fn a_sweep_from_memory_tells_all_again_and_concludes_only_what_was_looked_at() {
        let mut memory = walked();
        let known = lights(1..1_001);
        let ask = Ask { known: known.public(), ..Ask::first(Timestamp(1)) };
        let scan = memory.conclude(&ask, look([(7, None), (1_001, Some(seen("n")))]), Extent::Hot, "r".to_owned());
        assert_eq!(scan.reach, only(&[7]));
        assert_eq!(ids(&scan).len(), 1_000);
        assert!(!ids(&scan).contains(&7) && ids(&scan).contains(&1_001));
        // The poll came to nothing: 7 is still known, and is asked for again.
        assert_eq!(memory.suspects(&ask, &Look::default(), None), [7]);
    }

    #[test]
    fn a_walk_that_left_known_articles_unasked_does_not_call_them_gone() {
        let known = lights(1..4);
        let ask = Ask { known: known.public(), ..Ask::first(Timestamp(1)) };
        let scan =
            Memory::default().conclude(&ask, look([(1, Some(seen("a"))), (2, None)]), Extent::Walk, String::new());
        assert_eq!(scan.reach, only(&[1, 2]));
        let scan = Memory::default().conclude(&ask, all(1..3), Extent::Broken, String::new());
        assert_eq!(scan.reach, Reach::Part);
    }

    #[test]
    fn a_walk_that_came_to_nothing_is_not_tried_at_every_poll_and_nothing_is_concluded_meanwhile() {
        let mut memory = Memory::default();
        let at = |millis| Ask::first(Timestamp(millis));
        memory.conclude(&at(0), all(1..3), Extent::Broken, String::new());
        assert!(!memory.wants_walk(&at(599_999), HOUR, "") && memory.wants_walk(&at(600_000), HOUR, ""));
        assert_eq!(memory.conclude(&at(1), all(1..3), Extent::Hot, String::new()).reach, Reach::Part);
        // The source was walked before, and only its rules moved: hot scans go on.
        let mut memory = walked();
        memory.conclude(&at(1), all(1..3), Extent::Broken, "other".to_owned());
        assert!(!memory.wants_sweep(&Ask { depth: Depth::Hot, ..at(2) }, HOUR, &[], "other"));
    }

    #[test]
    fn what_could_not_be_read_is_neither_there_nor_gone_and_is_not_forgotten() {
        let mut memory = walked();
        let known = lights(1..1_001);
        let ask = Ask { known: known.public(), ..Ask::first(Timestamp(1)) };
        let mut rows = all(1..1_001);
        rows.rows.remove(&5);
        rows.faults.push(Fault { external_id: "5".to_owned(), message: "x".to_owned() });
        let scan = memory.conclude(&ask, rows, Extent::Walk, "r".to_owned());
        assert_eq!(scan.reach, Reach::Whole);
        assert!(!ids(&scan).contains(&5) && scan.faults[0].external_id == "5");
        assert!(memory.suspects(&ask, &Look::default(), None).is_empty());
    }

    #[test]
    fn single_articles_are_asked_in_turn_and_each_gets_one() {
        let mut memory = Memory::default();
        let known = lights(1..8);
        let ask = Ask { known: known.public(), ..Ask::first(Timestamp(1)) };
        let met = look([(4, None)]);
        let turns: Vec<i64> = (0..4).flat_map(|_| memory.in_turn(&ask, &met, 2)).collect();
        assert_eq!(turns, [7, 6, 5, 3, 2, 1, 7, 6]);
        assert!(memory.in_turn(&Ask::first(Timestamp(1)), &met, 2).is_empty());
    }

    #[test]
    fn suspects_are_those_that_should_have_been_met_and_those_that_are_due() {
        let memory = walked();
        let known = lights([500, 990, 995, 2_000]);
        let due = BTreeSet::from(["3".to_owned(), "x".to_owned()]);
        let ask = Ask { known: known.public(), due: &due, depth: Depth::Hot, ..Ask::first(Timestamp(1)) };
        assert_eq!(memory.suspects(&ask, &look([(995, None)]), Some(990)), [3, 2_000, 990]);
    }

    #[test]
    fn times_show_and_hide_an_article_to_the_millisecond() {
        let timed = Seen { from: Some(Timestamp(10)), until: Some(Timestamp(20)), ..seen("a") };
        let states: Vec<(bool, Option<i64>)> = [9, 10, 19, 20]
            .map(|now| (timed.shows(Timestamp(now)), timed.flip(Timestamp(now)).map(Timestamp::millis)))
            .into();
        assert_eq!(states, [(false, Some(10)), (true, Some(20)), (true, Some(20)), (false, None)]);
        let mut memory = Memory::default();
        let ask = Ask { depth: Depth::Hot, ..Ask::first(Timestamp(0)) };
        let scan = memory.conclude(&ask, look([(1, Some(timed))]), Extent::Hot, String::new());
        assert!(scan.articles.is_empty());
        assert_eq!(scan.flips, [Flip { at: Timestamp(10), external_id: "1".to_owned() }]);
    }
}
