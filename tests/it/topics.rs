//! Laws: topics. The feeds of this repository against headlines with known answers (`feeds/labels.tsv`), counted by the
//! code that `loa check --feeds` prints.

use std::path::Path;

use loa::clock::Timestamp;
use loa::config::feeds::feed_files;
use loa::domain::article::{Article, CategoryRef};
use loa::domain::feed::FeedSpec;
use loa::domain::selection::score::{Labels, SHIPPED, Set};
use loa::domain::selection::{Reading, Reason};
use loa::text::slug::is_slug;
use loa::text::{fold, html};

/// Feeds whose phrases the labels are about.
const TOPICS: [&str; 2] = ["cong-tac-to-chuc", "tien-toi-dai-hoi-dang"];

fn feeds() -> Vec<FeedSpec> {
    let (feeds, faults) = feed_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds"));
    assert_eq!(faults, []);
    feeds
}

fn feed(slug: &str) -> FeedSpec {
    feeds().into_iter().find(|spec| spec.slug == slug).expect("the feed is in the folder")
}

fn labels() -> Labels {
    Labels::parse(SHIPPED).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn article(category: &str, title: &str, lede: &str, body: &str) -> Article {
    Article {
        source: "cong".to_owned(),
        external_id: "1".to_owned(),
        url: "https://tinhuy.example.vn/1".to_owned(),
        title: html::title(title),
        summary: html::plain(lede),
        content_html: format!("<p>{lede}</p>{body}").into(),
        authors: Vec::new(),
        agency: None,
        categories: vec![CategoryRef { slug: category.to_owned(), title: "".into(), ancestors: Vec::new() }],
        tags: Vec::new(),
        language: "vi".to_owned(),
        image: None,
        published: Timestamp::from_millis(0),
    }
}

#[test]
fn topic_feeds_find_what_they_are_about_and_nothing_else() {
    let labels = labels();
    assert_eq!(labels.topics().into_iter().collect::<Vec<_>>(), TOPICS);
    assert!(labels.rows().len() >= 150);
    let mut short = String::new();
    for topic in TOPICS {
        for set in Set::ALL {
            let score = labels.score(topic, &feed(topic).select, set);
            let faults: Vec<String> = score.faults.iter().map(|fault| format!("  {fault}\n")).collect();
            let line = format!(
                "{topic} ({set}): precision {:.3}, recall {:.3}\n{}",
                score.precision(),
                score.recall(),
                faults.concat()
            );
            println!("{line}");
            if !score.is_enough() {
                short.push_str(&line);
            }
        }
    }
    assert!(short.is_empty(), "{short}");
}

#[test]
fn the_article_of_the_first_day_is_organisational_work_and_no_congress() {
    // content-store.md §9: its text mentions resolutions of past congresses and who shall stand for the next.
    let title = "Nâng cao năng lực lãnh đạo, sức chiến đấu của tổ chức cơ sở đảng và đội ngũ đảng viên";
    let lede = "(TUAG)- Sáng ngày 23/11/2021, Ban Thường vụ Tỉnh ủy tổ chức hội nghị tổng kết 10 năm thực hiện Nghị quyết \
                số 22-NQ/TW (khóa X).";
    let body = "<p>Các đảng bộ đã đưa nghị quyết đại hội đảng các cấp vào cuộc sống.</p><p>Việc thực hiện nghị quyết đại \
                hội đảng các cấp được kiểm tra thường xuyên; nghị quyết đại hội đảng bộ tỉnh được cụ thể hóa.</p><p>Cần \
                chuẩn bị nhân sự cấp ủy cho nhiệm kỳ tiếp theo.</p>";
    for category in ["tin-tuc", "cong-tac-to-chuc"] {
        let seed = article(category, title, lede, body);
        assert!(feed("cong-tac-to-chuc").select.topic_matcher().matches(&seed).is_some(), "{category}");
        assert_eq!(feed("tien-toi-dai-hoi-dang").select.topic_matcher().matches(&seed), None, "{category}");
    }
}

#[test]
fn words_that_only_fold_to_the_same_letters_are_in_no_topic() {
    for text in [
        "Thuốc dạng viên nén cho người bệnh",
        "Kết nạp dạng viên, đội ngũ dạng viên",
        "Đắp dạng bờ bao; đại hội dạng bờ",
        "Chạy dài hơi dạng bờ, dài hơi chỉ bỏ",
        "Thành lập chỉ bỏ, sinh hoạt chỉ bỏ",
        "Công tác tờ chúc cán bộ và tờ chúc cơ sở đảng",
        "dai hoi dang bo, cong tac can bo, ket nap dang vien",
    ] {
        for topic in TOPICS {
            let found = feed(topic).select.topic_matcher().matches(&article("tin", text, text, ""));
            assert_eq!(found, None, "{topic}: {text}");
        }
    }
}

#[test]
fn a_feed_of_everything_has_everything_and_a_feed_of_a_category_only_that() {
    let (all, south) = (feed("tat-ca"), feed("giai-phong-mien-nam"));
    assert!(all.select.is_everything());
    let (all, south) = (all.select.topic_matcher(), south.select.topic_matcher());
    let mut found = 0;
    for row in labels().rows() {
        let reading = Reading::new(&row.article);
        assert_eq!(all.matches_reading(&reading), Some(Reason::Everything));
        let is_south = row.article.categories[0].slug == "giai-phong-mien-nam";
        assert_eq!(south.matches_reading(&reading).is_some(), is_south, "{}", row.article.title);
        found += u32::from(is_south);
    }
    assert!(found > 0);
}

#[test]
fn every_feed_file_is_without_fault_and_in_both_languages() {
    for spec in feeds() {
        let slug = &spec.slug;
        assert!(is_slug(slug), "{slug}");
        assert_eq!(spec.select.faults(), Vec::<String>::new(), "{slug}");
        assert!(!spec.title.is_empty() && !spec.description.is_empty(), "{slug}");
        assert!(
            spec.title_en.as_ref().is_some_and(|t| !t.is_empty())
                && spec.description_en.as_ref().is_some_and(|d| !d.is_empty()),
            "{slug}"
        );
        let canonical = spec.select.canonical();
        assert_eq!(canonical.phrases.len(), spec.select.phrases.len(), "{slug} has a phrase twice");
        assert_eq!(canonical.not_phrases.len(), spec.select.not_phrases.len(), "{slug} has a negative phrase twice");
    }
}

#[test]
fn topic_phrases_keep_their_marks() {
    for topic in TOPICS {
        for phrase in feed(topic).select.phrases.iter().filter(|p| !fold::has_marks(p)) {
            assert!(phrase.chars().any(|c| c.is_ascii_digit()), "{topic}: {phrase:?} was typed without its marks");
        }
    }
}

#[test]
fn the_same_answers_come_for_text_that_editors_typed_otherwise() {
    // Decomposed letters, hard blanks, capitals: what Word and old converters leave.
    for row in labels().rows() {
        let mut other = row.article.clone();
        other.title = other.title.to_uppercase().replace(' ', "\u{A0}").replace('Đ', "Ð").into();
        for topic in TOPICS {
            let matcher = feed(topic).select.topic_matcher();
            let (was, is) = (matcher.matches(&row.article), matcher.matches(&other));
            assert_eq!(is, was, "{topic}: {}", row.article.title);
        }
    }
}
