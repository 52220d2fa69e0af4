//! Delivering mails: claim, compose, send, settle. No transaction is open while anything is sent; a slow receiver holds
//! its own connection and nothing else; a crash repeats at most what was on its way, under the same message id.
//!
//! One task claims and composes ahead of the senders, so that no connection waits for the database; each sender takes
//! the most urgent letter that waits.

mod queue;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::domain::delivery::{Cause, Channel, Lane, Outcome};
use crate::notify::folder::Folder;
use crate::notify::smtp::{Envelope, Pool};
use crate::store::delivery::{Claimed, LEASE};
use crate::store::engine::Store;
use crate::telemetry::metrics::Metrics;
use crate::work::compose::{Composed, Composer, Letter};
use crate::work::presence::Presence;
use crate::work::settle::{Settler, caught};
use crate::work::wakes::Wakes;

use queue::{Queue, Waiting};

/// Rows claimed at a time: composed together, so that readers of one article share its content.
const CLAIM: i64 = 500;

/// How often the outbox is looked at when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

/// Why a claim is given back that another replica may have by now; if it has, this changes nothing.
const CUT_OFF: &str = "put back by a replica that stood still";

/// How long mails that are under way may take when the worker stops. What takes longer is given up: it is sent again
/// when its lease ends, under the same id.
const LAST: Duration = Duration::from_secs(20);

/// Letters made ready ahead of the connections, so that none waits for a mail to be written.
const READY: usize = 4;

/// Where mails go.
#[derive(Clone)]
pub enum Transport {
    /// A relay.
    Smtp(Pool),
    /// `.eml` files in a folder.
    Folder(Folder),
}

impl Transport {
    /// Writes the letter into `bytes` and hands it over.
    async fn send(&self, from: &str, letter: &Letter, bytes: &mut Vec<u8>) -> Outcome {
        bytes.clear();
        letter.write(bytes);
        match self {
            Self::Smtp(pool) => {
                let from = letter.return_path.as_deref().unwrap_or(from);
                pool.send(&Envelope { from, to: &letter.to }, bytes).await
            }
            Self::Folder(folder) => folder.deliver(&letter.message_id, bytes).await,
        }
    }

    /// Whether every mail would fail at once because the relay could not be reached a moment ago.
    fn is_resting(&self) -> bool {
        match self {
            Self::Smtp(pool) => pool.open_connections() == 0 && pool.resting().is_some(),
            Self::Folder(_) => false,
        }
    }
}

/// The mail worker of this process.
pub struct Mailer {
    store: Store,
    clock: Clock,
    composer: Composer,
    transport: Transport,
    wakes: Wakes,
    metrics: Metrics,
    presence: Presence,
    /// Mails that may be under way at once.
    in_flight: usize,
}

impl Mailer {
    /// A worker for this transport with so many connections.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        composer: Composer,
        transport: Transport,
        connections: usize,
        wakes: Wakes,
        metrics: Metrics,
    ) -> Self {
        let presence = Presence::alone(&clock);
        Self { store, clock, composer, transport, wakes, metrics, presence, in_flight: connections + READY }
    }

    /// The same worker, one of several that share the database.
    #[must_use]
    pub fn among(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Works until `stop` turns true; then finishes what is on its way and settles it.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (settler, settling) = Settler::start(self.store.clone(), self.clock.clone(), Channel::Email);
        let queue = Arc::new(Queue::new());
        let from: Arc<str> = self.composer.return_path().into();
        let mut senders = JoinSet::new();
        for _ in 0..self.in_flight {
            let sender = Sender {
                queue: Arc::clone(&queue),
                settler: settler.clone(),
                transport: self.transport.clone(),
                presence: self.presence.clone(),
                from: Arc::clone(&from),
                clock: self.clock.clone(),
                metrics: self.metrics.clone(),
            };
            senders.spawn(sender.run());
        }
        while !*stop.borrow() {
            if !self.fill(&queue, &settler).await {
                tokio::select! {
                    () = queue.low.notified() => {}
                    () = self.wakes.mails.notified() => {}
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stop.changed() => {}
                }
            }
        }
        for waiting in queue.close() {
            settler.put_back(waiting.claimed.id, waiting.lease, Duration::ZERO, "put back at shutdown").await;
        }
        let _ = timeout(LAST, async { while senders.join_next().await.is_some() {} }).await;
        senders.shutdown().await;
        drop(settler);
        let _ = timeout(LAST, settling).await;
        if let Transport::Smtp(pool) = &self.transport {
            pool.close().await;
        }
    }

    /// Claims and composes some of the most urgent due mails, if they have room in the queue. Answers whether there may
    /// be more to do.
    async fn fill(&self, queue: &Queue, settler: &Settler) -> bool {
        // By now another replica may have what was claimed here; or every mail would fail at once.
        if !self.presence.is_there() || self.transport.is_resting() {
            return false;
        }
        let due = match self.store.due_lane(Channel::Email, self.clock.now()).await {
            Ok(due) => due,
            Err(e) => {
                tracing::error!("cannot look for due mails: {e}");
                return false;
            }
        };
        let Some(lane) = due.filter(|lane| queue.has_room(*lane)) else { return false };
        let now = self.clock.now();
        let lease = self.presence.token();
        match self.store.claim(Channel::Email, lane, lease, now, now.plus(LEASE), CLAIM).await {
            // Another replica was faster.
            Ok(rows) if rows.is_empty() => false,
            Ok(rows) => {
                settler.hold(lease, rows.iter().map(|r| r.id));
                self.compose(rows, lease, lane, queue, settler).await;
                true
            }
            Err(e) => {
                tracing::error!("cannot claim mails: {e}");
                false
            }
        }
    }

    async fn compose(&self, rows: Vec<Claimed>, lease: i64, lane: Lane, queue: &Queue, settler: &Settler) {
        let composed = match self.composer.compose(&rows).await {
            Ok(composed) => composed,
            Err(e) => {
                tracing::error!("cannot compose {} mails, they wait: {e}", rows.len());
                for row in rows {
                    settler.put_back(row.id, lease, Duration::from_secs(10), "the database failed").await;
                }
                return;
            }
        };
        let mut letters = Vec::with_capacity(rows.len());
        for (claimed, composed) in rows.into_iter().zip(composed) {
            match composed {
                Composed::Letter(letter) => letters.push(Waiting { claimed, lease, lane, letter }),
                Composed::Cancel(why) => settler.cancel(claimed.id, lease, why).await,
                Composed::Unmakeable(detail) => {
                    tracing::error!(delivery.id = claimed.id, "a mail cannot be made: {detail}");
                    let outcome = Outcome::Dead { cause: Cause::Unmakeable, detail };
                    settler.settle(claimed.id, lease, claimed.attempts, outcome).await;
                }
            }
        }
        queue.add(lane, letters);
    }
}

/// One of those who send: a letter at a time.
struct Sender {
    queue: Arc<Queue>,
    settler: Settler,
    transport: Transport,
    presence: Presence,
    from: Arc<str>,
    clock: Clock,
    metrics: Metrics,
}

impl Sender {
    async fn run(self) {
        let mut bytes = Vec::new();
        while let Some(Waiting { claimed, lease, lane, letter }) = self.queue.next().await {
            if !self.presence.may_send(lease) {
                self.settler.put_back(claimed.id, lease, Duration::ZERO, CUT_OFF).await;
                continue;
            }
            let began = self.clock.now();
            let outcome = Box::pin(caught(self.transport.send(&self.from, &letter, &mut bytes))).await;
            self.metrics.attempted(Channel::Email, lane, &outcome, self.clock.now().since(began));
            if let Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } = &outcome {
                tracing::warn!(
                    delivery.id = claimed.id, to = %letter.to, cause = cause.as_str(),
                    attempt = claimed.attempts, "mail not sent: {detail}"
                );
            }
            self.settler.settle(claimed.id, lease, claimed.attempts, outcome).await;
        }
    }
}
