//! Things that were made for somebody's request and are kept for the next: each made once for a version, however many ask
//! at the same time, and never more of them than fit. Knows nothing of what it keeps.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// A bounded shelf. What was not asked for the longest goes first.
#[derive(Debug)]
pub struct Shelf<T> {
    slots: Mutex<Slots<T>>,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Slots<T> {
    named: HashMap<String, Slot<T>>,
    /// Counts requests: the clock of "longest ago".
    tick: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Slot<T> {
    version: i64,
    cell: Arc<OnceCell<Arc<T>>>,
    bytes: usize,
    used: u64,
}

impl<T> Shelf<T> {
    /// A shelf for so many things and bytes.
    #[must_use]
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self { slots: Mutex::new(Slots { named: HashMap::new(), tick: 0, bytes: 0 }), most, most_bytes }
    }

    /// Whether something of that name is there, whatever its version.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.slots().named.contains_key(name)
    }

    /// The thing of that name, whatever its version, if it was made.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<Arc<T>> {
        self.slots().named.get(name).and_then(|slot| slot.cell.get().cloned())
    }

    /// The thing of that name and version; made if it is not there. `make` says how many bytes it takes as well.
    ///
    /// # Errors
    /// What `make` says; then the next who asks tries again.
    pub async fn get<E>(
        &self,
        name: &str,
        version: i64,
        make: impl Future<Output = Result<(T, usize), E>>,
    ) -> Result<Arc<T>, E> {
        let cell = self.cell(name, version);
        let mut weight = None;
        let made = cell
            .get_or_try_init(|| async {
                let (thing, bytes) = make.await?;
                weight = Some(bytes);
                Ok(Arc::new(thing))
            })
            .await;
        match (&made, weight) {
            (Ok(_), Some(bytes)) => self.weigh(name, &cell, bytes),
            (Err(_), _) => self.forget(name, &cell),
            _ => {}
        }
        made.cloned()
    }

    fn cell(&self, name: &str, version: i64) -> Arc<OnceCell<Arc<T>>> {
        let mut guard = self.slots();
        let slots = &mut *guard;
        slots.tick += 1;
        if let Some(slot) = slots.named.get_mut(name)
            // One who read the version a moment earlier gets the newer thing.
            && slot.version >= version
        {
            slot.used = slots.tick;
            return Arc::clone(&slot.cell);
        }
        let slot = Slot { version, cell: Arc::default(), bytes: 0, used: slots.tick };
        let cell = Arc::clone(&slot.cell);
        if let Some(old) = slots.named.insert(name.to_owned(), slot) {
            slots.bytes -= old.bytes;
        }
        slots.clear(self.most, self.most_bytes);
        cell
    }

    fn weigh(&self, name: &str, cell: &Arc<OnceCell<Arc<T>>>, bytes: usize) {
        let mut guard = self.slots();
        let slots = &mut *guard;
        if let Some(slot) = slots.named.get_mut(name).filter(|slot| Arc::ptr_eq(&slot.cell, cell)) {
            slots.bytes += bytes;
            slot.bytes = bytes;
            slots.clear(self.most, self.most_bytes);
        }
    }

    fn forget(&self, name: &str, cell: &Arc<OnceCell<Arc<T>>>) {
        let mut slots = self.slots();
        // Somebody else may be making it by now.
        if slots.named.get(name).is_some_and(|s| Arc::ptr_eq(&s.cell, cell) && Arc::strong_count(cell) <= 2) {
            slots.named.remove(name);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slots<T> {
    fn clear(&mut self, most: usize, most_bytes: usize) {
        while self.named.len() > 1 && (self.named.len() > most || self.bytes > most_bytes) {
            let Some(oldest) = self.named.iter().min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone()) else {
                return;
            };
            if let Some(gone) = self.named.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn put(shelf: &Shelf<usize>, name: &str, version: i64, thing: usize, bytes: usize) -> usize {
        *shelf.get(name, version, async { Ok::<_, Infallible>((thing, bytes)) }).await.expect("made")
    }

    #[tokio::test]
    async fn a_thing_is_made_once_for_a_version_however_many_ask() {
        let shelf = Arc::new(Shelf::new(10, 1_000));
        let made = Arc::new(AtomicUsize::new(0));
        let ask = |version: i64| {
            let (shelf, made) = (Arc::clone(&shelf), Arc::clone(&made));
            tokio::spawn(async move {
                let make = async {
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>((made.fetch_add(1, Ordering::SeqCst), 1))
                };
                *shelf.get("a", version, make).await.expect("made")
            })
        };
        let many: Vec<_> = (0..20).map(|_| ask(1)).collect();
        for one in many {
            assert_eq!(one.await.expect("no panic"), 0);
        }
        assert_eq!(ask(2).await.expect("no panic"), 1);
        assert_eq!(ask(1).await.expect("no panic"), 1, "an older version is not made again");
    }

    #[tokio::test]
    async fn what_was_not_asked_for_the_longest_goes_first() {
        let shelf = Shelf::new(2, 1_000);
        put(&shelf, "a", 1, 1, 10).await;
        put(&shelf, "b", 1, 2, 10).await;
        put(&shelf, "a", 1, 9, 10).await;
        put(&shelf, "c", 1, 3, 10).await;
        assert!(shelf.has("a") && shelf.has("c") && !shelf.has("b"));
        let heavy = Shelf::new(10, 25);
        for name in ["a", "b", "c"] {
            put(&heavy, name, 1, 1, 10).await;
        }
        assert!(!heavy.has("a") && heavy.has("b") && heavy.has("c"));
        put(&heavy, "b", 2, 1, 30).await;
        assert!(heavy.has("b") && !heavy.has("c"), "one thing that is too heavy stays alone");
        assert_eq!(heavy.slots().bytes, 30);
    }

    #[tokio::test]
    async fn what_could_not_be_made_is_tried_again() {
        let shelf: Shelf<usize> = Shelf::new(2, 100);
        assert_eq!(shelf.get("a", 1, async { Err::<(usize, usize), _>("no") }).await, Err("no"));
        assert!(!shelf.has("a"));
        assert_eq!(put(&shelf, "a", 1, 5, 1).await, 5);
    }
}
