//! Pace: how many calls may be under way to one receiver, or to one machine, learned from how it answers. It grows while
//! answers stay quick and halves when they slow down or say "too much" (additive increase, multiplicative decrease, after
//! RFC 5681 §3.1). Never waits, never counts for two.

use std::time::Duration;

/// Answers may take this much longer than twice the usual before that counts as a sign of strain: a busy moment of ours is
/// none of theirs.
const SLACK: Duration = Duration::from_millis(50);

/// How a call ended, as far as the pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Answered after so long.
    Answered(Duration),
    /// No answer in time, or one that says "too much" (429, 502, 503, 504).
    Strained,
    /// Failed for a reason that says nothing of load.
    Failed,
}

/// The pace of one receiver.
#[derive(Clone, Debug)]
pub struct Pace {
    window: f64,
    most: f64,
    under_way: usize,
    /// The usual time of an answer, in seconds; none before the first.
    usual: Option<f64>,
    /// Doubles with each round of answers, until the first strain.
    quick_start: bool,
    /// Calls that must end before it can be halved again: those that were under way at the last strain tell nothing new.
    deaf: usize,
}

impl Pace {
    /// Begins with `start` calls at a time and grows to `most` (both at least one).
    #[must_use]
    pub const fn new(start: u16, most: u16) -> Self {
        let (start, most) = (if start == 0 { 1 } else { start }, if most == 0 { 1 } else { most });
        Self { window: start as f64, most: most as f64, under_way: 0, usual: None, quick_start: true, deaf: 0 }
    }

    /// Begins anew with one call at a time, after an outage: 1, 2, 4…
    pub const fn restart(&mut self) {
        self.window = 1.0;
        self.quick_start = true;
    }

    /// How many calls at a time it has come to.
    #[must_use]
    pub fn window(&self) -> usize {
        // Between 1 and `most`, which is a u16.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 65,535")]
        let window = self.window as usize;
        window.max(1)
    }

    /// Calls under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many more calls may begin.
    #[must_use]
    pub fn room(&self) -> usize {
        self.window().saturating_sub(self.under_way)
    }

    /// A call begins.
    pub const fn begin(&mut self) {
        self.under_way += 1;
    }

    /// A call ended.
    pub fn end(&mut self, how: Ended) {
        let busy = self.under_way >= self.window();
        self.under_way = self.under_way.saturating_sub(1);
        self.deaf = self.deaf.saturating_sub(1);
        match how {
            Ended::Answered(took) => {
                let seconds = took.as_secs_f64();
                let usual = *self.usual.get_or_insert(seconds);
                // The quickest counts at once; what has become slower for good is believed slowly.
                self.usual = Some(if seconds < usual { seconds } else { usual + (seconds - usual) / 64.0 });
                if seconds > usual * 2.0 + SLACK.as_secs_f64() {
                    self.halve();
                } else if busy {
                    // A window that is not used proves nothing.
                    let more = if self.quick_start { 1.0 } else { 1.0 / self.window };
                    self.window = (self.window + more).min(self.most);
                }
            }
            Ended::Strained => self.halve(),
            Ended::Failed => {}
        }
    }

    fn halve(&mut self) {
        self.quick_start = false;
        if self.deaf == 0 {
            self.window = (self.window / 2.0).max(1.0);
            self.deaf = self.under_way;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Ended = Ended::Answered(Duration::from_millis(20));
    const SLOW: Ended = Ended::Answered(Duration::from_millis(500));

    fn round(pace: &mut Pace, how: Ended) {
        let n = pace.room();
        (0..n).for_each(|_| pace.begin());
        assert_eq!(pace.room(), 0);
        (0..n).for_each(|_| pace.end(how));
    }

    #[test]
    fn it_grows_while_answers_are_quick_up_to_its_most() {
        let mut pace = Pace::new(2, 16);
        for window in [2, 4, 6, 9] {
            assert!(pace.window() >= window.min(16), "{} below {window}", pace.window());
            round(&mut pace, QUICK);
        }
        (0..10).for_each(|_| round(&mut pace, QUICK));
        assert_eq!((pace.window(), pace.under_way()), (16, 0));
    }

    #[test]
    fn it_halves_once_a_round_when_answers_slow_down_or_say_too_much() {
        for how in [SLOW, Ended::Strained] {
            let mut pace = Pace::new(16, 64);
            round(&mut pace, QUICK);
            let before = pace.window();
            round(&mut pace, how);
            assert_eq!(pace.window(), before / 2, "{how:?}");
            (0..9).for_each(|_| round(&mut pace, Ended::Strained));
            assert_eq!(pace.window(), 1, "never nothing");
        }
    }

    #[test]
    fn a_receiver_that_always_takes_long_is_slow_and_not_strained() {
        let mut pace = Pace::new(2, 16);
        (0..20).for_each(|_| round(&mut pace, SLOW));
        assert_eq!(pace.window(), 16);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut pace = Pace::new(4, 16);
        for _ in 0..50 {
            pace.begin();
            pace.end(QUICK);
        }
        assert_eq!(pace.window(), 4);
    }

    #[test]
    fn after_an_outage_it_begins_with_one() {
        let mut pace = Pace::new(4, 64);
        (0..6).for_each(|_| round(&mut pace, QUICK));
        pace.restart();
        assert_eq!(pace.room(), 1);
        round(&mut pace, QUICK);
        assert_eq!(pace.room(), 2);
    }
}
