//! The order of lists that people read: CLDR's for Vietnamese, the one place for it. Never the order of bytes, which puts
//! *Ân* and *Đảng* after *Z*, and never that of a database.
//!
//! Letters decide first (a ă â b c d đ e ê … o ô ơ … u ư …), then tones (ngang, huyền, hỏi, ngã, sắc, nặng), then small
//! before capital. Blanks and punctuation come before digits, digits before letters, letters of other scripts last.

use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

use crate::text::fold::tidy;

/// What a text is sorted by. Texts with equal keys look the same but for invisible characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    letters: Vec<u32>,
    tones: Vec<u8>,
    capitals: Vec<bool>,
}

/// The key of a text, for `sort_by_cached_key`.
#[must_use]
pub fn key(text: &str) -> Key {
    let mut key = Key { letters: Vec::new(), tones: Vec::new(), capitals: Vec::new() };
    let tidied = tidy(text);
    let mut marks = tidied.trim().nfd().peekable();
    while let Some(c) = marks.next() {
        let lower = c.to_lowercase().next().unwrap_or(c);
        let (mut quality, mut tone) = ('\0', 0);
        while let Some(mark) = marks.next_if(|m| unicode_normalization::char::is_combining_mark(*m)) {
            match mark {
                '\u{306}' | '\u{302}' | '\u{31B}' => quality = mark,
                mark => tone = tone.max(tone_rank(mark)),
            }
        }
        key.letters.push(letter(lower, quality));
        key.tones.push(tone);
        key.capitals.push(c != lower);
    }
    key
}

/// Which of two texts comes first in a list.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    key(a).cmp(&key(b))
}

/// Ngang (no mark) is 0; marks of other languages come after ours.
const fn tone_rank(mark: char) -> u8 {
    match mark {
        '\u{300}' => 1,
        '\u{309}' => 2,
        '\u{303}' => 3,
        '\u{301}' => 4,
        '\u{323}' => 5,
        _ => 6,
    }
}

/// The place of a letter: its kind, then within its kind. `ă â đ ê ô ơ ư` are letters of their own.
fn letter(c: char, quality: char) -> u32 {
    let after = |rank: u32| u32::from(c) * 4 + rank;
    let place = match (c, quality) {
        ('a', '\u{306}') | ('e' | 'o', '\u{302}') | ('u', '\u{31B}') => after(1),
        ('a', '\u{302}') | ('o', '\u{31B}') => after(2),
        ('đ', _) => u32::from('d') * 4 + 1,
        _ => after(0),
    };
    let kind: u32 = match c {
        'đ' => 2,
        c if c.is_ascii_digit() => 1,
        c if c.is_ascii_alphabetic() => 2,
        c if c.is_alphanumeric() => 3,
        _ => 0,
    };
    (kind << 28) | place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(words: &[&str]) {
        for pair in words.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} before {}", pair[0], pair[1]);
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{} before {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn letters_come_in_the_order_of_the_alphabet() {
        in_order(&["a", "ă", "â", "b", "c", "d", "đ", "e", "ê", "g", "i", "o", "ô", "ơ", "p", "u", "ư", "v", "y", "z"]);
        in_order(&["An Phú", "Ân Thi", "Bình Hòa", "Dân vận", "Đảng", "Em", "Zalo"]);
    }

    #[test]
    fn tones_come_second_and_case_third() {
        in_order(&["ma", "mà", "mả", "mã", "má", "mạ"]);
        in_order(&["ma", "Ma", "mà", "Mà"]);
        // The letters of the whole text count before any of its tones.
        in_order(&["má a", "ma b"]);
        in_order(&["ân", "ấn", "ận", "ấp"]);
    }

    #[test]
    fn words_come_before_longer_words_and_digits_before_letters() {
        in_order(&["", "(tin)", "1. Tin", "An", "An B", "Anh", "Чан"]);
    }

    #[test]
    fn one_text_in_two_encodings_has_one_place() {
        let apart: String = "Đại hội Đảng bộ".nfd().collect();
        assert_eq!(compare("Đại hội Đảng bộ", &apart), Ordering::Equal);
        assert_eq!(compare("Ðảng", "Đảng"), Ordering::Equal);
        assert_eq!(compare(" \u{FEFF}tin", "tin"), Ordering::Equal);
    }
}
