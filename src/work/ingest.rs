//! Ingest: one poll of one source, from the scan to one transaction. Compares sets, not timestamps: a portal changes
//! what is public without touching any date (content-store.md §7). A read error means no conclusions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::article::{Article, Category, ChangeKind, RawArticle};
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::selection::{Matcher, Selection};
use crate::domain::site::Site;
use crate::feed::address;
use crate::source::{AnySource, Light, Scan, Source, SourceError};
use crate::store::article::{Applied, Known, Poll, Upsert};
use crate::store::engine::{Store, StoreError};
use crate::store::feed::Membership;
use crate::telemetry::metrics::Metrics;
use crate::work::normalise::normalise;
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
    holder: String,
}

/// What a scan means, once compared with what is known.
struct Compared {
    fetch: BTreeSet<String>,
    gone: Vec<i64>,
    kept: usize,
    missing_polls: i64,
}

/// What a fetched article is judged by.
struct Scene<'a> {
    known: &'a HashMap<String, Known>,
    lights: HashMap<&'a str, &'a str>,
    matchers: Vec<(i64, Matcher)>,
    categories: HashMap<String, Category>,
    /// Categories whose coming shows articles that are not new.
    opened: HashSet<&'a str>,
    /// Known articles that people were told of before they went.
    announced: HashSet<i64>,
    last_poll: Timestamp,
    baseline: bool,
    now: Timestamp,
}

impl Ingest {
    /// An ingest over these sources. `holder` names this process in leases.
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
        let holder = format!("{:016x}", u64::from_le_bytes(clock.random()));
        Self { store, clock, site, sources, settings, wakes, metrics, holder }
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
        let source = self.sources.get(name).ok_or_else(|| {
            IngestError::Unknown(name.to_owned(), self.sources.keys().cloned().collect::<Vec<_>>().join(", "))
        })?;
        let lease = format!("poll:{name}");
        if !self.store.take_lease(&lease, &self.holder, self.clock.now(), LEASE).await? {
            return Ok(Report { busy: true, ..Report::default() });
        }
        let began = self.clock.now();
        let result = self.poll_held(name, source).await;
        let ended = self.clock.now();
        match &result {
            Ok(_) => self.metrics.polled(name, Ok(()), ended.since(began), ended),
            Err(IngestError::Source(e)) => self.metrics.polled(name, Err(e), ended.since(began), ended),
            Err(_) => {}
        }
        if let Err(IngestError::Source(e)) = &result {
            self.store.poll_failed(name, &e.to_string(), self.clock.now()).await?;
        }
        self.store.drop_lease(&lease, &self.holder).await?;
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

    async fn poll_held(&self, name: &str, source: &AnySource) -> Result<Report, IngestError> {
        let now = self.clock.now();
        let scan = source.scan(now).await?;
        let state = self.store.source_state(name).await?;
        let before = self.store.categories(name).await?;
        let moved = self.moved_categories(name, &before, &scan).await?;
        let known: HashMap<String, Known> =
            self.store.known_articles(name).await?.into_iter().map(|k| (k.external_id.clone(), k)).collect();
        let compared = self.compare(name, &scan, &known, &before, state.missing_polls).await?;
        let baseline = state.baseline_at.is_none();
        let mut report = Report {
            kept: compared.kept,
            faults: scan.faults.iter().map(|f| f.message.clone()).collect(),
            ..Report::default()
        };
        let mut poll = Poll {
            source: name.to_owned(),
            gone: compared.gone,
            missing_polls: compared.missing_polls,
            next_flip: scan.next_flip,
            categories: moved,
            ..Poll::default()
        };
        let scene = Scene {
            lights: scan.articles.iter().map(|l| (l.external_id.as_str(), l.fingerprint.as_str())).collect(),
            matchers: if compared.fetch.is_empty() { Vec::new() } else { self.matchers().await? },
            categories: scan.categories.iter().map(|c| (c.external_id.clone(), c.clone())).collect(),
            opened: opened(&scan, &before),
            announced: self.announced(&compared.fetch, &known).await?,
            known: &known,
            last_poll: state.polled_at.unwrap_or(now),
            baseline,
            now,
        };
        let ids: Vec<String> = compared.fetch.into_iter().collect();
        for chunk in ids.chunks(CHUNK) {
            let wanted: BTreeSet<String> = chunk.iter().cloned().collect();
            let fetched = source.fetch(&wanted, now).await?;
            report.faults.extend(fetched.faults.into_iter().map(|f| f.message));
            for raw in &fetched.articles {
                match normalise(name, raw, &scene.categories, &self.site) {
                    Ok(article) => self.judge(raw, article, &scene, &mut poll),
                    Err(unfit) => {
                        // What was there before is no longer what the portal shows.
                        poll.gone.extend(known.get(&raw.external_id).filter(|k| k.visible).map(|k| k.id));
                        report.faults.push(format!("{name}: article {}: {unfit}; it is left out", raw.external_id));
                    }
                }
            }
            if baseline {
                // A baseline may be large and tells nobody: it is written as it comes.
                sort(&mut poll.upserts);
                let part =
                    Poll { source: name.to_owned(), upserts: std::mem::take(&mut poll.upserts), ..Poll::default() };
                report.applied.baseline += self.store.apply(&part, now).await?.baseline;
                self.store.take_lease(&format!("poll:{name}"), &self.holder, self.clock.now(), LEASE).await?;
            }
        }
        report.held = poll.upserts.iter().filter(|u| u.held).count() > self.settings.max_new;
        if !report.held {
            poll.upserts.iter_mut().for_each(|upsert| upsert.held = false);
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
        tell(name, &report);
        Ok(report)
    }

    /// What one fetched article means: new, back, changed, or only touched.
    fn judge(&self, raw: &RawArticle, article: Article, scene: &Scene<'_>, poll: &mut Poll) {
        let fingerprint = article.fingerprint();
        let light = scene.lights.get(raw.external_id.as_str()).copied().unwrap_or_default();
        let known = scene.known.get(&raw.external_id);
        let change = match known {
            Some(known) if known.visible && known.fingerprint == fingerprint => {
                if known.light != light {
                    poll.touched.push((known.id, light.to_owned()));
                }
                return;
            }
            Some(known) if known.visible => ChangeKind::Revised,
            _ => ChangeKind::Published,
        };
        let came_with_category = raw.categories.first().is_some_and(|own| scene.opened.contains(own.as_str()));
        // The backlog of a category that was opened is not news, nor is what comes back if nobody was told before.
        let news = match known {
            Some(known) if known.visible => true,
            Some(known) => scene.announced.contains(&known.id) || article.published >= scene.last_poll,
            None => !came_with_category || article.published >= scene.last_poll,
        };
        let fresh = article.published.plus(self.settings.max_age) >= scene.now;
        let renew = known.is_none_or(|k| !k.visible || !Article::is_minor(&k.fingerprint, &fingerprint));
        let matches =
            scene.matchers.iter().filter_map(|(feed, matcher)| Some((*feed, matcher.matches(&article)?))).collect();
        poll.upserts.push(Upsert {
            light: light.to_owned(),
            fingerprint,
            entry_id: address::tag(
                &self.site.authority,
                &format!("{}/article/{}", article.source, article.external_id),
            ),
            // News goes on top of its feeds even if it is dated back a little; an old article goes to its place.
            first_seen: if scene.baseline || !fresh { article.published.min(scene.now) } else { scene.now },
            change: (!scene.baseline).then_some(change),
            renew,
            people: !scene.baseline && fresh && news,
            // Counts towards a flood; let go again if there is none.
            held: !scene.baseline && change == ChangeKind::Published && !came_with_category,
            matches,
            article,
        });
    }

    /// The categories to be kept with a complete scan, if any moved since the last; their feeds are declared, so that
    /// articles can be matched to them.
    async fn moved_categories(
        &self,
        name: &str,
        before: &[Category],
        scan: &Scan,
    ) -> Result<Option<Vec<Category>>, IngestError> {
        let mut after = scan.categories.clone();
        after.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        if !scan.complete || before == after {
            return Ok(None);
        }
        self.declare_feeds_of_categories(Some((name, &after))).await?;
        Ok(Some(after))
    }

    /// Which articles among `fetch` were public before, and people were told.
    async fn announced(
        &self,
        fetch: &BTreeSet<String>,
        known: &HashMap<String, Known>,
    ) -> Result<HashSet<i64>, IngestError> {
        let back: Vec<i64> = fetch.iter().filter_map(|id| known.get(id)).filter(|k| !k.visible).map(|k| k.id).collect();
        Ok(if back.is_empty() { HashSet::new() } else { self.store.announced(&back).await? })
    }

    /// Compares a scan with what is known.
    async fn compare(
        &self,
        name: &str,
        scan: &Scan,
        known: &HashMap<String, Known>,
        before: &[Category],
        missing_polls: i64,
    ) -> Result<Compared, IngestError> {
        let differs =
            |light: &&Light| known.get(&light.external_id).is_none_or(|k| !k.visible || k.light != light.fingerprint);
        let fetch = scan.articles.iter().filter(differs).map(|light| light.external_id.clone()).collect();
        let mut compared = Compared { fetch, gone: Vec::new(), kept: 0, missing_polls: 0 };
        if !scan.complete {
            compared.missing_polls = missing_polls;
            return Ok(compared);
        }
        let seen: HashSet<&str> = scan
            .articles
            .iter()
            .map(|l| l.external_id.as_str())
            // What could not be read is unknown, not gone.
            .chain(scan.faults.iter().map(|f| f.external_id.as_str()))
            .collect();
        let visible = known.values().filter(|k| k.visible).count();
        compared.gone =
            known.values().filter(|k| k.visible && !seen.contains(k.external_id.as_str())).map(|k| k.id).collect();
        compared.gone.sort_unstable();
        let many = |gone: usize| gone > 20.max(visible / 5) && missing_polls < MISSING_POLLS;
        if many(compared.gone.len()) {
            let hidden = self.gone_with_category(name, scan, before).await?;
            let (explained, odd): (Vec<i64>, Vec<i64>) = compared.gone.iter().partition(|id| hidden.contains(*id));
            if many(odd.len()) {
                compared.gone = explained;
                compared.kept = odd.len();
                compared.missing_polls = missing_polls + 1;
            }
        }
        Ok(compared)
    }

    /// Articles whose category is no longer shown, while others are: somebody hid it, and they went with it. Reads every
    /// article, which only a suspicion is worth.
    async fn gone_with_category(
        &self,
        name: &str,
        scan: &Scan,
        before: &[Category],
    ) -> Result<HashSet<i64>, IngestError> {
        let mut gone = HashSet::new();
        let shown: HashSet<&str> = scan.categories.iter().map(|c| c.external_id.as_str()).collect();
        let (left, hidden): (Vec<&Category>, Vec<&Category>) =
            before.iter().partition(|c| shown.contains(c.external_id.as_str()));
        if !scan.categories_hide || left.is_empty() || hidden.is_empty() {
            return Ok(gone);
        }
        let hidden: HashSet<&str> = hidden.iter().map(|c| c.slug.as_str()).collect();
        let mut after = 0;
        loop {
            let page = self.store.articles_after(after, 500).await?;
            let Some(last) = page.last() else { return Ok(gone) };
            after = last.id;
            let own = |article: &Article| {
                article.source == name && article.categories.first().is_some_and(|c| hidden.contains(c.slug.as_str()))
            };
            gone.extend(page.iter().filter(|stored| own(&stored.article)).map(|stored| stored.id));
        }
    }

    /// Makes the feeds of categories equal to the categories that are known now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_category_feeds(&self) -> Result<(), IngestError> {
        self.declare_feeds_of_categories(None).await
    }

    /// Of the categories in the store, or of newer ones of one source.
    async fn declare_feeds_of_categories(&self, newer: Option<(&str, &[Category])>) -> Result<(), IngestError> {
        let mut specs: BTreeMap<String, FeedSpec> = BTreeMap::new();
        if self.settings.each_category {
            for name in self.sources.keys() {
                let categories = match newer {
                    Some((source, categories)) if source == name => categories.to_vec(),
                    _ => self.store.categories(name).await?,
                };
                for category in categories {
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

    async fn matchers(&self) -> Result<Vec<(i64, Matcher)>, IngestError> {
        let feeds = self.store.feeds().await?;
        Ok(feeds.into_iter().filter(|f| !f.retired).map(|f| (f.id, f.spec.select.matcher())).collect())
    }
}

/// Categories that this scan shows and the last did not, where that is what shows their articles.
fn opened<'a>(scan: &'a Scan, before: &[Category]) -> HashSet<&'a str> {
    if !scan.categories_hide {
        return HashSet::new();
    }
    let before: HashSet<&str> = before.iter().map(|c| c.external_id.as_str()).collect();
    scan.categories.iter().map(|c| c.external_id.as_str()).filter(|id| !before.contains(id)).collect()
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
    for fault in &report.faults {
        tracing::warn!(source = name, "{fault}");
    }
}
