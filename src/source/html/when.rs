//! A date in a line of text that says more than the date. Guesses nothing: what `text::date::parse` would not take for a
//! date is none here.

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::text::date::parse::date;
use crate::text::fold::fold;

/// Words that are looked at.
const WORDS: usize = 48;

/// The longest date, in words: `14 giờ 05 phút, thứ ba, ngày 23 tháng 11 năm 2021 (GMT+7)`.
const LONGEST: usize = 16;

/// The first date in a line: `Được đăng ngày Thứ ba, 23 Tháng 11 2021 14:05`, `23/11/2021 | Lượt xem: 114`.
pub(super) fn find(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let words = words(text);
    if let Some(at) = date(&words.join(" "), zone) {
        return Some(at);
    }
    for start in 0..words.len() {
        for end in (start + 1..=words.len().min(start + LONGEST)).rev() {
            let window = &words[start..end];
            if window.iter().any(|word| word.contains(|c: char| c.is_ascii_digit()))
                && let Some(at) = date(&window.join(" "), zone)
            {
                return Some(at);
            }
        }
    }
    None
}

/// The words of a line, with the `năm` that Joomla leaves out of `23 Tháng 11 2021`.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let split = text.split(|c: char| c.is_whitespace() || matches!(c, '|' | '·' | '•' | '–' | '—'));
    for word in split.filter(|word| !word.is_empty()).take(WORDS) {
        let year = word.len() >= 4 && word.get(..4).is_some_and(|year| year.bytes().all(|b| b.is_ascii_digit()));
        if year
            && let [.., month, number] = words[..]
            && number.len() <= 2
            && fold(month) == "thang"
        {
            words.push("năm");
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_found_among_other_words_and_a_number_is_none() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let read = |text: &str| find(text, &zone).map_or_else(|| "none".to_owned(), |at| at.rfc3339(&zone));
        for text in [
            "Được đăng ngày Thứ ba, 23 Tháng 11 2021 14:05",
            "Ngày đăng: 23/11/2021 14:05",
            "Ngày đăng:23/11/2021 14:05 | Lượt xem: 26072767",
            "Viết bởi Trúc Linh – Thứ Ba, 23/11/2021 - 14:05 (GMT+7)",
            "(Cập nhật lần cuối 14:05 ngày 23-11-2021) 2 bình luận",
            "Đăng ngày 23/11/2021 14:05, cập nhật 24/11/2021 08:00",
        ] {
            assert_eq!(read(text), "2021-11-23T14:05:00+07:00", "{text}");
        }
        assert_eq!(read("Thứ ba, 23 Tháng 11 2021"), "2021-11-23T00:00:00+07:00");
        for text in ["Lượt xem: 26072767", "Đang có 114 khách", "", "Số 22-NQ/TW", "11/23/2021"] {
            assert_eq!(read(text), "none", "{text}");
        }
        assert_eq!(read(&"1/2 ".repeat(10_000)), "none");
    }
}
