//! Several relays for one stream of mails: each gets its share by weight, and the others stand in for one that is down.
//! Never decides when a mail is tried again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::domain::delivery::{Cause, Outcome};
use crate::domain::subscriber::EmailAddress;

use super::domains::Domains;
use super::feed::{Desk, Feed, Loaded, Mail};
use super::reply::again;
use super::settings::Settings;
use super::{Envelope, Pool, unmakeable};

/// After so many mails in a row the next relay has its turn, if there are several.
const RUN: u32 = 50;

/// The relays. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Relays(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    relays: Vec<(Pool, i64)>,
    /// What each is owed: smooth weighted round robin.
    owed: Mutex<Vec<i64>>,
    domains: Arc<Domains>,
}

/// A mail that no relay took a look at.
#[derive(Clone, Debug)]
pub struct Unsent {
    /// By what the feed knows it.
    pub ticket: i64,
    /// What it would mean as a try.
    pub outcome: Outcome,
    /// If no relay could be reached at all: after what time one may be. Then it was no try.
    pub wait: Option<Duration>,
}

impl Relays {
    /// Relays with their weights (at least 1 each). Without any, every mail comes back.
    #[must_use]
    pub fn new(relays: Vec<(Settings, u32)>) -> Self {
        let domains = Arc::<Domains>::default();
        let relays: Vec<(Pool, i64)> = relays
            .into_iter()
            .map(|(settings, weight)| (Pool::sharing(settings, Arc::clone(&domains)), i64::from(weight.max(1))))
            .collect();
        let owed = Mutex::new(vec![0; relays.len()]);
        Self(Arc::new(Inner { relays, owed, domains }))
    }

    /// Connections of all of them together.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.relays.iter().map(|(pool, _)| pool.connections()).sum()
    }

    /// Messages a second of all of them together; 0 when one has no limit.
    #[must_use]
    pub fn rate(&self) -> u32 {
        let rates: Vec<u32> = self.0.relays.iter().map(|(pool, _)| pool.rate()).collect();
        if rates.contains(&0) { 0 } else { rates.iter().sum() }
    }

    /// Whether every mail would come back at once, for no relay can be reached.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.0.relays.iter().all(|(pool, _)| pool.is_resting())
    }

    /// How long a mail to this receiver had better wait in the queue, since their server wants fewer; nothing when it may
    /// go now, as which it is then counted.
    #[must_use]
    pub fn wait(&self, to: &EmailAddress) -> Option<Duration> {
        self.0.domains.wait(to.domain(), Instant::now())
    }

    /// Sends a mail, whose bytes are on the desk, and then what the feed gives, until the feed has nothing or others want
    /// the connection. One mail may come back: no relay heard of it, or its text.
    ///
    /// # Errors
    /// [`Unsent`].
    pub async fn run<F: Feed>(&self, feed: &mut F, desk: &mut Desk, mail: Mail) -> Result<(), Unsent> {
        let mut loaded = match Loaded::new(mail, &mut desk.current) {
            Ok(loaded) => loaded,
            Err((mail, outcome)) => {
                feed.done(mail.ticket, outcome).await;
                return Ok(());
            }
        };
        let mut tried = vec![false; self.0.relays.len()];
        // What a relay said that could be reached: that was a try, whatever the others say.
        let mut said = None;
        let mut down = again(Cause::Unreachable, "there is no relay; write [email] url".to_owned());
        while let Some(nth) = self.pick(&tried) {
            tried[nth] = true;
            let (pool, _) = &self.0.relays[nth];
            let mut share = Share { feed, left: if tried.len() == 1 { u32::MAX } else { RUN - 1 } };
            match pool.run(&mut share, desk, loaded).await {
                Ok(()) => return Ok(()),
                Err(unsent) => {
                    loaded = unsent.loaded;
                    let outcome = unsent.fault.outcome();
                    if unsent.is_down {
                        down = outcome;
                    } else {
                        said = Some(outcome);
                    }
                }
            }
        }
        let ticket = loaded.mail.ticket;
        Err(match said {
            Some(outcome) => Unsent { ticket, outcome, wait: None },
            None => Unsent { ticket, outcome: down, wait: Some(self.rest()) },
        })
    }

    /// When the first of them may be tried again.
    fn rest(&self) -> Duration {
        self.0.relays.iter().filter_map(|(pool, _)| pool.resting()).min().unwrap_or(Duration::from_secs(1))
    }

    /// Whose turn it is among those that were not tried: those at rest come last, and before them those whose connections
    /// are all taken.
    fn pick(&self, tried: &[bool]) -> Option<usize> {
        if let [one] = tried {
            return (!one).then_some(0);
        }
        let open: Vec<usize> = (0..tried.len()).filter(|n| !tried[*n]).collect();
        let fit = |test: fn(&Pool) -> bool| -> Vec<usize> {
            open.iter().copied().filter(|n| test(&self.0.relays[*n].0)).collect()
        };
        let mut among = fit(|pool| !pool.is_resting() && pool.has_room());
        if among.is_empty() {
            among = fit(|pool| !pool.is_resting());
        }
        if among.is_empty() {
            among = open;
        }
        let mut owed = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let total: i64 = among.iter().map(|n| self.0.relays[*n].1).sum();
        for n in &among {
            owed[*n] += self.0.relays[*n].1;
        }
        let chosen = among.into_iter().max_by_key(|n| owed[*n])?;
        owed[chosen] -= total;
        Some(chosen)
    }

    /// Hands one mail over, as [`Pool::send`] does, to whichever relay takes it.
    pub async fn send(&self, mail: &Envelope<'_>, message: &[u8]) -> Outcome {
        let mut outcome = None;
        let mut tried = vec![false; self.0.relays.len()];
        while let Some(nth) = self.pick(&tried) {
            tried[nth] = true;
            let (pool, _) = &self.0.relays[nth];
            let was_resting = pool.is_resting();
            let one = pool.send(mail, message).await;
            let next = matches!(&one, Outcome::Retry { cause, .. }
                if was_resting || *cause == Cause::Unreachable);
            outcome = Some(one);
            if !next {
                break;
            }
        }
        outcome.unwrap_or_else(|| unmakeable("there is no relay; write [email] url"))
    }

    /// Asks each what it takes, so that this is known before the first mail. Who does not answer is named in the log.
    pub async fn ask(&self) {
        for (pool, _) in &self.0.relays {
            if let Err(e) = pool.check().await {
                tracing::warn!("the relay cannot be asked what it takes: {e}");
            }
        }
    }

    /// Ends all of them, as [`Pool::close`] does.
    pub async fn close(&self) {
        join_all(self.0.relays.iter().map(|(pool, _)| pool.close())).await;
    }
}

impl From<Pool> for Relays {
    fn from(pool: Pool) -> Self {
        let domains = Arc::clone(pool.domains());
        Self(Arc::new(Inner { relays: vec![(pool, 1)], owed: Mutex::new(vec![0]), domains }))
    }
}

/// A feed for as long as one relay has its turn.
struct Share<'a, F> {
    feed: &'a mut F,
    left: u32,
}

impl<F: Feed> Feed for Share<'_, F> {
    async fn next(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        self.left = self.left.checked_sub(1)?;
        self.feed.next(out).await
    }

    async fn recall(&mut self, ticket: i64) -> bool {
        self.feed.recall(ticket).await
    }

    async fn release(&mut self, ticket: i64) {
        self.feed.release(ticket).await;
    }

    async fn done(&mut self, ticket: i64, outcome: Outcome) {
        self.feed.done(ticket, outcome).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(weights: &[u32]) -> Relays {
        let one = |weight: &u32| (Settings::parse("smtp://127.0.0.1:9?tls=none", "loa").expect("settings"), *weight);
        Relays::new(weights.iter().map(one).collect())
    }

    #[test]
    fn each_relay_gets_its_share_and_none_waits_long_for_it() {
        let relays = relays(&[3, 1]);
        let turns: Vec<usize> = (0..8).filter_map(|_| relays.pick(&[false, false])).collect();
        assert_eq!(turns.iter().filter(|n| **n == 0).count(), 6, "{turns:?}");
        assert!(turns.windows(5).all(|w| w.contains(&1)), "{turns:?}");
    }

    #[test]
    fn a_relay_that_was_tried_is_not_tried_again() {
        let relays = relays(&[1, 5]);
        assert_eq!(relays.pick(&[true, false]), Some(1));
        assert_eq!(relays.pick(&[false, true]), Some(0));
        assert_eq!(relays.pick(&[true, true]), None);
    }
}
