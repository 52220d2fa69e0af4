//! Looking at a source: how deep, what the source is told of what is known, and what that scan is compared with. Writes
//! nothing.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Ingest, IngestError};
use crate::clock::Timestamp;
use crate::domain::article::Category;
use crate::domain::roll::Roll;
use crate::source::{AnySource, Ask, Depth, Reach, Rhythm, Scan, Source};
use crate::store::source::SourceState;

/// For so long after it was first seen, an article is looked at by every poll: it may be in a mail that waits, up to a
/// weekly digest.
const LATELY: Duration = Duration::from_hours(8 * 24);

/// No hot scan asks for more known articles than this.
const ASKED: i64 = 1_000;

/// A scan with everything that it is compared with.
pub(super) struct Look {
    pub(super) scan: Scan,
    /// What is known of every article that the scan speaks of.
    pub(super) known: Roll,
    /// Whether everything was looked at.
    pub(super) swept: bool,
}

impl Ingest {
    /// Scans a source as deep as is due, or as deep as it can when `whole`.
    pub(super) async fn look(
        &self,
        name: &str,
        source: &AnySource,
        state: &SourceState,
        categories: &[Category],
        whole: bool,
        now: Timestamp,
    ) -> Result<Look, IngestError> {
        let due = self.store.flips_due(name, now).await?;
        let rhythm = source.rhythm();
        let mut depth = if whole { Depth::Sweep } else { self.depth(name, rhythm, state, now).await? };
        if rhythm == Rhythm::Window && state.baseline_at.is_some() {
            depth = Depth::Hot;
        }
        loop {
            let mut known = match depth {
                Depth::Sweep => self.store.known_articles(name).await?,
                Depth::Hot => {
                    let mut known =
                        self.store.shown_articles(name, now.minus(LATELY), self.settings.window, ASKED).await?;
                    let more: Vec<&str> = due.iter().map(String::as_str).filter(|id| known.get(id).is_none()).collect();
                    let more = self.store.known_among(name, &more).await?;
                    known.extend(more.iter());
                    known
                }
            };
            let waiting = due.iter().filter(|id| !known.public().has(id)).cloned().collect();
            let ask = Ask { now, depth, known: known.public(), due: &waiting, categories };
            let scan = source.scan(&ask).await?;
            if scan.deeper && depth == Depth::Hot {
                depth = Depth::Sweep;
                continue;
            }
            if depth == Depth::Hot {
                let asked = match &scan.reach {
                    Reach::Only(ids) => Some(ids.iter()),
                    Reach::Whole | Reach::Part => None,
                };
                let spoken = scan.articles.iter().map(|light| &light.external_id).chain(asked.into_iter().flatten());
                let more: Vec<&str> = spoken.map(String::as_str).filter(|id| known.get(id).is_none()).collect();
                let more = self.store.known_among(name, &more).await?;
                known.extend(more.iter());
            }
            let swept = depth == Depth::Sweep && scan.reach != Reach::Part;
            return Ok(Look { scan, known, swept });
        }
    }

    /// How deep the next scan of a source goes.
    async fn depth(
        &self,
        name: &str,
        rhythm: Rhythm,
        state: &SourceState,
        now: Timestamp,
    ) -> Result<Depth, IngestError> {
        let Rhythm::Tiers { sweep } = rhythm else { return Ok(Depth::Sweep) };
        let fresh = !self.swept.lock().unwrap_or_else(PoisonError::into_inner).contains(name);
        // A clock that was set back must not put the sweep off.
        let due = state.swept_at.is_none_or(|at| at > now || at.plus(sweep) <= now);
        if fresh
            || due
            || state.failed
            || state.missing_polls > 0
            || self.store.visible_count(name).await? < self.settings.small
        {
            return Ok(Depth::Sweep);
        }
        Ok(Depth::Hot)
    }
}
