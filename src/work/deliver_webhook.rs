//! Delivering webhooks: claim, compose, post, settle. Each endpoint has its own short queue and its own few slots, so a
//! slow or dead one delays no other; one that fails again and again is left in peace for a while, its events kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use url::Url;

use crate::clock::{Clock, Timestamp};
use crate::domain::article::{ChangeKind, StoredArticle};
use crate::domain::delivery::{Cause, Channel, Lane, Outcome};
use crate::domain::site::Site;
use crate::http::client::Client;
use crate::notify::webhook::secret::Secret;
use crate::notify::webhook::{Call, deliver, event};
use crate::store::delivery::{Claimed, LEASE};
use crate::store::endpoint::Endpoint;
use crate::store::engine::{Result, Store};
use crate::telemetry::metrics::Metrics;
use crate::work::presence::Presence;
use crate::work::settle::{Settler, caught};
use crate::work::wakes::Wakes;

/// Rows claimed at a time.
const CLAIM: i64 = 200;

/// Claimed rows that may wait or be under way in this process: a place for each of many endpoints.
const MOST_HELD: usize = 2_000;

/// Posts to one endpoint at a time.
const PER_ENDPOINT: usize = 4;

/// Failures in a row after which an endpoint's other events wait.
const PATIENCE: u32 = 3;

/// The longest that a failing endpoint's other events wait before one of them is tried.
const LONGEST_PEACE: Duration = Duration::from_mins(10);

/// How often the outbox is looked at when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

/// An event ready to be posted.
#[derive(Clone)]
struct Event {
    id: String,
    body: Arc<[u8]>,
}

/// An event that waits for a slot of its endpoint, under its claim.
struct Waiting {
    claimed: Claimed,
    lease: i64,
    event: Event,
}

/// What this process remembers of an endpoint while it has work for it.
struct EndpointQueue {
    target: Arc<Target>,
    queue: VecDeque<Waiting>,
    in_flight: usize,
    failures: u32,
}

struct Target {
    url: Url,
    secrets: Vec<Secret>,
}

/// What a finished post says to the loop.
struct Finished {
    subscriber: i64,
    failed: bool,
    gone: bool,
}

/// The webhook worker of this process.
pub struct Webhooks {
    store: Store,
    clock: Clock,
    site: Site,
    client: Client,
    wakes: Wakes,
    metrics: Metrics,
    presence: Presence,
}

impl Webhooks {
    /// A worker that posts through this client.
    #[must_use]
    pub fn new(store: Store, clock: Clock, site: Site, client: Client, wakes: Wakes, metrics: Metrics) -> Self {
        let presence = Presence::alone(&clock);
        Self { store, clock, site, client, wakes, metrics, presence }
    }

    /// The same worker, one of several that share the database.
    #[must_use]
    pub fn among(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Works until `stop` turns true; then finishes what is on its way and settles it.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (settler, task) = Settler::start(self.store.clone(), self.clock.clone(), Channel::Webhook);
        let (done, mut finished) = mpsc::channel::<Finished>(MOST_HELD);
        let mut lanes: HashMap<i64, EndpointQueue> = HashMap::new();
        let mut worker = self.presence.worker();
        while !*stop.borrow() {
            let mut claimed = false;
            if self.presence.is_there() && settler.held() < MOST_HELD {
                claimed = self.refill(&mut lanes, &settler).await;
            }
            while self.presence.worker() != worker {
                // Another replica may have these by now: then this changes nothing.
                worker = self.presence.worker();
                put_back(&mut lanes, &settler, "put back by a replica that stood still").await;
            }
            for (subscriber, lane) in lanes.iter_mut().filter(|_| self.presence.is_there()) {
                self.dispatch(*subscriber, lane, &settler, &done);
            }
            lanes.retain(|_, lane| lane.in_flight > 0 || !lane.queue.is_empty() || lane.failures > 0);
            if claimed {
                while let Ok(end) = finished.try_recv() {
                    self.finish(end, &mut lanes, &settler).await;
                }
                continue;
            }
            tokio::select! {
                Some(end) = finished.recv() => self.finish(end, &mut lanes, &settler).await,
                () = self.wakes.webhooks.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.changed() => {}
            }
        }
        put_back(&mut lanes, &settler, "put back at shutdown").await;
        drop(settler);
        // The settler ends when the last post has reported; a post ends by its own deadline.
        let _ = tokio::time::timeout(Duration::from_secs(30), task).await;
    }

    async fn refill(&self, lanes: &mut HashMap<i64, EndpointQueue>, settler: &Settler) -> bool {
        let now = self.clock.now();
        let lease = self.presence.token();
        let until = now.plus(LEASE);
        let rows = match self.store.claim(Channel::Webhook, Lane::Immediate, lease, now, until, CLAIM).await {
            Ok(rows) => rows,
            Err(e) => {
                tracing::error!("cannot claim webhook deliveries: {e}");
                return false;
            }
        };
        if rows.is_empty() {
            return false;
        }
        settler.hold(lease, rows.iter().map(|r| r.id));
        let mut events: HashMap<i64, Option<Event>> = HashMap::new();
        for claimed in rows {
            if let Err(e) = self.place(&claimed, lease, &mut events, lanes, settler).await {
                tracing::error!("cannot compose a webhook delivery, it waits: {e}");
                settler.put_back(claimed.id, lease, Duration::from_secs(10), "the database failed").await;
            }
        }
        true
    }

    /// Puts a claimed row into its endpoint's queue, or settles it at once if there is nothing to post.
    async fn place(
        &self,
        claimed: &Claimed,
        lease: i64,
        events: &mut HashMap<i64, Option<Event>>,
        lanes: &mut HashMap<i64, EndpointQueue>,
        settler: &Settler,
    ) -> Result<()> {
        let change = claimed.change_id.unwrap_or_default();
        let event = if let Some(event) = events.get(&change) {
            event.clone()
        } else {
            let event = self.event(claimed).await?;
            events.insert(change, event.clone());
            event
        };
        let Some(event) = event else {
            settler.cancel(claimed.id, lease, "withdrawn").await;
            return Ok(());
        };
        let subscriber = claimed.subscriber_id;
        let Some(endpoint) = self.store.endpoint_by_subscriber(subscriber).await? else {
            settler.cancel(claimed.id, lease, "the endpoint was deleted").await;
            return Ok(());
        };
        if endpoint.disabled_at.is_some() {
            settler.put_back(claimed.id, lease, Duration::from_hours(1), "the endpoint is disabled").await;
            return Ok(());
        }
        let target = match target(&endpoint) {
            Ok(target) => Arc::new(target),
            Err(detail) => {
                let outcome = Outcome::Dead { cause: Cause::Unmakeable, detail };
                settler.settle(claimed.id, lease, claimed.attempts, outcome).await;
                return Ok(());
            }
        };
        let lane = lanes.entry(subscriber).or_insert_with(|| EndpointQueue {
            target: Arc::clone(&target),
            queue: VecDeque::new(),
            in_flight: 0,
            failures: 0,
        });
        lane.target = target;
        // While an endpoint fails, one event at a time is its probe; the others wait their turn in the database.
        if lane.failures >= PATIENCE && lane.in_flight + lane.queue.len() >= 1 {
            settler.put_back(claimed.id, lease, peace(lane.failures), "the endpoint is failing").await;
        } else {
            lane.queue.push_back(Waiting { claimed: claimed.clone(), lease, event });
        }
        Ok(())
    }

    fn dispatch(&self, subscriber: i64, lane: &mut EndpointQueue, settler: &Settler, done: &mpsc::Sender<Finished>) {
        while lane.in_flight < PER_ENDPOINT
            && let Some(waiting) = lane.queue.pop_front()
        {
            lane.in_flight += 1;
            let (client, settler, done) = (self.client.clone(), settler.clone(), done.clone());
            let (target, clock, metrics) = (Arc::clone(&lane.target), self.clock.clone(), self.metrics.clone());
            tokio::spawn(async move {
                let at = clock.now();
                let call = Call {
                    url: &target.url,
                    id: &waiting.event.id,
                    attempt_time: at,
                    body: &waiting.event.body,
                    secrets: &target.secrets,
                };
                let outcome = caught(deliver(&client, call)).await;
                metrics.attempted(Channel::Webhook, Lane::Immediate, &outcome, clock.now().since(at));
                let failed = !matches!(outcome, Outcome::Sent(_));
                let gone = matches!(outcome, Outcome::Dead { cause: Cause::Gone, .. });
                if let Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } = &outcome {
                    tracing::warn!(
                        delivery.id = waiting.claimed.id,
                        endpoint = subscriber,
                        cause = cause.as_str(),
                        attempt = waiting.claimed.attempts,
                        "webhook not delivered: {detail}"
                    );
                }
                settler.settle(waiting.claimed.id, waiting.lease, waiting.claimed.attempts, outcome).await;
                let _ = done.send(Finished { subscriber, failed, gone }).await;
            });
        }
    }

    async fn finish(&self, end: Finished, lanes: &mut HashMap<i64, EndpointQueue>, settler: &Settler) {
        let Some(lane) = lanes.get_mut(&end.subscriber) else { return };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.failures = if end.failed { lane.failures.saturating_add(1) } else { 0 };
        if end.gone {
            tracing::warn!(endpoint = end.subscriber, "the endpoint says that it is gone (410): it is disabled");
            if let Err(e) = self.store.disable_endpoint(end.subscriber, "410 Gone", self.clock.now()).await {
                tracing::error!("cannot disable an endpoint: {e}");
            }
        }
        if end.gone || lane.failures >= PATIENCE {
            for waiting in lane.queue.drain(..) {
                let (id, lease) = (waiting.claimed.id, waiting.lease);
                settler.put_back(id, lease, peace(lane.failures), "the endpoint is failing").await;
            }
        }
    }

    /// The event that a delivery brings; nothing if its article was withdrawn meanwhile.
    async fn event(&self, claimed: &Claimed) -> Result<Option<Event>> {
        let Some(kind) = ChangeKind::parse(&claimed.kind) else { return Ok(None) };
        let id = claimed.article_id.unwrap_or_default();
        let Some(stored) = self.store.article(id).await? else { return Ok(None) };
        if kind != ChangeKind::Withdrawn && !stored.visible {
            return Ok(None);
        }
        let feeds = self.slugs(id).await?;
        let seen = Timestamp(claimed.created_at);
        Ok(Some(Event {
            id: StoredArticle::event_id(id, claimed.revision, kind),
            body: event::event_body(kind, seen, &stored, &feeds, &self.site.zone).into(),
        }))
    }

    async fn slugs(&self, article: i64) -> Result<Vec<String>> {
        let members = self.store.memberships_of(article).await?;
        Ok(members.into_iter().filter(|m| m.left_at.is_none()).map(|m| m.slug).collect())
    }
}

async fn put_back(lanes: &mut HashMap<i64, EndpointQueue>, settler: &Settler, why: &str) {
    for waiting in lanes.values_mut().flat_map(|l| l.queue.drain(..)) {
        settler.put_back(waiting.claimed.id, waiting.lease, Duration::ZERO, why).await;
    }
}

fn target(endpoint: &Endpoint) -> std::result::Result<Target, String> {
    Ok(Target {
        url: Url::parse(&endpoint.url).map_err(|e| format!("the endpoint's address cannot be read: {e}"))?,
        secrets: vec![
            Secret::parse(&endpoint.secret).map_err(|e| format!("the endpoint's secret cannot be read: {e}"))?,
        ],
    })
}

/// How long a failing endpoint's other events wait: longer with each failure.
fn peace(failures: u32) -> Duration {
    Duration::from_secs(5)
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(PATIENCE).min(10)))
        .min(LONGEST_PEACE)
}
