//! Delivering mails: claim, compose, send, settle. No transaction is open while anything is sent; a slow receiver holds
//! its own connection and nothing else; a crash repeats at most what was on its way, under the same message id.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

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

/// Rows claimed at a time: composed together, so that readers of one article share its content.
const CLAIM: usize = 500;

/// How often the outbox is looked at when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

/// Why a claim is given back that another replica may have by now; if it has, this changes nothing.
const CUT_OFF: &str = "put back by a replica that stood still";

/// Where mails go.
#[derive(Clone)]
pub enum Transport {
    /// A relay.
    Smtp(Pool),
    /// `.eml` files in a folder.
    Folder(Folder),
}

impl Transport {
    async fn send(&self, from: &str, letter: &Letter) -> Outcome {
        let mut bytes = Vec::new();
        letter.write(&mut bytes);
        match self {
            Self::Smtp(pool) => pool.send(&Envelope { from, to: &letter.to }, &bytes).await,
            Self::Folder(folder) => folder.deliver(&letter.message_id, &bytes).await,
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
    /// Mails that may be under way at once: every connection busy and the next mail ready behind it.
    in_flight: usize,
}

/// A letter that waits for its turn, under its claim.
struct Waiting {
    claimed: Claimed,
    lease: i64,
    lane: Lane,
    letter: Letter,
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
        Self { store, clock, composer, transport, wakes, metrics, presence, in_flight: connections * 2 }
    }

    /// The same worker, one of several that share the database.
    #[must_use]
    pub fn among(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Works until `stop` turns true; then finishes what is on its way and settles it.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (settler, task) = Settler::start(self.store.clone(), self.clock.clone(), Channel::Email);
        let slots = Arc::new(Semaphore::new(self.in_flight));
        let from: Arc<str> = self.composer.return_path().into();
        let mut queue: VecDeque<Waiting> = VecDeque::new();
        while !*stop.borrow() {
            if !self.presence.is_there() {
                // By now another replica may have what was claimed here.
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            if queue.len() < CLAIM / 2 {
                let claimed = self.refill(&mut queue, &settler).await;
                if !claimed && queue.is_empty() {
                    tokio::select! {
                        () = self.wakes.mails.notified() => {}
                        () = tokio::time::sleep(LOOK) => {}
                        _ = stop.changed() => {}
                    }
                    continue;
                }
            }
            // A confirmation that comes in while a digest goes out must not wait for the whole queue to drain: the queue
            // is short, and each refill asks for the most urgent lane first.
            while let Some(waiting) = queue.pop_front() {
                let permit = tokio::select! {
                    permit = Arc::clone(&slots).acquire_owned() => permit,
                    _ = stop.changed() => {
                        queue.push_front(waiting);
                        break;
                    }
                };
                let Ok(permit) = permit else { break };
                if !self.presence.may_send(waiting.lease) {
                    settler.put_back(waiting.claimed.id, waiting.lease, Duration::ZERO, CUT_OFF).await;
                    continue;
                }
                self.dispatch(waiting, permit, &settler, &from);
                if queue.len() == CLAIM / 2 {
                    break;
                }
            }
        }
        for waiting in queue {
            settler.put_back(waiting.claimed.id, waiting.lease, Duration::ZERO, "put back at shutdown").await;
        }
        // Every send holds one permit until it is settled.
        let all = u32::try_from(self.in_flight).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(Duration::from_secs(20), slots.acquire_many(all)).await;
        drop(settler);
        let _ = tokio::time::timeout(Duration::from_secs(20), task).await;
        if let Transport::Smtp(pool) = &self.transport {
            pool.close().await;
        }
    }

    /// Claims and composes the most urgent due mails. Answers whether there were any.
    async fn refill(&self, queue: &mut VecDeque<Waiting>, settler: &Settler) -> bool {
        for lane in Lane::ALL {
            let now = self.clock.now();
            let lease = self.presence.token();
            let limit = i64::try_from(CLAIM).unwrap_or(i64::MAX);
            match self.store.claim(Channel::Email, lane, lease, now, now.plus(LEASE), limit).await {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => {
                    settler.hold(lease, rows.iter().map(|r| r.id));
                    self.compose(rows, lease, lane, queue, settler).await;
                    return true;
                }
                Err(e) => {
                    tracing::error!("cannot claim mails: {e}");
                    return false;
                }
            }
        }
        false
    }

    async fn compose(
        &self,
        rows: Vec<Claimed>,
        lease: i64,
        lane: Lane,
        queue: &mut VecDeque<Waiting>,
        settler: &Settler,
    ) {
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
        let mut urgent = Vec::new();
        for (claimed, composed) in rows.into_iter().zip(composed) {
            match composed {
                Composed::Letter(letter) => urgent.push(Waiting { claimed, lease, lane, letter }),
                Composed::Cancel(why) => settler.cancel(claimed.id, lease, why).await,
                Composed::Unmakeable(detail) => {
                    tracing::error!(delivery.id = claimed.id, "a mail cannot be made: {detail}");
                    let outcome = Outcome::Dead { cause: Cause::Unmakeable, detail };
                    settler.settle(claimed.id, lease, claimed.attempts, outcome).await;
                }
            }
        }
        if lane == Lane::Transactional {
            for waiting in urgent.into_iter().rev() {
                queue.push_front(waiting);
            }
        } else {
            queue.extend(urgent);
        }
    }

    fn dispatch(&self, waiting: Waiting, permit: OwnedSemaphorePermit, settler: &Settler, from: &Arc<str>) {
        let transport = self.transport.clone();
        let settler = settler.clone();
        let from = Arc::clone(from);
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        tokio::spawn(async move {
            let began = clock.now();
            let outcome = Box::pin(caught(transport.send(&from, &waiting.letter))).await;
            metrics.attempted(Channel::Email, waiting.lane, &outcome, clock.now().since(began));
            if let Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } = &outcome {
                tracing::warn!(
                    delivery.id = waiting.claimed.id, to = %waiting.letter.to, cause = cause.as_str(),
                    attempt = waiting.claimed.attempts, "mail not sent: {detail}"
                );
            }
            settler.settle(waiting.claimed.id, waiting.lease, waiting.claimed.attempts, outcome).await;
            drop(permit);
        });
    }
}
