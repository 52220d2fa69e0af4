//! Keywords: words and phrases that a person typed. All must stand somewhere in the article; where does not matter for
//! the answer, only for what is told of it. No pattern language: what can be typed is words, quotes and a minus sign.
//!
//! Keywords match whatever the case, the place of the tone (*hoà*, *hòa*) and the `i` or `y` after a consonant (*lí*,
//! *lý*). If none of them has a mark, they were typed in haste and match text with marks too; as soon as one has, all of
//! them mean what they say: *đảng viên* is no *dạng viên*.

use crate::domain::selection::{Found, Reading};
use crate::text::fold::{has_marks, normal};
use crate::text::phrase::{Phrases, Text};

/// Keywords made ready to be tried on many articles.
#[derive(Clone, Debug, Default)]
pub struct Keywords {
    /// Each with its own spelling, since one may lie inside another.
    wanted: Vec<(String, Phrases)>,
    barred: Phrases,
}

impl Keywords {
    /// Prepares keywords that must, and keywords that must not stand in an article.
    #[must_use]
    pub fn new(wanted: &[String], barred: &[String]) -> Self {
        let exact = is_exact(wanted, barred);
        let phrases = |list: &[String]| if exact { Phrases::exact(list, &[]) } else { Phrases::typed(list, &[]) };
        Self {
            wanted: wanted.iter().map(|w| (w.clone(), phrases(std::slice::from_ref(w)))).collect(),
            barred: phrases(barred),
        }
    }

    /// Where each keyword stands; nothing if one stands nowhere.
    #[must_use]
    pub fn find(&self, reading: &Reading<'_>) -> Option<Vec<Found>> {
        let place = |phrases: &Phrases| place(phrases, reading);
        self.wanted
            .iter()
            .map(|(keyword, phrases)| Some(Found { keyword: keyword.clone(), place: place(phrases)?.to_owned() }))
            .collect()
    }

    /// Whether one stands in the article that must not.
    #[must_use]
    pub fn bars(&self, reading: &Reading<'_>) -> bool {
        !self.barred.is_empty() && place(&self.barred, reading).is_some()
    }
}

/// Whether keywords match only the marks that they have: one of them has some.
#[must_use]
pub fn is_exact(wanted: &[String], barred: &[String]) -> bool {
    wanted.iter().chain(barred).any(|keyword| has_marks(keyword))
}

fn place(phrases: &Phrases, reading: &Reading<'_>) -> Option<&'static str> {
    let stands = |text: &Text| phrases.find(text).next().is_some();
    if stands(&reading.title) {
        return Some("title");
    }
    if reading.categories.iter().any(stands) {
        return Some("category");
    }
    if reading.article.tags.iter().any(|tag| stands(&Text::new(tag))) {
        return Some("tag");
    }
    if stands(&reading.lede) {
        return Some("lede");
    }
    stands(reading.body()).then_some("body")
}

/// The one spelling of words that mean the same to a match, fit to be shown: as [`normal`], but with the `y` that
/// official texts write (*kỷ luật*, *quản lý*), gaps as `…`, and without punctuation around it.
#[must_use]
pub fn spelled(text: &str) -> String {
    let normal = normal(&text.replace("...", "…"));
    let mut out = String::with_capacity(normal.len());
    let mut rest = normal.trim_matches(|c: char| !c.is_alphanumeric());
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| c.is_alphabetic() != first.is_alphabetic()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        out.push_str(&with_y(run));
        rest = after;
    }
    out
}

/// `y` for the `i` that stands alone after `h`, `k`, `l`, `m`, `t` or `qu`.
fn with_y(word: &str) -> String {
    let after = ["h", "k", "l", "m", "t", "qu"].into_iter().find_map(|start| {
        let mut rest = word.strip_prefix(start)?.chars();
        let vowel = rest.next().filter(|_| rest.next().is_none())?;
        let at = "iíìỉĩị".chars().position(|i| i == vowel)?;
        Some(format!("{start}{}", "yýỳỷỹỵ".chars().nth(at)?))
    });
    after.unwrap_or_else(|| word.to_owned())
}

/// What a person typed, taken apart: words, phrases between quotes, and those of them behind a minus sign, which are to
/// be left out. A quote that is never closed reaches to the end.
#[must_use]
pub fn typed(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut wanted, mut barred) = (Vec::new(), Vec::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let minus = rest.strip_prefix('-');
        rest = minus.unwrap_or(rest);
        let term = if let Some(quoted) = rest.strip_prefix(is_quote) {
            let end = quoted.find(is_quote).unwrap_or(quoted.len());
            rest = quoted[end..].trim_start_matches(is_quote);
            &quoted[..end]
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(rest.len());
            let term;
            (term, rest) = rest.split_at(end);
            term
        };
        if term.chars().any(char::is_alphanumeric) {
            if minus.is_some() { barred.push(spelled(term)) } else { wanted.push(spelled(term)) }
        }
        rest = rest.trim_start();
    }
    (wanted, barred)
}

/// How canonical keywords are typed: the way back of [`typed`].
#[must_use]
pub fn untyped(wanted: &[String], barred: &[String]) -> String {
    let term = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
    let terms = wanted.iter().map(term).chain(barred.iter().map(|word| format!("-{}", term(word))));
    terms.collect::<Vec<_>>().join(" ")
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::article::{Article, CategoryRef};
    use crate::domain::selection::{Reason, Selection};

    fn article() -> Article {
        Article {
            source: "cong".to_owned(),
            external_id: "1".to_owned(),
            url: "https://tinhuy.example.vn/1".to_owned(),
            title: "Đảng bộ xã họp bàn công tác nhân sự".into(),
            summary: "Hội nghị tổ chức tại nhà văn hoá xã".into(),
            content_html: "<p>Hội nghị tổ chức tại nhà văn hoá xã.</p><p>Kỷ luật của Đảng là kỷ luật tự giác.</p>"
                .into(),
            authors: Vec::new(),
            agency: None,
            categories: vec![CategoryRef {
                slug: "tin".to_owned(), title: "Tin cơ sở".into(), ancestors: Vec::new()
            }],
            tags: vec!["Cấp ủy".into()],
            language: "vi".to_owned(),
            image: None,
            published: Timestamp::from_millis(0),
        }
    }

    fn places(query: &str) -> Option<Vec<String>> {
        let (keywords, not_keywords) = typed(query);
        let selection = Selection { keywords, not_keywords, ..Selection::default() };
        match selection.matcher().matches(&article())? {
            Reason::Keywords(found) => Some(found.into_iter().map(|f| f.place).collect()),
            _ => Some(Vec::new()),
        }
    }

    #[test]
    fn every_keyword_must_stand_somewhere_and_its_place_is_told() {
        assert_eq!(places("\"nhân sự\"").expect("matches"), ["title"]);
        assert_eq!(
            places("\"tin cơ sở\" \"cấp uỷ\" \"văn hóa\" \"kỉ luật\"").expect("matches"),
            ["category", "tag", "lede", "body"]
        );
        assert_eq!(places("sự nhân").expect("words in any order"), ["title", "title"]);
        assert_eq!(places("\"sự nhân\""), None);
        assert_eq!(places("nhân thể thao"), None);
    }

    #[test]
    fn a_keyword_with_marks_means_its_marks_and_one_without_means_any() {
        assert!(places("dang bo").is_some() && places("ĐẢNG BỘ").is_some());
        assert_eq!(places("\"dạng bờ\""), None);
        // One with marks among them: the others are meant as they stand.
        assert_eq!(places("đảng bo"), None);
        assert!(places("ky luat").is_some() && places("ki luat").is_some());
    }

    #[test]
    fn what_stands_behind_a_minus_sign_must_not_stand_in_the_article() {
        assert_eq!(places("họp -\"văn hóa\""), None);
        assert!(places("họp -\"thể thao\"").is_some());
        assert_eq!(places("-\"tin cơ sở\""), None);
        assert!(places("-\"thể thao\"").expect("matches").is_empty());
    }

    #[test]
    fn a_query_is_words_quotes_and_minus_signs() {
        assert_eq!(typed("Đại hội, “Nhân  sự” -thể").0, ["đại", "hội", "nhân sự"]);
        assert_eq!(typed("a -\"b c").1, ["b c"]);
        assert_eq!(typed("22-NQ/TW - \" \" \"").0, ["22 nq/tw"]);
        assert_eq!(untyped(&["22 nq/tw".to_owned()], &["a".to_owned()]), "\"22 nq/tw\" -a");
        assert_eq!(spelled("Quản lí, kỉ cương; thi đua"), "quản lý, kỷ cương; thi đua");
        assert_eq!(spelled("kết nạp ... đảng viên"), "kết nạp … đảng viên");
    }

    proptest! {
        #[test]
        fn what_is_typed_back_means_the_same(text in "[a-yđáàảạêộủý\"“” \\-,./]{0,40}") {
            let (wanted, barred) = typed(&text);
            prop_assert_eq!(typed(&untyped(&wanted, &barred)), (wanted, barred));
        }

        #[test]
        fn the_spelling_matches_what_the_text_matches(text in "[a-yđáàảạêộủýỷí ]{0,30}") {
            prop_assert_eq!(normal(&spelled(&text)), normal(&text));
            prop_assert_eq!(spelled(&spelled(&text)), spelled(&text));
        }
    }
}
