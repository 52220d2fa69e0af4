//! Delivering mails: claim, compose, send, settle. No transaction is open while anything is sent; a slow receiver holds
//! its own connection and nothing else; a crash repeats at most what was on its way, under the same message id.
//!
//! One task claims and composes ahead of the senders, so that no connection waits for the database; each sender takes
//! the most urgent letter that waits.

mod queue;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::domain::delivery::{Cause, Channel, Lane, Outcome};
use crate::domain::staging::{Listed, is_listed};
use crate::domain::subscriber::EmailAddress;
use crate::notify::folder::Folder;
use crate::notify::smtp::Envelope;
use crate::notify::smtp::relays::Relays;
use crate::store::delivery::{Claimed, LEASE};
use crate::store::engine::Store;
use crate::telemetry::metrics::Metrics;
use crate::work::compose::{Composed, Composer};
use crate::work::presence::Presence;
use crate::work::settle::Settler;
use crate::work::wakes::Wakes;

use queue::{Queue, Waiting};
use sender::{Sender, into_folder};

/// Rows claimed at a time: composed together, so that readers of one article share its content.
const CLAIM: i64 = 500;

/// With a limit on mails a second, no more are claimed than can go out in this time: what waits composed no longer
/// hears of a withdrawal.
const AHEAD: u32 = 10;

/// How often the outbox is looked at when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

/// Why a claim is given back that another replica may have by now; if it has, this changes nothing.
const CUT_OFF: &str = "put back by a replica that stood still";

/// How long mails that are under way may take when the worker stops. What takes longer is given up: it is sent again
/// when its lease ends, under the same id.
const LAST: Duration = Duration::from_secs(20);

/// Where mails go.
#[derive(Clone)]
pub enum Transport {
    /// Through one or more relays.
    Smtp(Relays),
    /// `.eml` files in a folder.
    Folder(Folder),
    /// Outside production: through the relays to those who are listed, everyone else's into the folder.
    Staging(Relays, Staging),
}

/// The staging guard.
#[derive(Clone, Debug)]
pub struct Staging {
    /// Who gets mail all the same.
    pub only: Arc<[Listed]>,
    /// Where everyone else's goes.
    pub folder: Folder,
}

impl Transport {
    /// The relays, if there are any for this receiver; else the folder, and why.
    fn way(&self, to: &EmailAddress) -> Way<'_> {
        match self {
            Self::Smtp(relays) => Way::Relays(relays),
            Self::Folder(folder) => Way::Folder(folder, ""),
            Self::Staging(relays, staging) if is_listed(&staging.only, to) => Way::Relays(relays),
            Self::Staging(_, staging) => Way::Folder(&staging.folder, "not sent, this is not production: "),
        }
    }

    const fn relays(&self) -> Option<&Relays> {
        match self {
            Self::Smtp(relays) | Self::Staging(relays, _) => Some(relays),
            Self::Folder(_) => None,
        }
    }

    /// Hands one mail over, apart from any queue.
    pub async fn send(&self, from: &str, to: &EmailAddress, message_id: &str, bytes: &[u8]) -> Outcome {
        match self.way(to) {
            Way::Relays(relays) => relays.send(&Envelope { from, to }, bytes).await,
            Way::Folder(folder, why) => into_folder(folder, why, message_id, bytes).await,
        }
    }

    /// Says good-bye to the relays.
    pub async fn close(&self) {
        if let Some(relays) = self.relays() {
            relays.close().await;
        }
    }

    /// Whether every mail would come back at once because no relay can be reached.
    fn is_resting(&self) -> bool {
        self.relays().is_some_and(Relays::is_resting)
    }

    /// Rows worth claiming at a time.
    fn claim(&self) -> i64 {
        match self.relays().map_or(0, Relays::rate) {
            0 => CLAIM,
            rate => i64::from(rate).saturating_mul(i64::from(AHEAD)).clamp(20, CLAIM),
        }
    }
}

enum Way<'a> {
    Relays(&'a Relays),
    /// The folder, and what the record of the delivery begins with.
    Folder(&'a Folder, &'static str),
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
    /// Those who send, one for each connection.
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
        Self { store, clock, composer, transport, wakes, metrics, presence, in_flight: connections.max(1) }
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
        let queue = Arc::new(Queue::new(usize::try_from(self.transport.claim()).unwrap_or(1)));
        let from: Arc<str> = self.composer.return_path().into();
        let mut senders = JoinSet::new();
        for _ in 0..self.in_flight {
            let sender = Sender::new(
                Arc::clone(&queue),
                settler.clone(),
                self.transport.clone(),
                self.presence.clone(),
                Arc::clone(&from),
                self.clock.clone(),
                self.metrics.clone(),
            );
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
        self.transport.close().await;
    }

    /// Claims and composes some of the most urgent due mails, if they have room in the queue. Answers whether there may
    /// be more to do.
    async fn fill(&self, queue: &Queue, settler: &Settler) -> bool {
        // By now another replica may have what was claimed here.
        if !self.presence.is_there() {
            return false;
        }
        if self.transport.is_resting() {
            // Composed mails do not hear of withdrawals: they are claimed again when there is somebody to send them to.
            for waiting in queue.drain() {
                settler.put_back(waiting.claimed.id, waiting.lease, Duration::ZERO, "the relay is at rest").await;
            }
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
        match self.store.claim(Channel::Email, lane, lease, now, now.plus(LEASE), self.transport.claim()).await {
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
