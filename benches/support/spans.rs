//! How long the calls of the store took, by the spans that it opens: from the call to its answer, waiting for a connection
//! and for a processor included.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

type Sums = BTreeMap<&'static str, (u64, Duration)>;

/// Sums by call. Clones share them.
#[derive(Clone, Default)]
pub struct StoreTimes(Arc<Mutex<Sums>>);

struct Begun(Instant);

impl StoreTimes {
    /// What listens.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        Listener(self.clone()).with_filter(filter_fn(is_store))
    }

    /// Forgets what was summed so far.
    pub fn reset(&self) {
        self.sums().clear();
    }

    /// Name, calls, and time in all.
    pub fn by_name(&self) -> Vec<(&'static str, u64, Duration)> {
        self.sums().iter().map(|(name, (calls, took))| (*name, *calls, *took)).collect()
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_store(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("loa::store")
}

struct Listener(StoreTimes);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listener {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begun(Instant::now()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(took) = span.extensions().get::<Begun>().map(|b| b.0.elapsed()) else { return };
        let mut sums = self.0.sums();
        let sum = sums.entry(span.name()).or_default();
        sum.0 += 1;
        sum.1 += took;
    }
}
