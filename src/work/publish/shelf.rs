//! Documents that readers ask for, kept in memory up to a bound; those that nobody asked for the longest go first. Each
//! is made once however many ask at the same time. Knows nothing of feeds beyond their keys.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::ready::Ready;
use crate::feed::document::Format;

/// What a document is, for good: what is made for one key never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A feed at a version.
    Document {
        /// Row id of the feed.
        feed: i64,
        /// Its version.
        version: i64,
        /// The format.
        format: Format,
    },
    /// What is new in a feed since a version that some readers have.
    Delta {
        /// Row id of the feed.
        feed: i64,
        /// Its version.
        version: i64,
        /// The version that the reader has.
        since: i64,
        /// The format.
        format: Format,
    },
    /// A part of a feed's archive.
    Archive {
        /// Row id of the feed.
        feed: i64,
        /// The version of the part, which names its content.
        version: String,
    },
}

#[derive(Debug, Default)]
struct Slot {
    cell: OnceCell<Arc<Ready>>,
    used: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Key, Arc<Slot>>,
    weight: usize,
    asked: u64,
}

/// The shelf.
#[derive(Debug)]
pub struct Shelf {
    inner: Mutex<Inner>,
    most: usize,
}

impl Shelf {
    /// A shelf of so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { inner: Mutex::default(), most }
    }

    /// The document, if it stands there.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Ready>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.asked += 1;
        let slot = inner.slots.get(key)?;
        slot.used.store(inner.asked, Ordering::Relaxed);
        slot.cell.get().cloned()
    }

    /// The document, made by `make` if it does not stand there. Whoever asks meanwhile waits for the same.
    ///
    /// # Errors
    /// What `make` says; the next who asks tries again.
    pub async fn get_or_make<E>(
        &self,
        key: Key,
        make: impl Future<Output = Result<Ready, E>>,
    ) -> Result<Arc<Ready>, E> {
        let slot = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.asked += 1;
            let asked = inner.asked;
            let slot = Arc::clone(inner.slots.entry(key.clone()).or_default());
            slot.used.store(asked, Ordering::Relaxed);
            slot
        };
        let mut made = false;
        let ready = slot
            .cell
            .get_or_try_init(|| async {
                let ready = make.await?;
                made = true;
                Ok(Arc::new(ready))
            })
            .await
            .cloned();
        match &ready {
            Ok(ready) if made => self.weigh(ready.weight()),
            Ok(_) => {}
            Err(_) => self.forget_unmade(&key),
        }
        ready
    }

    /// Puts a document there that was made elsewhere.
    pub fn put(&self, key: Key, ready: Arc<Ready>) {
        let weight = ready.weight();
        let fresh = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.asked += 1;
            let asked = inner.asked;
            let slot = Arc::clone(inner.slots.entry(key).or_default());
            slot.used.store(asked, Ordering::Relaxed);
            slot.cell.set(ready).is_ok()
        };
        if fresh {
            self.weigh(weight);
        }
    }

    /// Takes everything away that this says of.
    pub fn remove(&self, of: impl Fn(&Key) -> bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut freed = 0;
        inner.slots.retain(|key, slot| {
            let goes = of(key);
            if goes {
                freed += slot.cell.get().map_or(0, |ready| ready.weight());
            }
            !goes
        });
        inner.weight = inner.weight.saturating_sub(freed);
    }

    /// Bytes that stand there.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).weight
    }

    fn forget_unmade(&self, key: &Key) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.slots.get(key).is_some_and(|slot| slot.cell.get().is_none()) {
            inner.slots.remove(key);
        }
    }

    fn weigh(&self, more: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.weight += more;
        while inner.weight > self.most && inner.slots.len() > 1 {
            let made = inner.slots.iter().filter(|(_, slot)| slot.cell.initialized());
            let Some(key) = made.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed)).map(|(key, _)| key.clone())
            else {
                return;
            };
            let gone = inner.slots.remove(&key).and_then(|slot| slot.cell.get().map(|ready| ready.weight()));
            inner.weight = inner.weight.saturating_sub(gone.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn key(version: i64) -> Key {
        Key::Document { feed: 1, version, format: Format::Rss }
    }

    fn ready(bytes: usize) -> Ready {
        Ready::new("text/plain", (0..bytes).map(|n| u8::try_from(n * n % 251).expect("below 251")).collect())
    }

    #[tokio::test]
    async fn a_document_is_made_once_however_many_ask() {
        let shelf = Shelf::new(1 << 20);
        let count = AtomicUsize::new(0);
        let ask = || {
            shelf.get_or_make(key(1), async {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(ready(100))
            })
        };
        let all = futures_util::future::join_all((0..20).map(|_| ask())).await;
        assert_eq!((all.len(), count.load(Ordering::Relaxed)), (20, 1));
    }

    #[tokio::test]
    async fn what_was_not_asked_for_the_longest_goes_first_and_the_bound_holds() {
        let shelf = Shelf::new(20_000);
        for version in 0..10 {
            shelf.put(key(version), Arc::new(ready(3_000)));
            assert!(shelf.get(&key(0)).is_some(), "it is asked for all the time");
            assert!(shelf.weight() <= 20_000);
        }
        assert!(shelf.get(&key(1)).is_none() && shelf.get(&key(9)).is_some());
        shelf.remove(|_| true);
        assert_eq!(shelf.weight(), 0);
    }

    #[tokio::test]
    async fn a_failed_try_is_made_again() {
        let shelf = Shelf::new(1 << 20);
        assert_eq!(shelf.get_or_make(key(1), async { Err("no") }).await.err(), Some("no"));
        assert!(shelf.get_or_make(key(1), async { Ok::<_, &str>(ready(10)) }).await.is_ok());
    }
}
