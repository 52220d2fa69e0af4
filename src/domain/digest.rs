//! Digests: when a run is due and what its window is. Time zones live here and nowhere near a timer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::domain::subscriber::Frequency;

/// How far back a missing run is looked for: after a longer silence only the newest run is made up for.
pub const LOOK_BACK: Duration = Duration::from_hours(168);

/// When digests go out, on the wall clock of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Hour of the daily digest.
    pub daily: Time,
    /// Weekday and hour of the weekly digest.
    pub weekly: (Weekday, Time),
    /// The site's time zone.
    pub zone: TimeZone,
}

/// One run that is due: its name (the date) and the instant that ends its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRun {
    /// Daily or weekly.
    pub frequency: Frequency,
    /// The local date that names the run; one run per frequency and date, ever.
    pub date: Date,
    /// The end of its window. The window begins where the run before it ended.
    pub window_to: Timestamp,
}

impl Calendar {
    /// The newest run of this frequency that is due at `now`; nothing for [`Frequency::Immediate`].
    ///
    /// Missed runs are merged: the window reaches back to the end of the last run that was made, so after two days of
    /// downtime one digest brings all of it, and nobody gets two at once.
    #[must_use]
    pub fn due(&self, frequency: Frequency, now: Timestamp) -> Option<DueRun> {
        let (time, weekday) = match frequency {
            Frequency::Immediate => return None,
            Frequency::Daily => (self.daily, None),
            Frequency::Weekly => (self.weekly.1, Some(self.weekly.0)),
        };
        let mut date = now.in_zone(&self.zone).date();
        for _ in 0..8 {
            if weekday.is_none_or(|w| date.weekday() == w)
                && let Ok(at) = self.zone.to_timestamp(date.to_datetime(time))
            {
                let at = Timestamp::from(at);
                if at <= now {
                    return Some(DueRun { frequency, date, window_to: at });
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }
}

/// Weekday and hour as the configuration has them: `mon 07:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekTime(pub Weekday, pub Time);

impl FromStr for WeekTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a weekday and an hour such as \"mon 07:00\"");
        let (day, time) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
        let day = match day.to_ascii_lowercase().as_str() {
            "mon" | "monday" => Weekday::Monday,
            "tue" | "tuesday" => Weekday::Tuesday,
            "wed" | "wednesday" => Weekday::Wednesday,
            "thu" | "thursday" => Weekday::Thursday,
            "fri" | "friday" => Weekday::Friday,
            "sat" | "saturday" => Weekday::Saturday,
            "sun" | "sunday" => Weekday::Sunday,
            _ => return Err(wrong()),
        };
        Ok(Self(day, parse_time(time).map_err(|_| wrong())?))
    }
}

impl fmt::Display for WeekTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.0, self.1.strftime("%H:%M"))
    }
}

/// An hour as the configuration has it: `07:00`.
///
/// # Errors
/// When the text is not hours and minutes of a day.
pub fn parse_time(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text.trim()).map_err(|_| format!("\"{text}\" is not an hour such as \"07:00\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        Calendar {
            daily: parse_time("07:00").expect("valid"),
            weekly: ("mon 07:00".parse::<WeekTime>().map(|w| (w.0, w.1))).expect("valid"),
            zone: TimeZone::get("Asia/Ho_Chi_Minh").expect("bundled"),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Timestamp>().expect("valid").into()
    }

    #[test]
    fn a_daily_run_is_due_from_its_hour_on_the_sites_clock() {
        let before = calendar().due(Frequency::Daily, at("2026-11-22T23:59:59Z")).expect("a run");
        assert_eq!(before.date.to_string(), "2026-11-22");
        let after = calendar().due(Frequency::Daily, at("2026-11-23T00:00:00Z")).expect("a run");
        assert_eq!(after.date.to_string(), "2026-11-23");
        assert_eq!(after.window_to, at("2026-11-23T00:00:00Z"));
    }

    #[test]
    fn a_weekly_run_is_due_on_its_weekday() {
        let sunday = calendar().due(Frequency::Weekly, at("2026-11-22T12:00:00Z")).expect("a run");
        assert_eq!(sunday.date.to_string(), "2026-11-16");
        let monday = calendar().due(Frequency::Weekly, at("2026-11-23T00:00:00Z")).expect("a run");
        assert_eq!(monday.date.to_string(), "2026-11-23");
    }

    #[test]
    fn windows_tile_time_over_a_year() {
        let calendar = calendar();
        let mut now = at("2026-01-01T00:00:00Z");
        let mut last: Option<DueRun> = None;
        for _ in 0..366 * 24 {
            let run = calendar.due(Frequency::Daily, now).expect("a run");
            if let Some(last) = last.filter(|l| l.date != run.date) {
                assert_eq!(run.window_to.since(last.window_to), Duration::from_hours(24));
            }
            last = Some(run);
            now = now.plus(Duration::from_hours(1));
        }
    }
}
