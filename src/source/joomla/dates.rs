//! Joomla's dates: naive text in the database's zone (UTC by Joomla's own rule), with three spellings of "none".
//! Never asks what time it is.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

const FORM: &str = "%Y-%m-%d %H:%M:%S";

/// Reads `YYYY-MM-DD HH:MM:SS`. NULL and the zero dates of MySQL (`0000-00-00`), PostgreSQL (`1970-01-01`) and SQL Server
/// (`1900-01-01`) mean that there is no date; so does text that is none.
pub(in crate::source) fn parse(text: Option<&str>, zone: &TimeZone) -> Option<Timestamp> {
    let text = text?;
    if text < "1971-01-02" {
        return None;
    }
    let text = text.split('.').next()?;
    let date = civil::DateTime::strptime(FORM, text).ok()?;
    Some(date.to_zoned_datetime(zone.clone()).ok()?.timestamp().into())
}

/// Writes an instant as the database has it, rounded down to the second.
pub(in crate::source) fn text(at: Timestamp, zone: &TimeZone) -> String {
    at.in_zone(zone).strftime(FORM).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_no_date_means_none() {
        for none in ["0000-00-00 00:00:00", "1970-01-01 00:00:00", "1900-01-01 00:00:00", "", "soon"] {
            assert_eq!(parse(Some(none), &TimeZone::UTC), None, "{none}");
        }
        assert_eq!(parse(None, &TimeZone::UTC), None);
    }

    #[test]
    fn dates_are_utc_and_survive_the_way_there_and_back() {
        let at = Timestamp::from_millis(1_637_651_100_999);
        assert_eq!(text(at, &TimeZone::UTC), "2021-11-23 07:05:00");
        let back = parse(Some("2021-11-23 07:05:00"), &TimeZone::UTC);
        assert_eq!(back, Some(Timestamp::from_millis(1_637_651_100_000)));
        assert_eq!(parse(Some("2021-11-23 07:05:00.250"), &TimeZone::UTC), back);
    }
}
