//! At most so many messages a second to one relay, evenly spread, and fewer for a while when it asks for that. Never
//! drops a message: it waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::pace::Pace;

/// Between two mails after a complaint about a pace that is not known.
const FIRST: Duration = Duration::from_millis(100);

/// The pace that all connections to a relay share.
pub(super) struct Rate(Mutex<Pace>);

impl Rate {
    /// `per_second` messages; 0 means without limit.
    pub(super) fn new(per_second: u32) -> Self {
        let every = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self(Mutex::new(Pace::new(every)))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this message's turn.
    pub(super) async fn turn(&self) {
        let now = Instant::now();
        let mine = self.pace().place(now);
        if mine > now {
            sleep_until(mine).await;
        }
    }

    /// Whether a message may go now; if so, it is counted.
    pub(super) fn try_turn(&self) -> bool {
        self.pace().try_turn(Instant::now())
    }

    /// The relay wants fewer messages.
    pub(super) fn slow_down(&self) {
        let now = Instant::now();
        let mut pace = self.pace();
        let was_slow = pace.is_slowed(now);
        pace.slow_down(now, FIRST);
        if !was_slow {
            tracing::warn!("the mail relay asks for fewer mails; it gets half as many for a while");
        }
    }
}
