//! Presence: each replica shows that it is there, and frees the work of one that vanished, long before its leases end.
//! Another's clock is never compared with ours: gone is whose beat stood still while we looked, several times, at a
//! database that answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::store::delivery::LEASE;
use crate::store::engine::{Result, Store};
use crate::store::presence::Worker;

/// How often a replica beats and looks.
pub const BEAT: Duration = Duration::from_secs(3);

/// The look at which a beat that stands still is believed: three whole intervals after the first that saw it.
const LOOKS: u32 = 4;

/// A replica whose own last beat is older may have been taken for gone: it begins to send nothing. Less than the others
/// need to conclude that.
const STALE: Duration = Duration::from_secs(8);

/// This process among those that share the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Presence {
    clock: Clock,
    /// Under which number it is on the list now. A process that was taken for gone goes on under another, so that it
    /// takes nothing for its own that was given to others.
    worker: Arc<AtomicI64>,
    /// The last beat that was written, UTC milliseconds.
    beaten: Arc<AtomicI64>,
    alone: bool,
}

impl Presence {
    /// Of a process over this store. Alone on SQLite: there it neither beats nor looks.
    #[must_use]
    pub fn new(store: &Store, clock: &Clock) -> Self {
        Self { alone: !store.is_shared(), ..Self::alone(clock) }
    }

    /// Of a process that never beats and may always send: the only one, or one that is driven by hand.
    #[must_use]
    pub fn alone(clock: &Clock) -> Self {
        let worker = Arc::new(AtomicI64::new(Worker::new(clock).0));
        Self { clock: clock.clone(), worker, beaten: Arc::new(AtomicI64::new(i64::MIN)), alone: true }
    }

    /// Under which number it is on the list now.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker(self.worker.load(Ordering::SeqCst))
    }

    /// A token for a claim.
    #[must_use]
    pub fn token(&self) -> i64 {
        self.worker().token(&self.clock)
    }

    /// Whether nobody can have taken this process for gone yet: else it claims and sends nothing.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.alone || self.clock.now().since(Timestamp(self.beaten.load(Ordering::SeqCst))) < STALE
    }

    /// Whether what was claimed under this token may be sent.
    #[must_use]
    pub fn may_send(&self, token: i64) -> bool {
        self.is_there() && Worker::of(token) == self.worker()
    }

    /// Shows for the first time that this process is there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self, store: &Store) -> Result<()> {
        if !self.alone {
            let now = self.clock.now();
            store.arrive(self.worker(), now).await?;
            self.beaten.store(now.0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Beats and looks until `stop` turns true.
    pub async fn run(self, store: Store, mut stop: watch::Receiver<bool>) {
        let mut seen = Seen::default();
        while !self.alone && !*stop.borrow() {
            if let Err(e) = self.turn(&store, &mut seen).await {
                // A look that failed proves nothing about the others: they could not beat either.
                seen.0.clear();
                tracing::error!("cannot show the other replicas that this one is there: {e}");
            }
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Takes this process off the list, at the end of an orderly stop.
    pub async fn leave(&self, store: &Store) {
        if !self.alone
            && let Err(e) = store.leave(self.worker()).await
        {
            tracing::warn!("the other replicas will notice by themselves that this one is gone: {e}");
        }
    }

    async fn turn(&self, store: &Store, seen: &mut Seen) -> Result<()> {
        let now = self.clock.now();
        if !store.beat(self.worker(), now).await? {
            let again = Worker::new(&self.clock);
            store.arrive(again, now).await?;
            // Before the beat counts: what was claimed under the old number must not be sent.
            self.worker.store(again.0, Ordering::SeqCst);
            tracing::warn!("this replica stood still, another took its work over; it goes on with new work");
        }
        self.beaten.store(now.0, Ordering::SeqCst);
        let others = store.workers().await?.into_iter().filter(|(worker, _)| *worker != self.worker()).collect();
        for (worker, beat) in seen.still(others) {
            let now = self.clock.now();
            // Twice the lease: the other's clock may be ahead of ours.
            if let Some(freed) = store.free_worker(worker, beat, now, now.plus(LEASE * 2)).await? {
                tracing::warn!(freed, "a replica vanished: what it had claimed goes out again, under the same ids");
            }
        }
        Ok(())
    }
}

/// What was seen of the others: the last beat of each, and in how many looks it stood.
#[derive(Default)]
struct Seen(HashMap<Worker, (i64, u32)>);

impl Seen {
    /// Takes a look in, and gives those whose beat stands still.
    fn still(&mut self, others: Vec<(Worker, i64)>) -> Vec<(Worker, i64)> {
        let before = std::mem::take(&mut self.0);
        for (worker, beat) in others {
            let looks = before.get(&worker).filter(|(was, _)| *was == beat).map_or(0, |(_, looks)| *looks);
            self.0.insert(worker, (beat, looks + 1));
        }
        self.0.iter().filter(|(_, (_, looks))| *looks >= LOOKS).map(|(worker, (beat, _))| (*worker, *beat)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beat_that_stood_still_over_several_looks_is_a_vanished_worker() {
        let clock = Clock::manual(Timestamp(0));
        let [a, b] = [Worker::new(&clock), Worker::new(&clock)];
        let mut seen = Seen::default();
        for look in 0..3 {
            assert!(seen.still(vec![(a, 5), (b, look)]).is_empty(), "look {look}");
        }
        assert_eq!(seen.still(vec![(a, 5), (b, 3)]), [(a, 5)]);
        assert!(seen.still(vec![(a, 6), (b, 4)]).is_empty(), "it was only slow");
        seen.0.clear();
        assert!(seen.still(vec![(a, 6), (b, 5)]).is_empty(), "a look that failed begins the count anew");
    }

    #[test]
    fn the_tokens_of_a_worker_are_its_own_and_positive() {
        let clock = Clock::system();
        let presence = Presence::alone(&clock);
        for _ in 0..100 {
            let token = presence.token();
            assert!(token >= 0 && Worker::of(token) == presence.worker() && presence.may_send(token));
        }
        assert!(!presence.may_send(Worker::new(&clock).token(&clock)), "another's");
    }

    #[test]
    fn a_replica_that_could_not_beat_for_long_sends_nothing() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let presence = Presence { alone: false, ..Presence::alone(&clock) };
        presence.beaten.store(1_000_000, Ordering::SeqCst);
        let token = presence.token();
        assert!(presence.may_send(token));
        clock.advance(STALE);
        assert!(!presence.may_send(token));
        assert!(STALE < BEAT * (LOOKS - 1), "it must fall silent before the others may take its work");
    }
}
