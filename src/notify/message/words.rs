//! Dates in words, as a mail shows them, on the wall clock of the site. Never reads a clock.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::domain::subscriber::Locale;
use crate::notify::message::line::Line;

/// A day with its weekday: `Thứ Hai, 23/11/2026`; `Monday, 23 November 2026`.
#[must_use]
pub fn day(date: Date, locale: Locale) -> Line {
    Line::new(&match locale {
        Locale::Vi => format!("{}, {}", weekday(date.weekday()), date.strftime("%d/%m/%Y")),
        Locale::En => date.strftime("%A, %-d %B %Y").to_string(),
    })
}

/// A day where the year is clear: `23/11`; `23 Nov`.
#[must_use]
pub fn short_day(date: Date, locale: Locale) -> Line {
    Line::new(&match locale {
        Locale::Vi => date.strftime("%d/%m").to_string(),
        Locale::En => date.strftime("%-d %b").to_string(),
    })
}

/// Two days and what lies between: `16/11 – 23/11/2026`; `16 Nov – 23 Nov 2026`.
#[must_use]
pub fn span(from: Date, to: Date, locale: Locale) -> Line {
    let (short, long) = match locale {
        Locale::Vi => ("%d/%m", "%d/%m/%Y"),
        Locale::En => ("%-d %b", "%-d %b %Y"),
    };
    let first = if from.year() == to.year() { short } else { long };
    Line::new(&format!("{} – {}", from.strftime(first), to.strftime(long)))
}

/// A minute of a day: `08:30, Thứ Hai, 23/11/2026`; `Monday, 23 November 2026, 08:30`.
#[must_use]
pub fn moment(at: Timestamp, zone: &TimeZone, locale: Locale) -> Line {
    let local = at.in_zone(zone);
    let (time, day) = (local.strftime("%H:%M"), day(local.date(), locale));
    Line::new(&match locale {
        Locale::Vi => format!("{time}, {day}"),
        Locale::En => format!("{day}, {time}"),
    })
}

const fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Thứ Hai",
        Weekday::Tuesday => "Thứ Ba",
        Weekday::Wednesday => "Thứ Tư",
        Weekday::Thursday => "Thứ Năm",
        Weekday::Friday => "Thứ Sáu",
        Weekday::Saturday => "Thứ Bảy",
        Weekday::Sunday => "Chủ nhật",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_on_the_wall_clock_of_the_site() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let at: Timestamp = "2026-11-22T18:30:00Z".parse::<jiff::Timestamp>().expect("valid").into();
        assert_eq!(&*moment(at, &zone, Locale::Vi), "01:30, Thứ Hai, 23/11/2026");
        assert_eq!(&*moment(at, &zone, Locale::En), "Monday, 23 November 2026, 01:30");
    }

    #[test]
    fn a_span_over_new_year_names_both_years() {
        let (from, to) = (jiff::civil::date(2026, 12, 28), jiff::civil::date(2027, 1, 4));
        assert_eq!(&*span(from, to, Locale::Vi), "28/12/2026 – 04/01/2027");
        assert_eq!(&*span(from, from, Locale::En), "28 Dec – 28 Dec 2026");
        assert_eq!(&*day(jiff::civil::date(2026, 11, 22), Locale::Vi), "Chủ nhật, 22/11/2026");
    }
}
