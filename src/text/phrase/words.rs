//! A text as a run of words in their normal form. Knows no phrase.

use crate::text::fold::{fold, normal};

/// What stands for punctuation within a sentence: commas, brackets, slashes. No word can be this.
pub(super) const PAUSE: &str = ",";
/// What stands for punctuation that ends a thought: full stop, colon, semicolon, question mark, dots.
pub(super) const STOP: &str = ".";

/// Words one after another in one string.
#[derive(Debug, Default)]
pub(super) struct Words {
    letters: String,
    ends: Vec<usize>,
}

impl Words {
    fn push(&mut self, word: &str) {
        self.letters.push_str(word);
        self.ends.push(self.letters.len());
    }

    fn pop(&mut self) {
        self.ends.pop();
        self.letters.truncate(self.ends.last().copied().unwrap_or(0));
    }

    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, nth: usize) -> Option<&str> {
        let end = *self.ends.get(nth)?;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.letters[start..end])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|nth| self.get(nth))
    }

    /// The words of a text in their normal form; each run of punctuation is one [`PAUSE`] or [`STOP`]. A point or comma
    /// between two digits is part of the number: `65.052` is one word.
    pub(super) fn of(text: &str) -> Self {
        let normal = normal(text);
        let mut words = Self { letters: String::with_capacity(normal.len()), ends: Vec::new() };
        for piece in normal.split(' ') {
            let mut rest = piece;
            while let Some(first) = rest.chars().next() {
                let is_word = is_word_char(first);
                let end = if is_word { word_end(rest) } else { rest.find(is_word_char).unwrap_or(rest.len()) };
                let (run, after) = rest.split_at(end.max(first.len_utf8()));
                if is_word {
                    words.push(run);
                } else {
                    words.punctuate(run);
                }
                rest = after;
            }
        }
        words
    }

    /// Notes punctuation behind the last word; none before the first.
    fn punctuate(&mut self, run: &str) {
        let is_stop = run.contains(['.', ':', ';', '!', '?', '…', '|', '•']);
        match self.get(self.len().wrapping_sub(1)) {
            Some(PAUSE) if is_stop => {
                self.pop();
                self.push(STOP);
            }
            None | Some(STOP | PAUSE) => {}
            Some(_) => self.push(if is_stop { STOP } else { PAUSE }),
        }
    }

    pub(super) fn folded(&self) -> Self {
        let mut words = Self { letters: String::with_capacity(self.letters.len()), ends: Vec::new() };
        self.iter().for_each(|word| words.push(&fold(word)));
        words
    }
}

/// Where the word ends that a text begins with.
fn word_end(text: &str) -> usize {
    let mut digit_before = false;
    for (at, c) in text.char_indices() {
        if !is_word_char(c) {
            let between = digit_before
                && matches!(c, '.' | ',')
                && text[at + 1..].starts_with(|next: char| next.is_ascii_digit());
            if !between {
                return at;
            }
        }
        digit_before = c.is_ascii_digit();
    }
    text.len()
}

/// Letters, digits, and marks that could not be composed with their letter.
fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_a_pause_or_a_stop_and_numbers_are_whole() {
        let words = |text: &str| Words::of(text).iter().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert_eq!(words("(TUAG)- Kết nạp 1.200 đảng viên, vượt 3,5%."), "tuag , kết nạp 1.200 đảng viên , vượt 3,5 .");
        assert_eq!(words("22-NQ/TW (khóa X). Một: hai… “ba” , . bốn"), "22 nq , tw , khóa x . một . hai . ba . bốn");
        assert_eq!(words("năm 2021."), "năm 2021 .");
        assert_eq!(words("… !"), "");
    }
}
