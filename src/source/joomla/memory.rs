//! What one process remembers of a Joomla from scan to scan. Nothing here decides what is public: it saves work and tells
//! when to look deeper, and another process that remembers nothing comes to the same.

use std::collections::HashMap;
use std::time::Duration;

use super::print::Print;
use crate::clock::Timestamp;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The rules of the last sweep ([`super::rules::Rules::stamp`]): when they move, only a sweep can follow.
    pub(super) rules: Option<String>,
    /// When a deep sweep last found every text as it is known.
    deep_at: Option<Timestamp>,
    /// Fingerprints of the newest articles, so that a hot scan need not read their texts again while nothing else of them
    /// moves. An article that is fetched, and each sweep, ends that: where this process is behind another, it is once.
    pub(super) newest: HashMap<i64, Print>,
    /// Which of Joomla's types an article is, for the index of the tags; nothing where it is not known yet.
    pub(super) types: Option<Vec<i64>>,
}

impl Memory {
    /// Whether the texts are to be read again. A clock that was set back does not put it off.
    pub(super) fn deep_is_due(&self, now: Timestamp, every: Duration) -> bool {
        self.deep_at.is_none_or(|at| at > now || at.plus(every) <= now)
    }

    /// Notes what a deep sweep found. What differed may be lost with the poll, so that only a deep sweep that finds nothing
    /// puts the next one off.
    pub(super) fn swept_deep(&mut self, now: Timestamp, differed: bool) {
        self.deep_at = (!differed).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_sweep_that_found_something_is_made_again() {
        let (mut memory, every) = (Memory::default(), Duration::from_hours(6));
        let at = Timestamp::from_millis(1_000_000_000);
        assert!(memory.deep_is_due(at, every));
        memory.swept_deep(at, true);
        assert!(memory.deep_is_due(at, every));
        memory.swept_deep(at, false);
        assert!(
            !memory.deep_is_due(at, every)
                && !memory.deep_is_due(at.plus(every).minus(Duration::from_millis(1)), every)
        );
        assert!(memory.deep_is_due(at.plus(every), every));
        assert!(memory.deep_is_due(at.minus(Duration::from_millis(1)), every), "the clock was set back");
    }
}
