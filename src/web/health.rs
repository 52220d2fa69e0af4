//! For the machines that watch: is the process up, can it serve, and the numbers. Never names a person.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde_json::json;
use tokio::sync::Mutex;

use super::Shared;
use super::reply::Fault;
use crate::clock::Timestamp;
use crate::domain::delivery::Lane;
use crate::store::engine::Store;
use crate::telemetry::registry;

/// A queue whose oldest due delivery waits longer is not being worked off.
const STUCK: Duration = Duration::from_mins(15);

/// `/healthz`
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").insert_header((CACHE_CONTROL, "no-store")).body("ok\n")
}

/// From one proof that the database can be written to the next, at least, however many ask.
const PROOF_EVERY: Duration = Duration::from_secs(10);

/// A write that takes longer proves nothing: a mass of mails may be before it.
const PROOF_WITHIN: Duration = Duration::from_secs(5);

/// For so long an answer that did not come counts as the last one that did.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether the database takes what is written, as of lately. A disk that is full or read-only still answers every question.
#[derive(Debug, Default)]
pub struct Proof(Mutex<Proven>);

#[derive(Debug, Default)]
struct Proven {
    /// When it was last tried.
    tried: Option<Timestamp>,
    /// When it last went well.
    well: Option<Timestamp>,
    /// Whether the last one that came to an end did not.
    fails: bool,
}

impl Proof {
    /// Tries, unless that was done just now.
    async fn writes(&self, store: &Store, now: Timestamp) -> bool {
        let mut proven = self.0.lock().await;
        // A clock that was set back must not put it off.
        if proven.tried.is_some_and(|at| at <= now && now.since(at) < PROOF_EVERY) {
            return !proven.fails;
        }
        proven.tried = Some(now);
        match tokio::time::timeout(PROOF_WITHIN, store.write_something("readyz", now)).await {
            Ok(Ok(())) => (proven.fails, proven.well) = (false, Some(now)),
            Ok(Err(error)) => {
                if !proven.fails {
                    tracing::error!(
                        "the database cannot be written, so nothing can be sent or taken in: {error}; see that there is room, and \
                         that this account may write"
                    );
                }
                proven.fails = true;
            }
            Err(_) => proven.fails |= proven.well.is_none_or(|at| now.since(at) >= PATIENCE),
        }
        !proven.fails
    }
}

/// `/readyz`: 200 if the database answers and can be written, feeds were read and the queue moves; else 503. The body says
/// which.
pub async fn ready(shared: Data<Shared>) -> HttpResponse {
    let database = shared.store.ping().await.is_ok();
    let writes = database && shared.proof.writes(&shared.store, shared.clock.now()).await;
    let feeds = shared.publisher.is_ready();
    let now = shared.clock.now();
    let queue = match shared.store.queue_depth(now).await {
        Ok(depth) => depth.iter().all(|d| now.since(Timestamp(d.oldest)) <= STUCK),
        Err(_) => false,
    };
    let all = database && writes && feeds && queue;
    let word = |good: bool| if good { "ok" } else { "failing" };
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).content_type("application/json").body(
        json!({
            "ready": all,
            "database": word(database),
            "writes": word(writes),
            "feeds": word(feeds),
            "queue": word(queue),
        })
        .to_string(),
    )
}

/// `/metrics`
pub async fn metrics(shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    let now = shared.clock.now();
    let mut lanes: BTreeMap<&str, (u64, Duration)> = BTreeMap::new();
    let depth = shared.store.queue_depth(now).await?;
    for line in &depth {
        let lane = lanes.entry(&line.lane).or_default();
        lane.0 += u64::try_from(line.pending).unwrap_or(0);
        lane.1 = lane.1.max(now.since(Timestamp(line.oldest)));
    }
    for lane in Lane::ALL {
        let (pending, oldest) = lanes.get(lane.as_str()).copied().unwrap_or_default();
        shared.metrics.queue(lane, pending, oldest);
    }
    let sources = shared.store.sources().await?;
    let mut ages = String::new();
    for source in &sources {
        shared.metrics.held(&source.name, u64::try_from(source.held).unwrap_or(0));
        if let Some(polled) = source.polled_at {
            let name = source.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
            let _ = writeln!(
                ages,
                "loa_poll_age_seconds{{source=\"{name}\"}} {}",
                now.since(Timestamp(polled)).as_secs_f64()
            );
        }
    }
    let mut text = shared.metrics.render();
    if !ages.is_empty() {
        text.push_str("# HELP loa_poll_age_seconds Since the last poll that succeeded, by any replica.\n");
        text.push_str("# TYPE loa_poll_age_seconds gauge\n");
        text.push_str(&ages);
    }
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("content-type", registry::CONTENT_TYPE))
        .body(text))
}
