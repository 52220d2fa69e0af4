//! Fan-out: each change becomes deliveries to whoever follows its feeds, once.

use crate::clock::Clock;
use crate::store::engine::{Result, Store};
use crate::work::wakes::Wakes;

/// Fans out changes. Any number of replicas may do it at once.
#[derive(Clone)]
pub struct FanOut {
    store: Store,
    clock: Clock,
    wakes: Wakes,
}

impl FanOut {
    /// A fan-out over this store.
    #[must_use]
    pub const fn new(store: Store, clock: Clock, wakes: Wakes) -> Self {
        Self { store, clock, wakes }
    }

    /// Fans out every open change. Answers how many deliveries were made.
    ///
    /// # Errors
    /// When the database fails: what was fanned out before stays, the rest is open.
    pub async fn run(&self) -> Result<u64> {
        let mut made = 0;
        loop {
            let open = self.store.open_changes(100).await?;
            if open.is_empty() {
                return Ok(made);
            }
            for change in open {
                let Some(rows) = self.store.fan_out(change.id, self.clock.now()).await? else { continue };
                tracing::debug!(
                    change.id = change.id,
                    article.id = change.article_id,
                    kind = change.kind,
                    rows,
                    "fanned out"
                );
                made += rows;
                self.wakes.mails.notify_one();
                self.wakes.webhooks.notify_one();
            }
        }
    }
}
