//! Dates that portals, feeds and servers write. What is not surely a date is none: a wrong date is worse than no date.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::temporal::DateTimeParser as Iso;
use jiff::tz::{Offset, TimeZone};

use crate::clock::Timestamp;
use crate::text::fold::fold;

/// The longest text that may be a date, in bytes.
const LONGEST: usize = 120;

/// A date as people and machines write it: ISO 8601 and RFC 3339 with or without zone, RFC 2822, and day-first forms
/// with an optional time on either side (`23/11/2021`, `14:05, 23-11-2021`, `Thứ Ba, ngày 23 tháng 11 năm 2021`,
/// `23.11.2021 2:05 CH`, `23/11/2021 14:05 GMT+7`).
///
/// A date without a zone is on the wall clock of `zone`; one without a time is the beginning of its day, so that an
/// article dated today is not one of the future.
#[must_use]
pub fn date(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    iso(text, zone).or_else(|| http(text)).or_else(|| day_first(text, zone))
}

/// A date of mail (RFC 2822 and RFC 5322 §3.3) or of HTTP in any of its three forms (RFC 9110 §5.6.7).
#[must_use]
pub fn http(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    // A wrong weekday is a slip of the writer, not another date.
    if let Ok(at) = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text) {
        return Some(at.into());
    }
    // The obsolete forms: `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
    let civil = DateTime::strptime("%A, %d-%b-%y %H:%M:%S GMT", text)
        .or_else(|_| DateTime::strptime("%a %b %e %H:%M:%S %Y", text))
        .ok()?;
    at(civil, &TimeZone::UTC)
}

fn at(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(civil).compatible().ok().map(Timestamp::from)
}

fn iso(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parser = Iso::new();
    if let Ok(at) = parser.parse_timestamp(text) {
        return Some(at.into());
    }
    // Eight digits alone are a number, not surely a date.
    let civil = text.contains('-').then(|| parser.parse_datetime(text).ok())??;
    at(civil, zone)
}

/// What a reader sees in a text that may be a date.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Piece<'a> {
    Number(&'a str),
    Word(&'a str),
    Sign(char),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| (c.is_ascii_digit(), c.is_alphabetic());
        let end = rest.find(|c: char| class(c) != class(first)).unwrap_or(rest.len());
        let (piece, after) = match class(first) {
            (false, false) => rest.split_at(first.len_utf8()),
            _ => rest.split_at(end),
        };
        match class(first) {
            (true, _) => pieces.push(Piece::Number(piece)),
            (_, true) => pieces.push(Piece::Word(piece)),
            _ if first.is_whitespace() => {}
            _ => pieces.push(Piece::Sign(first)),
        }
        rest = after;
    }
    pieces
}

/// Words that stand around a date and do not change it, folded: weekdays, "at", "updated", "posted on".
const AROUND: [&str; 25] = [
    "thu", "hai", "ba", "tu", "nam", "sau", "bay", "chu", "nhat", "cn", "t", "ngay", "luc", "vao", "cap", "dang",
    "gio", "sang", "chieu", "toi", "xuat", "ban", "tin", "bai", "hom",
];

fn day_first(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let folded = fold(text);
    let mut rest = &pieces(&folded)[..];
    let (mut date, mut time, mut offset, mut half): (Option<Date>, Option<Time>, Option<Offset>, _) =
        (None, None, None, None);
    while let Some(first) = rest.first() {
        let used = if let Some((found, used)) = read_date(rest) {
            if date.replace(found?).is_some() {
                return None;
            }
            used
        } else if let Some((found, used)) = read_time(rest) {
            if time.replace(found?).is_some() {
                return None;
            }
            used
        } else if let Some((found, used)) = read_offset(rest) {
            offset = Some(found?);
            used
        } else {
            match first {
                Piece::Word("sa" | "am") => half = Some(0),
                Piece::Word("ch" | "pm") => half = Some(12),
                Piece::Word("thu" | "t")
                    if matches!(rest.get(1), Some(Piece::Number("2" | "3" | "4" | "5" | "6" | "7"))) =>
                {
                    rest = &rest[1..];
                }
                Piece::Word(word) if AROUND.contains(word) => {}
                Piece::Word(_) | Piece::Number(_) => return None,
                Piece::Sign(_) => {}
            }
            1
        };
        rest = &rest[used..];
    }
    let mut time = time.unwrap_or(Time::midnight());
    if let Some(half) = half {
        if !(1..=12).contains(&time.hour()) {
            return None;
        }
        time = Time::new(time.hour() % 12 + half, time.minute(), time.second(), 0).ok()?;
    }
    let zone = offset.map_or_else(|| zone.clone(), TimeZone::fixed);
    at(date?.to_datetime(time), &zone)
}

/// `23/11/2021`, `23-11-2021`, `23.11.2021`, `23 tháng 11 năm 2021`, `23 tháng 11, 2021`. Found but impossible (the 31st
/// of a short month) is `Some(None)`.
fn read_date(pieces: &[Piece<'_>]) -> Option<(Option<Date>, usize)> {
    use Piece::{Number, Sign, Word};
    let (day, month, year, used) = match *pieces {
        [Number(d), Sign(first @ ('/' | '-' | '.')), Number(m), Sign(second), Number(y), ..] if first == second => {
            (d, m, y, 5)
        }
        [Number(d), Word("thang"), Number(m), Word("nam") | Sign(','), Number(y), ..] => (d, m, y, 5),
        [Number(d), Word("thang"), Number(m), Sign(','), Word("nam"), Number(y), ..] => (d, m, y, 6),
        _ => return None,
    };
    if year.len() != 4 || day.len() > 2 || month.len() > 2 {
        return Some((None, used));
    }
    let number = |text: &str| text.parse::<i16>().unwrap_or(-1);
    let small = |text| i8::try_from(number(text)).unwrap_or(-1);
    Some((Date::new(number(year), small(month), small(day)).ok(), used))
}

/// `14:05`, `14:05:30`, `14h05`, `14h`, `14 giờ 05`, `14 giờ 05 phút`.
fn read_time(pieces: &[Piece<'_>]) -> Option<(Option<Time>, usize)> {
    use Piece::{Number, Sign, Word};
    let (hour, minute, second, used) = match *pieces {
        [Number(h), Sign(':'), Number(m), Sign(':'), Number(s), ..] => (h, m, s, 5),
        [Number(h), Sign(':'), Number(m), ..] => (h, m, "0", 3),
        [Number(h), Word("h" | "gio" | "g"), Number(m), Word("phut" | "ph" | "p"), ..] => (h, m, "0", 4),
        // `14h 23/11/2021`: the number after the hour begins a date.
        [Number(h), Word("h" | "gio" | "g"), Number(m), ref after @ ..]
            if !matches!(after, [Sign('/' | '-' | '.'), Number(_), ..] | [Word("thang"), ..]) =>
        {
            (h, m, "0", 3)
        }
        [Number(h), Word("h" | "gio" | "g"), ..] => (h, "0", "0", 2),
        _ => return None,
    };
    let number = |text: &str| text.parse::<i8>().unwrap_or(-1);
    Some((Time::new(number(hour), number(minute), number(second), 0).ok(), used))
}

/// `GMT+7`, `UTC+07:00`, `GMT`, `Z`-less `+07:00`.
fn read_offset(pieces: &[Piece<'_>]) -> Option<(Option<Offset>, usize)> {
    use Piece::{Number, Sign, Word};
    let named = usize::from(matches!(pieces.first(), Some(Word("gmt" | "utc"))));
    let (sign, hours, minutes, used) = match pieces[named..] {
        [Sign(sign @ ('+' | '-')), Number(h), Sign(':'), Number(m), ..] => (sign, h, m, 4),
        [Sign(sign @ ('+' | '-')), Number(h), ..] if h.len() == 4 => (sign, &h[..2], &h[2..], 2),
        [Sign(sign @ ('+' | '-')), Number(h), ..] if named == 1 => (sign, h, "0", 2),
        _ if named == 1 => ('+', "0", "0", 0),
        _ => return None,
    };
    // `23/11/2021 - 14:05` has a dash, not an offset.
    if named == 0 && sign == '-' {
        return None;
    }
    let number = |text: &str| text.parse::<i32>().unwrap_or(1_000);
    let seconds = (number(hours) * 60 + number(minutes)) * 60;
    let signed = if sign == '-' { -seconds } else { seconds };
    Some((Offset::from_seconds(signed).ok().filter(|_| number(minutes) < 60), used + named))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(7))
    }

    fn read(text: &str) -> String {
        date(text, &zone()).map_or_else(|| "none".to_owned(), |at| at.rfc3339(&zone()))
    }

    #[test]
    fn day_first_dates_are_read_in_every_form_that_portals_print() {
        for text in [
            "14:05, 23/11/2021",
            "23/11/2021 14:05",
            "23-11-2021 14:05",
            "23.11.2021, 14h05",
            "Thứ Ba, 23/11/2021 14:05",
            "Thứ 3, 23/11/2021 - 14:05",
            "T3, 23/11/2021 14:05:00",
            "Thứ ba, ngày 23/11/2021 | 14:05 (GMT+7)",
            "14 giờ 05 phút, ngày 23 tháng 11 năm 2021",
            "Cập nhật lúc 14:05 ngày 23/11/2021",
            "23/11/2021 2:05 CH",
            "23/11/2021 02:05 PM",
            "23/11/2021 07:05 UTC",
            "23/11/2021 07:05 +00:00",
            "ngày 23 tháng 11, 2021 14:05",
            "23 THÁNG 11 NĂM 2021 14:05",
        ] {
            assert_eq!(read(text), "2021-11-23T14:05:00+07:00", "{text}");
        }
        assert_eq!(read("Chủ nhật, 28/11/2021 12:30 SA"), "2021-11-28T00:30:00+07:00");
        assert_eq!(read("14h 23/11/2021"), "2021-11-23T14:00:00+07:00");
    }

    #[test]
    fn a_date_without_a_time_is_the_beginning_of_its_day() {
        for text in ["23/11/2021", "23-11-2021", "ngày 23 tháng 11 năm 2021", "Thứ Ba, 23/11/2021", "2021-11-23"] {
            assert_eq!(read(text), "2021-11-23T00:00:00+07:00", "{text}");
        }
    }

    #[test]
    fn machines_dates_are_read_with_and_without_zone() {
        for text in [
            "2021-11-23T14:05:00+07:00",
            "2021-11-23T07:05:00Z",
            "2021-11-23T14:05:00",
            "2021-11-23 14:05:00",
            "2021-11-23 14:05",
            "2021-11-23T14:05:00+0700",
            "Tue, 23 Nov 2021 14:05:00 +0700",
            "Tue, 23 Nov 2021 07:05:00 GMT",
            "23 Nov 2021 07:05 GMT",
            "Tuesday, 23-Nov-21 07:05:00 GMT",
            "Tue Nov 23 07:05:00 2021",
        ] {
            assert_eq!(read(text), "2021-11-23T14:05:00+07:00", "{text}");
        }
        assert_eq!(http("Sun Nov  6 08:49:37 1994"), http("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(http("Mon, 23 Nov 2021 07:05:00 GMT"), http("Tue, 23 Nov 2021 07:05:00 GMT"));
    }

    #[test]
    fn what_is_not_surely_a_date_is_none() {
        for text in [
            "",
            "hôm qua",
            "11/23/2021",
            "31/02/2021",
            "23/11/21",
            "23/11",
            "2021",
            "20211123",
            "14:05",
            "23/11/2021 25:00",
            "23/11/2021 và 24/11/2021",
            "Nghị quyết 23/11/2021",
            "23/11/2021 14:05 15:00",
            "0000-00-00 00:00:00",
            "23/11-2021",
            "٢٣/١١/٢٠٢١",
        ] {
            assert_eq!(read(text), "none", "{text}");
        }
        assert_eq!(date(&"1".repeat(10_000), &zone()), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,40}", digits in "[0-9:/,. hgiờnămthángZ+-]{0,40}") {
            let _ = date(&text, &zone());
            let _ = date(&digits, &zone());
        }

        #[test]
        fn what_is_written_is_read_back(minutes in 0_i64..50_000_000) {
            let at = Timestamp::from_millis(minutes * 60_000);
            prop_assert_eq!(date(&super::super::full(at, &zone(), "vi"), &zone()), Some(at));
            prop_assert_eq!(date(&at.rfc3339(&zone()), &zone()), Some(at));
            prop_assert_eq!(http(&at.http_date()), Some(at));
        }
    }
}
