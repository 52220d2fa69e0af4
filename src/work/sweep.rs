//! Sweep: what has served its time is dropped. What may still stop a second notice is kept.

use std::time::Duration;

use crate::clock::Clock;
use crate::store::engine::{Result, Store};

/// The name of a selection that nobody follows any more leads to its search for so long at least: longer than any request
/// for it waits to be confirmed.
const NAMED: Duration = Duration::from_hours(90 * 24);

/// After so long without a refusal a domain's wave is over: readers of weekly digests are heard of again by then.
const QUIET: Duration = Duration::from_hours(8 * 24);

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Settled deliveries and failed attempts.
    pub deliveries: Duration,
    /// Addresses of people without a subscription.
    pub addresses: Duration,
}

/// Drops what is older than its retention.
///
/// # Errors
/// When the database fails; the rest is dropped next time.
pub async fn sweep(store: &Store, clock: &Clock, keep: Retention) -> Result<()> {
    let now = clock.now();
    let deliveries = store.sweep_deliveries(now.minus(keep.deliveries)).await?;
    let people = store.sweep_people(now.minus(keep.addresses)).await?;
    let selections = store.sweep_selections(now).await?;
    let forgotten = store.forget_selections(now.minus(keep.deliveries.max(NAMED))).await?;
    let bounces = store.sweep_bounces(now.minus(keep.deliveries), now.minus(QUIET)).await?;
    let lifted = store.lift_lapsed(now).await?;
    if deliveries + people + selections + forgotten + bounces + lifted > 0 {
        tracing::info!(deliveries, people, selections, forgotten, bounces, lifted, "swept");
    }
    Ok(())
}
