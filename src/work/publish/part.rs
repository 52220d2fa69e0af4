//! How a feed's past is cut: by months on the site's clock, a month of many articles into parts. A cut never moves when
//! newer articles come. Pure.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// Articles in one part of an archive, at most.
pub const MOST: usize = 200;

/// The name of a part: `2026-03`, and `2026-03-2` for the second of a month of many articles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    year: i16,
    month: i8,
    /// Counts from 1.
    pub part: usize,
}

impl Name {
    /// The first part of the month that an instant lies in.
    #[must_use]
    pub fn of(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.in_zone(zone);
        Self { year: local.year(), month: local.month(), part: 1 }
    }

    /// Reads a name as it stands in addresses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (month, part) = match text.get(..7)? {
            month if text.len() == 7 => (month, 1),
            month => (month, text.strip_prefix(month)?.strip_prefix('-')?.parse().ok()?),
        };
        let (year, month) = month.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return None;
        }
        let name = Self { year: year.parse().ok()?, month: month.parse().ok()?, part };
        // One part, one name: `2026-03-1` and `2026-03-02` are none.
        ((1..=12).contains(&name.month) && part >= 1 && name.to_string() == text).then_some(name)
    }

    /// Another part of the same month.
    #[must_use]
    pub const fn with_part(self, part: usize) -> Self {
        Self { part, ..self }
    }

    /// The month's first instant and the next month's.
    #[must_use]
    pub fn range(self, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let first = Date::new(self.year, self.month, 1).ok()?;
        let (year, month) = if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        let next = Date::new(year, month, 1).ok()?;
        let at = |day: Date| zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok().map(Timestamp::from);
        Some((at(first)?, at(next)?))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        if self.part > 1 { write!(f, "-{}", self.part) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_itself_and_nothing_else_is_a_name() {
        for good in ["2026-03", "2026-03-2", "1999-12", "2026-01-40"] {
            assert_eq!(Name::parse(good).map(|name| name.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "2026",
            "2026-3",
            "2026-13",
            "2026-00",
            "2026-03-",
            "2026-03-1",
            "2026-03-02",
            "2026-03-0",
            "+026-03",
            "2026-03x",
            "2026-0é",
        ] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn months_are_those_of_the_sites_clock_and_leave_no_gap() {
        let zone = TimeZone::posix("<+07>-7").expect("a zone");
        let new_year = Timestamp::from_millis(1_767_200_400_000);
        assert_eq!(Name::of(new_year, &zone).to_string(), "2026-01");
        assert_eq!(Name::of(Timestamp(new_year.0 - 1), &zone).to_string(), "2025-12");
        let (december, january) = (Name::parse("2025-12").expect("a name"), Name::parse("2026-01").expect("a name"));
        assert_eq!(december.range(&zone).expect("a month").1, january.range(&zone).expect("a month").0);
        assert_eq!(january.range(&zone).expect("a month").0, new_year);
    }
}
