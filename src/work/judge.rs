//! Judging refusals: what they come to for each address, and whether a domain that refuses many at once is to be believed.
//! Any number of replicas may judge at once; a crash judges again and comes to the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::bounce::Cause;
use crate::domain::bounce::standing::{AGAIN, DISTRUST, FEWEST, Reason, standing};
use crate::domain::subscriber::EmailAddress;
use crate::store::bounce::{Kind, OpenBounce};
use crate::store::engine::{Result, Store};
use crate::store::suppression::NewSuppression;
use crate::telemetry::metrics::Metrics;

/// Refusals read at a time.
const STEP: i64 = 500;

/// How long the size of a domain is believed: to count its people, every address is read.
const SIZE_KEEPS: Duration = Duration::from_mins(10);

/// Sizes of domains, and when they were counted.
type Sizes = Arc<Mutex<HashMap<String, (Timestamp, i64)>>>;

/// The judge. Cheap to clone.
#[derive(Clone)]
pub struct Judge {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    sizes: Sizes,
}

impl Judge {
    /// A judge over this store.
    #[must_use]
    pub fn new(store: Store, clock: Clock, metrics: Metrics) -> Self {
        Self { store, clock, metrics, sizes: Sizes::default() }
    }

    /// Judges every refusal that waits. Answers how many.
    ///
    /// # Errors
    /// When the database fails; the next call goes on where this one stopped.
    pub async fn run(&self) -> Result<usize> {
        let mut judged = 0;
        loop {
            let open = self.store.open_bounces(STEP).await?;
            if open.is_empty() {
                return Ok(judged);
            }
            judged += open.len();
            let mut domains: BTreeMap<&str, Vec<&OpenBounce>> = BTreeMap::new();
            let mut silent = Vec::new();
            for bounce in &open {
                let cause = bounce.cause.as_deref().and_then(Cause::parse);
                self.metrics.bounced(&bounce.kind, cause.map_or("complaint", Cause::as_str));
                if bounce.kind == Kind::Complaint.as_str() {
                    self.complaint(bounce).await?;
                } else if cause.is_some_and(Cause::counts) && bounce.email.is_some() {
                    domains.entry(&bounce.domain).or_default().push(bounce);
                } else {
                    silent.push(bounce.id);
                }
            }
            if !silent.is_empty() {
                self.store.judged(&silent, self.clock.now()).await?;
            }
            for (domain, bounces) in domains {
                self.domain(domain, &bounces).await?;
            }
        }
    }

    /// Brings the numbers of the metrics up to date.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn measure(&self) -> Result<()> {
        let counts = self.store.suppression_counts().await?;
        for reason in Reason::ALL.map(Reason::as_str) {
            let n = counts.iter().find(|(own, _)| own == reason).map_or(0, |(_, n)| *n);
            self.metrics.suppressed(reason, u64::try_from(n).unwrap_or(0));
        }
        self.metrics.waves(self.store.waves().await?.len() as u64);
        Ok(())
    }

    async fn complaint(&self, bounce: &OpenBounce) -> Result<()> {
        let now = self.clock.now();
        let Some(email) = bounce.email.as_deref().and_then(|e| EmailAddress::parse_international(e).ok()) else {
            return self.store.judged(&[bounce.id], now).await;
        };
        let evidence = format!("called spam: {}", bounce.detail);
        tracing::warn!(subscriber = %email, "a reader called a mail spam: they get no more");
        self.store.judged_complaint(bounce, &email, &NewSuppression::now(Reason::Complaint, &evidence, now)).await
    }

    async fn domain(&self, domain: &str, bounces: &[&OpenBounce]) -> Result<()> {
        // Only what could end somebody's mail for good is ever distrusted; full mailboxes come one by one.
        let (doubtful, others): (Vec<&OpenBounce>, Vec<&OpenBounce>) =
            bounces.iter().partition(|b| b.cause.as_deref() != Some(Cause::MailboxFull.as_str()));
        if !doubtful.is_empty() && self.distrusted(domain, &doubtful).await? {
            for bounce in others {
                self.one(bounce).await?;
            }
            return Ok(());
        }
        for bounce in bounces {
            self.one(bounce).await?;
        }
        Ok(())
    }

    /// Whether the domain is not believed at the moment; then these refusals were set aside.
    async fn distrusted(&self, domain: &str, bounces: &[&OpenBounce]) -> Result<bool> {
        let now = self.clock.now();
        let again = now.plus(AGAIN);
        let ids: Vec<i64> = bounces.iter().map(|b| b.id).collect();
        if let Some(wave) = self.store.waves().await?.into_iter().find(|wave| wave.domain == domain) {
            if now.since(Timestamp(wave.since)) >= DISTRUST {
                return Ok(false);
            }
            self.store.distrust(domain, &ids, now, again).await?;
            return Ok(true);
        }
        let mut tally = self.store.bounce_tally(domain, 0, now).await?;
        if tally.today < FEWEST {
            return Ok(false);
        }
        tally.people = self.size(domain, now).await?;
        if !tally.is_wave() {
            return Ok(false);
        }
        if let Some(mails) = self.store.begin_wave(domain, tally.today, now, again).await? {
            tracing::error!(
                domain,
                people = tally.today,
                of = tally.people,
                mails,
                "this domain suddenly says of many that there is no such mailbox: it is not believed for a week, nobody \
                 is suppressed for it, and these mails go out once more in {} hours; ask its postmaster, and see \
                 `loa suppression waves`",
                AGAIN.as_secs() / 3600
            );
        }
        // Another replica may have begun it: then what it did not see is set aside now.
        self.store.distrust(domain, &ids, now, again).await?;
        Ok(true)
    }

    async fn size(&self, domain: &str, now: Timestamp) -> Result<i64> {
        let known = lock(&self.sizes).get(domain).copied().filter(|(at, _)| now.since(*at) < SIZE_KEEPS);
        if let Some((_, size)) = known {
            return Ok(size);
        }
        let size = self.store.people_of_domain(domain).await?;
        let mut sizes = lock(&self.sizes);
        sizes.retain(|_, (at, _)| now.since(*at) < SIZE_KEEPS);
        sizes.insert(domain.to_owned(), (now, size));
        Ok(size)
    }

    async fn one(&self, bounce: &OpenBounce) -> Result<()> {
        let now = self.clock.now();
        let evidence = self.store.evidence_of(bounce.subscriber_id, now).await?;
        let email = bounce.email.as_deref().and_then(|e| EmailAddress::parse_international(e).ok());
        let (Some(reason), Some(email)) = (standing(&evidence).verdict, email) else {
            return self.store.judged(&[bounce.id], now).await;
        };
        let said = format!("refused {} times; the last time: {}", evidence.len(), bounce.detail);
        tracing::warn!(subscriber = %email, reason = reason.as_str(), "an address gets no more mail: {said}");
        self.store.judged_against(bounce.id, &email, &NewSuppression::now(reason, &said, now)).await
    }
}

fn lock(sizes: &Sizes) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, i64)>> {
    sizes.lock().unwrap_or_else(PoisonError::into_inner)
}
