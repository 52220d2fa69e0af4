//! Phrases found in Vietnamese text on word bounds, in time linear in the text. No pattern language: what the public
//! can type is words.
//!
//! A phrase is a run of words. It never matches across a full stop, a comma or a bracket unless it has one there itself;
//! hyphens and quotes do not count. A phrase with any mark matches only text with these marks; a phrase without any
//! matches text with and without marks. Negative phrases take their words out before the positive ones are looked for,
//! so that `đại hội` with the negative `đại hội cổ đông` passes over every shareholders' meeting.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use crate::text::fold::{fold, has_marks, normal};

/// What stands for a run of punctuation, so that phrases do not reach over it. No word can be this.
const STOP: &str = ".";

/// A text made ready to be searched, once for any number of [`Phrases`].
#[derive(Debug, Default)]
pub struct Text {
    words: Words,
    folded: OnceLock<Words>,
}

/// Words one after another in one string.
#[derive(Debug, Default)]
struct Words {
    letters: String,
    ends: Vec<usize>,
}

impl Words {
    fn push(&mut self, word: &str) {
        self.letters.push_str(word);
        self.ends.push(self.letters.len());
    }

    fn get(&self, nth: usize) -> Option<&str> {
        let end = *self.ends.get(nth)?;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.letters[start..end])
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|nth| self.get(nth))
    }

    /// The words of a text in their normal form; each run of punctuation is one [`STOP`].
    fn of(text: &str) -> Self {
        let normal = normal(text);
        let mut words = Self { letters: String::with_capacity(normal.len()), ends: Vec::new() };
        let mut stopped = true;
        for piece in normal.split(' ') {
            let mut rest = piece;
            while let Some(first) = rest.chars().next() {
                let is_word = first.is_alphanumeric();
                let end = rest.find(|c: char| is_word_char(c) != is_word).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end.max(first.len_utf8()));
                if is_word {
                    words.push(word);
                } else if !stopped {
                    words.push(STOP);
                }
                stopped = !is_word;
                rest = after;
            }
        }
        words
    }

    fn folded(&self) -> Self {
        let mut words = Self { letters: String::with_capacity(self.letters.len()), ends: Vec::new() };
        self.iter().for_each(|word| words.push(&fold(word)));
        words
    }
}

/// Letters, digits, and marks that could not be composed with their letter.
fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

impl Text {
    /// Normalises the text and splits it into words.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { words: Words::of(text), folded: OnceLock::new() }
    }

    fn folded(&self) -> &Words {
        self.folded.get_or_init(|| self.words.folded())
    }
}

/// One place where a phrase stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which of the positive phrases, counted from 0.
    pub phrase: usize,
    /// Which words of the text.
    pub words: Range<usize>,
}

/// Positive and negative phrases, made ready to be looked for in many texts.
#[derive(Clone, Debug, Default)]
pub struct Phrases {
    positive: Tries,
    negative: Tries,
}

/// Phrases with marks and phrases without: they are looked for in different forms of the text.
#[derive(Clone, Debug, Default)]
struct Tries {
    marked: Trie,
    bare: Trie,
}

impl Tries {
    fn new<S: AsRef<str>>(phrases: &[S]) -> Self {
        let mut tries = Self::default();
        for (nth, phrase) in phrases.iter().enumerate() {
            let words = Words::of(phrase.as_ref());
            if has_marks(phrase.as_ref()) {
                tries.marked.insert(&words, nth);
            } else {
                // Folding again: `normal` leaves marks of other languages that count as none of ours.
                tries.bare.insert(&words.folded(), nth);
            }
        }
        tries
    }

    /// The longest phrase that begins at this word and touches no word that is taken out: its number and length.
    fn longest(&self, text: &Text, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        let exact = self.marked.longest(&text.words, from, masked);
        let folded = if self.bare.is_empty() { None } else { self.bare.longest(text.folded(), from, masked) };
        // Of two of one length the one with marks.
        folded.into_iter().chain(exact).max_by_key(|(_, length)| *length)
    }
}

/// A tree of words. Walking it from one place of a text takes at most as many steps as the longest phrase has words.
#[derive(Clone, Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: HashMap<Box<str>, usize>,
    phrase: Option<usize>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Trie {
    fn is_empty(&self) -> bool {
        self.nodes[0].next.is_empty()
    }

    fn insert(&mut self, words: &Words, phrase: usize) {
        let mut words: Vec<&str> = words.iter().collect();
        // Punctuation around a phrase was typed by accident.
        while words.last() == Some(&STOP) {
            words.pop();
        }
        if words.is_empty() {
            return;
        }
        let mut at = 0;
        for word in words {
            at = if let Some(next) = self.nodes[at].next.get(word) {
                *next
            } else {
                let fresh = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[at].next.insert(word.into(), fresh);
                fresh
            };
        }
        self.nodes[at].phrase.get_or_insert(phrase);
    }

    fn longest(&self, words: &Words, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        let mut at = 0;
        let mut found = None;
        for nth in from.. {
            if masked.get(nth) == Some(&true) {
                break;
            }
            let Some(next) = words.get(nth).and_then(|word| self.nodes[at].next.get(word)) else { break };
            at = *next;
            if let Some(phrase) = self.nodes[at].phrase {
                found = Some((phrase, nth + 1 - from));
            }
        }
        found
    }
}

impl Phrases {
    /// Prepares phrases. A phrase without a letter or digit never matches.
    #[must_use]
    pub fn new<S: AsRef<str>>(positive: &[S], negative: &[S]) -> Self {
        Self { positive: Tries::new(positive), negative: Tries::new(negative) }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positive.marked.is_empty() && self.positive.bare.is_empty()
    }

    /// Where phrases stand in the text, from its beginning; the longest at each place, none over another.
    pub fn find<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = Hit> + 'a {
        let masked = if self.is_empty() { Vec::new() } else { self.masked(text) };
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < text.words.ends.len() && !self.is_empty() {
                if let Some((phrase, length)) = self.positive.longest(text, at, &masked) {
                    let words = at..at + length;
                    at = words.end;
                    return Some(Hit { phrase, words });
                }
                at += 1;
            }
            None
        })
    }

    /// For each word of the text whether a negative phrase takes it out; empty if none does.
    fn masked(&self, text: &Text) -> Vec<bool> {
        let mut masked = Vec::new();
        if self.negative.marked.is_empty() && self.negative.bare.is_empty() {
            return masked;
        }
        let mut until = 0;
        for from in 0..text.words.ends.len() {
            // Negative phrases may overlap one another: each takes out its own words.
            if let Some((_, length)) = self.negative.longest(text, from, &[]) {
                masked.resize(text.words.ends.len(), false);
                masked[from.max(until)..(from + length).max(until)].fill(true);
                until = until.max(from + length);
            }
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(positive: &[&str], negative: &[&str], text: &str) -> Vec<usize> {
        Phrases::new(positive, negative).find(&Text::new(text)).map(|hit| hit.phrase).collect()
    }

    #[test]
    fn a_phrase_is_found_on_word_bounds_in_every_spelling() {
        let is_found = |text| !found(&["đại hội đảng"], &[], text).is_empty();
        assert!(is_found("Chào mừng ĐẠI HỘI “ĐẢNG”!"));
        assert!(is_found("đa\u{323}i hô\u{323}i\u{A0}Ðảng"));
        assert!(!is_found("đại hội đảngs"));
        assert!(!is_found("Bế mạc đại hội. Đảng ủy xã họp"));
        assert!(!is_found("dai hoi dang"));
        assert_eq!(found(&["Uỷ ban"], &[], "ủy ban"), [0]);
        assert_eq!(found(&["22-NQ/TW"], &[], "Nghị quyết số 22-NQ/TW, khóa X"), [0]);
    }

    #[test]
    fn a_phrase_with_marks_never_matches_other_marks() {
        for (phrase, text) in [
            ("đảng viên", "thuốc dạng viên nén"),
            ("đảng bộ", "đắp dạng bờ bao"),
            ("đại hội", "chạy dài hơi"),
            ("chi bộ", "cành lá chỉ bỏ đi"),
            ("tổ chức", "tờ chúc thư"),
        ] {
            assert!(found(&[phrase], &[], text).is_empty(), "{phrase}");
        }
    }

    #[test]
    fn a_phrase_without_marks_matches_both() {
        assert_eq!(found(&["dai hoi"], &[], "Đại hội và dai hoi"), [0, 0]);
        assert_eq!(found(&["PCI"], &[], "chỉ số PCI năm nay"), [0]);
    }

    #[test]
    fn negative_phrases_take_their_words_out_first() {
        let negative = ["đại hội cổ đông", "đại hội thể dục thể thao"];
        assert!(found(&["đại hội"], &negative, "Đại hội cổ đông và Đại hội Thể dục thể thao").is_empty());
        assert_eq!(found(&["đại hội"], &negative, "Đại hội cổ đông; đại hội chi bộ"), [0]);
        // A positive phrase that only touches a negative one is out too.
        assert!(found(&["chuẩn bị đại hội"], &["đại hội công đoàn"], "Chuẩn bị đại hội công đoàn").is_empty());
        // Overlapping negatives take out both their words, and a shorter one inside a longer changes nothing.
        assert!(found(&["c d", "d e"], &["a b c", "b", "c d"], "a b c d e").is_empty());
        assert_eq!(found(&["d e"], &["a b c", "b"], "a b c d e"), [0]);
    }

    #[test]
    fn the_longest_phrase_counts_once() {
        assert_eq!(found(&["đại hội", "đại hội đảng bộ"], &[], "đại hội đảng bộ, đại hội"), [1, 0]);
    }

    #[test]
    fn a_phrase_of_punctuation_never_matches() {
        assert!(found(&["...", "", " - "], &[], "Một. Hai... Ba").is_empty());
        assert!(Phrases::new(&["…"], &[]).is_empty());
    }

    #[test]
    fn a_long_text_takes_a_short_time() {
        let text = "a ".repeat(100_000);
        let phrases: Vec<String> = (1..50).map(|n| format!("{}b", "a ".repeat(n))).collect();
        assert_eq!(Phrases::new(&phrases, &phrases).find(&Text::new(&text)).count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_found_is_there(text in "[abđé., ]{0,60}", phrase in "[abđé]( [abđé]){0,2}") {
            let text_words = Text::new(&text);
            let phrases = Phrases::new(&[phrase.as_str()], &[]);
            let hits: Vec<Hit> = phrases.find(&text_words).collect();
            for hit in &hits {
                let words: Vec<&str> = hit.words.clone().filter_map(|nth| text_words.words.get(nth)).collect();
                let words = words.join(" ");
                prop_assert!(words == phrase || (!has_marks(&phrase) && fold(&words) == phrase));
            }
            let padded = format!(" {} ", text.replace(['.', ','], " . "));
            let single = padded.split_whitespace().collect::<Vec<_>>().join(" ");
            let there = format!(" {single} ").contains(&format!(" {phrase} "));
            prop_assert!(!there || !hits.is_empty());
        }
    }
}
