//! At most so many messages a second, evenly spread. Never drops a message: it waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A token bucket, kept as the time at which the next message would be on schedule. It holds a tenth of a second's worth
/// (at least one message): timers are coarse, and after a pause there must be no flood.
pub(super) struct Rate {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

const SLACK: Duration = Duration::from_millis(100);

impl Rate {
    /// `per_second` messages; 0 means without limit.
    pub(super) fn new(per_second: u32) -> Self {
        let every = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { every, next: Mutex::new(None) }
    }

    /// Waits for this message's turn.
    pub(super) async fn turn(&self) {
        if !self.every.is_zero() {
            let now = Instant::now();
            let mine = self.place(now);
            if mine > now {
                sleep_until(mine).await;
            }
        }
    }

    /// When the next message may go; it may lie in the past.
    fn place(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(SLACK.saturating_sub(self.every)).unwrap_or(now);
        let mine = next.map_or(earliest, |next| next.max(earliest));
        *next = Some(mine + self.every);
        mine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_to_the_rate_and_a_pause_saves_up_no_flood() {
        for per_second in [1, 10, 1000] {
            let rate = Rate::new(per_second);
            let mut now = Instant::now() + Duration::from_hours(1);
            for pause in [0, 1, 3600] {
                now += Duration::from_secs(pause);
                let begin = now;
                for _ in 0..=per_second * 10 {
                    now = now.max(rate.place(now));
                }
                let took = now - begin;
                assert!(took >= Duration::from_millis(9_900), "{per_second}/s after {pause} s: {took:?}");
                assert!(took <= Duration::from_secs(11), "{per_second}/s after {pause} s: {took:?}");
            }
        }
    }
}
