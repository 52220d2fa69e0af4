//! Dates in words, Vietnamese and English, and dates that portals and servers write. Never asks what time it is, and
//! never guesses month before day.

pub mod parse;

use jiff::ZonedDateTime;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// Day and time in words: `Thứ Ba, 23/11/2021 14:05`; in English `Tuesday, 23 November 2021 14:05`. A locale is a BCP 47
/// tag; every one that does not begin with `en` is spoken to in Vietnamese.
#[must_use]
pub fn full(at: Timestamp, zone: &TimeZone, locale: &str) -> String {
    format!("{} {}", day(at, zone, locale), time(at, zone))
}

/// The day in words: `Thứ Ba, 23/11/2021`; in English `Tuesday, 23 November 2021`.
#[must_use]
pub fn day(at: Timestamp, zone: &TimeZone, locale: &str) -> String {
    let at = at.in_zone(zone);
    if is_english(locale) {
        at.strftime("%A, %-d %B %Y").to_string()
    } else {
        format!("{}, {}", weekday(at.weekday()), digits(&at))
    }
}

/// The day in digits: `23/11/2021`; in English `23 Nov 2021`, which nobody reads as month before day.
#[must_use]
pub fn short(at: Timestamp, zone: &TimeZone, locale: &str) -> String {
    let at = at.in_zone(zone);
    if is_english(locale) { at.strftime("%-d %b %Y").to_string() } else { digits(&at) }
}

/// The month in words: `Tháng 11/2021`; in English `November 2021`.
#[must_use]
pub fn month(at: Timestamp, zone: &TimeZone, locale: &str) -> String {
    let at = at.in_zone(zone);
    if is_english(locale) {
        at.strftime("%B %Y").to_string()
    } else {
        format!("Tháng {}/{:04}", at.month(), at.year())
    }
}

/// The time of day: `14:05`.
#[must_use]
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.in_zone(zone).strftime("%H:%M").to_string()
}

fn digits(at: &ZonedDateTime) -> String {
    format!("{:02}/{:02}/{:04}", at.day(), at.month(), at.year())
}

fn is_english(locale: &str) -> bool {
    locale.split(['-', '_']).next().is_some_and(|tag| tag.eq_ignore_ascii_case("en"))
}

/// The name of a weekday in Vietnamese.
#[must_use]
pub const fn weekday(day: Weekday) -> &'static str {
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

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(7))
    }

    #[test]
    fn a_date_reads_as_people_of_the_house_write_it() {
        let at = parse::http("Tue, 23 Nov 2021 07:05:00 GMT").expect("a date");
        assert_eq!(full(at, &zone(), "vi"), "Thứ Ba, 23/11/2021 14:05");
        assert_eq!(full(at, &zone(), "en"), "Tuesday, 23 November 2021 14:05");
        assert_eq!(short(at, &zone(), "vi-VN"), "23/11/2021");
        assert_eq!(short(at, &zone(), "en-GB"), "23 Nov 2021");
        assert_eq!(month(at, &zone(), "vi"), "Tháng 11/2021");
        assert_eq!(month(at, &zone(), "en"), "November 2021");
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let at = parse::http("Sat, 27 Nov 2021 18:30:00 GMT").expect("a date");
        assert_eq!(full(at, &zone(), "vi"), "Chủ nhật, 28/11/2021 01:30");
        assert_eq!(day(at, &TimeZone::UTC, "vi"), "Thứ Bảy, 27/11/2021");
    }
}
