//! Domains whose servers want fewer mails: each has a pace of its own until it has recovered. Mails to all others cost one
//! look at a counter. Never waits: it says how long a mail had better wait in the queue.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;

/// Between two mails after the first complaint.
const FIRST: Duration = Duration::from_secs(1);

/// The longest that a mail is put off at a time: by then the domain may have recovered.
const LONGEST: Duration = Duration::from_mins(30);

/// More domains than this are not remembered.
const MOST: usize = 10_000;

/// The domains that complained.
#[derive(Debug, Default)]
pub(super) struct Domains {
    count: AtomicUsize,
    slowed: Mutex<HashMap<String, Line>>,
}

/// The pace of a domain, and until when mails to it were already put off.
#[derive(Debug, Default)]
struct Line {
    pace: Pace,
    tail: Option<Instant>,
}

impl Domains {
    /// How long a mail to this domain must wait; nothing when it may go now, as which it is then counted.
    pub(super) fn wait(&self, domain: &str, now: Instant) -> Option<Duration> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut slowed = self.slowed.lock().unwrap_or_else(PoisonError::into_inner);
        let line = slowed.get_mut(&domain.to_ascii_lowercase())?;
        if !line.pace.is_slowed(now) {
            slowed.remove(&domain.to_ascii_lowercase());
            self.count.store(slowed.len(), Ordering::Relaxed);
            return None;
        }
        if line.pace.try_turn(now) {
            return None;
        }
        // One behind the other, so that they do not all come back at the same moment.
        let every = line.pace.every(now);
        let tail = line.tail.map_or(now, |tail| tail.clamp(now, now + LONGEST)) + every;
        line.tail = Some(tail);
        Some(tail - now)
    }

    /// The domain's server wants fewer mails.
    pub(super) fn slow_down(&self, domain: &str, now: Instant) {
        let mut slowed = self.slowed.lock().unwrap_or_else(PoisonError::into_inner);
        if slowed.len() >= MOST {
            slowed.retain(|_, line| line.pace.is_slowed(now));
        }
        let domain = domain.to_ascii_lowercase();
        if slowed.len() >= MOST && !slowed.contains_key(&domain) {
            return;
        }
        if !slowed.contains_key(&domain) {
            tracing::warn!(domain, "this domain's server asks for fewer mails; it gets them slowly for a while");
        }
        slowed.entry(domain).or_default().pace.slow_down(now, FIRST);
        self.count.store(slowed.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_complains_gets_fewer_mails_and_no_other_does() {
        let domains = Domains::default();
        let now = Instant::now();
        assert_eq!(domains.wait("xa.example.vn", now), None);
        domains.slow_down("Xa.example.vn", now);
        assert_eq!(domains.wait("so.example.vn", now), None);
        let waits: Vec<u64> =
            (0..3).map(|_| domains.wait("xa.EXAMPLE.vn", now).expect("it must wait").as_secs()).collect();
        assert_eq!(waits, [1, 2, 3], "one behind the other");
        let later = now + Duration::from_secs(5);
        assert_eq!(domains.wait("xa.example.vn", later), None, "one may go");
        assert!(domains.wait("xa.example.vn", later).is_some(), "not two");
        let recovered = now + Duration::from_hours(1);
        for _ in 0..100 {
            assert_eq!(domains.wait("xa.example.vn", recovered), None);
        }
        assert_eq!(domains.count.load(Ordering::Relaxed), 0, "it is forgotten");
    }

    #[test]
    fn no_mail_is_put_off_for_ever() {
        let domains = Domains::default();
        let now = Instant::now();
        domains.slow_down("xa.example.vn", now);
        let longest = (0..10_000).filter_map(|_| domains.wait("xa.example.vn", now)).max();
        assert!(longest.is_some_and(|w| w <= LONGEST + FIRST), "{longest:?}");
    }
}
