//! A day as selections name it: `2026-11-23`, nothing finer. Which moments it spans is the business of a zone, which is
//! handed in.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A day of the calendar, from the year 1900 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Day {
    /// The first moment of the day in a zone.
    #[must_use]
    pub fn begins(self, zone: &TimeZone) -> Timestamp {
        let midnight = self.0.to_zoned_datetime(zone.clone()).map(|at| at.timestamp().as_millisecond());
        // No zone moves its clock so far that a day of these years would not exist.
        Timestamp::from_millis(midnight.unwrap_or_default())
    }

    /// The first moment of the next day.
    #[must_use]
    pub fn ends(self, zone: &TimeZone) -> Timestamp {
        self.0.tomorrow().map_or(Timestamp::from_millis(i64::MAX), |next| Self(next).begins(zone))
    }

    /// The day as people write it: `23/11/2026`; in English `23 Nov 2026`.
    #[must_use]
    pub fn in_words(self, english: bool) -> String {
        self.0.strftime(if english { "%-d %b %Y" } else { "%d/%m/%Y" }).to_string()
    }
}

impl FromStr for Day {
    type Err = String;

    /// Only the form `2026-11-23`: of `01/02/2026` nobody knows which is the month.
    fn from_str(text: &str) -> Result<Self, String> {
        let shaped = text.len() == 10 && text.bytes().enumerate().all(|(n, b)| (b == b'-') == (n == 4 || n == 7));
        let day = shaped.then(|| Date::from_str(text).ok()).flatten().filter(|day| day.year() >= 1900);
        day.map(Self).ok_or_else(|| "is no day; write year, month and day such as \"2026-11-23\"".to_owned())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl TryFrom<String> for Day {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_way_to_write_a_day_is_understood() {
        let day: Day = "2026-02-01".parse().expect("a day");
        assert_eq!((day.to_string().as_str(), day.in_words(false).as_str()), ("2026-02-01", "01/02/2026"));
        assert_eq!(day.in_words(true), "1 Feb 2026");
        for wrong in ["2026-2-1", "01/02/2026", "2026-02-30", "2026-02-01T00:00", "20260201", "", "1800-01-01"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let (day, next): (Day, Day) = ("2026-12-31".parse().expect("a day"), "2027-01-01".parse().expect("a day"));
        assert_eq!(day.ends(&zone), next.begins(&zone));
        assert_eq!(next.begins(&zone).millis(), 1_798_736_400_000);
    }
}
