//! The tag of a news agency at the start of a lede. A heuristic that a person can predict, never a list of names.

use std::ops::RangeInclusive;

const LETTERS: RangeInclusive<usize> = 2..=8;

pub(super) fn agency(lede: &str) -> Option<&str> {
    let lede = lede.trim_start();
    if let Some(inside) = lede.strip_prefix('(') {
        let (tag, _) = inside.split_once(')')?;
        return is_tag(tag.trim()).then(|| tag.trim());
    }
    let end = lede.find(|c: char| !c.is_uppercase())?;
    let (tag, after) = lede.split_at(end);
    let spaced = after.trim_start();
    let text = spaced.strip_prefix([':', '–', '—']).or_else(|| {
        // `COVID-19`, `TP-HCM`: a hyphen without a blank on either side is part of a word.
        let text = spaced.strip_prefix('-')?;
        (spaced.len() < after.len() || text.starts_with(char::is_whitespace)).then_some(text)
    })?;
    // `HĐND - UBND tỉnh …` names two bodies, not an agency.
    let next: Vec<char> = text.trim_start().chars().take_while(|c| c.is_alphanumeric()).take(9).collect();
    let is_name = next.len() > 1 && next.iter().all(|c| c.is_uppercase());
    (is_tag(tag) && !is_name).then_some(tag)
}

fn is_tag(tag: &str) -> bool {
    LETTERS.contains(&tag.chars().take(LETTERS.end() + 1).count()) && tag.chars().all(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::agency;

    #[test]
    fn the_tag_at_the_start_of_a_lede_is_the_agency() {
        for (lede, tag) in [
            ("(TUAG)- Sáng 23/11/2021, Ban Thường vụ họp", "TUAG"),
            ("(TUAG) – Sáng nay", "TUAG"),
            (" TUAG: Sáng nay", "TUAG"),
            ("TTXVN - Sáng nay", "TTXVN"),
            ("AGO- Sáng nay", "AGO"),
            ("BAG – Sáng nay", "BAG"),
            ("(ĐCSVN) - Sáng nay", "ĐCSVN"),
        ] {
            assert_eq!(agency(lede), Some(tag), "{lede}");
        }
    }

    #[test]
    fn words_in_capitals_that_are_no_tag_are_none() {
        for lede in [
            "",
            "(",
            "Sáng nay (TUAG)",
            "(Tuag) Sáng nay",
            "(A) Sáng nay",
            "(CHINHTRIVIEN) Sáng nay",
            "COVID-19 đã lùi xa",
            "UBND tỉnh họp",
            "HĐND - UBND tỉnh họp",
            "HĐND",
            "A: một",
            "QUỐC HỘI: họp",
        ] {
            assert_eq!(agency(lede), None, "{lede}");
        }
    }
}
