//! Ingest: one poll of one source, from the scan to one transaction. Compares sets, not timestamps: a portal changes
//! what is public without touching any date (content-store.md §7). A read error means no conclusions.

mod calls;
mod compare;
mod feeds;
mod flood;
mod judge;
mod look;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use self::calls::Calls;
use self::compare::opened;
use self::flood::{hold, mass_of_revised};
use self::judge::Scene;
use self::look::Look;
use crate::clock::{Clock, Timestamp};
use crate::domain::article::ChangeKind;
use crate::domain::site::Site;
use crate::source::{AnySource, Reach, Scan, Source, SourceError};
use crate::store::article::{Applied, Poll, Upsert};
use crate::store::engine::{Store, StoreError};
use crate::store::source::Flips;
use crate::telemetry::metrics::Metrics;
use crate::work::normalise::{Credit, normalise};
use crate::work::presence::Presence;
use crate::work::wakes::Wakes;

/// How many articles are fetched and, at first sight, written at a time.
const CHUNK: usize = 200;

/// How long one replica may poll a source before another takes over.
const LEASE: Duration = Duration::from_mins(10);

/// So often a poll is made again at once because feeds came or went meanwhile, as when several sources are new together.
const AGAIN: usize = 3;

/// The rules of ingest that an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// More new articles than this in one poll are held for release.
    pub max_new: usize,
    /// Older new articles go to the feeds, not to people.
    pub max_age: Duration,
    /// Whether each category gets a feed.
    pub each_category: bool,
    /// How many articles a feed document shows: what readers see, every poll looks at.
    pub window: i64,
    /// A source with fewer public articles than this is swept at every poll; see [`crate::source::SMALL`].
    pub small: usize,
}

/// What one poll did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five facts, each of which may hold beside any other")]
pub struct Report {
    /// Changes in numbers.
    pub applied: Applied,
    /// Whether the flood guard holds this poll's new articles.
    pub held: bool,
    /// Articles that look gone but are kept for now, because they are suspiciously many.
    pub kept: usize,
    /// Whether the source could be read only in part: then nothing was taken for withdrawn.
    pub partial: bool,
    /// Whether this was the first poll of its source, or goes on with it: then nobody is told of anything.
    pub silent: bool,
    /// What could not be read, one sentence each.
    pub faults: Vec<String>,
    /// Whether everything was compared, and not only what matters at once.
    pub swept: bool,
    /// Whether another replica was polling, or the source asked for rest: then nothing was done.
    pub busy: bool,
}

/// Why a poll came to nothing. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No source has that name.
    #[error("there is no source named \"{0}\"; the configuration has: {1}")]
    Unknown(String, String),
    /// The source asked to be left alone.
    #[error("the source \"{0}\" asked to be left alone until {1} (UTC): polls go on by themselves then")]
    Resting(String, String),
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Is told how far a long import is: articles done, and articles in all.
pub type Progress = Box<dyn Fn(usize, usize) + Send + Sync>;

/// From one line of the log about a long import to the next, in articles.
const LOGGED: usize = 5_000;

/// Polls sources. One for the process.
pub struct Ingest {
    store: Store,
    clock: Clock,
    site: Site,
    sources: BTreeMap<String, Arc<AnySource>>,
    settings: Settings,
    credit: Credit,
    wakes: Wakes,
    metrics: Metrics,
    presence: Presence,
    /// Sources that this process polls just now: the lease is the process's, and would let a second poll in.
    polling: Mutex<BTreeSet<String>>,
    /// Sources that this process has compared whole: after a start it does so first.
    swept: Mutex<BTreeSet<String>>,
    /// Sources that asked to be left alone, and until when.
    resting: Mutex<BTreeMap<String, Timestamp>>,
    /// Polls that do not wait for their beat.
    calls: Mutex<BTreeMap<String, Calls>>,
    /// Who is told of long imports, beside the log.
    progress: OnceLock<Progress>,
    /// What the log was told of each source's faults: once is enough while they stand.
    told: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Ingest {
    /// An ingest over these sources.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        site: Site,
        sources: BTreeMap<String, Arc<AnySource>>,
        settings: Settings,
        wakes: Wakes,
        metrics: Metrics,
    ) -> Self {
        let presence = Presence::alone(&clock);
        Self {
            store,
            clock,
            site,
            sources,
            settings,
            credit: Credit::default(),
            wakes,
            metrics,
            presence,
            polling: Mutex::default(),
            swept: Mutex::default(),
            resting: Mutex::default(),
            calls: Mutex::default(),
            progress: OnceLock::new(),
            told: Mutex::default(),
        }
    }

    /// The same ingest, one of several that share the database.
    #[must_use]
    pub fn among(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Tells this one, too, how far a long import is. The first one stays.
    pub fn watch(&self, progress: Progress) {
        let _ = self.progress.set(progress);
    }

    /// The same ingest with these rules of who an article is by; otherwise those of [`Credit::default`].
    #[must_use]
    pub fn crediting(mut self, credit: Credit) -> Self {
        self.credit = credit;
        self
    }

    /// Names of the sources.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Polls one source now, comparing everything, and writes what it found.
    ///
    /// # Errors
    /// [`IngestError`]; the fault is also kept with the source for the dashboard. Nothing was concluded.
    pub async fn poll(&self, name: &str) -> Result<Report, IngestError> {
        self.poll_since(name, None).await
    }

    /// Polls on a beat of the schedule, which every replica has at the same second: the first of them polls, the others
    /// find it done. Looks as deep as is due.
    ///
    /// # Errors
    /// As [`Ingest::poll`].
    pub async fn poll_on_beat(&self, name: &str) -> Result<Report, IngestError> {
        let now = self.clock.now();
        self.poll_since(name, Some(Timestamp(now.0 - now.0.rem_euclid(1000)))).await
    }

    /// Polls unless somebody is polling, or has polled since `beat`, or the source asked for rest.
    async fn poll_since(&self, name: &str, beat: Option<Timestamp>) -> Result<Report, IngestError> {
        let source = self.source(name)?;
        let busy = || Ok(Report { busy: true, ..Report::default() });
        let Some(_turn) = Turn::take(&self.polling, name) else { return busy() };
        if let Some(until) = self.resting(name) {
            if beat.is_some() {
                return busy();
            }
            return Err(IngestError::Resting(name.to_owned(), until.rfc3339(&jiff::tz::TimeZone::UTC)));
        }
        let (lease, holder) = (lease_name(name), self.presence.worker().name());
        if !self.store.take_lease(&lease, &holder, self.clock.now(), LEASE).await? {
            return busy();
        }
        if beat.is_some() && self.store.source_state(name).await?.looked_at >= beat {
            self.store.drop_lease(&lease, &holder).await?;
            return busy();
        }
        let began = self.clock.now();
        let mut result = self.poll_held(name, source, &holder, beat.is_none()).await;
        for _ in 0..AGAIN {
            if !matches!(result, Err(IngestError::Store(StoreError::OtherFeeds))) {
                break;
            }
            result = self.poll_held(name, source, &holder, beat.is_none()).await;
        }
        let ended = self.clock.now();
        if result.is_err() {
            // What the source took for told may not be written: the next poll compares everything.
            self.swept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
        match &result {
            Ok(_) => self.metrics.polled(name, Ok(()), ended.since(began), ended),
            Err(IngestError::Source(e)) => self.metrics.polled(name, Err(e), ended.since(began), ended),
            Err(_) => {}
        }
        if let Err(IngestError::Source(e)) = &result {
            if let SourceError::Wait(_, until) = e {
                self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), *until);
            }
            self.store.poll_failed(name, &e.to_string(), self.clock.now()).await?;
        }
        self.store.drop_lease(&lease, &holder).await?;
        if let Ok(report) = &result {
            self.expect_flip(name).await?;
            if report.applied != Applied::default() {
                self.wakes.changes.notify_one();
                self.wakes.feeds.notify_one();
            }
        }
        result
    }

    fn source(&self, name: &str) -> Result<&AnySource, IngestError> {
        let named = self.sources.get(name).map(Arc::as_ref);
        let names = || self.sources.keys().cloned().collect::<Vec<_>>().join(", ");
        named.ok_or_else(|| IngestError::Unknown(name.to_owned(), names()))
    }

    /// Until when the source asked to be left alone, if that time has not passed.
    fn resting(&self, name: &str) -> Option<Timestamp> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let until = resting.get(name).copied()?;
        if until > self.clock.now() {
            return Some(until);
        }
        resting.remove(name);
        None
    }

    /// Lets go what the flood guard holds of a source. Answers how many changes went free.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, name: &str) -> Result<u64, IngestError> {
        let freed = self.store.release_held(name, self.clock.now()).await?;
        self.metrics.held(name, 0);
        self.wakes.changes.notify_one();
        Ok(freed)
    }

    async fn poll_held(
        &self,
        name: &str,
        source: &AnySource,
        holder: &str,
        whole: bool,
    ) -> Result<Report, IngestError> {
        let now = self.clock.now();
        let state = self.store.source_state(name).await?;
        let before = self.store.categories(name).await?;
        let look = self.look(name, source, &state, &before, whole, now).await?;
        let moved = self.moved_categories(name, &before, &look.scan).await?;
        let compared = self.compare(name, &look, &before, state.missing_polls).await?;
        let Look { scan, known, swept } = &look;
        let swept = *swept;
        let baseline = state.baseline_at.is_none();
        let mut report = Report {
            swept,
            kept: compared.kept,
            partial: scan.reach == Reach::Part,
            silent: baseline,
            faults: scan.faults.iter().map(|f| f.message.clone()).collect(),
            ..Report::default()
        };
        let mut poll = Poll {
            source: name.to_owned(),
            gone: compared.gone,
            missing_polls: compared.missing_polls,
            flips: flips(scan, swept),
            swept,
            categories: moved,
            lease: Some((lease_name(name), holder.to_owned())),
            ..Poll::default()
        };
        let scene = Scene {
            lights: scan.articles.iter().map(|l| (l.external_id.as_str(), l.fingerprint.as_str())).collect(),
            matchers: if compared.fetch.is_empty() { Vec::new() } else { self.matchers().await? },
            categories: scan
                .categories
                .as_deref()
                .unwrap_or(&before)
                .iter()
                .map(|c| (c.external_id.clone(), c.clone()))
                .collect(),
            opened: opened(scan, &before),
            announced: self.announced(&compared.fetch, known).await?,
            known,
            last_poll: state.polled_at.unwrap_or(now),
            baseline,
            now,
        };
        // A selection that somebody begins to follow meanwhile must miss nothing.
        poll.feeds = Some(scene.matchers.iter().map(|(feed, _)| feed).sum());
        let ids = compared.fetch;
        let mut lost = Vec::new();
        for (number, chunk) in ids.chunks(CHUNK).enumerate() {
            self.progressed(name, number * CHUNK, ids.len());
            let wanted: BTreeSet<String> = chunk.iter().map(|id| (*id).to_owned()).collect();
            let fetched = source.fetch(&wanted, now).await?;
            let public = fetched.articles.iter().filter_map(|raw| known.get(&raw.external_id)).filter(|k| k.visible);
            let was = self.store.fingerprints(&public.map(|k| k.row).collect::<Vec<_>>()).await?;
            report.faults.extend(fetched.faults.into_iter().map(|f| f.message));
            for raw in &fetched.articles {
                match normalise(name, raw, &scene.categories, &self.site, &self.credit) {
                    Ok(article) => self.judge(raw, article, &was, &scene, &mut poll),
                    Err(unfit) => {
                        // What was there before is no longer what the portal shows.
                        lost.extend(known.get(&raw.external_id).filter(|k| k.visible).map(|k| k.row));
                        report.faults.push(format!("{name}: article {}: {unfit}; it is left out", raw.external_id));
                    }
                }
            }
            // A baseline may be large and tells nobody, and so may a mass of revised articles (somebody is called otherwise
            // now, who signs them all): they are written as they come. What is new waits for the last transaction.
            let part = if baseline {
                std::mem::take(&mut poll.upserts)
            } else {
                mass_of_revised(&mut poll.upserts, report.held)
            };
            if !part.is_empty() {
                report.held |= !baseline;
                let applied = self.write_part(name, part, &poll, now).await?;
                report.applied.baseline += applied.baseline;
                report.applied.revised += applied.revised;
            }
            self.store.take_lease(&lease_name(name), holder, self.clock.now(), LEASE).await?;
        }
        if self.too_many_gone(name, lost.len(), state.missing_polls).await? {
            report.kept += lost.len();
            poll.missing_polls = state.missing_polls + 1;
        } else {
            poll.gone.append(&mut lost);
        }
        report.held |= hold(&mut poll.upserts, self.settings.max_new);
        sort(&mut poll.upserts);
        poll.baseline_done = baseline && scan.reach != Reach::Part;
        poll.faults.clone_from(&report.faults);
        let applied = self.store.apply(&poll, now).await?;
        if swept {
            self.swept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
        let applied = Applied { revised: report.applied.revised + applied.revised, ..applied };
        report.applied = Applied { baseline: report.applied.baseline, ..applied };
        self.count(name, applied).await?;
        self.tell(name, &report);
        Ok(report)
    }

    async fn count(&self, name: &str, applied: Applied) -> Result<(), IngestError> {
        for (kind, count) in [
            (ChangeKind::Published, applied.published),
            (ChangeKind::Revised, applied.revised),
            (ChangeKind::Withdrawn, applied.withdrawn),
        ] {
            self.metrics.changed(name, kind, count as u64);
        }
        self.metrics.held(name, u64::try_from(self.store.held(name).await?).unwrap_or(0));
        Ok(())
    }

    /// Writes some of a poll's articles before the rest of it.
    async fn write_part(
        &self,
        name: &str,
        mut upserts: Vec<Upsert>,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<Applied, IngestError> {
        sort(&mut upserts);
        let source = name.to_owned();
        let (lease, feeds) = (poll.lease.clone(), poll.feeds);
        let part = Poll { source, upserts, part: true, feeds, lease, ..Poll::default() };
        Ok(self.store.apply(&part, now).await?)
    }

    /// A long import is `done` articles far, of `all`.
    fn progressed(&self, name: &str, done: usize, all: usize) {
        if all > LOGGED && done.is_multiple_of(LOGGED) {
            tracing::info!(source = name, done, all, "articles are read");
        }
        if let Some(progress) = self.progress.get() {
            progress(done, all);
        }
    }
}

/// What is remembered of the flips that a scan saw.
fn flips(scan: &Scan, swept: bool) -> Flips {
    let seen = scan.flips.iter().map(|flip| (flip.at, flip.external_id.clone())).collect();
    if swept { Flips::All(seen) } else { Flips::More(seen) }
}

/// What one replica at a time holds while it polls this source.
fn lease_name(source: &str) -> String {
    format!("poll:{source}")
}

/// The turn to poll a source in this process; given back when dropped, however the poll ended.
struct Turn<'a> {
    polling: &'a Mutex<BTreeSet<String>>,
    name: &'a str,
}

impl<'a> Turn<'a> {
    fn take(polling: &'a Mutex<BTreeSet<String>>, name: &'a str) -> Option<Self> {
        let new = polling.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        new.then_some(Self { polling, name })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.polling.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}

/// Articles of one poll share one moment; their row ids then order them, so the newest comes last.
fn sort(upserts: &mut [Upsert]) {
    upserts.sort_by(|a, b| {
        (a.article.published, &a.article.external_id).cmp(&(b.article.published, &b.article.external_id))
    });
}
