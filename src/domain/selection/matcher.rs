//! Trying a selection on an article. Weighs where a phrase stands; knows no phrase of its own.

use std::sync::OnceLock;

use jiff::tz::{Offset, TimeZone};

use crate::domain::article::Article;
use crate::domain::selection::groups::{Account, Scale};
use crate::domain::selection::keyword::Keywords;
use crate::domain::selection::{Matcher, Reading, Reason, Selection};
use crate::text::excerpt::excerpt;
use crate::text::fold::normal;
use crate::text::html::plain;
use crate::text::phrase::{Phrases, Text};
use crate::text::xml::XmlText;

/// What a title counts for (a category's too).
const TITLE: u32 = 3;
/// What a lede counts for.
const LEDE: u32 = 1;
/// What a body counts for that has at least [`BODY_HITS`].
const BODY: u32 = 1;
/// An article that mentions something once or twice is not about it.
const BODY_HITS: usize = 3;
/// What an article must reach.
const ENOUGH: u32 = 1;
/// The clock on the wall where no other was named: Vietnam has no summer time.
const HOUSE: Offset = Offset::constant(7);
/// How much of a summary is a lede, in characters: some portals put the whole article there.
const LEDE_CHARS: usize = 600;

impl<'a> Reading<'a> {
    /// Splits the words of an article.
    #[must_use]
    pub fn new(article: &'a Article) -> Self {
        Self {
            article,
            title: Text::new(&article.title),
            categories: article.categories.iter().map(|c| Text::new(&c.title)).collect(),
            lede: Text::new(&excerpt(&article.summary, LEDE_CHARS)),
            body: OnceLock::new(),
        }
    }

    pub(super) fn body(&self) -> &Text {
        self.body.get_or_init(|| Text::new(&plain(&self.article.content_html)))
    }

    /// Whether title or lede have any of these.
    fn has(&self, phrases: &Phrases) -> bool {
        [&self.title, &self.lede].into_iter().any(|text| phrases.find(text).next().is_some())
            || phrases.joint(&[&self.title, &self.lede]).is_some()
    }

    /// How much the phrases weigh in this article, with the phrase and place that weigh most. `unless` outweighs
    /// everything but whole phrases in a title.
    fn weigh<'m>(&self, matcher: &'m Matcher) -> (u32, Option<(&'m String, &'static str)>) {
        let Matcher { selection, phrases, title_phrases, unless, .. } = matcher;
        let first = |text: &Text| phrases.find(text).next().map(|hit| &selection.phrases[hit.phrase]);
        if let Some(phrase) = first(&self.title) {
            return (TITLE, Some((phrase, "title")));
        }
        if let Some(phrase) = self.categories.iter().find_map(first) {
            return (TITLE, Some((phrase, "category")));
        }
        if self.has(unless) {
            return (0, None);
        }
        if let Some(hit) = title_phrases.find(&self.title).next() {
            return (LEDE, Some((&selection.title_phrases[hit.phrase], "title")));
        }
        if let Some(phrase) = first(&self.lede) {
            return (LEDE, Some((phrase, "lede")));
        }
        if let Some((phrase, text)) = phrases.joint(&[&self.title, &self.lede]) {
            return (LEDE, Some((&selection.phrases[phrase], if text == 0 { "title" } else { "lede" })));
        }
        let mut hits = phrases.find(self.body());
        let phrase = hits.next().map(|hit| &selection.phrases[hit.phrase]);
        // Counting stops where the answer is known.
        let weight = if phrase.is_some() && hits.nth(BODY_HITS - 2).is_some() { BODY } else { 0 };
        (weight, phrase.map(|phrase| (phrase, "body")))
    }
}

impl Matcher {
    /// A matcher whose phrases are made ready like this, from what is looked for and what is masked before.
    pub(super) fn new(selection: &Selection, phrases: fn(&[String], &[String]) -> Phrases) -> Self {
        let plain = Self {
            phrases: phrases(&selection.phrases, &selection.not_phrases),
            title_phrases: phrases(&selection.title_phrases, &selection.not_phrases),
            unless: phrases(&selection.unless, &[]),
            scale: Scale::new(&selection.groups, &selection.not_phrases, phrases),
            keywords: Keywords::new(&selection.keywords, &selection.not_keywords),
            selection: selection.clone(),
            span: (None, None),
        };
        plain.on_the_clock_of(&TimeZone::fixed(HOUSE))
    }

    /// The same, with its days as this zone counts them. Without, they are those of Vietnam.
    #[must_use]
    pub fn on_the_clock_of(mut self, zone: &TimeZone) -> Self {
        let (from, until) = (self.selection.from, self.selection.until);
        self.span = (from.map(|day| day.begins(zone)), until.map(|day| day.ends(zone)));
        self
    }

    /// Whether and why the article matches.
    #[must_use]
    pub fn matches(&self, article: &Article) -> Option<Reason> {
        self.matches_reading(&Reading::new(article))
    }

    /// Whether and why the article matches that was read before: for many matchers on one article.
    #[must_use]
    pub fn matches_reading(&self, reading: &Reading<'_>) -> Option<Reason> {
        let article = reading.article;
        if !self.passes(article) || self.keywords.bars(reading) {
            return None;
        }
        // The keywords were typed by whoever asks why; else the place that the article matches by.
        let found = self.keywords.find(reading)?;
        let place = self.place(reading)?;
        Some(if found.is_empty() { place } else { Reason::Keywords(found) })
    }

    /// Whether an article may match, as far as that shows without its text: what this refuses never matches.
    #[must_use]
    pub fn may_match(&self, article: &Article) -> bool {
        self.passes(article) && (self.selection.has_phrases() || self.category(article).is_some())
    }

    /// By which category or phrase the article matches, if any is asked for.
    fn place(&self, reading: &Reading<'_>) -> Option<Reason> {
        if let Some(reason) = self.category(reading.article) {
            return Some(reason);
        }
        if !self.selection.has_phrases() {
            return None;
        }
        match reading.weigh(self) {
            (weight, Some((phrase, place))) if weight >= ENOUGH => {
                Some(Reason::Phrase { phrase: phrase.clone(), place: place.to_owned() })
            }
            _ => self
                .account(reading)?
                .decided()
                .map(|(phrase, place)| Reason::Phrase { phrase, place: place.to_owned() }),
        }
    }

    /// What the groups of the selection say of an article; nothing where it has none.
    pub(super) fn account(&self, reading: &Reading<'_>) -> Option<Account> {
        (!self.scale.is_empty()).then(|| self.scale.weigh(reading))
    }

    /// By which category the article matches, or that none is asked for and no phrase either.
    fn category(&self, article: &Article) -> Option<Reason> {
        let wanted = &self.selection;
        if wanted.categories.is_empty() && wanted.categories_alone.is_empty() && !wanted.has_phrases() {
            return Some(Reason::Everything);
        }
        // Sources name the ancestors of a category as well: what lies below one of them does not lie right in it.
        let lies_right_in = |slug: &&String| {
            article.categories.iter().any(|c| **slug == c.slug)
                && !article.categories.iter().any(|c| c.ancestors.contains(slug))
        };
        let below = wanted.categories.iter().find(|slug| lies_in(article, slug));
        below.or_else(|| wanted.categories_alone.iter().find(lies_right_in)).cloned().map(Reason::Category)
    }

    /// The criteria that need no look into the text: each that is set must hold.
    fn passes(&self, article: &Article) -> bool {
        let wanted = &self.selection;
        (wanted.sources.is_empty() || wanted.sources.contains(&article.source))
            && wanted.language.as_deref().is_none_or(|language| speaks(&article.language, language))
            && any(&wanted.tags, &article.tags)
            && any(&wanted.authors, &article.authors)
            && (wanted.agencies.is_empty() || article.agency.as_ref().is_some_and(|a| any_one(&wanted.agencies, a)))
            && !wanted.not_categories.iter().any(|slug| lies_in(article, slug))
            && self.span.0.is_none_or(|from| article.published >= from)
            && self.span.1.is_none_or(|until| article.published < until)
    }
}

/// Whether an article lies in a category or below it.
fn lies_in(article: &Article, slug: &String) -> bool {
    article.categories.iter().any(|c| *slug == c.slug || c.ancestors.contains(slug))
}

/// Whether an article has one of the names that are wanted, in whatever spelling; any if none is wanted.
fn any(wanted: &[String], has: &[XmlText]) -> bool {
    wanted.is_empty() || has.iter().any(|h| any_one(wanted, h))
}

fn any_one(wanted: &[String], has: &XmlText) -> bool {
    wanted.iter().any(|w| normal(w) == normal(has))
}

/// Basic filtering of RFC 4647 §3.3.1: the tag is the range, or begins with it and a hyphen.
fn speaks(tag: &str, range: &str) -> bool {
    let tag = tag.replace('_', "-");
    tag.get(..range.len()).is_some_and(|start| start.eq_ignore_ascii_case(range))
        && matches!(tag.as_bytes().get(range.len()), None | Some(b'-'))
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::domain::article::{Article, CategoryRef};
    use crate::domain::selection::{Reading, Reason, Selection};
    use crate::text::xml::XmlText;

    fn article(title: &str, lede: &str, body: &str) -> Article {
        Article {
            source: "cong".to_owned(),
            external_id: "1".to_owned(),
            url: "https://tinhuy.example.vn/1".to_owned(),
            title: title.into(),
            summary: lede.into(),
            content_html: body.into(),
            authors: vec!["Nguyễn Thị Hoà".into()],
            agency: None,
            categories: vec![CategoryRef {
                slug: "sinh-hoat-chi-bo".to_owned(),
                title: "Sinh hoạt chi bộ".into(),
                ancestors: vec!["xay-dung-dang".to_owned()],
            }],
            tags: vec![XmlText::from("Cán bộ")],
            language: "vi-VN".to_owned(),
            image: None,
            published: Timestamp::from_millis(0),
        }
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&e| e.to_owned()).collect()
    }

    fn place(title: &str, lede: &str, body: &str) -> Option<String> {
        let selection = Selection {
            phrases: list(&["đại hội đảng"]),
            not_phrases: list(&["đại hội đảng viên"]),
            ..Selection::default()
        };
        match selection.matcher().matches(&article(title, lede, body)) {
            Some(Reason::Phrase { phrase, place }) => {
                assert_eq!(phrase, "đại hội đảng");
                Some(place)
            }
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    #[test]
    fn an_empty_selection_matches_every_article() {
        assert_eq!(Selection::default().matcher().matches(&article("a", "", "")), Some(Reason::Everything));
    }

    #[test]
    fn a_category_takes_what_lies_below_it() {
        for (slug, is_match) in [("sinh-hoat-chi-bo", true), ("xay-dung-dang", true), ("tin", false)] {
            let selection = Selection { categories: list(&[slug]), ..Selection::default() };
            let reason = is_match.then(|| Reason::Category(slug.to_owned()));
            assert_eq!(selection.matcher().matches(&article("a", "", "")), reason);
        }
    }

    #[test]
    fn a_phrase_in_title_or_lede_is_enough_and_in_the_body_three_are() {
        assert_eq!(place("Chào mừng Đại hội Đảng", "đại hội đảng", "").as_deref(), Some("title"));
        assert_eq!(place("Tin", "Chào mừng đại hội Đảng", "").as_deref(), Some("lede"));
        let body = "<p>Đại hội Đảng</p><p>đại hội đảng</p>";
        assert_eq!(place("Tin", "", body), None);
        assert_eq!(place("Tin", "", &format!("{body}<p>đại hội <b>đảng</b></p>")).as_deref(), Some("body"));
        assert_eq!(place("Đại hội đảng viên", "đại hội đảng viên", &"đại hội đảng viên ".repeat(9)), None);
    }

    #[test]
    fn the_end_of_a_summary_that_is_the_whole_article_is_no_lede() {
        let whole = format!("{} đại hội đảng", "tin ".repeat(200));
        assert_eq!(place("Tin", &whole, &whole), None);
    }

    #[test]
    fn parts_may_stand_in_title_and_lede_and_not_in_the_body() {
        let selection = Selection { phrases: list(&["đại hội + đảng ủy"]), ..Selection::default() };
        let reason =
            |place: &str| Reason::Phrase { phrase: "đại hội + đảng ủy".to_owned(), place: place.to_owned() };
        let matches = |title, lede, body| selection.matcher().matches(&article(title, lede, body));
        assert_eq!(matches("Trước đại hội", "Đảng ủy xã họp", ""), Some(reason("title")));
        assert_eq!(matches("Đảng ủy xã họp", "bàn về đại hội", ""), Some(reason("lede")));
        assert_eq!(matches("Đảng ủy xã họp", "", "<p>Đại hội, đại hội, đại hội, đảng ủy</p>"), None);
    }

    #[test]
    fn an_exclusion_outweighs_everything_below_the_title() {
        let selection = Selection {
            phrases: list(&["bổ nhiệm"]),
            unless: list(&["bóng đá", "bàn + thắng"]),
            ..Selection::default()
        };
        let matches = |title, lede| selection.matcher().matches(&article(title, lede, "<p>bóng đá</p>")).is_some();
        assert!(matches("Sáng nay", "Bổ nhiệm giám đốc"));
        assert!(!matches("Đội bóng đá tỉnh", "Bổ nhiệm huấn luyện viên"));
        assert!(!matches("Sáng nay", "Bổ nhiệm huấn luyện viên sau trận thắng ba bàn"));
        assert!(matches("Bổ nhiệm huấn luyện viên", "Đội bóng đá tỉnh"));
        let both = Selection { categories: list(&["xay-dung-dang"]), ..selection.clone() };
        assert!(both.matcher().matches(&article("Sáng nay", "bóng đá", "")).is_some());
    }

    #[test]
    fn a_title_phrase_counts_in_the_title_alone_and_yields_to_an_exclusion() {
        let selection = Selection {
            title_phrases: list(&["chi bộ"]),
            not_phrases: list(&["chi bộ ấp"]),
            unless: list(&["làm vườn"]),
            ..Selection::default()
        };
        let matches = |title, lede| selection.matcher().matches(&article(title, lede, ""));
        let reason = Reason::Phrase { phrase: "chi bộ".to_owned(), place: "title".to_owned() };
        assert_eq!(matches("Chi bộ đổi giờ họp", "tin"), Some(reason));
        assert_eq!(matches("Tin", "Chi bộ đổi giờ họp"), None);
        assert_eq!(matches("Chi bộ ấp họp", ""), None);
        assert_eq!(matches("Chi bộ đổi giờ họp", "để làm vườn"), None);
    }

    #[test]
    fn a_topic_is_not_folded_and_a_query_is() {
        let selection = Selection { phrases: list(&["an giang"]), ..Selection::default() };
        let fake = article("Ăn giảng", "", "");
        assert!(selection.matcher().matches(&fake).is_some() && selection.topic_matcher().matches(&fake).is_none());
    }

    #[test]
    fn a_phrase_in_the_title_of_its_category_is_enough() {
        let selection = Selection { phrases: list(&["sinh hoạt chi bộ"]), ..Selection::default() };
        let reason = Reason::Phrase { phrase: "sinh hoạt chi bộ".to_owned(), place: "category".to_owned() };
        assert_eq!(selection.matcher().matches(&article("a", "", "")), Some(reason));
    }

    #[test]
    fn every_other_criterion_that_is_set_must_hold() {
        let base = Selection { categories: list(&["xay-dung-dang"]), ..Selection::default() };
        let tried = |change: &dyn Fn(&mut Selection)| {
            let mut selection = base.clone();
            change(&mut selection);
            selection.matcher().matches(&article("a", "", "")).is_some()
        };
        assert!(tried(&|s| s.sources = list(&["khac", "cong"])) && !tried(&|s| s.sources = list(&["khac"])));
        assert!(tried(&|s| s.tags = list(&["x", "cán bộ"])) && !tried(&|s| s.tags = list(&["can bo"])));
        assert!(tried(&|s| s.authors = list(&["nguyễn thị hòa"])) && !tried(&|s| s.authors = list(&["Hòa"])));
        assert!(tried(&|s| s.language = Some("VI".to_owned())) && !tried(&|s| s.language = Some("v".to_owned())));
        assert!(!tried(&|s| s.language = Some("en".to_owned())));
        assert!(!tried(&|s| {
            s.sources = list(&["cong"]);
            s.tags = list(&["khác"]);
        }));
    }

    #[test]
    fn a_category_may_be_meant_without_what_lies_below_it_or_be_left_out() {
        let tried = |categories: &[&str], alone: &[&str], not: &[&str]| {
            let selection = Selection {
                categories: list(categories),
                categories_alone: list(alone),
                not_categories: list(not),
                ..Selection::default()
            };
            selection.matcher().matches(&article("a", "", "")).is_some()
        };
        assert!(tried(&[], &["sinh-hoat-chi-bo"], &[]) && !tried(&[], &["xay-dung-dang"], &[]));
        assert!(tried(&["xay-dung-dang"], &["tin"], &["tin"]));
        assert!(!tried(&["xay-dung-dang"], &[], &["sinh-hoat-chi-bo"]) && !tried(&[], &[], &["xay-dung-dang"]));
    }

    #[test]
    fn the_days_of_a_selection_are_those_of_the_site() {
        // 31 December 2026, 23:30 in Vietnam.
        let mut late = article("a", "", "");
        late.published = Timestamp::from_millis(1_798_734_600_000);
        let day = |text: &str| Some(text.parse().expect("a day"));
        let last = Selection { from: day("2026-12-31"), until: day("2026-12-31"), ..Selection::default() };
        assert!(last.matcher().matches(&late).is_some());
        let tokyo = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        assert!(last.matcher().on_the_clock_of(&tokyo).matches(&late).is_none());
        let next = Selection { from: day("2027-01-01"), ..Selection::default() };
        assert!(next.matcher().matches(&late).is_none());
    }

    #[test]
    fn an_agency_is_matched_whatever_its_case() {
        let mut signed = article("a", "", "");
        signed.agency = Some("TUAG".into());
        let by = |agency: &str| Selection { agencies: list(&[agency]), ..Selection::default() }.matcher();
        assert!(by("tuag").matches(&signed).is_some() && by("TTXVN").matches(&signed).is_none());
        assert!(by("TUAG").matches(&article("a", "", "")).is_none());
    }

    #[test]
    fn one_reading_serves_many_matchers() {
        let article = article("Chào mừng Đại hội Đảng", "", "");
        let reading = Reading::new(&article);
        for phrase in ["đại hội đảng", "dai hoi", "hội nghị"] {
            let selection = Selection { phrases: list(&[phrase]), ..Selection::default() };
            assert_eq!(selection.matcher().matches_reading(&reading), selection.matcher().matches(&article));
        }
    }
}
