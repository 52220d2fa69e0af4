//! Whether the relay is worth a connection attempt right now: after one fails, the others rest and fail at once, so that
//! a dead relay holds nobody up; then one probe goes first. Never opens a connection itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::reply::Fault;

/// The state that all connection attempts share.
pub(super) struct Health {
    first: Duration,
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
    probing: bool,
    why: String,
}

/// Leave to try a connection. Dropped without a word (the send was cancelled), another may try.
pub(super) struct Leave<'a> {
    health: &'a Health,
    probe: bool,
}

impl Health {
    /// Well, until told otherwise. Rests last `first`, doubling up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long no connection will be tried; nothing when one may be.
    pub(super) fn resting(&self, now: Instant) -> Option<Duration> {
        self.state().rest(now)
    }

    /// Why no connection would be tried now, if so.
    pub(super) fn refusal(&self, now: Instant) -> Option<Fault> {
        self.state().refusal(now)
    }

    /// The relay refuses everything for a reason that only a person can mend: it rests this long.
    pub(super) fn pause(&self, why: String, now: Instant, rest: Duration) {
        let mut state = self.state();
        if state.rest(now).is_none() {
            tracing::error!(%why, "the mail relay refuses every mail; none is offered for a while, and none is given up for it");
            state.failures = state.failures.max(1);
            state.until = Some(now + rest);
            state.why = why;
        }
    }

    /// Asks for leave to connect.
    pub(super) fn ask(&self, now: Instant) -> Result<Leave<'_>, Fault> {
        let mut state = self.state();
        if let Some(fault) = state.refusal(now) {
            return Err(fault);
        }
        let probe = state.failures > 0;
        state.probing = probe;
        Ok(Leave { health: self, probe })
    }
}

impl State {
    fn refusal(&self, now: Instant) -> Option<Fault> {
        if let Some(rest) = self.rest(now) {
            let rest = rest.as_secs_f32();
            return Some(Fault::Resting(format!("{}; not tried again for {rest:.1} s", self.why)));
        }
        self.probing.then(|| Fault::Resting(format!("{}; being tried again now", self.why)))
    }

    fn rest(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }
}

impl Leave<'_> {
    /// The relay answers.
    pub(super) fn connected(self) {
        let mut state = self.health.state();
        if state.failures > 0 {
            tracing::info!(after = state.failures, "the mail relay answers again");
        }
        *state = State::default();
    }

    /// It does not.
    pub(super) fn failed(self, fault: &Fault, now: Instant) {
        let mut state = self.health.state();
        // Attempts that were under way together count as one failure.
        if state.rest(now).is_some() {
            return;
        }
        let rest = self.health.first.saturating_mul(1 << state.failures.min(20)).min(self.health.longest);
        state.failures += 1;
        state.until = Some(now + rest);
        state.why = fault.detail();
        if state.failures == 1 {
            tracing::warn!(why = %state.why, "the mail relay cannot be used; mails wait");
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.health.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault::Unreachable("no".into())
    }

    #[test]
    fn rests_double_up_to_the_longest_and_end_with_one_probe() {
        let health = Health::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut now = Instant::now();
        for rest in [1, 2, 4, 5, 5].map(Duration::from_secs) {
            health.ask(now).ok().unwrap().failed(&fault(), now);
            assert_eq!(health.resting(now), Some(rest));
            assert!(health.ask(now).is_err());
            now += rest;
        }
        let probe = health.ask(now).ok().unwrap();
        assert!(health.ask(now).is_err(), "one probe at a time");
        drop(probe);
        health.ask(now).ok().unwrap().connected();
        let both = (health.ask(now), health.ask(now));
        assert!(both.0.is_ok() && both.1.is_ok());
    }

    #[test]
    fn attempts_that_fail_together_count_once() {
        let health = Health::new(Duration::from_secs(1), Duration::from_mins(1));
        let now = Instant::now();
        let together = [0; 3].map(|_| health.ask(now).ok().unwrap());
        for leave in together {
            leave.failed(&fault(), now);
        }
        assert_eq!(health.resting(now), Some(Duration::from_secs(1)));
    }
}
