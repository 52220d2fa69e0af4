//! Who fetches the same document whole, again and again, without ever saying what it has. In memory, of bounded size; a
//! restart forgets. Never counts what could be answered by 304.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Whole fetches of one document that one address has at once. Behind one address there may be an office of readers.
const BURST: u32 = 60;

/// How long until one more is granted.
const REFILL: Duration = Duration::from_mins(1);

/// Pairs of address and document that are remembered at most.
const MOST: usize = 50_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Timestamp,
}

impl Bucket {
    fn at(self, now: Timestamp) -> Self {
        let gained = u32::try_from(now.since(self.since).as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if self.left.saturating_add(gained) >= BURST {
            return Self { left: BURST, since: now };
        }
        Self { left: self.left + gained, since: self.since.plus(REFILL * gained) }
    }
}

/// Counts whole fetches by client address (an IPv6 client is its /64) and document.
#[derive(Debug, Default)]
pub struct Pace(Mutex<HashMap<(IpAddr, u64), Bucket>>);

impl Pace {
    /// Counts one whole fetch, or answers how many seconds to wait.
    pub fn fetch(&self, from: IpAddr, path: &str, now: Timestamp) -> Result<(), u64> {
        let from = match from {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        };
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let key = (from, hasher.finish());
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| bucket.at(now).left < BURST);
            if buckets.len() >= MOST {
                // A flood from everywhere: better to forget than to grow or to lock everyone out.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: BURST, since: now });
        *bucket = bucket.at(now);
        if bucket.left == 0 {
            return Err(REFILL.saturating_sub(now.since(bucket.since)).as_secs().max(1));
        }
        bucket.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fetches_the_same_again_and_again_waits_and_is_then_let_in() {
        let pace = Pace::default();
        let (me, other) = (IpAddr::from([203, 0, 113, 9]), IpAddr::from([203, 0, 113, 10]));
        let now = Timestamp::from_millis(1_000_000);
        assert!((0..BURST).all(|_| pace.fetch(me, "/feeds/a.rss", now).is_ok()));
        assert_eq!(pace.fetch(me, "/feeds/a.rss", now), Err(60));
        assert_eq!(pace.fetch(me, "/feeds/b.rss", now), Ok(()), "another document");
        assert_eq!(pace.fetch(other, "/feeds/a.rss", now), Ok(()), "another reader");
        assert_eq!(pace.fetch(me, "/feeds/a.rss", now.plus(Duration::from_mins(1))), Ok(()));
        assert!(pace.fetch(me, "/feeds/a.rss", now.plus(Duration::from_mins(1))).is_err());
    }

    #[test]
    fn the_memory_of_fetches_is_bounded() {
        let pace = Pace::default();
        for n in 0..60_000_u32 {
            let _ = pace.fetch(IpAddr::from(n.to_be_bytes()), "/feeds/a.rss", Timestamp::from_millis(0));
        }
        assert!(pace.0.lock().expect("not poisoned").len() <= MOST);
    }
}
