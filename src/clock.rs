//! Time and chance, as values that are handed in. Never read anywhere else: a test sets the clock, and the same
//! code then runs a year in a second.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp as JiffTimestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant in UTC, in whole milliseconds since 1970. What the database stores, in a `BIGINT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant that many milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant moved earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant as `jiff` has it. Values beyond jiff's range (year 9999) are clamped.
    #[must_use]
    pub fn to_jiff(self) -> JiffTimestamp {
        JiffTimestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            JiffTimestamp::MIN
        } else {
            JiffTimestamp::MAX
        })
    }

    /// The same instant on the wall clock of a time zone.
    #[must_use]
    pub fn in_zone(self, zone: &TimeZone) -> jiff::ZonedDateTime {
        self.to_jiff().to_zoned_datetime(zone.clone())
    }

    /// RFC 3339 in a zone, to the second: `2026-11-23T07:00:00+07:00`.
    #[must_use]
    pub fn rfc3339(self, zone: &TimeZone) -> String {
        self.in_zone(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// RFC 5322 date in a zone, as RSS and mail want it: `Mon, 23 Nov 2026 07:00:00 +0700`.
    #[must_use]
    pub fn rfc2822(self, zone: &TimeZone) -> String {
        self.in_zone(zone).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
    }

    /// An HTTP date (RFC 9110 §5.6.7): `Mon, 23 Nov 2026 00:00:00 GMT`.
    #[must_use]
    pub fn http_date(self) -> String {
        self.in_zone(&TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl From<JiffTimestamp> for Timestamp {
    fn from(t: JiffTimestamp) -> Self {
        Self(t.as_millisecond())
    }
}

/// The one source of time and chance. Cheap to clone; every clone of a manual clock shows the same time.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Manual { now: Arc<AtomicI64>, chance: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clock and the operating system's randomness.
    #[must_use]
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `start` until it is moved, with a repeatable sequence for chance. For tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual { now: Arc::new(AtomicI64::new(start.0)), chance: Arc::new(AtomicI64::new(1)) })
    }

    /// The time now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the system clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => {
                let since =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Kind::Manual { now, .. } => Timestamp(now.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual { now, .. } = &self.0 {
            now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock, backward too; does nothing to the system's.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual { now, .. } = &self.0 {
            now.store(to.0, Ordering::SeqCst);
        }
    }

    /// Unpredictable bytes for keys and tokens (repeatable on a manual clock).
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done without it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        match &self.0 {
            Kind::System => getrandom::fill(&mut bytes).expect("the operating system gives randomness"),
            Kind::Manual { chance, .. } => {
                for byte in &mut bytes {
                    let n = chance.fetch_add(1, Ordering::SeqCst).unsigned_abs();
                    // SplitMix64: spreads a counter over all bits.
                    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    *byte = (z >> 56) as u8;
                }
            }
        }
        bytes
    }

    /// A number in `0.0..1.0`, for jitter.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        f64::from(u32::from_le_bytes(self.random::<4>())) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::System => f.write_str("Clock(system)"),
            Kind::Manual { .. } => write!(f, "Clock(manual at {})", self.now().0),
        }
    }
}
