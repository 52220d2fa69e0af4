//! Settling: what became of each try goes to the database in groups, one transaction for many. Leases of what is still
//! on its way are pushed out meanwhile, so that no second worker takes it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;
use crate::domain::bounce;
use crate::domain::delivery::{Cause, Channel, Outcome, next_attempt};
use crate::store::delivery::{LEASE, Settle, Settled};
use crate::store::engine::Store;

/// At most this many lines in one transaction.
const GROUP: usize = 500;

/// How long the first line of a group waits for company.
const LINGER: Duration = Duration::from_millis(20);

/// What is under way, by lease.
type Held = Arc<Mutex<HashMap<i64, HashSet<i64>>>>;

/// The handle that workers report to. Cheap to clone; when the last clone is gone, the rest is settled and the settler ends.
#[derive(Clone)]
pub struct Settler {
    lines: mpsc::Sender<Settle>,
    held: Held,
    clock: Clock,
    channel: Channel,
    settled: Arc<Notify>,
}

impl Settler {
    /// Starts settling for one channel. The task ends, with everything settled, once all handles are dropped.
    #[must_use]
    pub fn start(store: Store, clock: Clock, channel: Channel) -> (Self, tokio::task::JoinHandle<()>) {
        let (lines, inbox) = mpsc::channel(4 * GROUP);
        let held = Held::default();
        let settled = Arc::new(Notify::new());
        let task = tokio::spawn(run(store, clock.clone(), inbox, Arc::clone(&held), Arc::clone(&settled)));
        (Self { lines, held, clock, channel, settled }, task)
    }

    /// Notes that these deliveries were claimed under this lease and are ours to settle.
    pub fn hold(&self, lease: i64, ids: impl IntoIterator<Item = i64>) {
        lock(&self.held).entry(lease).or_default().extend(ids);
    }

    /// How many claimed deliveries are not settled yet.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.held).values().map(HashSet::len).sum()
    }

    /// Rings whenever a group was written.
    #[must_use]
    pub fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.settled)
    }

    /// Reports what became of a try. `attempts` counts this one.
    pub async fn settle(&self, id: i64, lease: i64, attempts: i64, outcome: Outcome) {
        let now = self.clock.now();
        let line = |state, due_at, cause: Option<Cause>, detail| Settle {
            id,
            lease: lease.to_string(),
            state,
            due_at,
            untried: 0,
            cause: cause.map(Cause::as_str),
            detail,
            bounce: None,
        };
        let mut said = None;
        let line = match outcome {
            Outcome::Sent(reply) => line(Settled::Sent, 0, None, reply),
            Outcome::Dead { cause, detail } => {
                said = bounce::Cause::of_failure(cause, &detail);
                line(Settled::Dead, 0, Some(cause), detail)
            }
            Outcome::Retry { cause, detail, after } => {
                if let Some(at) = next_attempt(self.channel, attempts, now, after, self.clock.fraction()) {
                    line(Settled::Pending, at.0, Some(cause), detail)
                } else {
                    said = bounce::Cause::of_failure(Cause::Exhausted, &detail);
                    line(Settled::Dead, 0, Some(Cause::Exhausted), detail)
                }
            }
        };
        let said = said.filter(|said| self.channel == Channel::Email && said.counts()).map(bounce::Cause::as_str);
        self.send(Settle { bounce: said, ..line }).await;
    }

    /// Reports a try that failed and is repeated after `wait`, however many there were before.
    pub async fn again(&self, id: i64, lease: i64, wait: Duration, cause: Cause, detail: String) {
        let due_at = self.clock.now().plus(wait).0;
        let (lease, cause) = (lease.to_string(), Some(cause.as_str()));
        self.send(Settle { id, lease, state: Settled::Pending, due_at, untried: 0, cause, detail, bounce: None }).await;
    }

    /// Puts a delivery back without a try, to be due at `due_at`.
    pub async fn put_back(&self, id: i64, lease: i64, wait: Duration, why: &str) {
        self.put_back_for(id, lease, wait, Cause::Busy, why).await;
    }

    /// The same, for a cause that an operator wants to see.
    pub async fn put_back_for(&self, id: i64, lease: i64, wait: Duration, cause: Cause, why: &str) {
        let due_at = self.clock.now().plus(wait).0;
        let (lease, cause, detail) = (lease.to_string(), Some(cause.as_str()), why.to_owned());
        self.send(Settle { id, lease, state: Settled::Pending, due_at, untried: 1, cause, detail, bounce: None }).await;
    }

    /// Ends a delivery that nobody wants any more.
    pub async fn cancel(&self, id: i64, lease: i64, why: &str) {
        let (lease, detail) = (lease.to_string(), why.to_owned());
        self.send(Settle {
            id,
            lease,
            state: Settled::Cancelled,
            due_at: 0,
            untried: 1,
            cause: None,
            detail,
            bounce: None,
        })
        .await;
    }

    async fn send(&self, line: Settle) {
        // The settler outlives every handle, so this only fails while the process is torn down; the lease then ends by itself.
        let _ = self.lines.send(line).await;
    }
}

/// Runs a try so that a panic in it is one failed try and not the end of anything else.
pub async fn caught(attempt: impl Future<Output = Outcome>) -> Outcome {
    use futures_util::FutureExt;
    std::panic::AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| Outcome::Retry {
        cause: Cause::Unmakeable,
        detail: "the attempt failed inside loa; the log has the panic".to_owned(),
        after: None,
    })
}

async fn run(store: Store, clock: Clock, mut inbox: mpsc::Receiver<Settle>, held: Held, settled: Arc<Notify>) {
    let mut extend = tokio::time::interval(LEASE / 3);
    extend.tick().await;
    let mut group = Vec::with_capacity(GROUP);
    loop {
        tokio::select! {
            n = inbox.recv_many(&mut group, GROUP) => {
                if n == 0 {
                    return;
                }
                if group.len() < GROUP {
                    let company = async { while group.len() < GROUP && inbox.recv_many(&mut group, GROUP).await > 0 {} };
                    let _ = tokio::time::timeout(LINGER, company).await;
                }
                write(&store, &clock, &group).await;
                settled.notify_one();
                let mut held = lock(&held);
                for line in group.drain(..) {
                    let lease = line.lease.parse().unwrap_or_default();
                    if let Some(ids) = held.get_mut(&lease) {
                        ids.remove(&line.id);
                        if ids.is_empty() {
                            held.remove(&lease);
                        }
                    }
                }
            }
            _ = extend.tick() => extend_all(&store, &clock, &held).await,
        }
    }
}

/// Writes a group, again and again while the database is away: what was sent must not be forgotten.
async fn write(store: &Store, clock: &Clock, group: &[Settle]) {
    let mut wait = Duration::from_millis(100);
    for _ in 0..10 {
        match store.settle(group, clock.now()).await {
            Ok(n) => {
                let lost = group.len() as u64 - n.min(group.len() as u64);
                if lost > 0 {
                    tracing::warn!(lost, "deliveries were not ours any more when they were settled");
                }
                return;
            }
            Err(e) => tracing::error!("cannot settle {} deliveries, trying again: {e}", group.len()),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(10));
    }
    tracing::error!("gave up settling {} deliveries: they will be tried again under the same id", group.len());
}

async fn extend_all(store: &Store, clock: &Clock, held: &Held) {
    let all: Vec<(i64, Vec<i64>)> =
        lock(held).iter().map(|(lease, ids)| (*lease, ids.iter().copied().collect())).collect();
    for (lease, ids) in all {
        if let Err(e) = store.extend(lease, &ids, clock.now().plus(LEASE)).await {
            tracing::error!("cannot extend a lease: {e}");
        }
    }
}

fn lock(held: &Held) -> std::sync::MutexGuard<'_, HashMap<i64, HashSet<i64>>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
