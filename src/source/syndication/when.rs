//! Dates of feeds: what `text::date` reads, and what feeds write beside it. Guesses no date.

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::text::date::parse;

/// A date of a feed; one without a zone is on the wall clock of `zone`.
pub(super) fn date(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    // `Tue, 23 Nov 2021 14:05:00 ICT`: Indochina Time, a name that RFC 2822 §4.3 would have taken for UTC.
    if let Some(bare) = text.strip_suffix("ICT") {
        return parse::http(&format!("{} +0700", bare.trim_end()));
    }
    if let Some(found) = parse::date(text, zone) {
        return Some(found);
    }
    // `Tue, 23 Nov 2021 14:05:00`: a date of mail that forgot its zone.
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        let utc = parse::http(&format!("{text} +0000"))?;
        let civil = utc.to_jiff().to_zoned_datetime(TimeZone::UTC).datetime();
        return zone.to_ambiguous_timestamp(civil).compatible().ok().map(Timestamp::from);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_feeds_are_read_with_their_zone_or_on_the_portals_clock() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        for text in [
            "Tue, 23 Nov 2021 14:05:00 +0700",
            "Tue, 23 Nov 2021 07:05:00 GMT",
            "Tue, 23 Nov 2021 14:05:00 ICT",
            "Tue, 23 Nov 2021 14:05:00",
            "23 Nov 2021 14:05:00",
            "2021-11-23T14:05:00+07:00",
            "2021-11-23T14:05:00",
            " 23/11/2021 14:05 ",
            "Thứ Ba, 23/11/2021 2:05 CH",
        ] {
            let found = date(text, &zone).map(|at| at.rfc3339(&zone));
            assert_eq!(found.as_deref(), Some("2021-11-23T14:05:00+07:00"), "{text}");
        }
        for text in ["", "ICT", "hôm qua", "11/23/2021 2:05:00 PM", "Tue, 31 Feb 2021 14:05:00", "0000-00-00 00:00:00"]
        {
            assert_eq!(date(text, &zone), None, "{text}");
        }
    }
}
