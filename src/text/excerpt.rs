//! Excerpts of plain text. Never given HTML: see `text::html::plain`.

/// At most `max_chars` characters (Unicode scalars) of the text: whole if it fits, else cut after a word, with `…`.
/// Runs of blanks become one space. A single word longer than the limit is cut within.
#[must_use]
pub fn excerpt(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut fitting = 0;
    for word in text.split_whitespace() {
        let blank = usize::from(length > 0);
        // A word is never longer than what is left to read of it, so a huge text costs no more than its excerpt.
        let letters = word.chars().take(max_chars + 1).count();
        if length + blank + letters > max_chars {
            return cut(out, fitting, word, max_chars);
        }
        if blank == 1 {
            out.push(' ');
        }
        out.push_str(word);
        length += blank + letters;
        if length < max_chars {
            fitting = out.len();
        }
    }
    out
}

/// Ends an excerpt after its first `fitting` bytes; `next` is the word that no longer fits.
fn cut(mut out: String, fitting: usize, next: &str, max_chars: usize) -> String {
    if max_chars == 0 {
        return String::new();
    }
    if fitting == 0 {
        let word = if out.is_empty() { next } else { &out };
        let mut part: String = word.chars().take(max_chars - 1).collect();
        part.push('…');
        return part;
    }
    out.truncate(fitting);
    out.truncate(out.trim_end_matches(|c: char| c.is_whitespace() || ",;:.-–—(“\"…".contains(c)).len());
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_fits_stays_whole() {
        assert_eq!(excerpt("Đảng bộ  tỉnh", 12), "Đảng bộ tỉnh");
        assert_eq!(excerpt("", 10), "");
    }

    #[test]
    fn a_text_that_does_not_fit_ends_after_a_word() {
        assert_eq!(excerpt("Đảng bộ tỉnh, các huyện", 17), "Đảng bộ tỉnh…");
        assert_eq!(excerpt("Đảng bộ tỉnh", 11), "Đảng bộ…");
        assert_eq!(excerpt("Đảngbộtỉnh", 5), "Đảng…");
        assert_eq!(excerpt("a b", 1), "…");
        assert_eq!(excerpt("a b", 0), "");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_never_longer_than_asked(text in "\\PC{0,80}", max in 0_usize..60) {
            prop_assert!(excerpt(&text, max).chars().count() <= max);
        }
    }
}
