//! Ingest: one poll of one source, from the scan to one transaction. Compares sets, not timestamps: a portal changes
//! what is public without touching any date (content-store.md §7). A read error means no conclusions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::article::{Article, Category, ChangeKind, RawArticle};
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::selection::{Matcher, Selection};
use crate::domain::site::Site;
use crate::feed::address;
use crate::source::{AnySource, Scan, Source, SourceError};
use crate::store::article::{Applied, Known, Poll, Upsert};
use crate::store::engine::{Store, StoreError};
use crate::store::feed::Membership;
use crate::telemetry::metrics::Metrics;
use crate::work::normalise::normalise;
use crate::work::presence::Presence;
use crate::work::wakes::Wakes;

/// How many articles are fetched and, at first sight, written at a time.
const CHUNK: usize = 200;

/// How long one replica may poll a source before another takes over.
const LEASE: Duration = Duration::from_mins(10);

/// A mass of vanished articles is believed at the third poll that sees it.
const MISSING_POLLS: i64 = 2;

/// The rules of ingest that an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// More new articles than this in one poll are held for release.
    pub max_new: usize,
    /// Older new articles go to the feeds, not to people.
    pub max_age: Duration,
    /// Whether each category gets a feed.
    pub each_category: bool,
}

/// What one poll did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes in numbers.
    pub applied: Applied,
    /// Whether the flood guard holds this poll's new articles.
    pub held: bool,
    /// Articles that look gone but are kept for now, because they are suspiciously many.
    pub kept: usize,
    /// Whether the source could be read only in part: then nothing was taken for withdrawn.
    pub partial: bool,
    /// What could not be read, one sentence each.
    pub faults: Vec<String>,
    /// Whether another replica was polling: then nothing was done.
    pub busy: bool,
}

/// Why a poll came to nothing. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No source has that name.
    #[error("there is no source named \"{0}\"; the configuration has: {1}")]
    Unknown(String, String),
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Polls sources. One for the process.
pub struct Ingest {
    store: Store,
    clock: Clock,
    site: Site,
    sources: BTreeMap<String, Arc<AnySource>>,
    settings: Settings,
    wakes: Wakes,
    metrics: Metrics,
    presence: Presence,
    /// Sources that this process polls just now: the lease is the process's, and would let a second poll in.
    polling: Mutex<BTreeSet<String>>,
    /// What the log was told of each source's faults: once is enough while they stand.
    told: Mutex<BTreeMap<String, Vec<String>>>,
}

/// What a scan means, once compared with what is known.
struct Compared {
    fetch: BTreeSet<String>,
    gone: Vec<i64>,
    kept: usize,
    missing_polls: i64,
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
            wakes,
            metrics,
            presence,
            polling: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// The same ingest, one of several that share the database.
    #[must_use]
    pub fn among(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Names of the sources.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Polls one source and writes what it found.
    ///
    /// # Errors
    /// [`IngestError`]; the fault is also kept with the source for the dashboard. Nothing was concluded.
    pub async fn poll(&self, name: &str) -> Result<Report, IngestError> {
        self.poll_since(name, None).await
    }

    /// Polls on a beat of the schedule, which every replica has at the same second: the first of them polls, the others
    /// find it done.
    ///
    /// # Errors
    /// As [`Ingest::poll`].
    pub async fn poll_on_beat(&self, name: &str) -> Result<Report, IngestError> {
        let now = self.clock.now();
        self.poll_since(name, Some(Timestamp(now.0 - now.0.rem_euclid(1000)))).await
    }

    /// Polls unless somebody is polling, or has polled since `beat`.
    async fn poll_since(&self, name: &str, beat: Option<Timestamp>) -> Result<Report, IngestError> {
        let source = self.sources.get(name).ok_or_else(|| {
            IngestError::Unknown(name.to_owned(), self.sources.keys().cloned().collect::<Vec<_>>().join(", "))
        })?;
        let busy = || Ok(Report { busy: true, ..Report::default() });
        let Some(_turn) = Turn::take(&self.polling, name) else { return busy() };
        let (lease, holder) = (lease_name(name), self.presence.worker().name());
        if !self.store.take_lease(&lease, &holder, self.clock.now(), LEASE).await? {
            return busy();
        }
        if beat.is_some() && self.store.source_state(name).await?.polled_at >= beat {
            self.store.drop_lease(&lease, &holder).await?;
            return busy();
        }
        let began = self.clock.now();
        let result = self.poll_held(name, source, &holder).await;
        let ended = self.clock.now();
        match &result {
            Ok(_) => self.metrics.polled(name, Ok(()), ended.since(began), ended),
            Err(IngestError::Source(e)) => self.metrics.polled(name, Err(e), ended.since(began), ended),
            Err(_) => {}
        }
        if let Err(IngestError::Source(e)) = &result {
            self.store.poll_failed(name, &e.to_string(), self.clock.now()).await?;
        }
        self.store.drop_lease(&lease, &holder).await?;
        if let Ok(report) = &result
            && report.applied != Applied::default()
        {
            self.wakes.changes.notify_one();
            self.wakes.feeds.notify_one();
        }
        result
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

    async fn poll_held(&self, name: &str, source: &AnySource, holder: &str) -> Result<Report, IngestError> {
        let now = self.clock.now();
        let scan = source.scan(now).await?;
        let state = self.store.source_state(name).await?;
        let recategorised = self.take_categories(name, &scan).await?;
        let known: HashMap<String, Known> =
            self.store.known_articles(name).await?.into_iter().map(|k| (k.external_id.clone(), k)).collect();
        let compared = compare(&scan, &known, recategorised, state.missing_polls);
        let baseline = state.baseline_at.is_none();
        let mut report = Report {
            kept: compared.kept,
            partial: !scan.complete,
            faults: scan.faults.iter().map(|f| f.message.clone()).collect(),
            ..Report::default()
        };
        let mut poll = Poll {
            source: name.to_owned(),
            gone: compared.gone,
            missing_polls: compared.missing_polls,
            next_flip: scan.next_flip,
            lease: Some((lease_name(name), holder.to_owned())),
            ..Poll::default()
        };
        let matchers = if compared.fetch.is_empty() { Vec::new() } else { self.matchers().await? };
        let categories: HashMap<String, Category> =
            scan.categories.iter().map(|c| (c.external_id.clone(), c.clone())).collect();
        let lights: HashMap<&str, &str> =
            scan.articles.iter().map(|l| (l.external_id.as_str(), l.fingerprint.as_str())).collect();
        let ids: Vec<String> = compared.fetch.into_iter().collect();
        for chunk in ids.chunks(CHUNK) {
            let wanted: BTreeSet<String> = chunk.iter().cloned().collect();
            let fetched = source.fetch(&wanted, now).await?;
            report.faults.extend(fetched.faults.into_iter().map(|f| f.message));
            for raw in &fetched.articles {
                match normalise(name, raw, &categories, &self.site) {
                    Ok(article) => {
                        let light = lights.get(raw.external_id.as_str()).copied().unwrap_or_default();
                        self.judge(raw, article, light, &known, &matchers, baseline, now, &mut poll);
                    }
                    Err(unfit) => {
                        report.faults.push(format!("{name}: article {}: {unfit}; it is left out", raw.external_id));
                    }
                }
            }
            if baseline {
                // A baseline may be large and tells nobody: it is written as it comes.
                sort(&mut poll.upserts);
                let part = Poll {
                    source: name.to_owned(),
                    upserts: std::mem::take(&mut poll.upserts),
                    lease: poll.lease.clone(),
                    ..Poll::default()
                };
                report.applied.baseline += self.store.apply(&part, now).await?.baseline;
                self.store.take_lease(&lease_name(name), holder, self.clock.now(), LEASE).await?;
            }
        }
        let new = poll.upserts.iter().filter(|u| u.change == Some(ChangeKind::Published)).count();
        if new > self.settings.max_new {
            report.held = true;
            for upsert in poll.upserts.iter_mut().filter(|u| u.change == Some(ChangeKind::Published)) {
                upsert.held = true;
            }
        }
        sort(&mut poll.upserts);
        poll.baseline_done = baseline && scan.complete;
        poll.faults.clone_from(&report.faults);
        let applied = self.store.apply(&poll, now).await?;
        report.applied = Applied { baseline: report.applied.baseline, ..applied };
        for (kind, count) in [
            (ChangeKind::Published, applied.published),
            (ChangeKind::Revised, applied.revised),
            (ChangeKind::Withdrawn, applied.withdrawn),
        ] {
            self.metrics.changed(name, kind, count as u64);
        }
        self.metrics.held(name, u64::try_from(self.store.held(name).await?).unwrap_or(0));
        self.tell(name, &report);
        Ok(report)
    }

    /// What one fetched article means: new, back, changed, or only touched.
    #[expect(clippy::too_many_arguments, reason = "one step of one loop; a struct for it would be read once")]
    fn judge(
        &self,
        raw: &RawArticle,
        article: Article,
        light: &str,
        known: &HashMap<String, Known>,
        matchers: &[(i64, Matcher)],
        baseline: bool,
        now: Timestamp,
        poll: &mut Poll,
    ) {
        let fingerprint = article.fingerprint();
        let change = match known.get(&raw.external_id) {
            Some(known) if known.visible && known.fingerprint == fingerprint => {
                if known.light != light {
                    poll.touched.push((known.id, light.to_owned()));
                }
                return;
            }
            Some(known) if known.visible => ChangeKind::Revised,
            _ => ChangeKind::Published,
        };
        let fresh = article.published.plus(self.settings.max_age) >= now;
        let matches = matchers.iter().filter_map(|(feed, matcher)| Some((*feed, matcher.matches(&article)?))).collect();
        poll.upserts.push(Upsert {
            light: light.to_owned(),
            fingerprint,
            entry_id: address::tag(
                &self.site.authority,
                &format!("{}/article/{}", article.source, article.external_id),
            ),
            // News goes on top of its feeds even if it is dated back a little; an old article goes to its place.
            first_seen: if baseline || !fresh { article.published.min(now) } else { now },
            change: (!baseline).then_some(change),
            people: fresh,
            held: false,
            matches,
            article,
        });
    }

    /// Keeps the categories of a complete scan and their feeds. Answers whether any moved: then articles are read again,
    /// since they carry the titles of their categories.
    async fn take_categories(&self, name: &str, scan: &Scan) -> Result<bool, IngestError> {
        if !scan.complete {
            return Ok(false);
        }
        let mut before = self.store.categories(name).await?;
        let mut after = scan.categories.clone();
        before.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        after.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        if before == after {
            return Ok(false);
        }
        self.store.save_categories(name, &after).await?;
        self.declare_category_feeds().await?;
        Ok(!before.is_empty())
    }

    /// Makes the feeds of categories equal to the categories that are known now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_category_feeds(&self) -> Result<(), IngestError> {
        let mut specs: BTreeMap<String, FeedSpec> = BTreeMap::new();
        if self.settings.each_category {
            for name in self.sources.keys() {
                for category in self.store.categories(name).await? {
                    specs.entry(category.slug.clone()).or_insert_with(|| category_feed(&category));
                }
            }
        }
        let specs: Vec<FeedSpec> = specs.into_values().collect();
        self.declare(FeedOrigin::Category, &specs).await
    }

    /// Makes the feeds of one origin equal to these, and fills those whose selection is new. Nobody is told of what a
    /// new feed holds already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare(&self, origin: FeedOrigin, specs: &[FeedSpec]) -> Result<(), IngestError> {
        let now = self.clock.now();
        let fill = self.store.declare_feeds(origin, specs, now).await?;
        if !fill.is_empty() {
            self.refill(&fill, now).await?;
        }
        self.wakes.feeds.notify_one();
        Ok(())
    }

    async fn refill(&self, feeds: &[Feed], now: Timestamp) -> Result<(), IngestError> {
        let matchers: Vec<Matcher> = feeds.iter().map(|f| f.spec.select.matcher()).collect();
        let mut members: Vec<Vec<Membership>> = vec![Vec::new(); feeds.len()];
        let mut after = 0;
        loop {
            let page = self.store.articles_after(after, 500).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for stored in &page {
                for (matcher, members) in matchers.iter().zip(&mut members) {
                    if let Some(reason) = matcher.matches(&stored.article) {
                        members.push(Membership { article_id: stored.id, first_seen: stored.first_seen, reason });
                    }
                }
            }
        }
        for (feed, members) in feeds.iter().zip(&members) {
            self.store.refill_feed(feed.id, members, now).await?;
        }
        Ok(())
    }

    fn tell(&self, name: &str, report: &Report) {
        tell(name, report);
        let mut faults = report.faults.clone();
        if report.partial {
            faults.push("not everything could be read: until it can, no article is taken for withdrawn".to_owned());
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(name.to_owned(), faults.clone()).unwrap_or_default();
        for fault in faults.iter().filter(|fault| !before.contains(fault)) {
            tracing::warn!(source = name, "{fault}");
        }
        if faults.is_empty() && !before.is_empty() {
            tracing::info!(source = name, "everything can be read again");
        }
    }

    async fn matchers(&self) -> Result<Vec<(i64, Matcher)>, IngestError> {
        let feeds = self.store.feeds().await?;
        Ok(feeds.into_iter().filter(|f| !f.retired).map(|f| (f.id, f.spec.select.matcher())).collect())
    }
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

/// Compares a scan with what is known.
fn compare(scan: &Scan, known: &HashMap<String, Known>, recategorised: bool, missing_polls: i64) -> Compared {
    let fetch = scan
        .articles
        .iter()
        .filter(|light| {
            known.get(&light.external_id).is_none_or(|k| !k.visible || k.light != light.fingerprint || recategorised)
        })
        .map(|light| light.external_id.clone())
        .collect();
    let mut compared = Compared { fetch, gone: Vec::new(), kept: 0, missing_polls: 0 };
    if !scan.complete {
        compared.missing_polls = missing_polls;
        return compared;
    }
    let seen: HashSet<&str> = scan
        .articles
        .iter()
        .map(|l| l.external_id.as_str())
        // What could not be read is unknown, not gone.
        .chain(scan.faults.iter().map(|f| f.external_id.as_str()))
        .collect();
    let visible = known.values().filter(|k| k.visible).count();
    let mut gone: Vec<i64> =
        known.values().filter(|k| k.visible && !seen.contains(k.external_id.as_str())).map(|k| k.id).collect();
    gone.sort_unstable();
    if gone.len() > 20.max(visible / 5) && missing_polls < MISSING_POLLS {
        compared.kept = gone.len();
        compared.missing_polls = missing_polls + 1;
    } else {
        compared.gone = gone;
    }
    compared
}

fn category_feed(category: &Category) -> FeedSpec {
    FeedSpec {
        slug: category.slug.clone(),
        title: category.title.clone(),
        description: crate::text::xml::XmlText::default(),
        title_en: None,
        description_en: None,
        select: Selection { categories: vec![category.slug.clone()], ..Selection::default() },
    }
}

/// Articles of one poll share one moment; their row ids then order them, so the newest comes last.
fn sort(upserts: &mut [Upsert]) {
    upserts.sort_by(|a, b| {
        (a.article.published, &a.article.external_id).cmp(&(b.article.published, &b.article.external_id))
    });
}

fn tell(name: &str, report: &Report) {
    let a = report.applied;
    tracing::debug!(source = name, "polled");
    if a != Applied::default() {
        tracing::info!(
            source = name,
            baseline = a.baseline,
            published = a.published,
            revised = a.revised,
            withdrawn = a.withdrawn,
            cancelled = a.cancelled,
            "poll found changes"
        );
    }
    if report.held {
        tracing::warn!(
            source = name,
            published = a.published,
            "unusually many new articles: their notices are held; release them with `loa poll {name} --release`"
        );
    }
    if report.kept > 0 {
        tracing::warn!(
            source = name,
            gone = report.kept,
            "unusually many articles are gone from the source: they are kept for two more polls; check the source's \
             address, table prefix and grants"
        );
    }
}
