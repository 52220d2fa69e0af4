//! The hour at which somebody wants their digest, on the wall clock of the site. Knows no time zone and no date.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;

use crate::domain::digest::parse_time;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A minute of the day, 00:00 to 23:59. In the database: minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u16);

impl Hour {
    /// The hour that many minutes after midnight; nothing beyond a day.
    #[must_use]
    pub fn from_minutes(minutes: i64) -> Option<Self> {
        u16::try_from(minutes).ok().filter(|m| *m < DAY).map(Self)
    }

    /// Minutes after midnight.
    #[must_use]
    pub fn minutes(self) -> i64 {
        i64::from(self.0)
    }

    /// The same as a time of the wall clock.
    #[must_use]
    pub fn time(self) -> Time {
        let part = |n: u16| i8::try_from(n).unwrap_or_default();
        Time::new(part(self.0 / 60), part(self.0 % 60), 0, 0).unwrap_or_default()
    }
}

impl From<Time> for Hour {
    fn from(time: Time) -> Self {
        Self(u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs()))
    }
}

impl FromStr for Hour {
    type Err = String;

    /// Reads `07:30`.
    fn from_str(text: &str) -> Result<Self, String> {
        parse_time(text).map(Self::from)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_reads_back_from_minutes_and_from_words() {
        for minutes in 0..i64::from(DAY) {
            let hour = Hour::from_minutes(minutes).expect("within a day");
            assert_eq!((hour.minutes(), hour.to_string().parse()), (minutes, Ok(hour)));
            assert_eq!(Hour::from(hour.time()), hour);
        }
        assert_eq!((Hour::from_minutes(-1), Hour::from_minutes(1440)), (None, None));
        assert!("7 o'clock".parse::<Hour>().is_err() && "24:00".parse::<Hour>().is_err());
    }
}
