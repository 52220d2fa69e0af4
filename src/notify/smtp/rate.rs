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
        if self.every.is_zero() {
            return;
        }
        let now = Instant::now();
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = now.checked_sub(SLACK.saturating_sub(self.every)).unwrap_or(now);
            let mine = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(mine + self.every);
            mine
        };
        if mine > now {
            sleep_until(mine).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_keep_to_the_rate_and_a_pause_saves_up_no_flood() {
        for (rate, least) in [(10, 10.0), (1000, 0.9), (1, 2.9)] {
            let limit = Rate::new(rate);
            let messages = if rate == 10 {
                101
            } else if rate == 1 {
                4
            } else {
                1000
            };
            for round in 0..2 {
                let start = Instant::now();
                for _ in 0..messages {
                    limit.turn().await;
                }
                let took = start.elapsed().as_secs_f64();
                assert!(took >= least && took < least + 1.1, "{rate}/s, round {round}: {messages} took {took} s");
                tokio::time::advance(Duration::from_mins(10)).await;
            }
        }
    }
}
