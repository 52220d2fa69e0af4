//! How fast mails may follow one another: a token bucket, kept as the time at which the next mail is on schedule, that
//! slows down when it is told to and recovers by itself. Pure: reads no clock and waits for nobody.

use std::time::Duration;

use tokio::time::Instant;

/// What may come at once after a pause: timers are coarse, and after a pause there must be no flood.
const SLACK: Duration = Duration::from_millis(100);

/// The slowest pace: one mail in this time.
const SLOWEST: Duration = Duration::from_mins(1);

/// Complaints within this time are one: all connections hear the same at the same moment.
const TOGETHER: Duration = Duration::from_secs(1);

/// After each such time without a complaint the pace rises by a quarter.
const CALM: Duration = Duration::from_secs(5);

/// A pace faster than this is none: the slowing down is over.
const FREE: Duration = Duration::from_millis(1);

/// Mails are counted over this time to know how fast they went before the first complaint.
const WINDOW: Duration = Duration::from_secs(1);

/// The pace of one relay, or of one domain of receivers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Time between two mails that the operator allows at least; zero without a limit.
    base: Duration,
    slowed: Option<Slowed>,
    next: Option<Instant>,
    window: Option<(Instant, u32)>,
    /// Time between two mails, as last measured.
    measured: Duration,
}

#[derive(Debug)]
struct Slowed {
    every: Duration,
    /// When the pace last changed.
    since: Instant,
    told: Instant,
}

impl Pace {
    /// A pace with this much time between two mails at least.
    pub(super) fn new(base: Duration) -> Self {
        Self { base, ..Self::default() }
    }

    /// The time between two mails now.
    pub(super) fn every(&mut self, now: Instant) -> Duration {
        if let Some(slowed) = &mut self.slowed {
            while now.saturating_duration_since(slowed.since) >= CALM && slowed.every > FREE {
                slowed.every = slowed.every.mul_f64(0.8);
                slowed.since += CALM;
            }
            if slowed.every <= FREE.max(self.base) {
                self.slowed = None;
            }
        }
        self.slowed.as_ref().map_or(self.base, |s| s.every.max(self.base))
    }

    /// Whether a mail may go now; if so, it is counted.
    pub(super) fn try_turn(&mut self, now: Instant) -> bool {
        let every = self.every(now);
        let free = self.next.is_none_or(|next| next <= now);
        if free {
            self.take(now, every);
        }
        free
    }

    /// When the next mail may go; it may lie in the past. The mail is counted.
    pub(super) fn place(&mut self, now: Instant) -> Instant {
        let every = self.every(now);
        self.take(now, every)
    }

    fn take(&mut self, now: Instant, every: Duration) -> Instant {
        self.count(now);
        if every.is_zero() {
            self.next = None;
            return now;
        }
        let earliest = now.checked_sub(SLACK.saturating_sub(every)).unwrap_or(now);
        let mine = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(mine + every);
        mine
    }

    fn count(&mut self, now: Instant) {
        let (since, count) = self.window.get_or_insert((now, 0));
        *count += 1;
        let took = now.saturating_duration_since(*since);
        if took >= WINDOW {
            self.measured = took / *count;
            self.window = Some((now, 0));
        }
    }

    /// The receiver wants fewer mails: half as many a second as before (`first` between two if that is not known), after
    /// a pause of five mails' time.
    pub(super) fn slow_down(&mut self, now: Instant, first: Duration) {
        let every = self.every(now);
        if self.slowed.as_ref().is_some_and(|s| now.saturating_duration_since(s.told) < TOGETHER) {
            return;
        }
        let before = if every.is_zero() { self.measured } else { every };
        let every = if before.is_zero() { first } else { before * 2 }.clamp(FREE * 2, SLOWEST);
        self.slowed = Some(Slowed { every, since: now, told: now });
        self.next = Some(self.next.unwrap_or(now).max(now) + (every * 5).min(SLOWEST));
    }

    /// Whether it is slower than the operator allows.
    pub(super) fn is_slowed(&mut self, now: Instant) -> bool {
        self.every(now);
        self.slowed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    /// How many mails go within this time, each as soon as it may.
    fn went(pace: &mut Pace, now: &mut Instant, within: Duration) -> u32 {
        let until = *now + within;
        let mut count = 0;
        loop {
            let at = pace.place(*now).max(*now);
            if at >= until {
                *now = until;
                return count;
            }
            *now = at;
            count += 1;
        }
    }

    #[test]
    fn messages_keep_to_the_rate_and_a_pause_saves_up_no_flood() {
        for per_second in [1, 10, 1000] {
            let mut pace = Pace::new(Duration::from_secs(1) / per_second);
            let mut now = Instant::now() + Duration::from_hours(1);
            for rest in [0, 1, 3600] {
                now += Duration::from_secs(rest);
                let n = went(&mut pace, &mut now, Duration::from_secs(10));
                assert!(n.abs_diff(per_second * 10) <= per_second.div_ceil(5).max(2), "{per_second}/s: {n}");
            }
        }
    }

    #[test]
    fn a_complaint_halves_the_pace_and_calm_brings_it_back_by_and_by() {
        let mut pace = Pace::new(Duration::from_millis(10));
        let mut now = Instant::now();
        went(&mut pace, &mut now, Duration::from_secs(2));
        pace.slow_down(now, FIRST);
        pace.slow_down(now + Duration::from_millis(300), FIRST);
        assert_eq!(pace.every(now), Duration::from_millis(20), "complaints of one moment are one");
        assert!(!pace.try_turn(now), "and a pause comes first");
        now += Duration::from_secs(1);
        let n = went(&mut pace, &mut now, Duration::from_secs(1));
        assert!((45..=60).contains(&n), "{n}");
        pace.slow_down(now, FIRST);
        assert_eq!(pace.every(now), Duration::from_millis(40));
        let mut last = pace.every(now);
        for _ in 0..10 {
            now += CALM;
            assert!(pace.every(now) <= last);
            last = pace.every(now);
        }
        assert_eq!(pace.every(now), Duration::from_millis(10));
        assert!(!pace.is_slowed(now));
    }

    #[test]
    fn without_a_limit_a_complaint_halves_what_was_measured_and_ends_in_no_limit() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for _ in 0..200 {
            assert!(pace.try_turn(now));
            now += Duration::from_millis(10);
        }
        pace.slow_down(now, FIRST);
        assert!(pace.every(now) >= Duration::from_millis(19) && pace.every(now) <= Duration::from_millis(21));
        for _ in 0..40 {
            now += Duration::from_secs(2);
            pace.slow_down(now, FIRST);
        }
        assert_eq!(pace.every(now), SLOWEST, "never slower than the slowest");
        now += Duration::from_mins(30);
        assert_eq!(pace.every(now), Duration::ZERO);
        assert!(pace.try_turn(now) && pace.try_turn(now));
    }

    #[test]
    fn nothing_known_means_one_at_a_time() {
        let mut pace = Pace::default();
        let now = Instant::now();
        pace.slow_down(now, FIRST);
        assert_eq!(pace.every(now), FIRST);
        assert!(!pace.try_turn(now + Duration::from_secs(4)) && pace.try_turn(now + Duration::from_secs(5)));
    }
}
