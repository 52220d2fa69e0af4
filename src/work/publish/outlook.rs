//! For how long what is served may be believed. Nobody keeps a document beyond the moment when the clock alone shows or
//! hides an article of it, and readers are told when its source has not answered for long. Decides nothing about content.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::Publisher;
use super::published::Published;
use crate::clock::Timestamp;
use crate::store::engine::{Result, Store};

/// How far the outlook reaches: twice as long as anything is kept.
const REACH: Duration = Duration::from_hours(1);

/// How often it is read anew, at least.
const EVERY: Duration = Duration::from_secs(10);

/// A flip whose time has come is waited for so long: then its source does not answer, or it came to nothing.
const OVERDUE: Duration = Duration::from_mins(10);

/// Seconds for which a document is kept while what has just flipped is not in it yet.
const AT_ONCE: u64 = 5;

/// A source that could not be read for so long makes its feeds old.
const SILENCE: Duration = Duration::from_mins(30);

/// What is known of the time to come.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    read: Option<Timestamp>,
    /// The first flip in each feed.
    flips: HashMap<i64, Timestamp>,
    /// The first flip that may concern any feed.
    anywhere: Option<Timestamp>,
    /// The first flip of all.
    first: Option<Timestamp>,
    /// Sources that could not be read, and when they last were.
    silent: Vec<(String, Timestamp)>,
}

impl Outlook {
    async fn of(store: &Store, sources: &[String], now: Timestamp) -> Result<Self> {
        let mut outlook = Self { read: Some(now), ..Self::default() };
        for (feed, at) in store.feed_flips(now.minus(OVERDUE), now.plus(REACH)).await? {
            match feed {
                Some(feed) => drop(outlook.flips.insert(feed, at)),
                None => outlook.anywhere = Some(at),
            }
            outlook.first = Some(outlook.first.map_or(at, |first| first.min(at)));
        }
        outlook.silent = store.silent_sources().await?;
        // The row of a source that is configured no more stays in the database.
        outlook.silent.retain(|(name, _)| sources.is_empty() || sources.contains(name));
        Ok(outlook)
    }

    /// Whether nobody has looked ahead yet.
    pub(super) const fn is_unread(&self) -> bool {
        self.read.is_none()
    }

    /// For how many seconds this version of a feed may be kept, if for less than its rhythm says.
    #[must_use]
    pub fn cut(&self, published: &Published, now: Timestamp) -> Option<u64> {
        self.first?;
        let own = self.flips.get(&published.feed.id).copied();
        shorter(own.into_iter().chain(self.anywhere).min(), published.max_age, now)
    }

    /// The same for what may show any article.
    #[must_use]
    pub fn cut_of_any(&self, max_age: u64, now: Timestamp) -> Option<u64> {
        shorter(self.first, max_age, now)
    }

    /// Since when what this feed shows may be old because a source of it does not answer.
    #[must_use]
    pub fn silent_since(&self, published: &Published, now: Timestamp) -> Option<Timestamp> {
        let own = |name: &String| published.sources.is_empty() || published.sources.contains(name);
        self.silent_among(own, now)
    }

    /// The same for what may show articles of any source, or of these.
    #[must_use]
    pub fn silent_among(&self, own: impl Fn(&String) -> bool, now: Timestamp) -> Option<Timestamp> {
        let long = self.silent.iter().filter(|(name, at)| now.since(*at) >= SILENCE && own(name));
        long.map(|(_, at)| *at).min()
    }

    /// Whether nothing is to be said of a feed beyond what its version says.
    #[must_use]
    pub fn is_calm(&self, published: &Published, now: Timestamp) -> bool {
        self.cut(published, now).is_none() && self.silent_since(published, now).is_none()
    }
}

/// Seconds until a flip, if it comes before the end of `max_age`.
#[must_use]
pub fn shorter(flip: Option<Timestamp>, max_age: u64, now: Timestamp) -> Option<u64> {
    let flip = flip?;
    let left = if flip > now { flip.since(now).as_secs() } else { AT_ONCE };
    (left < max_age).then_some(left)
}

/// The outlook as it stands, for whoever answers.
#[derive(Debug, Default)]
pub(super) struct Watch(RwLock<Arc<Outlook>>);

impl Watch {
    fn get(&self) -> Arc<Outlook> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publisher {
    /// What is known of the time to come.
    #[must_use]
    pub fn outlook(&self) -> Arc<Outlook> {
        self.outlook.get()
    }

    /// Looks ahead, if feeds `moved` or it was not done lately: after the feeds were made, for until then what has just
    /// flipped is not in them.
    pub(super) async fn look_ahead(&self, moved: bool) -> Result<()> {
        let now = self.clock.now();
        // A clock that was set back must not put it off.
        let fresh = self.outlook.get().read.is_some_and(|read| read <= now && now.since(read) < EVERY);
        if moved || !fresh {
            let outlook = Outlook::of(&self.store, &self.sources, now).await?;
            *self.outlook.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(outlook);
        }
        Ok(())
    }

    /// When the clock alone hides an article of a part of a feed's archive.
    pub(super) async fn part_ends(&self, feed: i64, range: (Timestamp, Timestamp)) -> Result<Option<Timestamp>> {
        self.store.part_flip(feed, range, self.clock.now().minus(OVERDUE)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_beyond_a_flip_and_for_moments_only_until_it_is_seen() {
        let now = Timestamp::from_millis(1_000_000);
        let at = |seconds: i64| Some(Timestamp::from_millis(1_000_000 + seconds * 1_000));
        assert_eq!(shorter(None, 900, now), None);
        assert_eq!(shorter(at(900), 900, now), None);
        assert_eq!(shorter(at(899), 900, now), Some(899));
        assert_eq!(shorter(Some(Timestamp::from_millis(1_000_999)), 900, now), Some(0), "never rounded up");
        assert_eq!([shorter(at(0), 900, now), shorter(at(-60), 900, now)], [Some(AT_ONCE); 2]);
    }
}
