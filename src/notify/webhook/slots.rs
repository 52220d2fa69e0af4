//! Slots: how many calls may be under way for one key (an endpoint, a host), so that a slow receiver holds its own
//! slots and nobody else's. Keeps nothing of a key that has no call under way; never waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is under way, by key. Clones share the count.
#[derive(Debug)]
pub struct Slots<K> {
    cap: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// A slot that is held. Dropping it gives it back.
#[derive(Debug)]
pub struct Slot<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// Slots with room for `cap` (at least one) of each key.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self { cap: cap.max(1), taken: Arc::default() }
    }

    /// A slot for this key, or nothing when all of its slots are held: then another key's turn has come.
    #[must_use]
    pub fn try_take(&self, key: &K) -> Option<Slot<K>> {
        let mut taken = lock(&self.taken);
        match taken.get_mut(key) {
            Some(count) if *count >= self.cap => return None,
            Some(count) => *count += 1,
            None => {
                taken.insert(key.clone(), 1);
            }
        }
        Some(Slot { key: key.clone(), taken: Arc::clone(&self.taken) })
    }

    /// Keys that have no free slot now: what a claim had better leave in the queue.
    #[must_use]
    pub fn full(&self) -> Vec<K> {
        lock(&self.taken).iter().filter(|(_, count)| **count >= self.cap).map(|(key, _)| key.clone()).collect()
    }

    /// How many slots are held in all.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.taken).values().sum()
    }
}

impl<K> Clone for Slots<K> {
    fn clone(&self) -> Self {
        Self { cap: self.cap, taken: Arc::clone(&self.taken) }
    }
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gets_its_cap_and_takes_nothing_from_another() {
        let slots = Slots::new(2);
        let (a, b) = (slots.try_take(&"xã A"), slots.try_take(&"xã A"));
        assert!(a.is_some() && b.is_some() && slots.try_take(&"xã A").is_none());
        assert_eq!(slots.full(), ["xã A"]);
        assert!(slots.try_take(&"xã B").is_some());
        drop(a);
        assert!(slots.try_take(&"xã A").is_some());
    }

    #[test]
    fn nothing_is_kept_of_a_key_without_calls() {
        let slots = Slots::new(1);
        for key in 0..10_000 {
            assert!(slots.clone().try_take(&key).is_some());
        }
        assert_eq!((slots.held(), lock(&slots.taken).len()), (0, 0));
    }
}
