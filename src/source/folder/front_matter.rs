//! The head of an article file: `key: value` lines between two `---` lines. Knows nothing of the file system.
//!
//! The form is a small, strict part of YAML: one key a line, values optionally in `"…"` or `'…'`, lines that begin with `#`
//! are comments, unknown and repeated keys are faults. A `#` inside a value belongs to the value.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// What the head of an article file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: Option<String>,
    pub(super) title: String,
    pub(super) url: Option<String>,
    pub(super) published: Timestamp,
    pub(super) updated: Option<Timestamp>,
    /// Paths of titles from the top down: `Xây dựng Đảng/Công tác tổ chức` is one path of two titles.
    pub(super) categories: Vec<Vec<String>>,
    pub(super) authors: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) image: Option<String>,
    pub(super) image_alt: String,
    pub(super) language: String,
    pub(super) draft: bool,
    pub(super) summary: String,
}

/// What is wrong with a head, and in which line of the file (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadFault {
    pub(super) line: usize,
    pub(super) what: String,
}

const KEYS: &str =
    "id, title, url, published, updated, category, author, tags, image, image_alt, language, draft, summary";

/// Splits a file into its head and its body. Dates without an offset are read in `zone`.
pub(super) fn parse<'a>(text: &'a str, zone: &TimeZone) -> Result<(Head, &'a str), HeadFault> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut rest = text;
    let mut number = 0_usize;
    let mut next_line = || -> Option<(usize, &'a str, &'a str)> {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        number += 1;
        Some((number, line.trim_end(), after))
    };
    if next_line().is_none_or(|(_, line, _)| line != "---") {
        return Err(fault(1, "the file must begin with a line `---`, then `key: value` lines, then `---`"));
    }
    let mut head = Head::default();
    let mut seen: Vec<&str> = Vec::new();
    let body = loop {
        let Some((line_number, line, after)) = next_line() else {
            return Err(fault(1, "the head is not closed: add a line `---` after the last key"));
        };
        if line == "---" {
            break after;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            return Err(fault(line_number, "this line is not `key: value`"));
        };
        let key = key.trim_end();
        if seen.contains(&key) {
            return Err(fault(line_number, &format!("the key `{key}` stands here for the second time")));
        }
        seen.push(key);
        let value = unquote(value.trim()).map_err(|what| fault(line_number, what))?;
        set(&mut head, key, value, zone).map_err(|what| fault(line_number, &what))?;
    };
    for required in ["title", "published"] {
        if !seen.contains(&required) {
            return Err(fault(1, &format!("the head lacks `{required}: …`")));
        }
    }
    Ok((head, body))
}

/// The id that a damaged file most likely claims, so that a typing error does not make a known article look gone.
pub(super) fn claimed_id(text: &str) -> Option<String> {
    text.lines()
        .take(60)
        .filter_map(|line| line.trim_start_matches('\u{FEFF}').strip_prefix("id:"))
        .map(|value| value.trim().trim_matches(['"', '\'']).trim().to_owned())
        .find(|id| !id.is_empty())
}

fn fault(line: usize, what: &str) -> HeadFault {
    HeadFault { line, what: what.to_owned() }
}

fn unquote(value: &str) -> Result<&str, &'static str> {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return inner.strip_suffix(quote).ok_or("a quoted value does not end with the quote that began it");
        }
    }
    Ok(value)
}

fn set(head: &mut Head, key: &str, value: &str, zone: &TimeZone) -> Result<(), String> {
    let text = || value.trim().to_owned();
    let some = || Some(text()).filter(|text| !text.is_empty());
    let date = || {
        parse_date(value.trim(), zone).ok_or_else(|| {
            format!("`{key}` is not a date: write 2021-11-23 14:05, 23/11/2021 14:05 or 2021-11-23T14:05:00+07:00")
        })
    };
    match key {
        "id" => head.id = Some(some().ok_or("`id` is empty; leave the line out to use the file's path")?),
        "title" => head.title = some().ok_or("`title` is empty")?,
        "url" => head.url = some(),
        "published" => head.published = date()?,
        "updated" => head.updated = Some(date()?),
        "category" => {
            head.categories = value.split(';').map(|path| list(path, '/')).filter(|p| !p.is_empty()).collect();
        }
        "author" => head.authors = list(value, ','),
        "tags" => head.tags = list(value, ','),
        "image" => head.image = some(),
        "image_alt" => head.image_alt = text(),
        "language" => head.language = text(),
        "draft" => {
            head.draft = match value.trim() {
                "true" => true,
                "false" => false,
                _ => return Err("`draft` is neither true nor false".to_owned()),
            };
        }
        "summary" => head.summary = text(),
        _ => return Err(format!("the key `{key}` is not known; known are {KEYS}")),
    }
    Ok(())
}

/// Also as other tools write lists: `[a, "b"]`.
fn list(value: &str, separator: char) -> Vec<String> {
    let inside = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    let bare = |part: &str| part.trim().trim_matches(['"', '\'']).trim().to_owned();
    inside.split(separator).map(bare).filter(|part| !part.is_empty()).collect()
}

/// RFC 3339, or a date and time (the time may lack) on the wall clock of `zone`, year first or day first.
fn parse_date(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.into());
    }
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let day = ["%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y"].iter().find_map(|form| civil::Date::strptime(form, day).ok())?;
    let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|form| civil::Time::strptime(form, time.trim()).ok())?;
    Some(day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(7))
    }

    fn head(lines: &str) -> Result<Head, HeadFault> {
        parse(&format!("---\n{lines}\n---\nbody"), &zone()).map(|(head, _)| head)
    }

    #[test]
    fn every_key_is_read() {
        let text = "---\r\n# chú thích\r\n\r\nid: tin-1\r\ntitle: \"Hội nghị: tổng kết #1\"\r\npublished: 23/11/2021 14:05\r\n\
                    updated: 2021-11-24T00:00:00Z\r\ncategory: Xây dựng Đảng/Công tác tổ chức; Tin tức\r\n\
                    author: Trúc Linh, An\r\ntags: 'đại hội, chi bộ'\r\nimage: images/a.jpg\r\nimage_alt: Hội trường\r\n\
                    language: vi\r\ndraft: true\r\nsummary: Tóm tắt\r\nurl: bai/1\r\n---\r\nThân bài\r\n";
        let (head, body) = parse(text, &zone()).unwrap();
        assert_eq!(body, "Thân bài\r\n");
        assert_eq!(
            head,
            Head {
                id: Some("tin-1".into()),
                title: "Hội nghị: tổng kết #1".into(),
                url: Some("bai/1".into()),
                published: Timestamp::from_millis(1_637_651_100_000),
                updated: Some(Timestamp::from_millis(1_637_712_000_000)),
                categories: vec![vec!["Xây dựng Đảng".into(), "Công tác tổ chức".into()], vec!["Tin tức".into()]],
                authors: vec!["Trúc Linh".into(), "An".into()],
                tags: vec!["đại hội".into(), "chi bộ".into()],
                image: Some("images/a.jpg".into()),
                image_alt: "Hội trường".into(),
                language: "vi".into(),
                draft: true,
                summary: "Tóm tắt".into(),
            }
        );
    }

    #[test]
    fn a_date_may_be_written_in_each_of_the_usual_ways() {
        let expected = Timestamp::from_millis(1_637_651_100_000);
        for date in ["2021-11-23 14:05", "2021-11-23T14:05:00", "23-11-2021 14:05", "2021-11-23T14:05:00+07:00"] {
            assert_eq!(parse_date(date, &zone()), Some(expected), "{date}");
        }
        assert_eq!(parse_date("2021-11-23", &zone()), Some(Timestamp::from_millis(1_637_600_400_000)));
        for wrong in ["", "hôm qua", "2021-13-01", "31/02/2021", "2021-11-23 25:00", "2021"] {
            assert_eq!(parse_date(wrong, &zone()), None, "{wrong}");
        }
    }

    #[test]
    fn a_fault_names_its_line() {
        let line = |lines: &str| head(lines).unwrap_err().line;
        let good = "title: a\npublished: 2021-11-23";
        assert_eq!(line(&format!("{good}\ncolour: red")), 4);
        assert_eq!(line(&format!("{good}\ntitle: b")), 4);
        assert_eq!(line(&format!("{good}\n\nno colon here")), 5);
        assert_eq!(line("title: \"open\npublished: 2021-11-23"), 2);
        assert_eq!(line("title: a\npublished: yesterday"), 3);
        assert_eq!(line(&format!("{good}\ndraft: maybe")), 4);
        assert_eq!(line("title: a"), 1);
        assert_eq!(line("title:\npublished: 2021-11-23"), 2);
        assert_eq!(parse("no head", &zone()).unwrap_err().line, 1);
        assert_eq!(parse("---\ntitle: a\n", &zone()).unwrap_err().line, 1);
        assert_eq!(parse("", &zone()).unwrap_err().line, 1);
    }

    #[test]
    fn the_id_of_a_damaged_file_is_still_found() {
        assert_eq!(claimed_id("--\nid: 'tin-1'\ntitle"), Some("tin-1".into()));
        assert_eq!(claimed_id("---\ntitle: a\n---\n"), None);
    }
}
