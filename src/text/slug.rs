//! ASCII names for addresses. A slug that a source gives is kept as it is; this makes one only where there is none.

use crate::text::fold::fold;

/// The longest slug, in characters.
pub const MAX: usize = 100;

/// An ASCII name of `[a-z0-9-]`: folded, everything else as one hyphen, at most [`MAX`] characters, cut between words
/// where that loses less than half. Never empty: text without a letter or digit of ours gives `x`.
#[must_use]
pub fn slug(text: &str) -> String {
    try_slug(text).unwrap_or_else(|| "x".to_owned())
}

/// As [`slug`], but nothing for text without a letter or digit of ours: for callers that have a better name then.
#[must_use]
pub fn try_slug(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len().min(MAX));
    for c in fold(text).chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() > MAX {
            let cut = out.rfind('-').filter(|at| *at > MAX / 2).unwrap_or(MAX);
            out.truncate(cut);
            break;
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    (!out.is_empty()).then_some(out)
}

/// Whether this is a slug: 1 to [`MAX`] characters of `[a-z0-9-]`, with no hyphen at either end.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vietnamese_titles_become_addresses() {
        assert_eq!(slug("Công tác tổ chức"), "cong-tac-to-chuc");
        assert_eq!(slug("  Tiến tới Đại hội Đảng!  "), "tien-toi-dai-hoi-dang");
        assert_eq!(slug("Ðổi mới"), "doi-moi");
        assert_eq!(slug("中国"), "x");
        assert_eq!((try_slug("中国"), try_slug("X")), (None, Some("x".to_owned())));
    }

    #[test]
    fn a_long_title_is_cut_between_words() {
        let made = slug(&"nghiêng ngả ".repeat(30));
        assert!(made.len() <= MAX && made.ends_with("-nga"), "{made}");
        assert_eq!(slug(&"a".repeat(300)).len(), MAX);
    }

    #[test]
    fn what_is_no_slug_is_told_apart() {
        for bad in ["", "-a", "a-", "A", "đ", "a b", "a/b", "..", "a.b", &"a".repeat(101)] {
            assert!(!is_slug(bad), "{bad}");
        }
        assert!(is_slug("907-xay-dung-dang") && is_slug(&"a".repeat(100)));
    }

    proptest! {
        #[test]
        fn every_text_has_a_slug(text in "\\PC{0,300}") {
            let made = slug(&text);
            prop_assert!(is_slug(&made), "{}", made);
            prop_assert_eq!(slug(&made), made);
        }
    }
}
