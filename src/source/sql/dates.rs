//! Dates of columns whose form nobody promised: seconds, milliseconds or text. Never asks what time it is.

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::shape::Kind;
use crate::clock::Timestamp;
use crate::text::date::parse;

/// In which form dates are written. Found value by value where it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// Seconds since 1970, UTC.
    Unix,
    /// Milliseconds since 1970, UTC.
    UnixMs,
    /// A date of the database, or text that is one.
    Datetime,
}

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// How to read the dates of one source.
#[derive(Clone, Debug)]
pub(super) struct Dating {
    pub(super) form: Option<Dates>,
    /// The zone of dates that name none.
    pub(super) zone: TimeZone,
}

impl Dating {
    /// Reads one value. NULL, nothing, 0, a zero date in any spelling (`0000-00-00`, `1970-01-01`, `1900-01-01`) and
    /// PostgreSQL's `infinity` mean that there is no date.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence that quotes it.
    pub(super) fn read(&self, text: Option<&str>, kind: Kind) -> Result<Option<Timestamp>, &'static str> {
        let text = text.unwrap_or_default().trim();
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if text.is_empty() || matches!(text, "infinity" | "-infinity") {
            return Ok(None);
        }
        if digits(whole) && digits(part) {
            if whole.bytes().all(|b| b == b'0') {
                return Ok(None);
            }
            return self.number(whole).map(Some);
        }
        if matches!(self.form, Some(Dates::Unix | Dates::UnixMs)) {
            return Err("is no number, although `dates` says so; correct `dates` or the column");
        }
        if is_year_first(text) && text < "1971-01-02" {
            return Ok(None);
        }
        let zone = if kind == Kind::Utc { &TimeZone::UTC } else { &self.zone };
        parse::date(text, zone).map(Some).ok_or(
            "is no date; give a date of the database, seconds or milliseconds since 1970, or text such as \
             2021-11-23 14:05 or 23/11/2021 14:05",
        )
    }

    fn number(&self, digits: &str) -> Result<Timestamp, &'static str> {
        let number: i64 = digits.parse().map_err(|_| "is too large for a date")?;
        let millis = match (self.form, digits.len()) {
            (Some(Dates::Datetime), _) => {
                return Err("is a number, although `dates` says \"datetime\"; correct `dates` or the column");
            }
            (Some(Dates::Unix), _) | (None, 9 | 10) => number.checked_mul(1000),
            (Some(Dates::UnixMs), _) | (None, 12 | 13) => Some(number),
            (None, _) => {
                return Err(
                    "is a number, but neither seconds (10 digits) nor milliseconds (13 digits) since 1970; convert it in \
                     the SELECT, or say which it is with `dates`",
                );
            }
        };
        millis.filter(|at| at / 1000 <= LATEST).map(Timestamp::from_millis).ok_or("lies beyond the year 9999")
    }
}

fn is_year_first(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Option<Dates>, text: &str, kind: Kind) -> Result<Option<i64>, &'static str> {
        let dating = Dating { form, zone: TimeZone::fixed(jiff::tz::offset(7)) };
        dating.read(Some(text), kind).map(|at| at.map(Timestamp::millis))
    }

    #[test]
    fn the_form_of_a_date_is_found_by_itself() {
        let at = Ok(Some(1_637_651_100_000));
        for text in [
            "1637651100",
            "1637651100.000000",
            "1637651100000",
            "2021-11-23 14:05:00",
            "2021-11-23 14:05:00.000000",
            "2021-11-23 07:05:00+00",
            "23/11/2021 14:05",
        ] {
            assert_eq!(read(None, text, Kind::Other), at, "{text}");
        }
        assert_eq!(read(None, "2021-11-23 07:05:00", Kind::Utc), at, "the server says UTC");
        assert_eq!(read(None, "999999999", Kind::Other), Ok(Some(999_999_999_000)));
    }

    #[test]
    fn every_spelling_of_no_date_means_none() {
        for text in
            ["", " ", "0", "0.0", "0000-00-00 00:00:00", "0000-00-00", "1970-01-01 00:00:00", "1900-01-01", "infinity"]
        {
            assert_eq!(read(None, text, Kind::Other), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused_and_never_guessed() {
        for text in
            ["20211123", "20211123140500", "12345", "-5", "soon", "11/23/2021", "2021-13-01", "99999999999999999999"]
        {
            assert!(read(None, text, Kind::Other).is_err(), "{text}");
        }
        assert!(read(Some(Dates::Unix), "2021-11-23 14:05:00", Kind::Other).is_err());
        assert!(read(Some(Dates::Datetime), "1637651100", Kind::Other).is_err());
        assert!(read(Some(Dates::Unix), "1637651100000", Kind::Other).is_err(), "that would be the year 53864");
    }

    #[test]
    fn a_form_that_is_set_holds_for_numbers_of_any_length() {
        assert_eq!(read(Some(Dates::Unix), "86400000", Kind::Other), Ok(Some(86_400_000_000)));
        assert_eq!(read(Some(Dates::UnixMs), "86400000000", Kind::Other), Ok(Some(86_400_000_000)));
    }
}
