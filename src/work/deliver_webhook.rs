//! Delivering webhooks: claim, compose, post, settle. Claims come in fair order and in the order of each article; each
//! receiver and each machine has its own few slots, so a slow or dead one delays no other; one that fails again and again
//! is left in peace for a while. Never gives an event up because its endpoint is away: then the endpoint is disabled, and
//! its events wait.

mod lanes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use url::Url;

use self::lanes::{Lanes, Machine, Target, Waiting};
use crate::clock::{Clock, Timestamp};
use crate::domain::delivery::{Cause, Channel, HOPELESS, Lane, Outcome, next_attempt, rest};
use crate::domain::site::Site;
use crate::http::client::Client;
use crate::notify::webhook::pace::Ended;
use crate::notify::webhook::secret::Secret;
use crate::notify::webhook::{Call, deliver, event};
use crate::store::delivery::LEASE;
use crate::store::endpoint::Endpoint;
use crate::store::engine::{Result, Store};
use crate::store::push::{Beat, PATIENCE, Post, Pulse};
use crate::telemetry::metrics::Metrics;
use crate::work::events::Events;
use crate::work::presence::Presence;
use crate::work::settle::{Settler, caught};
use crate::work::wakes::Wakes;

/// Rows claimed at a time.
const CLAIM: usize = 500;

/// Claimed rows that may wait or be under way in this process: a place for each of many endpoints.
const MOST_HELD: usize = 4_000;

/// How often the outbox is looked at when no bell rings.
const LOOK: Duration = Duration::from_secs(1);

/// Why an endpoint that never answered well is disabled, in the database and the API.
pub const FAILED_FOR_DAYS: &str = "no success for three days";

/// Why an endpoint that said so is disabled.
pub const SAID_GONE: &str = "410 Gone";

/// What a finished post says to the loop.
struct Finished {
    post: Post,
    lease: i64,
    machine: Machine,
    began: Timestamp,
    took: Duration,
    outcome: Outcome,
}

/// The webhook worker of this process.
pub struct Webhooks {
    store: Store,
    clock: Clock,
    events: Events,
    client: Client,
    wakes: Wakes,
    metrics: Metrics,
    presence: Presence,
}

/// What the loop works with.
struct Work {
    lanes: Lanes,
    settler: Settler,
    done: mpsc::Sender<Finished>,
    /// What tries said of the health of their receivers, not written yet.
    pulses: Vec<Pulse>,
}

impl Webhooks {
    /// A worker that posts through this client.
    #[must_use]
    pub fn new(store: Store, clock: Clock, site: Site, client: Client, wakes: Wakes, metrics: Metrics) -> Self {
        let presence = Presence::alone(&clock);
        let events = Events::new(store.clone(), site);
        Self { store, clock, events, client, wakes, metrics, presence }
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
        let settled = settler.settled();
        let (done, mut finished) = mpsc::channel::<Finished>(MOST_HELD);
        let mut work = Work { lanes: Lanes::default(), settler, done, pulses: Vec::new() };
        let mut worker = self.presence.worker();
        // Whether there may be more to claim: after bells and settles, and at each look.
        let mut hungry = true;
        while !*stop.borrow() {
            // Before a claim: who rests must not be claimed for.
            self.feel(&mut work).await;
            if hungry && self.presence.is_there() && work.settler.held() < MOST_HELD {
                hungry = self.refill(&mut work).await;
            } else {
                hungry = false;
            }
            while self.presence.worker() != worker {
                // Another replica may have these by now: then this changes nothing.
                worker = self.presence.worker();
                let all = work.lanes.drain_all();
                put_back(&work.settler, all, Duration::ZERO, "put back by a replica that stood still").await;
            }
            if self.presence.is_there() {
                self.dispatch(&mut work);
            }
            while let Ok(end) = finished.try_recv() {
                self.finish(end, &mut work).await;
            }
            if hungry {
                continue;
            }
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                Some(end) = finished.recv() => self.finish(end, &mut work).await,
                () = self.wakes.webhooks.notified() => hungry = true,
                () = settled.notified() => hungry = true,
                () = tokio::time::sleep(LOOK) => {
                    work.lanes.forget();
                    hungry = match self.store.posts_are_due(self.clock.now()).await {
                        Ok(due) => due,
                        Err(e) => {
                            tracing::error!("cannot look for webhook deliveries: {e}");
                            false
                        }
                    };
                }
            }
        }
        let all = work.lanes.drain_all();
        put_back(&work.settler, all, Duration::ZERO, "put back at shutdown").await;
        // A post ends by its own deadline; what it says is settled like any other.
        let last = async {
            while work.lanes.under_way() > 0 {
                let Some(end) = finished.recv().await else { break };
                self.finish(end, &mut work).await;
            }
            self.feel(&mut work).await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(30), last).await;
        drop(work);
        let _ = tokio::time::timeout(Duration::from_secs(30), task).await;
    }

    /// Claims what there is room for. Answers whether there may be more at once.
    async fn refill(&self, work: &mut Work) -> bool {
        let now = self.clock.now();
        let lease = self.presence.token();
        let limit = CLAIM.min(MOST_HELD.saturating_sub(work.settler.held()));
        let (window, rooms) = ((now, now.plus(LEASE)), work.lanes.rooms());
        let posts = match self.store.claim_posts(lease, window, limit, Lanes::USUAL, &rooms).await {
            Ok(posts) => posts,
            Err(e) => {
                tracing::error!("cannot claim webhook deliveries: {e}");
                return false;
            }
        };
        if posts.is_empty() {
            return false;
        }
        work.settler.hold(lease, posts.iter().map(|p| p.id));
        if let Err((e, rest)) = self.place(posts, lease, work).await {
            tracing::error!("cannot compose webhook deliveries, they wait: {e}");
            for id in rest {
                work.settler.put_back(id, lease, Duration::from_secs(10), "the database failed").await;
            }
        }
        // There may be more for whoever got less than it has room for.
        true
    }

    /// Puts claimed rows into their endpoints' queues, or settles them at once if there is nothing to post. On a failure
    /// the rows that were not placed come back with it.
    async fn place(
        &self,
        posts: Vec<Post>,
        lease: i64,
        work: &mut Work,
    ) -> std::result::Result<(), (crate::store::engine::StoreError, Vec<i64>)> {
        let mut open: HashSet<i64> = posts.iter().map(|p| p.id).collect();
        let ids: HashSet<i64> = posts.iter().map(|p| p.subscriber_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let rest = |open: &HashSet<i64>| open.iter().copied().collect::<Vec<_>>();
        let endpoints = self.store.endpoints_of(&ids).await.map_err(|e| (e, rest(&open)))?;
        let mut targets = HashMap::new();
        for endpoint in &endpoints {
            targets.insert(endpoint.subscriber_id, (target(endpoint).map(Arc::new), endpoint.payload == "full"));
        }
        let mut bodies: HashMap<(i64, bool), Option<Arc<[u8]>>> = HashMap::new();
        for post in posts {
            let Some((target, full)) = targets.get(&post.subscriber_id) else {
                open.remove(&post.id);
                work.settler.cancel(post.id, lease, "the endpoint was deleted").await;
                continue;
            };
            let target = match target {
                Ok(target) => target,
                Err(detail) => {
                    open.remove(&post.id);
                    tracing::error!(endpoint = post.subscriber_id, "nothing is posted to this endpoint: {detail}");
                    self.unfit(&post, lease, detail, work).await;
                    continue;
                }
            };
            // Of a change the same is said to all, so it is worded once a claim.
            let key = post.change_id.map(|change| (change, *full));
            let body = if let Some(body) = key.and_then(|key| bodies.get(&key)) {
                body.clone()
            } else {
                let body = self.body(&post, *full).await.map_err(|e| (e, rest(&open)))?;
                if let Some(key) = key {
                    bodies.insert(key, body.clone());
                }
                body
            };
            open.remove(&post.id);
            match body {
                Some(body) => work.lanes.add(target, Waiting { id: Events::id(&post), body, lease, post }),
                None => work.settler.cancel(post.id, lease, "withdrawn").await,
            }
        }
        Ok(())
    }

    async fn body(&self, post: &Post, full: bool) -> Result<Option<Arc<[u8]>>> {
        Ok(self.events.body(post, full).await?.map(Into::into))
    }

    /// An endpoint that cannot be posted to by our own fault or its owner's: its events wait as if it failed.
    async fn unfit(&self, post: &Post, lease: i64, detail: &str, work: &mut Work) {
        let wait = rest(Channel::Webhook, post.attempts, self.clock.fraction());
        work.settler.again(post.id, lease, wait, Cause::Unmakeable, detail.to_owned()).await;
        let now = self.clock.now();
        work.pulses.push(Pulse { subscriber_id: post.subscriber_id, began: now, beat: Beat::Failed });
    }

    fn dispatch(&self, work: &mut Work) {
        for (target, waiting, machine) in work.lanes.take(|url| self.machine(url)) {
            let (client, done) = (self.client.clone(), work.done.clone());
            let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
            tokio::spawn(async move {
                let (began, clocked) = (clock.now(), tokio::time::Instant::now());
                let body = event::numbered(&waiting.body, waiting.post.seq, waiting.post.prev_seq);
                let call = Call {
                    url: &target.url,
                    id: &waiting.id,
                    attempt_time: began,
                    body: &body,
                    secrets: &target.secrets,
                };
                let outcome = caught(deliver(&client, call)).await;
                let took = clocked.elapsed();
                metrics.attempted(Channel::Webhook, Lane::Immediate, &outcome, took);
                let Waiting { post, lease, .. } = waiting;
                let _ = done.send(Finished { post, lease, machine, began, took, outcome }).await;
            });
        }
    }

    fn machine(&self, url: &Url) -> Machine {
        match self.client.peer(url) {
            Some(ip) => Machine::At(ip),
            None => Machine::Named(url.host_str().unwrap_or_default().to_owned()),
        }
    }

    /// Settles a post and remembers what it says of its receiver.
    async fn finish(&self, end: Finished, work: &mut Work) {
        let Finished { post, lease, machine, began, took, outcome } = end;
        let subscriber_id = post.subscriber_id;
        let was_failing = work.lanes.end(subscriber_id, &machine, pace(&outcome, took)) || post.failures > 0;
        if let Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } = &outcome {
            tracing::warn!(
                delivery.id = post.id,
                endpoint = subscriber_id,
                cause = cause.as_str(),
                attempt = post.attempts,
                "webhook not delivered: {detail}"
            );
        }
        let mut beat = None;
        match outcome {
            Outcome::Dead { cause: Cause::Gone, detail } => {
                self.disable(subscriber_id, SAID_GONE, work).await;
                // The event is not lost: it is the first when the endpoint is enabled again.
                work.settler.again(post.id, lease, Duration::ZERO, Cause::Gone, detail).await;
            }
            Outcome::Dead { cause: cause @ (Cause::Forbidden | Cause::Unmakeable), detail } => {
                beat = Some(Beat::Failed);
                let wait = rest(Channel::Webhook, post.attempts - 1, self.clock.fraction());
                work.settler.again(post.id, lease, wait, cause, detail).await;
            }
            Outcome::Retry { cause, detail, after } => {
                beat = Some(after.map_or(Beat::Failed, |wait| Beat::Wait(self.clock.now().plus(wait))));
                let used_up = next_attempt(Channel::Webhook, post.attempts, began, after, 0.0).is_none();
                if used_up && (post.failures >= PATIENCE || work.lanes.failures(subscriber_id) + 1 >= PATIENCE) {
                    // Not this event's fault: the endpoint takes none.
                    let wait = rest(Channel::Webhook, post.attempts - 1, self.clock.fraction());
                    work.settler.again(post.id, lease, wait, cause, detail).await;
                } else {
                    work.settler.settle(post.id, lease, post.attempts, Outcome::Retry { cause, detail, after }).await;
                }
            }
            outcome => {
                // It answered, if only that it does not want this one.
                beat = was_failing.then_some(Beat::Well);
                work.settler.settle(post.id, lease, post.attempts, outcome).await;
            }
        }
        match beat {
            Some(Beat::Well) => work.lanes.recover(subscriber_id),
            Some(Beat::Failed | Beat::Wait(_)) => {
                let rests = matches!(beat, Some(Beat::Wait(_)));
                let waiting = work.lanes.fail(subscriber_id, began, self.clock.now(), rests);
                put_back(&work.settler, waiting, Duration::ZERO, "the endpoint is failing").await;
            }
            None => {}
        }
        work.pulses.extend(beat.map(|beat| Pulse { subscriber_id, began, beat }));
    }

    /// Writes what tries said of the health of their receivers, and disables those that fail for too long.
    async fn feel(&self, work: &mut Work) {
        if work.pulses.is_empty() {
            return;
        }
        let pulses = std::mem::take(&mut work.pulses);
        let now = self.clock.now();
        let wait = |rounds| rest(Channel::Webhook, rounds, self.clock.fraction());
        match self.store.feel(&pulses, now, now.minus(HOPELESS), wait).await {
            Ok(given_up) => {
                for subscriber in given_up {
                    self.disable(subscriber, FAILED_FOR_DAYS, work).await;
                }
            }
            // The next try says it again.
            Err(e) => tracing::error!("cannot write how endpoints do: {e}"),
        }
    }

    async fn disable(&self, subscriber: i64, reason: &str, work: &mut Work) {
        let waiting = work.lanes.drain(subscriber);
        put_back(&work.settler, waiting, Duration::ZERO, "the endpoint is disabled").await;
        match self.store.disable_endpoint(subscriber, reason, self.clock.now()).await {
            Ok(true) => tracing::error!(
                endpoint = subscriber,
                "an endpoint is disabled: {reason}; its events are kept until it is enabled again"
            ),
            Ok(false) => {}
            Err(e) => tracing::error!("cannot disable an endpoint: {e}"),
        }
    }
}

/// What an outcome says of the pace.
fn pace(outcome: &Outcome, took: Duration) -> Ended {
    match outcome {
        Outcome::Retry { cause: Cause::Busy | Cause::Timeout, .. } => Ended::Strained,
        Outcome::Sent(_) | Outcome::Dead { cause: Cause::Refused, .. } => Ended::Answered(took),
        _ => Ended::Failed,
    }
}

async fn put_back(settler: &Settler, waiting: Vec<Waiting>, wait: Duration, why: &str) {
    for waiting in waiting {
        settler.put_back(waiting.post.id, waiting.lease, wait, why).await;
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
