//! Folding of Vietnamese for matching, and the repair of what editors paste. A folded or normal form is never output:
//! people read their text as it was written.

use unicode_normalization::UnicodeNormalization;

/// All in lower case and without marks: `Đảng ủy` → `dang uy`. Only for slugs and for words that somebody typed
/// without marks: folding makes *đảng viên* (Party member) and *dạng viên* (tablet form) one.
#[must_use]
pub fn fold(text: &str) -> String {
    let lower = text.chars().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase);
    lower.nfd().filter(|c| !is_mark(*c)).map(plain_d).nfc().collect()
}

/// The one spelling of a text that matching compares, with marks: NFC, lower case, `Ð` (U+00D0) as `Đ`, invisible
/// characters dropped, hyphens, quotes and every kind of blank as one space, tones where the older spelling puts them
/// (`hoà` = `hòa`, `uỷ` = `ủy`, `quý` stays), `y` that stands alone after a consonant as `i` (`kỷ` = `kỉ`).
#[must_use]
pub fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        if word.chars().any(char::is_alphabetic) {
            syllable(word, out);
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.nfc().filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || is_joiner(c) {
            flush(&mut word, &mut out);
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if c.is_alphabetic() || is_mark(c) {
            word.extend(c.to_lowercase().map(|c| if c == 'ð' { 'đ' } else { c }));
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out.truncate(out.trim_end().len());
    out
}

/// Whether a text has any mark of Vietnamese: a tone, a roof, a horn, or `đ`. What has none was perhaps typed in haste.
#[must_use]
pub fn has_marks(text: &str) -> bool {
    !text.is_ascii() && text.nfd().any(|c| is_mark(c) || matches!(c, 'đ' | 'Đ' | 'ð' | 'Ð'))
}

/// Text as people mean it: NFC, `Ð`/`ð` (U+00D0, U+00F0: leavings of old code pages) as `Đ`/`đ`, and no invisible
/// characters. Blanks stay as they are.
#[must_use]
pub fn tidy(text: &str) -> String {
    text.nfc()
        .filter(|c| !is_invisible(*c))
        .map(|c| match c {
            'Ð' => 'Đ',
            'ð' => 'đ',
            c => c,
        })
        .collect()
}

/// A mark that combines with a Latin letter.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

const fn plain_d(c: char) -> char {
    match c {
        'đ' | 'ð' => 'd',
        c => c,
    }
}

/// Characters that nobody sees and that split words for a machine: zero-width space, word joiner, byte order mark, soft
/// hyphen, marks of direction. The zero-width joiner stays: emoji are built with it.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}')
}

/// Hyphens, dashes and quotes: they stand between words and mean nothing to a match.
const fn is_joiner(c: char) -> bool {
    matches!(
        c,
        '-' | '_' | '\'' | '"' | '`' | '´' | '«' | '»' | '‐'..='―' | '‘'..='‟' | '‹' | '›' | '−' | '′' | '″'
    )
}

const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// The longest syllable of Vietnamese (`nghiêng`) has seven letters; longer words are of another language.
const LONGEST: usize = 7;

/// Writes a lower-case word with its tone in the one place that matching uses. Position carries no meaning in
/// Vietnamese, so that `toàn` and the slip `tòan` are one; words that are no Vietnamese syllable pass unchanged.
fn syllable(word: &str, out: &mut String) {
    if word.len() > LONGEST * 3 {
        out.push_str(word);
        return;
    }
    // Letters with their quality (â, ơ, …) but without tone, and the one tone.
    let mut tone = None;
    let mut tones = 0;
    let mut letters: Vec<char> = word
        .nfd()
        .filter(|c| {
            let is_tone = TONES.contains(c);
            if is_tone {
                tone = Some(*c);
                tones += 1;
            }
            !is_tone
        })
        .nfc()
        .collect();
    if letters.len() > LONGEST || tones > 1 {
        out.push_str(word);
        return;
    }
    let Some((from, to)) = nucleus(&letters) else {
        out.push_str(word);
        return;
    };
    if to == letters.len() && to - from == 1 && letters[from] == 'y' && takes_i(&letters[..from]) {
        letters[from] = 'i';
    }
    let place = tone.map(|tone| (tone_place(&letters, from, to), tone));
    let spelled = letters.iter().enumerate().flat_map(|(i, c)| {
        let mark = place.filter(|(at, _)| *at == i).map(|(_, tone)| tone);
        std::iter::once(*c).chain(mark)
    });
    out.extend(spelled.nfc());
}

const fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'ă' | 'â' | 'e' | 'ê' | 'i' | 'o' | 'ô' | 'ơ' | 'u' | 'ư' | 'y')
}

/// Where the vowels of a syllable are (glides of `qu` and `gi` belong to its head); nothing if it has not exactly one
/// run of them, that is, if it is no Vietnamese syllable.
fn nucleus(letters: &[char]) -> Option<(usize, usize)> {
    let mut from = letters.iter().position(|c| is_vowel(*c))?;
    let to = letters[from..].iter().position(|c| !is_vowel(*c)).map_or(letters.len(), |n| from + n);
    if letters[to..].iter().any(|c| is_vowel(*c)) {
        return None;
    }
    let glide = matches!(letters, ['q', 'u', ..] | ['g', 'i', ..]);
    if glide && to - from > 1 {
        from += 1;
    }
    Some((from, to))
}

/// The vowel that carries the tone: the one with a quality mark (the second of `ươ`), else the last before a final
/// consonant, else the middle of three, else the first.
fn tone_place(letters: &[char], from: usize, to: usize) -> usize {
    let marked = (from..to).rev().find(|i| !letters[*i].is_ascii());
    let second = to - from > 2 || (to - from == 2 && to < letters.len());
    marked.unwrap_or(from + usize::from(second))
}

/// After these a lone `y` is a way to write `i`: *kỷ/kỉ*, *lý/lí*, *quý/quí*.
fn takes_i(head: &[char]) -> bool {
    matches!(head, ['h' | 'k' | 'l' | 'm' | 's' | 't' | 'v'] | ['q', 'u'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folding_leaves_plain_letters() {
        assert_eq!(fold("Nghị quyết Đảng ỦY — Ðổi mới, KỶ LUẬT"), "nghi quyet dang uy — doi moi, ky luat");
        assert_eq!(fold("Đa\u{309}ng u\u{309}y"), "dang uy");
    }

    #[test]
    fn every_spelling_of_a_tone_is_one_spelling() {
        for (a, b) in [
            ("hoà", "hòa"),
            ("khoẻ", "khỏe"),
            ("uỷ ban", "ủy ban"),
            ("thuý", "thúy"),
            ("tòan dân", "toàn dân"),
            ("đòan thể", "đoàn thể"),
            ("cuả", "của"),
            ("nghiã", "nghĩa"),
            ("gía", "giá"),
            ("thủơ", "thuở"),
            ("qúy", "quý"),
        ] {
            assert_eq!(normal(a), normal(b), "{a} {b}");
        }
        assert_eq!(normal("Hoà khoẻ uỷ thuý"), "hòa khỏe ủy thúy");
        assert_eq!(
            normal("người Việt nghiêng khuỷu, gì giặt giếng tuổi hoài"),
            "người việt nghiêng khuỷu, gì giặt giếng tuổi hoài"
        );
    }

    #[test]
    fn i_and_y_after_a_consonant_are_one_and_qu_keeps_its_tone() {
        for (a, b) in [("kỷ luật", "kỉ luật"), ("quản lý", "quản lí"), ("quý", "quí"), ("tỷ", "tỉ"), ("kỹ sư", "kĩ sư")]
        {
            assert_eq!(normal(a), normal(b), "{a} {b}");
        }
        assert_ne!(normal("thúy"), normal("thúi"));
        assert_ne!(normal("tay"), normal("tai"));
        assert_ne!(normal("quỳ"), normal("quỷ"));
    }

    #[test]
    fn tones_that_differ_stay_apart() {
        for (a, b) in [("đảng viên", "dạng viên"), ("đại hội", "dài hơi"), ("chi bộ", "chỉ bỏ"), ("tổ chức", "tờ chúc")]
        {
            assert_ne!(normal(a), normal(b));
            assert_eq!(fold(a), fold(b));
        }
    }

    #[test]
    fn blanks_hyphens_quotes_and_invisible_characters_do_not_count() {
        assert_eq!(normal(" \u{FEFF}Đảng\u{A0}\u{200B}ủy – “xã” \u{AD}Ðông-Bắc "), "đảng ủy xã đông bắc");
        assert_eq!(normal("22-NQ/TW"), "22 nq/tw");
    }

    #[test]
    fn marks_are_seen_composed_and_decomposed() {
        assert!(has_marks("đại") && has_marks("dai\u{323}") && has_marks("Ðang") && has_marks("hội"));
        assert!(!has_marks("dai hoi dang") && !has_marks("Đ".to_lowercase().replace('đ', "d").as_str()));
        assert!(!has_marks("“dai hoi” – 2025…"));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn normalising_twice_is_normalising_once(text in "[a-yA-Yàáảãạăằâấđêếiíìoòóôốơớuủưứyýỳ'\\- ]{0,40}") {
            let once = normal(&text);
            prop_assert_eq!(normal(&once), once);
        }

        #[test]
        fn composed_and_decomposed_text_are_one(text in "[a-zđàáảãạâấêếôốơớưứýỳ ]{0,40}") {
            let apart: String = text.nfd().collect();
            prop_assert_eq!(normal(&apart), normal(&text));
            prop_assert_eq!(fold(&apart), fold(&text));
        }
    }
}
