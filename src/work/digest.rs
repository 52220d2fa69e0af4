//! Digests: which runs are due, and who gets which content. Composing and sending come later, with the delivery.

use std::collections::HashMap;

use crate::clock::Clock;
use crate::domain::digest::Calendar;
use crate::domain::subscriber::Frequency;
use crate::store::digest::{Member, Run, Section, Step};
use crate::store::engine::{Result, Store};
use crate::text::collate;
use crate::work::fan_out::FanOut;
use crate::work::wakes::Wakes;

/// Subscriptions read at a time while a run's members are made.
const STEP: i64 = 10_000;

/// Makes digest runs. Any number of replicas may do it at once: a date has one run, and each step of it one writer.
#[derive(Clone)]
pub struct Digests {
    store: Store,
    clock: Clock,
    calendar: Calendar,
    wakes: Wakes,
}

impl Digests {
    /// Digests by this calendar.
    #[must_use]
    pub const fn new(store: Store, clock: Clock, calendar: Calendar, wakes: Wakes) -> Self {
        Self { store, clock, calendar, wakes }
    }

    /// Begins every run that is due and was not made, and makes the members of all runs that are open (also those that
    /// a crash cut off). Answers how many deliveries were made.
    ///
    /// # Errors
    /// When the database fails; the next call goes on where this one stopped.
    pub async fn run(&self) -> Result<i64> {
        // A digest leaves out what a mail tells, so mails are made first: a crash may have left changes open.
        FanOut::new(self.store.clone(), self.clock.clone(), self.wakes.clone()).run().await?;
        let now = self.clock.now();
        for frequency in [Frequency::Daily, Frequency::Weekly] {
            if let Some(due) = self.calendar.due(frequency, now)
                && self.store.begin_run(&due, now).await?
            {
                tracing::info!(frequency = frequency.as_str(), date = %due.date, "digest run begins");
            }
        }
        let mut made = 0;
        for run in self.store.open_runs().await? {
            made += self.plan(run).await?;
        }
        Ok(made)
    }

    /// Begins a run that is not due yet, for the operator's `loa digest --run`; the date names it, so it is made once:
    /// nothing if today's was begun before. Answers how many deliveries were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_now(&self, frequency: Frequency) -> Result<Option<i64>> {
        let now = self.clock.now();
        let date = now.in_zone(&self.calendar.zone).date();
        let due = crate::domain::digest::DueRun { frequency, date, window_to: now };
        let begun = self.store.begin_run(&due, now).await?;
        let made = self.run().await?;
        Ok(begun.then_some(made))
    }

    async fn plan(&self, mut run: Run) -> Result<i64> {
        let mut sections: HashMap<(i64, i64), Vec<i64>> = HashMap::new();
        let feeds = FeedOrder::load(&self.store).await?;
        loop {
            let members = self.store.run_members(&run, STEP).await?;
            let last = members.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
            let step = self.step(&run, members, last, &feeds, &mut sections).await?;
            if !self.store.write_step(&run, &step, self.clock.now()).await? {
                // Another replica makes this run.
                return Ok(run.members);
            }
            run.cursor = step.cursor;
            run.members += i64::try_from(step.deliveries.len()).unwrap_or(0);
            self.wakes.mails.notify_one();
            if step.last {
                tracing::info!(frequency = run.frequency, date = run.date, members = run.members, "digest run planned");
                return Ok(run.members);
            }
        }
    }

    async fn step(
        &self,
        run: &Run,
        mut members: Vec<Member>,
        last: bool,
        feeds: &FeedOrder,
        cache: &mut HashMap<(i64, i64), Vec<i64>>,
    ) -> Result<Step> {
        let mut step = Step { cursor: run.cursor, last, ..Step::default() };
        if !last && let Some(cut) = members.last().map(|m| m.subscriber_id) {
            // The last person may have more subscriptions than this page holds: the next step takes them whole.
            if members.first().is_some_and(|m| m.subscriber_id != cut) {
                members.retain(|m| m.subscriber_id != cut);
            }
        }
        step.told = members.iter().map(|m| m.id).collect();
        let mut by_key: HashMap<String, Option<usize>> = HashMap::new();
        for person in members.chunk_by(|a, b| a.subscriber_id == b.subscriber_id) {
            let id = person[0].subscriber_id;
            step.cursor = id;
            let mut wanted: Vec<(i64, i64)> = person.iter().map(|m| (m.feed_id, m.told_until)).collect();
            wanted.sort_by_key(|(feed, _)| feeds.place(*feed));
            let key = wanted.iter().map(|(f, t)| format!("{f}:{t}")).collect::<Vec<_>>().join(",");
            let set = if let Some(set) = by_key.get(&key) {
                *set
            } else {
                let content = self.sections(run, &wanted, cache).await?;
                let set = (!content.is_empty()).then(|| {
                    step.sets.push((key.clone(), content));
                    step.sets.len() - 1
                });
                by_key.insert(key, set);
                set
            };
            if let Some(set) = set {
                step.deliveries.push((id, set));
            }
        }
        if last {
            step.cursor = i64::MAX;
        }
        Ok(step)
    }

    /// The content for these feeds: each article once, in the first feed that has it. Empty if there is nothing new.
    async fn sections(
        &self,
        run: &Run,
        wanted: &[(i64, i64)],
        cache: &mut HashMap<(i64, i64), Vec<i64>>,
    ) -> Result<Vec<Section>> {
        let mut told = std::collections::HashSet::new();
        let mut sections = Vec::new();
        for &(feed_id, told_until) in wanted {
            let entered = if let Some(entered) = cache.get(&(feed_id, told_until)) {
                entered.clone()
            } else {
                let entered = self.store.entered(feed_id, told_until, run.upto).await?;
                cache.insert((feed_id, told_until), entered.clone());
                entered
            };
            let articles: Vec<i64> = entered.into_iter().filter(|a| told.insert(*a)).collect();
            if !articles.is_empty() {
                sections.push(Section { feed_id, articles });
            }
        }
        Ok(sections)
    }
}

/// The order of a digest's sections: by title; a feed of everything comes last, so that it does not swallow the rest.
struct FeedOrder(HashMap<i64, usize>);

impl FeedOrder {
    async fn load(store: &Store) -> Result<Self> {
        let mut feeds = store.feeds().await?;
        feeds.sort_by_cached_key(|f| (f.spec.select.is_everything(), collate::key(&f.spec.title), f.id));
        Ok(Self(feeds.iter().enumerate().map(|(place, f)| (f.id, place)).collect()))
    }

    fn place(&self, feed: i64) -> usize {
        self.0.get(&feed).copied().unwrap_or(usize::MAX)
    }
}
