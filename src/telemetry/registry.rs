//! Numbers by name and labels, written in the text form that Prometheus reads
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4). Never reads a clock and never drops
//! a series: what was once exported stays, since absence looks like health.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `Content-Type` of [`Registry::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets of every histogram, in seconds: from a render in memory to a relay that hangs.
pub const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// A number that only grows. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. Cheap to clone; clones are one gauge.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How long things took. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    /// One for each bound of [`BUCKETS`], and one for what is beyond the last; not cumulative.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Notes one more.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many were noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

/// Series of one name, told apart by labels.
#[derive(Clone, Debug)]
pub struct Family<T> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: Arc<Mutex<BTreeMap<Vec<String>, T>>>,
}

impl<T: Clone + Default> Family<T> {
    /// The series with these values of the labels, in their order; made at zero when it is new.
    ///
    /// # Panics
    /// When there are more or fewer values than labels: a fault of the caller's code.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> T {
        assert_eq!(values.len(), self.labels.len(), "{} has the labels {:?}", self.name, self.labels);
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.series.lock().unwrap_or_else(PoisonError::into_inner).entry(values).or_default().clone()
    }

    fn each(&self, mut visit: impl FnMut(&str, &T)) {
        for (values, value) in &*self.series.lock().unwrap_or_else(PoisonError::into_inner) {
            let mut labels = String::new();
            for (name, value) in self.labels.iter().zip(values) {
                let comma = if labels.is_empty() { "" } else { "," };
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(labels, "{comma}{name}=\"{value}\"");
            }
            visit(&labels, value);
        }
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Counters(Family<Counter>),
    Gauges(Family<Gauge>),
    Histograms(Family<Histogram>),
}

/// Every family, in the order in which it was made.
#[derive(Debug, Default)]
pub struct Registry(Vec<Kind>);

impl Registry {
    /// A family of counters. By custom its name ends in `_total`.
    pub fn counters(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Family<Counter> {
        let family = Family { name, help, labels, series: Arc::default() };
        self.0.push(Kind::Counters(family.clone()));
        family
    }

    /// A family of gauges.
    pub fn gauges(&mut self, name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family<Gauge> {
        let family = Family { name, help, labels, series: Arc::default() };
        self.0.push(Kind::Gauges(family.clone()));
        family
    }

    /// A family of histograms of seconds. By custom its name ends in `_seconds`.
    pub fn histograms(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Family<Histogram> {
        let family = Family { name, help, labels, series: Arc::default() };
        self.0.push(Kind::Histograms(family.clone()));
        family
    }

    /// All series as text, to be sent as [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for kind in &self.0 {
            match kind {
                Kind::Counters(family) => {
                    head(&mut out, family, "counter");
                    family.each(|labels, counter| line(&mut out, family.name, labels, counter.get()));
                }
                Kind::Gauges(family) => {
                    head(&mut out, family, "gauge");
                    family.each(|labels, gauge| line(&mut out, family.name, labels, gauge.get()));
                }
                Kind::Histograms(family) => {
                    head(&mut out, family, "histogram");
                    family.each(|labels, histogram| times(&mut out, family.name, labels, &histogram.0));
                }
            }
        }
        out
    }
}

fn head<T>(out: &mut String, family: &Family<T>, kind: &str) {
    let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {kind}", family.name, family.help, family.name);
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ =
        if labels.is_empty() { writeln!(out, "{name} {value}") } else { writeln!(out, "{name}{{{labels}}} {value}") };
}

fn times(out: &mut String, name: &str, labels: &str, times: &Times) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut count = 0;
    let bounds = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (bucket, bound) in times.buckets.iter().zip(bounds) {
        count += bucket.load(Ordering::Relaxed);
        line(out, &format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), count);
    }
    let took = Duration::from_micros(times.micros.load(Ordering::Relaxed));
    line(out, &format!("{name}_sum"), labels, took.as_secs_f64());
    line(out, &format!("{name}_count"), labels, count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_written_in_the_text_form() {
        let mut registry = Registry::default();
        let polls = registry.counters("polls_total", &["source", "result"], "Polls.");
        let age = registry.gauges("age_seconds", &[], "Age.");
        polls.with(&["a\"b\\c\n", "ok"]).add(2);
        age.with(&[]).set(1.5);
        let told = "# HELP polls_total Polls.\n# TYPE polls_total counter\n\
                    polls_total{source=\"a\\\"b\\\\c\\n\",result=\"ok\"} 2\n\
                    # HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 1.5\n";
        assert_eq!(registry.render(), told);
    }

    #[test]
    fn buckets_of_a_histogram_add_up() {
        let mut registry = Registry::default();
        let took = registry.histograms("send_seconds", &["channel"], "Sends.").with(&["email"]);
        for millis in [1, 30, 30, 100_000] {
            took.observe(Duration::from_millis(millis));
        }
        let text = registry.render();
        for line in [
            "send_seconds_bucket{channel=\"email\",le=\"0.001\"} 1",
            "send_seconds_bucket{channel=\"email\",le=\"0.05\"} 3",
            "send_seconds_bucket{channel=\"email\",le=\"60\"} 3",
            "send_seconds_bucket{channel=\"email\",le=\"+Inf\"} 4",
            "send_seconds_sum{channel=\"email\"} 100.061",
            "send_seconds_count{channel=\"email\"} 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn handles_of_the_same_labels_count_together() {
        let mut registry = Registry::default();
        let family = registry.counters("x_total", &["a"], "X.");
        family.with(&["1"]).inc();
        family.with(&["1"]).inc();
        family.with(&["2"]).inc();
        assert_eq!((family.with(&["1"]).get(), family.with(&["2"]).get()), (2, 1));
    }
}
