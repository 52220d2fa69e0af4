//! What the refusals of one address come to, and when a wave of them in one domain is not to be believed. Pure functions
//! of the evidence: nothing is counted twice, and what is taken back leaves no trace.

use std::time::Duration;

use super::Cause;
use crate::clock::Timestamp;

/// One refusal that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What was at fault.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

/// Why an address gets no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// At least two refusals said that there is no such mailbox.
    NoSuchUser,
    /// The mailbox was full for weeks.
    MailboxFull,
    /// It was refused for weeks, and nothing says why.
    Unknown,
    /// Its owner called our mail spam.
    Complaint,
    /// An operator decided it.
    Operator,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoSuchUser, Self::MailboxFull, Self::Unknown, Self::Complaint, Self::Operator];

    /// The word in the database, in metrics and in CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchUser => "no_such_user",
            Self::MailboxFull => "mailbox_full",
            Self::Unknown => "unknown",
            Self::Complaint => "complaint",
            Self::Operator => "operator",
        }
    }

    /// The reason that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == word)
    }

    /// For how long; nothing: until the person asks anew or an operator lifts it.
    #[must_use]
    pub const fn lasts(self) -> Option<Duration> {
        match self {
            // Room is made, servers are mended: after a month the address is tried again.
            Self::MailboxFull | Self::Unknown => Some(Duration::from_hours(30 * 24)),
            Self::NoSuchUser | Self::Complaint | Self::Operator => None,
        }
    }
}

/// The score at which an address gets no more mail.
pub const LIMIT: f64 = 7.0;

/// In this time half of a score is forgiven.
pub const HALF_LIFE: Duration = Duration::from_hours(30 * 24);

/// Refusals that are less apart count as one: one bad day of a server is one event.
pub const APART: Duration = Duration::from_hours(3 * 24);

/// What one refusal adds: two of "no such user" reach the limit if nothing is forgiven between them for long, one never
/// does, and a full mailbox needs about a month.
const fn weight(cause: Cause) -> f64 {
    match cause {
        Cause::NoSuchUser => 4.0,
        Cause::MailboxFull | Cause::Unknown => 1.0,
        // They say nothing of the person.
        Cause::Policy | Cause::Content | Cause::Sender | Cause::Temporary => 0.0,
    }
}

impl Cause {
    /// Whether a refusal of this cause says something of the address.
    #[must_use]
    pub const fn counts(self) -> bool {
        weight(self) > 0.0
    }
}

/// What refusals come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The score after the last of them.
    pub score: f64,
    /// Why the address is to get no more mail, if so.
    pub verdict: Option<Reason>,
}

/// Adds up refusals, the oldest first.
#[must_use]
pub fn standing(evidence: &[Evidence]) -> Standing {
    let mut score = 0.0_f64;
    let mut hard = 0_u32;
    let mut last: Option<(Timestamp, f64)> = None;
    let mut reason = Reason::Unknown;
    for one in evidence.iter().filter(|e| e.cause.counts()) {
        let weight = weight(one.cause);
        let (passed, added) = match last {
            // Of one event the heavier word counts, and the next event begins behind it.
            Some((at, before)) if one.at.since(at) < APART => (one.at.since(at), weight - before),
            Some((at, _)) => (one.at.since(at), weight),
            None => (Duration::ZERO, weight),
        };
        if added <= 0.0 {
            continue;
        }
        score *= 0.5_f64.powf(passed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        score += added;
        last = Some((one.at, weight));
        match one.cause {
            Cause::NoSuchUser => hard += 1,
            Cause::MailboxFull => reason = Reason::MailboxFull,
            _ => reason = Reason::Unknown,
        }
    }
    let reason = if hard >= 2 { Reason::NoSuchUser } else { reason };
    Standing { score, verdict: (score >= LIMIT).then_some(reason) }
}

/// The stretch in which refusals of one domain are looked at together.
pub const WAVE: Duration = Duration::from_hours(24);

/// How long a wave is distrusted. What goes on for longer is no accident any more, and counts.
pub const DISTRUST: Duration = Duration::from_hours(7 * 24);

/// When mails that a wave refused are tried once more: longer than the longest such fault that is known, of 6 h 41 min.
pub const AGAIN: Duration = Duration::from_hours(8);

/// How many people of a domain must be refused in a day before anybody asks whether it is a wave.
pub const FEWEST: i64 = 5;

/// What is known of a domain when one of its addresses is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// People of it who were refused within [`WAVE`], this one included.
    pub today: i64,
    /// People of it who were refused in the thirty days before.
    pub before: i64,
    /// People of it that loa knows.
    pub people: i64,
}

impl Tally {
    /// Whether so many "no such user" in a day are the server's fault and not the people's: at least [`FEWEST`], a tenth
    /// of all whom loa knows there, and five times what is usual there in a day.
    #[must_use]
    pub const fn is_wave(self) -> bool {
        self.today >= FEWEST && self.today * 10 >= self.people && self.today * 30 > self.before * 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;

    fn on(days: &[(i64, Cause)]) -> Standing {
        let evidence: Vec<Evidence> =
            days.iter().map(|(day, cause)| Evidence { cause: *cause, at: Timestamp(day * DAY) }).collect();
        standing(&evidence)
    }

    #[test]
    fn one_refusal_never_ends_anything_and_two_of_a_kind_days_apart_do() {
        use Cause::NoSuchUser as Gone;
        assert_eq!(on(&[(0, Gone)]).verdict, None);
        assert_eq!(on(&[(0, Gone), (1, Gone), (2, Gone)]).verdict, None, "one bad stretch of a server");
        assert_eq!(on(&[(0, Gone), (3, Gone)]).verdict, Some(Reason::NoSuchUser));
        assert_eq!(on(&[(0, Gone), (7, Gone)]).verdict, Some(Reason::NoSuchUser), "a weekly digest");
        assert_eq!(on(&[(0, Gone), (30, Gone)]).verdict, None, "half is forgiven");
        assert_eq!(on(&[(0, Gone), (30, Gone), (60, Gone)]).verdict, Some(Reason::NoSuchUser));
        assert_eq!(on(&[(0, Gone), (365, Gone)]).verdict, None);
    }

    #[test]
    fn a_full_mailbox_has_about_a_month() {
        let full = |days: i64| on(&(0..days).map(|day| (day, Cause::MailboxFull)).collect::<Vec<_>>()).verdict;
        assert_eq!(full(21), None);
        assert_eq!(full(42), Some(Reason::MailboxFull));
    }

    #[test]
    fn what_is_not_the_persons_fault_never_counts() {
        for cause in [Cause::Policy, Cause::Content, Cause::Sender, Cause::Temporary] {
            let daily: Vec<_> = (0..400).map(|day| (day, cause)).collect();
            assert_eq!(on(&daily), Standing { score: 0.0, verdict: None });
        }
    }

    #[test]
    fn one_hard_word_among_soft_ones_is_not_enough_for_no_such_user() {
        let mut mixed: Vec<_> = (0..10).map(|n| (n * 3, Cause::MailboxFull)).collect();
        mixed.push((30, Cause::NoSuchUser));
        let verdict = on(&mixed).verdict;
        assert!(verdict.is_some() && verdict != Some(Reason::NoSuchUser), "{verdict:?}");
    }

    #[test]
    fn a_wave_is_many_people_of_a_domain_at_once_and_more_than_usual() {
        let tally = |today, before, people| Tally { today, before, people }.is_wave();
        assert!(tally(5, 0, 40), "a small server that forgot its people");
        assert!(!tally(4, 0, 4), "too few to tell");
        assert!(!tally(1_200, 0, 40_000), "an old list, of which three in a hundred are gone");
        assert!(tally(4_000, 300, 40_000));
        assert!(!tally(5, 30, 40), "the usual share there");
    }

    proptest! {
        #[test]
        fn no_refusal_in_a_stretch_of_three_days_suppresses(offsets in prop::collection::vec(0..3 * DAY, 1..50)) {
            let mut offsets = offsets;
            offsets.sort_unstable();
            let evidence: Vec<Evidence> =
                offsets.iter().map(|at| Evidence { cause: Cause::NoSuchUser, at: Timestamp(*at) }).collect();
            prop_assert_eq!(standing(&evidence).verdict, None);
        }

        #[test]
        fn the_score_is_never_negative_and_one_more_refusal_never_lowers_the_verdict(
            days in prop::collection::vec((0..200_i64, 0..7_usize), 0..40)
        ) {
            let mut days: Vec<(i64, Cause)> = days.into_iter().map(|(day, c)| (day, Cause::ALL[c])).collect();
            days.sort_by_key(|(day, _)| *day);
            prop_assert!(on(&days).score >= 0.0);
        }
    }
}
