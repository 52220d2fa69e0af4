//! The numbers of loa. Every series of known labels is exported from the start, at zero. Never holds an address, a
//! title or anything else that grows with readers.

use std::sync::Arc;
use std::time::Duration;

use super::registry::{Counter, Family, Gauge, Histogram, Registry};
use crate::clock::Timestamp;
use crate::domain::article::ChangeKind;
use crate::domain::bounce::{self, standing::Reason};
use crate::domain::delivery::{Cause, Channel, Lane, Outcome};
use crate::domain::subscriber::Frequency;
use crate::source::SourceError;

const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Webhook];
const KINDS: [ChangeKind; 3] = [ChangeKind::Published, ChangeKind::Revised, ChangeKind::Withdrawn];
const CAUSES: [Cause; 10] = [
    Cause::Unreachable,
    Cause::Timeout,
    Cause::InDoubt,
    Cause::Busy,
    Cause::Address,
    Cause::Refused,
    Cause::Gone,
    Cause::Forbidden,
    Cause::Unmakeable,
    Cause::Exhausted,
];
/// What can become of a mail that came to the return path.
pub const RETURNED: [&str; 5] = ["kept", "left", "ignored", "unproven", "odd"];

const OUTCOMES: [&str; 3] = ["sent", "retry", "dead"];
const RESULTS: [&str; 5] = ["ok", "unreachable", "refused", "schema", "wait"];

/// Forms of a feed that requests are counted by; any other word counts as `other`.
pub const FORMATS: [&str; 7] = ["rss", "atom", "json", "html", "opml", "archive", "other"];

/// Answers that requests are counted by; any other counts as `other`.
pub const STATUSES: [&str; 7] = ["200", "304", "404", "410", "429", "500", "other"];

/// Jobs that beat: each has its last success and its failures.
pub const JOBS: [&str; 5] = ["ingest", "fan_out", "digest", "deliver", "sweep"];

/// All numbers. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    polls: Family<Counter>,
    poll_seconds: Family<Histogram>,
    poll_success: Family<Gauge>,
    changes: Family<Counter>,
    held: Family<Gauge>,
    deliveries: Family<Counter>,
    delivery_seconds: Family<Histogram>,
    faults: Family<Counter>,
    due: Family<Gauge>,
    due_age: Family<Gauge>,
    fenced: Counter,
    bounces: Family<Counter>,
    returned: Family<Counter>,
    suppressed: Family<Gauge>,
    waves: Gauge,
    staging: Gauge,
    digests: Family<Counter>,
    job_success: Family<Gauge>,
    job_failures: Family<Counter>,
    /// By format and answer: counted on the hot path, without a lock.
    feed_requests: [[Counter; STATUSES.len()]; FORMATS.len()],
    requests: [Counter; STATUSES.len()],
}

impl Metrics {
    /// All series at zero, of a process that began at `started`.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        let mut r = Registry::default();
        r.gauges("loa_build_info", &["version"], "The running version; always 1.")
            .with(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        r.gauges("process_start_time_seconds", &[], "When this process began, since 1970.")
            .with(&[])
            .set(unix(started));
        let feed_requests = r.counters("loa_feed_requests_total", &["format", "status"], "Feed documents asked for.");
        let requests = r.counters("loa_requests_total", &["status"], "Pages and API calls answered.");
        let inner = Inner {
            polls: r.counters("loa_polls_total", &["source", "result"], "Polls of a content store."),
            poll_seconds: r.histograms("loa_poll_seconds", &["source"], "How long a poll took."),
            poll_success: r.gauges(
                "loa_poll_last_success_timestamp_seconds",
                &["source"],
                "End of the last poll that succeeded, since 1970; 0 before the first.",
            ),
            changes: r.counters("loa_changes_total", &["source", "kind"], "Articles published, revised, withdrawn."),
            held: r.gauges(
                "loa_changes_held",
                &["source"],
                "Changes that the flood guard holds back until a person releases them.",
            ),
            deliveries: r.counters(
                "loa_deliveries_total",
                &["channel", "lane", "outcome"],
                "Attempts to deliver; sent means that the next server accepted it.",
            ),
            delivery_seconds: r.histograms("loa_delivery_seconds", &["channel"], "How long an attempt took."),
            faults: r.counters("loa_delivery_faults_total", &["channel", "cause"], "Attempts that failed, by cause."),
            due: r.gauges("loa_due", &["lane"], "Deliveries that are due now."),
            due_age: r.gauges("loa_due_age_seconds", &["lane"], "How long the oldest due delivery waits."),
            fenced: r
                .counters("loa_settles_fenced_total", &[], "Outcomes that came after their lease had gone to another.")
                .with(&[]),
            bounces: r.counters("loa_bounces_total", &["kind", "cause"], "Refusals and complaints, by how they came."),
            returned: r.counters("loa_returned_mails_total", &["result"], "Mails that came to the return path."),
            suppressed: r.gauges("loa_suppressed_addresses", &["reason"], "Addresses that get no mail."),
            waves: r
                .gauges("loa_bounce_waves", &[], "Domains whose \"no such user\" is not believed at the moment.")
                .with(&[]),
            staging: r
                .gauges(
                    "loa_staging_guard",
                    &[],
                    "1 where mail goes only to listed people, since this is not production.",
                )
                .with(&[]),
            digests: r.counters("loa_digest_runs_total", &["frequency", "result"], "Digest runs, made or empty."),
            job_success: r.gauges(
                "loa_job_last_success_timestamp_seconds",
                &["job"],
                "End of the last run of a job that succeeded, since 1970; 0 before the first.",
            ),
            job_failures: r.counters("loa_job_failures_total", &["job"], "Runs of a job that failed."),
            feed_requests: FORMATS.map(|format| STATUSES.map(|status| feed_requests.with(&[format, status]))),
            requests: STATUSES.map(|status| requests.with(&[status])),
            registry: r,
        };
        inner.begin();
        Self(Arc::new(inner))
    }

    /// Exports the series of a source from now on, at zero. For each configured source at the start.
    pub fn source(&self, name: &str) {
        let m = &*self.0;
        for result in RESULTS {
            let _ = m.polls.with(&[name, result]);
        }
        for kind in KINDS {
            let _ = m.changes.with(&[name, kind.as_str()]);
        }
        let _ = (m.poll_seconds.with(&[name]), m.poll_success.with(&[name]), m.held.with(&[name]));
    }

    /// A poll ended at `now`.
    pub fn polled(&self, source: &str, result: Result<(), &SourceError>, took: Duration, now: Timestamp) {
        let word = match result {
            Ok(()) => "ok",
            Err(SourceError::Unreachable(_)) => "unreachable",
            Err(SourceError::Refused(_)) => "refused",
            Err(SourceError::Schema(_)) => "schema",
            Err(SourceError::Wait(..)) => "wait",
        };
        self.0.polls.with(&[source, word]).inc();
        self.0.poll_seconds.with(&[source]).observe(took);
        if result.is_ok() {
            self.0.poll_success.with(&[source]).set(unix(now));
        }
    }

    /// So many articles of a source changed in this way.
    pub fn changed(&self, source: &str, kind: ChangeKind, count: u64) {
        self.0.changes.with(&[source, kind.as_str()]).add(count);
    }

    /// The flood guard holds back so many changes of a source now.
    pub fn held(&self, source: &str, count: u64) {
        self.0.held.with(&[source]).set(float(count));
    }

    /// An attempt to deliver ended.
    pub fn attempted(&self, channel: Channel, lane: Lane, outcome: &Outcome, took: Duration) {
        let (word, cause) = match outcome {
            Outcome::Sent(_) => ("sent", None),
            Outcome::Retry { cause, .. } => ("retry", Some(cause)),
            Outcome::Dead { cause, .. } => ("dead", Some(cause)),
        };
        self.0.deliveries.with(&[channel.as_str(), lane.as_str(), word]).inc();
        self.0.delivery_seconds.with(&[channel.as_str()]).observe(took);
        if let Some(cause) = cause {
            self.0.faults.with(&[channel.as_str(), cause.as_str()]).inc();
        }
    }

    /// How many deliveries of a lane are due now, and how long the oldest of them waits.
    pub fn queue(&self, lane: Lane, due: u64, oldest: Duration) {
        self.0.due.with(&[lane.as_str()]).set(float(due));
        self.0.due_age.with(&[lane.as_str()]).set(oldest.as_secs_f64());
    }

    /// Mail goes only to listed people here.
    pub fn staging(&self) {
        self.0.staging.set(1.0);
    }

    /// Whether mail goes only to listed people here.
    #[must_use]
    pub fn is_staging(&self) -> bool {
        self.0.staging.get() > 0.0
    }

    /// An outcome came after the lease of its delivery had gone to another.
    pub fn fenced(&self) {
        self.0.fenced.inc();
    }

    /// A refusal or a complaint was judged: how it came, and what was at fault (`complaint` for one).
    pub fn bounced(&self, kind: &str, cause: &str) {
        self.0.bounces.with(&[kind, cause]).inc();
    }

    /// A mail came to the return path, with this result.
    pub fn came_back(&self, result: &str) {
        self.0.returned.with(&[result]).inc();
    }

    /// So many addresses are suppressed for this reason.
    pub fn suppressed(&self, reason: &str, count: u64) {
        self.0.suppressed.with(&[reason]).set(float(count));
    }

    /// So many domains are not believed.
    pub fn waves(&self, count: u64) {
        self.0.waves.set(float(count));
    }

    /// A digest run was made; `mails` is how many deliveries it has.
    pub fn digest_run(&self, frequency: Frequency, mails: u64) {
        let result = if mails == 0 { "empty" } else { "made" };
        self.0.digests.with(&[frequency.as_str(), result]).inc();
    }

    /// A run of one of [`JOBS`] succeeded at `now`.
    pub fn job_done(&self, job: &str, now: Timestamp) {
        self.0.job_success.with(&[job]).set(unix(now));
    }

    /// A run of one of [`JOBS`] failed.
    pub fn job_failed(&self, job: &str) {
        self.0.job_failures.with(&[job]).inc();
    }

    /// A feed document was asked for in one of [`FORMATS`] and answered with this HTTP status. Takes no lock.
    pub fn feed_request(&self, format: &str, status: u16) {
        let format = FORMATS.iter().position(|known| *known == format).unwrap_or(FORMATS.len() - 1);
        self.0.feed_requests[format][index(status)].inc();
    }

    /// Another request was answered with this HTTP status. Takes no lock.
    pub fn request(&self, status: u16) {
        self.0.requests[index(status)].inc();
    }

    /// Everything as text, to be sent as [`super::registry::CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        self.0.registry.render()
    }
}

impl Inner {
    fn begin(&self) {
        for channel in CHANNELS.map(Channel::as_str) {
            for lane in Lane::ALL.map(Lane::as_str) {
                for outcome in OUTCOMES {
                    let _ = self.deliveries.with(&[channel, lane, outcome]);
                }
            }
            for cause in CAUSES.map(Cause::as_str) {
                let _ = self.faults.with(&[channel, cause]);
            }
            let _ = self.delivery_seconds.with(&[channel]);
        }
        for lane in Lane::ALL.map(Lane::as_str) {
            let _ = (self.due.with(&[lane]), self.due_age.with(&[lane]));
        }
        for frequency in [Frequency::Daily, Frequency::Weekly].map(Frequency::as_str) {
            let _ = (self.digests.with(&[frequency, "made"]), self.digests.with(&[frequency, "empty"]));
        }
        for cause in bounce::Cause::ALL.map(bounce::Cause::as_str) {
            let _ = (self.bounces.with(&["reply", cause]), self.bounces.with(&["report", cause]));
        }
        let _ = self.bounces.with(&["complaint", "complaint"]);
        for result in RETURNED {
            let _ = self.returned.with(&[result]);
        }
        for reason in Reason::ALL.map(Reason::as_str) {
            let _ = self.suppressed.with(&[reason]);
        }
        for job in JOBS {
            let _ = (self.job_success.with(&[job]), self.job_failures.with(&[job]));
        }
    }
}

fn unix(at: Timestamp) -> f64 {
    Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0)).as_secs_f64()
}

fn float(count: u64) -> f64 {
    // Exact up to four thousand million, which no queue here reaches.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The place of an answer in [`STATUSES`].
const fn index(status: u16) -> usize {
    match status {
        200 => 0,
        304 => 1,
        404 => 2,
        410 => 3,
        429 => 4,
        500 => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }

    #[test]
    fn every_known_series_is_exported_before_anything_happened() {
        let metrics = Metrics::new(Timestamp::from_millis(1_500));
        metrics.source("portal");
        for line in [
            "process_start_time_seconds 1.5",
            "loa_polls_total{source=\"portal\",result=\"unreachable\"} 0",
            "loa_poll_last_success_timestamp_seconds{source=\"portal\"} 0",
            "loa_changes_total{source=\"portal\",kind=\"withdrawn\"} 0",
            "loa_deliveries_total{channel=\"webhook\",lane=\"immediate\",outcome=\"dead\"} 0",
            "loa_delivery_faults_total{channel=\"email\",cause=\"in_doubt\"} 0",
            "loa_due_age_seconds{lane=\"transactional\"} 0",
            "loa_digest_runs_total{frequency=\"weekly\",result=\"empty\"} 0",
            "loa_feed_requests_total{format=\"atom\",status=\"304\"} 0",
            "loa_job_failures_total{job=\"deliver\"} 0",
            "loa_settles_fenced_total 0",
            "loa_bounces_total{kind=\"reply\",cause=\"no_such_user\"} 0",
            "loa_returned_mails_total{result=\"odd\"} 0",
            "loa_suppressed_addresses{reason=\"complaint\"} 0",
            "loa_bounce_waves 0",
        ] {
            has(&metrics, line);
        }
        let series = metrics.render().lines().count();
        metrics.attempted(Channel::Email, Lane::Digest, &Outcome::Sent("250 OK".into()), Duration::from_millis(3));
        metrics.feed_request("smoke-signals", 418);
        assert_eq!(metrics.render().lines().count(), series, "nothing that happens makes a new series");
    }

    #[test]
    fn what_happens_is_counted_where_it_belongs() {
        let metrics = Metrics::new(Timestamp::from_millis(0));
        metrics.source("portal");
        let gone = SourceError::Refused("no".into());
        metrics.polled("portal", Err(&gone), Duration::from_millis(5), Timestamp::from_millis(9_000));
        has(&metrics, "loa_poll_last_success_timestamp_seconds{source=\"portal\"} 0");
        metrics.polled("portal", Ok(()), Duration::from_millis(5), Timestamp::from_millis(9_000));
        metrics.changed("portal", ChangeKind::Published, 3);
        let busy = Outcome::Retry { cause: Cause::Busy, detail: "451".into(), after: None };
        metrics.attempted(Channel::Email, Lane::Immediate, &busy, Duration::from_millis(5));
        metrics.queue(Lane::Immediate, 12, Duration::from_secs(90));
        metrics.feed_request("rss", 304);
        metrics.feed_request("rss", 206);
        metrics.digest_run(Frequency::Daily, 0);
        for line in [
            "loa_polls_total{source=\"portal\",result=\"ok\"} 1",
            "loa_polls_total{source=\"portal\",result=\"refused\"} 1",
            "loa_poll_seconds_count{source=\"portal\"} 2",
            "loa_poll_last_success_timestamp_seconds{source=\"portal\"} 9",
            "loa_changes_total{source=\"portal\",kind=\"published\"} 3",
            "loa_deliveries_total{channel=\"email\",lane=\"immediate\",outcome=\"retry\"} 1",
            "loa_delivery_faults_total{channel=\"email\",cause=\"busy\"} 1",
            "loa_due{lane=\"immediate\"} 12",
            "loa_due_age_seconds{lane=\"immediate\"} 90",
            "loa_feed_requests_total{format=\"rss\",status=\"304\"} 1",
            "loa_feed_requests_total{format=\"rss\",status=\"other\"} 1",
            "loa_digest_runs_total{frequency=\"daily\",result=\"empty\"} 1",
        ] {
            has(&metrics, line);
        }
    }
}
