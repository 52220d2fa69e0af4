//! Phrases found in Vietnamese text on word bounds, in time linear in the text. No pattern language: what the public
//! can type is words, with `…` or `+` between them.
//!
//! A phrase is a run of words. It never matches across a full stop, a comma or a bracket unless it has one there itself;
//! hyphens and quotes do not count. `…` (or `...`) between words stands for up to [`GAP`] words of the same sentence, or
//! for none: `kết nạp … đảng viên` finds *kết nạp 120 đảng viên*. ` + ` joins parts that must all be there, in any order
//! and however far apart: `đại hội + đảng ủy`; such a phrase is looked for by [`Phrases::joint`] alone.
//!
//! Negative phrases take their words out before the positive ones are looked for, so that `đại hội` with the negative
//! `đại hội cổ đông` passes over every shareholders' meeting.
//!
//! A phrase with any mark matches only text with these marks. A phrase without any matches text with and without marks
//! if a person typed it as a query ([`Phrases::typed`]), and only text without marks if it stands in a topic
//! ([`Phrases::exact`]).

mod trie;
mod words;

use std::ops::Range;
use std::sync::OnceLock;

use self::trie::Trie;
use self::words::Words;
use crate::text::fold::has_marks;

/// How many words `…` stands for at most. Punctuation within the sentence does not count.
pub const GAP: usize = 6;

/// How many `…` one phrase (or one part of it) may have: each multiplies the time that a hostile text takes by [`GAP`].
pub const MAX_GAPS: usize = 1;

/// A text made ready to be searched, once for any number of [`Phrases`].
#[derive(Debug, Default)]
pub struct Text {
    words: Words,
    folded: OnceLock<Words>,
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
    joint: Joint,
}

/// Phrases of several parts.
#[derive(Clone, Debug, Default)]
struct Joint {
    /// Every part once.
    parts: Tries,
    count: usize,
    /// The number of each phrase, with the numbers of its parts.
    phrases: Vec<(usize, Vec<usize>)>,
}

impl Joint {
    fn new(phrases: &[&str], fold: bool) -> Self {
        let mut distinct: Vec<&str> = Vec::new();
        let mut joint = Self::default();
        for (nth, &phrase) in phrases.iter().enumerate() {
            let wanted: Vec<&str> = parts(phrase).collect();
            if wanted.len() < 2 {
                continue;
            }
            let mut places = Vec::new();
            for part in wanted {
                places.push(distinct.iter().position(|known| *known == part).unwrap_or(distinct.len()));
                if places.last() == Some(&distinct.len()) {
                    distinct.push(part);
                }
            }
            joint.phrases.push((nth, places));
        }
        joint.parts = Tries::new(&distinct, fold);
        joint.count = distinct.len();
        joint
    }
}

/// How many `…` a phrase has between its words; of one with parts, the part that has most.
#[must_use]
pub fn gaps(phrase: &str) -> usize {
    parts(phrase).map(|part| runs(part).len().saturating_sub(1)).max().unwrap_or(0)
}

/// The parts of a phrase that must all be there; most phrases are one part.
fn parts(phrase: &str) -> impl Iterator<Item = &str> {
    phrase.split(" + ").filter(|part| part.contains(char::is_alphanumeric))
}

/// The runs of words between the gaps of a phrase; none for a phrase without a letter or digit.
fn runs(phrase: &str) -> Vec<Words> {
    let pieces = phrase.split('…').flat_map(|piece| piece.split("..."));
    pieces.map(Words::of).filter(|words| words.len() > 0).collect()
}

/// Phrases that are looked for in the text as it is, and phrases that are looked for in its folded form.
#[derive(Clone, Debug, Default)]
struct Tries {
    marked: Trie,
    bare: Trie,
}

impl Tries {
    fn new(phrases: &[&str], fold: bool) -> Self {
        let mut tries = Self::default();
        for (nth, phrase) in phrases.iter().enumerate() {
            let runs = runs(phrase);
            if runs.is_empty() || runs.len() > MAX_GAPS + 1 || parts(phrase).count() != 1 {
                continue;
            }
            if fold && !has_marks(phrase) {
                // Folding again: `normal` leaves marks of other languages that count as none of ours.
                tries.bare.insert(&runs.iter().map(Words::folded).collect::<Vec<_>>(), nth);
            } else {
                tries.marked.insert(&runs, nth);
            }
        }
        tries
    }

    fn is_empty(&self) -> bool {
        self.marked.is_empty() && self.bare.is_empty()
    }

    /// The longest phrase that begins at this word and touches no word that is taken out: its number and length.
    fn longest(&self, text: &Text, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        let exact = self.marked.longest(&text.words, from, masked);
        let folded = if self.bare.is_empty() { None } else { self.bare.longest(text.folded(), from, masked) };
        // Of two of one length the one with marks.
        folded.into_iter().chain(exact).max_by_key(|(_, length)| *length)
    }
}

impl Phrases {
    /// The phrases of a topic, which are never folded: *đảng viên* is no *dạng viên*. A phrase without a letter or digit,
    /// or with more than [`MAX_GAPS`] gaps, never matches; nor does a negative one of several parts.
    #[must_use]
    pub fn exact<S: AsRef<str>>(positive: &[S], negative: &[S]) -> Self {
        Self::new(positive, negative, false)
    }

    /// Phrases as somebody typed them into a search: one without any mark matches text with marks too. Else as
    /// [`Phrases::exact`].
    #[must_use]
    pub fn typed<S: AsRef<str>>(positive: &[S], negative: &[S]) -> Self {
        Self::new(positive, negative, true)
    }

    fn new<S: AsRef<str>>(positive: &[S], negative: &[S], fold: bool) -> Self {
        let positive: Vec<&str> = positive.iter().map(AsRef::as_ref).collect();
        let negative: Vec<&str> = negative.iter().map(AsRef::as_ref).collect();
        Self {
            positive: Tries::new(&positive, fold),
            negative: Tries::new(&negative, fold),
            joint: Joint::new(&positive, fold),
        }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty() && self.joint.phrases.is_empty()
    }

    /// The first phrase of several parts that all stand in these texts taken together, with the number of the text that
    /// has its first part.
    #[must_use]
    pub fn joint(&self, texts: &[&Text]) -> Option<(usize, usize)> {
        if self.joint.phrases.is_empty() {
            return None;
        }
        let mut seen: Vec<Option<usize>> = vec![None; self.joint.count];
        for (nth, text) in texts.iter().enumerate() {
            let masked = self.masked(text);
            for from in 0..text.words.len() {
                let mut note = |part: usize| {
                    seen[part].get_or_insert(nth);
                };
                self.joint.parts.marked.each(&text.words, from, &masked, &mut note);
                if !self.joint.parts.bare.is_empty() {
                    self.joint.parts.bare.each(text.folded(), from, &masked, &mut note);
                }
            }
        }
        let whole = |parts: &[usize]| parts.iter().all(|part| seen[*part].is_some());
        let (phrase, parts) = self.joint.phrases.iter().find(|(_, parts)| whole(parts))?;
        Some((*phrase, parts.first().and_then(|part| seen[*part]).unwrap_or(0)))
    }

    /// Where phrases stand in the text, from its beginning; the longest at each place, none over another.
    pub fn find<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = Hit> + 'a {
        let masked = if self.positive.is_empty() { Vec::new() } else { self.masked(text) };
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < text.words.len() && !self.positive.is_empty() {
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

    /// Every positive phrase of one part that stands in the text, with the word from which on it does: shorter ones within
    /// longer ones too.
    pub fn each(&self, text: &Text, mut found: impl FnMut(usize, usize)) {
        if self.positive.is_empty() {
            return;
        }
        let masked = self.masked(text);
        for from in 0..text.words.len() {
            let mut note = |phrase: usize| found(phrase, from);
            self.positive.marked.each(&text.words, from, &masked, &mut note);
            if !self.positive.bare.is_empty() {
                self.positive.bare.each(text.folded(), from, &masked, &mut note);
            }
        }
    }

    /// For each word of the text whether a negative phrase takes it out; empty if none does.
    fn masked(&self, text: &Text) -> Vec<bool> {
        let mut masked = Vec::new();
        if self.negative.is_empty() {
            return masked;
        }
        let mut until = 0;
        for from in 0..text.words.len() {
            // Negative phrases may overlap one another: each takes out its own words.
            if let Some((_, length)) = self.negative.longest(text, from, &[]) {
                masked.resize(text.words.len(), false);
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
    use crate::text::fold::fold;

    fn found(positive: &[&str], negative: &[&str], text: &str) -> Vec<usize> {
        Phrases::typed(positive, negative).find(&Text::new(text)).map(|hit| hit.phrase).collect()
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
        assert!(Phrases::typed(&["…"], &[]).is_empty());
    }

    #[test]
    fn a_phrase_of_a_topic_is_never_folded() {
        let exact = |phrase: &str, text: &str| Phrases::exact(&[phrase], &[]).find(&Text::new(text)).count();
        assert_eq!(exact("an giang", "Tỉnh An Giang"), 1);
        assert_eq!(exact("an giang", "ăn giảng"), 0);
        assert_eq!(exact("22-NQ/TW", "Nghị quyết 22-NQ/TW"), 1);
        assert_eq!(found(&["an giang"], &[], "ăn giảng"), [0]);
    }

    #[test]
    fn a_gap_spans_a_few_words_of_one_sentence() {
        let is_found = |text| !found(&["kết nạp … đảng viên"], &[], text).is_empty();
        for text in [
            "kết nạp đảng viên",
            "kết nạp 1.200 đảng viên mới",
            "kết nạp, công nhận 30 đảng viên",
            "kết nạp một hai ba bốn năm sáu đảng viên",
        ] {
            assert!(is_found(text), "{text}");
        }
        for text in [
            "kết nạp một hai ba bốn năm sáu bảy đảng viên",
            "Lễ kết nạp. Đảng viên trẻ",
            "kết nạp: đảng viên",
            "đảng viên kết nạp",
        ] {
            assert!(!is_found(text), "{text}");
        }
        assert_eq!(found(&["a b ... c"], &[], "a b y c"), [0]);
        assert_eq!(found(&["… a b …"], &[], "x a b y"), [0]);
        assert!(found(&["a … b … c"], &[], "a b c").is_empty());
        assert_eq!((gaps("a … b ... c"), gaps("a…"), gaps("…")), (2, 0, 0));
    }

    #[test]
    fn a_gap_takes_the_nearest_and_never_reaches_over_a_mask() {
        let text = Text::new("đại hội x chi bộ y chi bộ");
        let phrases = Phrases::exact(&["đại hội … chi bộ"], &[]);
        let mut hits = phrases.find(&text).map(|hit| hit.words);
        assert_eq!((hits.next(), hits.next()), (Some(0..5), None));
        assert!(found(&["a … d"], &["b c"], "a b c d").is_empty());
        assert!(found(&["b"], &["a … c"], "a b c").is_empty());
        assert_eq!(found(&["b"], &["a … c"], "a b d"), [0]);
        // Phrases with one head go on side by side.
        assert_eq!(found(&["a … c", "a b", "a … d e"], &[], "a b x d e"), [2]);
    }

    #[test]
    fn parts_must_all_stand_in_the_texts_and_under_no_mask() {
        let phrases = Phrases::exact(&["x", "đại hội + đảng ủy", "đại hội + bí thư + xã"], &["đại hội cổ đông"]);
        let joint = |a: &str, b: &str| phrases.joint(&[&Text::new(a), &Text::new(b)]);
        assert_eq!(joint("Ngày đại hội", "Đảng ủy xã họp"), Some((1, 0)));
        assert_eq!(joint("Đảng ủy xã họp", "trước đại hội"), Some((1, 1)));
        assert_eq!(joint("Bí thư nói về đại hội", "của xã"), Some((2, 0)));
        assert_eq!(joint("Đại hội cổ đông", "Đảng ủy xã họp"), None);
        assert_eq!(joint("x", "đại hội"), None);
        // A part within another part counts as well, and such a phrase is no single phrase.
        let nested = Phrases::exact(&["chi bộ + đại hội chi bộ"], &[]);
        assert_eq!(nested.joint(&[&Text::new("đại hội chi bộ")]), Some((0, 0)));
        assert!(!nested.is_empty() && nested.find(&Text::new("chi bộ + đại hội chi bộ")).next().is_none());
        // What was typed without marks is looked for without them.
        assert_eq!(Phrases::typed(&["dai hoi + xa"], &[]).joint(&[&Text::new("đại hội xã")]), Some((0, 0)));
        assert_eq!(gaps("a … b + c"), 1);
    }

    #[test]
    fn each_phrase_is_told_wherever_it_stands_and_under_no_mask() {
        let phrases = ["chi bộ", "sinh hoạt chi bộ", "kết nạp … đảng viên", "kết nạp … quần chúng"];
        let each = |text: &str| {
            let mut found = Vec::new();
            Phrases::exact(&phrases, &["chi bộ giúp"])
                .each(&Text::new(text), |phrase, from| found.push((phrase, from)));
            found
        };
        assert_eq!(each("Sinh hoạt chi bộ, chi bộ giúp dân"), [(1, 0), (0, 2)]);
        // Behind one gap not only the nearest.
        let mut both = each("kết nạp 30 quần chúng làm đảng viên");
        both.sort_unstable();
        assert_eq!(both, [(2, 0), (3, 0)]);
        assert_eq!(each("Kết nạp hội viên. Đảng viên, quần chúng"), []);
    }

    #[test]
    fn a_long_text_takes_a_short_time() {
        let text = Text::new(&"a ".repeat(20_000));
        let gapped: Vec<String> = (1..50).map(|n| format!("a … {}b", "a ".repeat(n))).collect();
        assert_eq!(Phrases::typed(&gapped, &gapped).find(&text).count(), 0);
        let text = "a ".repeat(20_000);
        let phrases: Vec<String> = (1..50).map(|n| format!("{}b", "a ".repeat(n))).collect();
        assert_eq!(Phrases::typed(&phrases, &phrases).find(&Text::new(&text)).count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_found_is_there(text in "[abđé., ]{0,60}", phrase in "[abđé]( [abđé]){0,2}") {
            let text_words = Text::new(&text);
            let phrases = Phrases::typed(&[phrase.as_str()], &[]);
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
