//! ASCII names for categories that bring none of their own. Never used on an alias that the portal already has.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `Công tác tổ chức` → `cong-tac-to-chuc`. `Ð`/`ð` (U+00D0, U+00F0), which old converters wrote for `Đ`/`đ`, count as such.
/// Empty when nothing of the title is a letter or digit that ASCII has.
pub(super) fn slug(title: &str) -> String {
    let mut out = String::with_capacity(title.len());
    for c in title.nfd().filter(|c| !is_combining_mark(*c)) {
        let c = match c {
            'đ' | 'Đ' | 'ð' | 'Ð' => 'd',
            c => c.to_ascii_lowercase(),
        };
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

/// Whether `alias` can stand in an address as it is.
pub(super) fn is_slug(alias: &str) -> bool {
    !alias.is_empty()
        && !alias.starts_with('-')
        && !alias.ends_with('-')
        && alias.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The first of `wanted`, `longer` and `wanted-2`, `wanted-3`, … that is not taken yet; takes it.
pub(super) fn take(taken: &mut BTreeSet<String>, wanted: String, longer: String) -> String {
    let wanted = if wanted.is_empty() { longer.clone() } else { wanted };
    for candidate in [wanted.clone(), longer] {
        if taken.insert(candidate.clone()) {
            return candidate;
        }
    }
    let mut number = 2_u32;
    loop {
        let candidate = format!("{wanted}-{number}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_titles_become_ascii_names() {
        assert_eq!(slug("Công tác tổ chức"), "cong-tac-to-chuc");
        assert_eq!(slug("  Ðổi mới – Đa\u{309}ng!  "), "doi-moi-dang");
        assert_eq!(slug("…"), "");
    }

    #[test]
    fn a_taken_name_gives_way_to_a_longer_one_and_then_to_a_number() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = (0..4).map(|_| take(&mut taken, "tin".into(), "hue-tin".into())).collect();
        assert_eq!(names, ["tin", "hue-tin", "tin-2", "tin-3"]);
    }
}
