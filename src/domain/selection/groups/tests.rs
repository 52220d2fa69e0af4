//! Laws of groups: what they add up, what they take off, and what they tell of it.

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
fn an_exclusion_ends_the_search_before_groups_are_added_up() {
    let mut excluded = topic();
    let matches = |selection: &Selection, lede| {
        selection.topic_matcher().matches(&article("Kết nạp 12 đảng viên", lede, "")).is_some()
    };
    assert!(matches(&excluded, "Sau trận bóng đá"));
    excluded.unless.push("bóng đá".to_owned());
    assert!(!matches(&excluded, "Sau trận bóng đá"));
    assert!(matches(&excluded, "Sáng nay"));
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
        let select = select(&[("chi-bo", group(points, &[], &["chi bộ"])), ("tin", group((10, 0, 0), &[], &["sáng"]))]);
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
