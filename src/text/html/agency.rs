//! The tag of a news agency at the start of a lede: `(TUAG)-`, `TTXVN - `, `TUAG:`. By a rule that a person can predict,
//! and by names that an operator lists. The lede keeps its tag.

use std::ops::RangeInclusive;

use crate::text::fold::tidy;
use crate::text::xml::XmlText;

const LETTERS: RangeInclusive<usize> = 2..=8;

/// In the list of names: the rule.
pub const ANY: &str = "*";

/// Which tags are agencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agencies {
    rule: bool,
    names: Vec<String>,
}

/// The rule alone.
impl Default for Agencies {
    fn default() -> Self {
        Self { rule: true, names: Vec::new() }
    }
}

impl Agencies {
    /// These names, as they are written in the portal's ledes; [`ANY`] among them adds the rule: 2 to 8 capitals. An empty
    /// list finds no agency.
    #[must_use]
    pub fn new<S: AsRef<str>>(names: &[S]) -> Self {
        let mut names: Vec<String> = names.iter().map(|name| tidy(name.as_ref().trim())).collect();
        let rule = names.iter().any(|name| name == ANY);
        names.retain(|name| name != ANY && !name.is_empty());
        Self { rule, names }
    }

    /// The agency whose tag opens a lede in plain text: in brackets, or before a dash or colon.
    #[must_use]
    pub fn find(&self, lede: &str) -> Option<XmlText> {
        let lede = lede.trim_start();
        let (tag, is_by_rule) = if let Some(inside) = lede.strip_prefix('(') {
            let tag = inside.split_once(')')?.0.trim();
            (tag, is_tag(tag))
        } else if let Some(name) = self.names.iter().find(|name| before_text(lede, name.len()).is_some()) {
            (lede.split_at_checked(name.len())?.0, false)
        } else {
            let length = lede.find(|c: char| !c.is_uppercase())?;
            let tag = &lede[..length];
            // `HĐND - UBND tỉnh …` names two bodies, not an agency.
            let is_by_rule = before_text(lede, length).is_some_and(|text| !is_name(text)) && is_tag(tag);
            (tag, is_by_rule)
        };
        let is_listed = || self.names.iter().any(|name| name == tag);
        ((self.rule && is_by_rule) || is_listed()).then(|| XmlText::new(tag))
    }
}

/// What follows a tag of this length (in bytes) and its dash or colon; nothing if neither follows.
fn before_text(lede: &str, length: usize) -> Option<&str> {
    let (_, after) = lede.split_at_checked(length)?;
    let spaced = after.trim_start();
    spaced.strip_prefix([':', '–', '—']).or_else(|| {
        // `COVID-19`, `TP-HCM`: a hyphen without a blank on either side is part of a word.
        let text = spaced.strip_prefix('-')?;
        (spaced.len() < after.len() || text.starts_with(char::is_whitespace)).then_some(text)
    })
}

fn is_name(text: &str) -> bool {
    let next: Vec<char> = text.trim_start().chars().take_while(|c| c.is_alphanumeric()).take(9).collect();
    next.len() > 1 && next.iter().all(|c| c.is_uppercase())
}

fn is_tag(tag: &str) -> bool {
    LETTERS.contains(&tag.chars().take(LETTERS.end() + 1).count()) && tag.chars().all(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], lede: &str) -> Option<String> {
        Agencies::new(names).find(lede).map(|tag| tag.to_string())
    }

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
            assert_eq!(found(&["*"], lede).as_deref(), Some(tag), "{lede}");
            assert_eq!(Agencies::default().find(lede).as_deref(), Some(tag), "{lede}");
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
            assert_eq!(found(&["*"], lede), None, "{lede}");
        }
    }

    #[test]
    fn listed_names_are_agencies_in_whatever_form_and_without_the_rule_only_they() {
        let names = ["Báo An Giang", "TTXVN"];
        assert_eq!(found(&names, "(Báo An Giang) – Sáng nay").as_deref(), Some("Báo An Giang"));
        assert_eq!(found(&names, "Báo An Giang - Sáng nay").as_deref(), Some("Báo An Giang"));
        assert_eq!(found(&names, "TTXVN: Sáng nay").as_deref(), Some("TTXVN"));
        assert_eq!(found(&names, "Báo An Giang đưa tin"), None);
        assert_eq!(found(&names, "(TUAG)- Sáng nay"), None);
        assert_eq!(found(&["*", "Báo An Giang"], "(TUAG)- Sáng nay").as_deref(), Some("TUAG"));
        assert_eq!(found(&[], "(TUAG)- Sáng nay"), None);
        assert_eq!(found(&["Ð"], "Đ: một").as_deref(), Some("Đ"));
    }
}
