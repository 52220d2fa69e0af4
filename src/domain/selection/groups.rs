//! Groups of phrases with points: words that say little alone and enough together. Counts; knows no phrase of its own and
//! never looks at a category.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MAX_CHARS, MAX_ENTRIES, Reading};
use crate::text::phrase::{MAX_GAPS, Phrases, Text, gaps};

/// What the groups of an article must make together.
pub const ENOUGH: i32 = 10;
/// The most groups that a selection may have.
pub const MAX_GROUPS: usize = 100;
/// The most points that a group may give or take in one place.
pub const MAX_POINTS: i32 = 100;
/// How often a group must stand in the body to count there.
const BODY_HITS: usize = 3;
/// How many phrases a reason names.
const SHOWN: usize = 3;

/// Phrases of one meaning. In each place the group counts once, however many of its phrases stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Points in the title (and, if it speaks for the topic, in the title of a category). Below zero it speaks against.
    pub title: i32,
    /// Points in the lede.
    pub lede: i32,
    /// Points in the body, if its phrases stand there three times or more; never below zero.
    #[serde(skip_serializing_if = "is_zero")]
    pub body: i32,
    /// Names of groups: this one counts only where a phrase of one of them stands in title or lede.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The phrases, each with its marks and without ` + `.
    pub phrases: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(points: &i32) -> bool {
    *points == 0
}

impl Group {
    const fn is_against(&self) -> bool {
        self.title < 0 || self.lede < 0
    }
}

/// What is wrong with the groups of a selection, one sentence each.
pub(super) fn faults(groups: &BTreeMap<String, Group>) -> Vec<String> {
    let mut faults = Vec::new();
    if groups.len() > MAX_GROUPS {
        faults.push(format!("`groups` has {} entries; at most {MAX_GROUPS} are allowed", groups.len()));
    }
    for (name, group) in groups {
        let mut fault = |what: String| faults.push(format!("group `{name}` {what}"));
        let Group { title, lede, body, with, phrases } = group;
        if phrases.is_empty() {
            fault("has no `phrases`: add some or remove it".to_owned());
        }
        if phrases.len() > MAX_ENTRIES {
            fault(format!("has {} phrases; at most {MAX_ENTRIES} are allowed", phrases.len()));
        }
        let readable = |phrase: &str| {
            phrase.chars().count() <= MAX_CHARS && phrase.contains(char::is_alphanumeric) && !phrase.contains(" + ")
        };
        if let Some(bad) = phrases.iter().find(|phrase| !readable(phrase) || gaps(phrase) > MAX_GAPS) {
            let start: String = bad.chars().take(30).collect();
            fault(format!(
                "has the phrase \"{start}\": write words, at most {MAX_CHARS} characters and {MAX_GAPS} gap (…), no +"
            ));
        }
        if [title, lede, body].into_iter().any(|points| points.abs() > MAX_POINTS) {
            fault(format!("has points beyond {MAX_POINTS}; {ENOUGH} are enough to match"));
        }
        if (*title > 0 && *lede < 0) || (*title < 0 && *lede > 0) || *body < 0 || (group.is_against() && *body != 0) {
            fault(
                "speaks for and against: points in title and lede have one sign, and the body speaks for only".into(),
            );
        }
        if (*title, *lede, *body) == (0, 0, 0) && !groups.values().any(|other| other.with.contains(name)) {
            fault("has no points and no other group names it in `with`: give it points or remove it".to_owned());
        }
        if let Some(gate) = with.iter().find(|gate| !groups.contains_key(*gate) || *gate == name) {
            fault(format!("names \"{gate}\" in `with`, which is no other group"));
        }
    }
    faults
}

/// Groups made ready to be tried on many articles.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    groups: Vec<(Group, Vec<usize>)>,
    favour: Side,
    against: Side,
}

/// The phrases that speak for a topic, or those that speak against it.
#[derive(Clone, Debug, Default)]
struct Side {
    texts: Vec<String>,
    /// For each phrase the groups that have it.
    owners: Vec<Vec<usize>>,
    phrases: Phrases,
}

impl Side {
    fn new<'a>(groups: impl Iterator<Item = (usize, &'a Group)>, ready: impl Fn(&[String]) -> Phrases) -> Self {
        let mut owners: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (nth, group) in groups {
            for phrase in &group.phrases {
                let of = owners.entry(phrase).or_default();
                if of.last() != Some(&nth) {
                    of.push(nth);
                }
            }
        }
        let (texts, owners): (Vec<String>, _) = owners.into_iter().map(|(text, of)| (text.to_owned(), of)).unzip();
        Self { phrases: ready(&texts), owners, texts }
    }
}

/// What a group found in one place.
#[derive(Clone, Copy, Debug, Default)]
struct Hit {
    /// The longest phrase that stands there.
    phrase: Option<usize>,
    times: usize,
    last: Option<usize>,
}

/// A phrase, where it stands, and the points that its group gives or takes for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The longest phrase of the group that stands there.
    pub phrase: String,
    /// `title`, `category`, `lede` or `body`.
    pub place: &'static str,
    /// What the group counts for it.
    pub points: i32,
}

/// What the groups say of an article.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The sum; [`ENOUGH`] match.
    pub points: i32,
    /// Its parts, those first that say most for the topic.
    pub weights: Vec<Weight>,
}

impl Account {
    /// Says each phrase of a place once, whichever groups have it, and what speaks for the topic first.
    fn tidy(&mut self) {
        let mut tidy: Vec<Weight> = Vec::new();
        for weight in self.weights.drain(..) {
            match tidy.iter_mut().find(|known| known.phrase == weight.phrase && known.place == weight.place) {
                Some(known) => known.points += weight.points,
                None => tidy.push(weight),
            }
        }
        tidy.sort_by_key(|weight| -weight.points);
        self.weights = tidy;
    }

    /// The phrases that decided, joined as ` + ` joins parts, and the place of the first.
    pub(super) fn decided(&self) -> Option<(String, &'static str)> {
        let first = self.weights.first().filter(|_| self.points >= ENOUGH)?;
        let mut shown: Vec<&str> = Vec::new();
        let mut sum = 0;
        for weight in self.weights.iter().take_while(|weight| weight.points > 0) {
            if sum >= ENOUGH || shown.len() == SHOWN {
                break;
            }
            sum += weight.points;
            // "chi bộ" beside "sinh hoạt chi bộ" would say nothing more.
            if !shown.iter().any(|known| known.contains(&weight.phrase)) {
                shown.push(&weight.phrase);
            }
        }
        Some((shown.join(" + "), first.place))
    }
}

/// As the end of a sentence for editors: `"kết nạp" (title) 12, "đại hội" (title) -9: 3 points of 10`.
impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, Weight { phrase, place, points }) in self.weights.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            write!(f, "{comma}\"{phrase}\" ({place}) {points}")?;
        }
        write!(f, ": {} points of {ENOUGH}", self.points)
    }
}

impl Scale {
    /// Makes groups ready; masks take words from what speaks for a topic, not from what speaks against it.
    pub(super) fn new(
        groups: &BTreeMap<String, Group>,
        masks: &[String],
        phrases: fn(&[String], &[String]) -> Phrases,
    ) -> Self {
        let names: Vec<&String> = groups.keys().collect();
        let gates = |group: &Group| -> Vec<usize> {
            group.with.iter().filter_map(|gate| names.iter().position(|name| *name == gate)).collect()
        };
        let side = |against: bool, masks: &[String]| {
            let of = groups.values().enumerate().filter(|(_, group)| group.is_against() == against);
            Side::new(of, |texts| phrases(texts, masks))
        };
        Self {
            favour: side(false, masks),
            against: side(true, &[]),
            groups: groups.values().map(|group| (group.clone(), gates(group))).collect(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What the groups say of an article. The body is read only where it could still decide.
    pub(super) fn weigh(&self, reading: &Reading<'_>) -> Account {
        let title = self.hits(&reading.title);
        let lede = self.hits(&reading.lede);
        let mut category: Vec<Hit> = vec![Hit::default(); self.groups.len()];
        for text in &reading.categories {
            Self::note(&self.favour, text, &mut category);
        }
        let stands = |nth: &usize| title[*nth].phrase.is_some() || lede[*nth].phrase.is_some();
        let counts = |gates: &[usize]| gates.is_empty() || gates.iter().any(stands);
        let mut account = Account::default();
        for (nth, (group, _)) in self.groups.iter().enumerate().filter(|(_, (_, gates))| counts(gates)) {
            let mut add = |hit: Hit, place: &'static str, points: i32| match hit.phrase {
                Some(phrase) if points != 0 => {
                    account.points += points;
                    let side = if group.is_against() { &self.against } else { &self.favour };
                    account.weights.push(Weight { phrase: side.texts[phrase].clone(), place, points });
                    true
                }
                _ => false,
            };
            // A category's title says the same again, and no more.
            let _ = add(title[nth], "title", group.title) || add(category[nth], "category", group.title);
            add(lede[nth], "lede", group.lede);
        }
        let open = ENOUGH - account.points;
        let most: i32 = self.groups.iter().map(|(group, _)| group.body.max(0)).sum();
        if open > 0 && most >= open {
            let body = self.hits(reading.body());
            for (nth, (group, gates)) in self.groups.iter().enumerate() {
                let Hit { phrase: Some(phrase), times, .. } = body[nth] else { continue };
                if group.body > 0 && times >= BODY_HITS && counts(gates) {
                    account.points += group.body;
                    let phrase = self.favour.texts[phrase].clone();
                    account.weights.push(Weight { phrase, place: "body", points: group.body });
                }
            }
        }
        account.tidy();
        account
    }

    fn hits(&self, text: &Text) -> Vec<Hit> {
        let mut hits = vec![Hit::default(); self.groups.len()];
        Self::note(&self.favour, text, &mut hits);
        Self::note(&self.against, text, &mut hits);
        hits
    }

    fn note(side: &Side, text: &Text, hits: &mut [Hit]) {
        side.phrases.each(text, |phrase, from| {
            for group in &side.owners[phrase] {
                let hit = &mut hits[*group];
                // Phrases within one another, from one word on, are one time.
                if hit.last != Some(from) {
                    hit.last = Some(from);
                    hit.times += 1;
                }
                if hit.phrase.is_none_or(|known| side.texts[known].len() < side.texts[phrase].len()) {
                    hit.phrase = Some(phrase);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::article::{Article, CategoryRef};
    use crate::domain::selection::{Reason, Selection};

    fn article(title: &str, lede: &str, body: &str) -> Article {
        let category = CategoryRef { slug: "tin".to_owned(), title: "Tin chi bộ".into(), ancestors: Vec::new() };
        Article {
            source: "cong".to_owned(),
            external_id: "1".to_owned(),
            url: "https://tinhuy.example.vn/1".to_owned(),
            title: title.into(),
            summary: lede.into(),
            content_html: body.into(),
            authors: Vec::new(),
            agency: None,
            categories: vec![category],
            tags: Vec::new(),
            language: "vi".to_owned(),
            image: None,
            published: Timestamp::from_millis(0),
        }
    }

    fn group((title, lede, body): (i32, i32, i32), with: &[&str], phrases: &[&str]) -> Group {
        let list = |entries: &[&str]| entries.iter().map(|&entry| entry.to_owned()).collect();
        Group { title, lede, body, with: list(with), phrases: list(phrases) }
    }

    fn select(groups: &[(&str, Group)]) -> Selection {
        let groups = groups.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect();
        Selection { groups, not_phrases: vec!["kết nạp hội viên".to_owned()], ..Selection::default() }
    }

    fn topic() -> Selection {
        select(&[
            ("cap-uy", group((4, 4, 0), &[], &["tỉnh ủy", "huyện ủy"])),
            ("ket-nap", group((12, 8, 6), &[], &["kết nạp", "kết nạp … đảng viên"])),
            ("o-cong-ty", group((9, 5, 0), &["tru-cong-ty"], &["kết nạp"])),
            ("tru-cong-ty", group((-9, -5, 0), &[], &["công ty"])),
        ])
    }

    fn why(title: &str, lede: &str, body: &str) -> Option<String> {
        topic().topic_matcher().matches(&article(title, lede, body)).map(|reason| match reason {
            Reason::Phrase { phrase, place } => format!("{phrase} ({place})"),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn points_are_added_and_the_phrases_that_decided_are_told() {
        assert_eq!(why("Kết nạp 12 đảng viên", "", "").as_deref(), Some("kết nạp … đảng viên (title)"));
        assert_eq!(why("Tin", "Huyện ủy kết nạp", "").as_deref(), Some("kết nạp + huyện ủy (lede)"));
        assert_eq!(why("Tin", "Ngày kết nạp", ""), None);
    }

    #[test]
    fn a_group_counts_once_in_a_place() {
        assert_eq!(why("Tin", "Tỉnh ủy, huyện ủy, tỉnh ủy, huyện ủy", ""), None);
        assert_eq!(why("Tỉnh ủy", "Huyện ủy", ""), None);
    }

    #[test]
    fn what_speaks_against_is_taken_off_and_a_mask_hides_only_what_speaks_for() {
        assert_eq!(why("Công ty", "Huyện ủy dự lễ", "<p>Tỉnh ủy</p>"), None);
        assert_eq!(why("Kết nạp hội viên", "Huyện ủy kết nạp hội viên", ""), None);
        let mut against = topic();
        against.not_phrases.push("công ty".to_owned());
        against.groups.remove("o-cong-ty");
        assert!(against.topic_matcher().matches(&article("Công ty kết nạp", "", "")).is_none());
    }

    #[test]
    fn a_group_with_another_counts_only_beside_it() {
        assert_eq!(why("Công ty kết nạp", "", "").as_deref(), Some("kết nạp (title)"));
        assert_eq!(why("Lễ kết nạp", "Công ty", "").as_deref(), Some("kết nạp (title)"));
    }

    #[test]
    fn the_body_counts_where_a_phrase_stands_three_times() {
        let body = |times: usize| "<p>Ngày kết nạp.</p>".repeat(times);
        assert_eq!(why("Huyện ủy", "Tin", &body(3)).as_deref(), Some("kết nạp + huyện ủy (body)"));
        assert_eq!(why("Huyện ủy", "Tin", &body(2)), None);
    }

    #[test]
    fn the_title_of_a_category_counts_as_a_title_for_what_speaks_for() {
        let matched = |points| {
            let select =
                select(&[("chi-bo", group(points, &[], &["chi bộ"])), ("tin", group((10, 0, 0), &[], &["sáng"]))]);
            select.topic_matcher().matches(&article("Sáng nay", "", "")).is_some()
        };
        assert!(matched((-5, 0, 0)));
        let select = select(&[("chi-bo", group((10, 0, 0), &[], &["chi bộ"]))]);
        let reason = Reason::Phrase { phrase: "chi bộ".to_owned(), place: "category".to_owned() };
        assert_eq!(select.topic_matcher().matches(&article("Sáng nay", "", "")), Some(reason));
    }

    #[test]
    fn an_account_says_what_was_added_and_taken_off() {
        let article = article("Công ty", "Huyện ủy kết nạp", "");
        let account = topic().topic_matcher().account(&Reading::new(&article)).expect("it has groups");
        // Two groups with one phrase in one place are told as one.
        let told = "\"kết nạp\" (lede) 13, \"huyện ủy\" (lede) 4, \"công ty\" (title) -9: 8 points of 10";
        assert_eq!(account.to_string(), told);
    }

    #[test]
    fn faults_of_groups_are_told_with_their_names() {
        let wrong = select(&[
            ("a", group((1, 1, 0), &["z"], &["a + b"])),
            ("b", group((1, -1, 0), &[], &[])),
            ("c", group((0, 0, 0), &[], &["c"])),
            ("d", group((-1, 0, 3), &[], &["d"])),
            ("e", group((200, 0, 0), &[], &["a … b … c"])),
        ]);
        let faults = wrong.faults();
        let has = |part: &str| assert!(faults.iter().any(|fault| fault.starts_with(part)), "{part} not in {faults:#?}");
        has("group `a` has the phrase \"a + b\"");
        has("group `a` names \"z\" in `with`");
        has("group `b` has no `phrases`");
        has("group `b` speaks for and against");
        has("group `c` has no points");
        has("group `d` speaks for and against");
        has("group `e` has points beyond");
        has("group `e` has the phrase");
        assert_eq!(topic().faults(), Vec::<String>::new());
    }

    #[test]
    fn one_form_of_a_selection_keeps_its_groups() {
        let mut other = topic();
        other.groups.get_mut("cap-uy").expect("it is there").phrases.reverse();
        assert_eq!(topic().key(), other.key());
        other.groups.get_mut("cap-uy").expect("it is there").title = 5;
        assert_ne!(topic().key(), other.key());
        let json = serde_json::to_string(&topic()).expect("JSON");
        assert_eq!(serde_json::from_str::<Selection>(&json).expect("read"), topic());
    }
}
