//! Laws: topics. The feeds of this repository against headlines with known answers.
//!
//! `tests/fixtures/topics.tsv` grows by lines. Phrases are chosen on the lines marked `open`; those marked `held` only
//! tell whether the choice holds for what nobody looked at.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use loa::clock::Timestamp;
use loa::domain::article::{Article, CategoryRef};
use loa::domain::feed::FeedSpec;
use loa::domain::selection::{Reading, Reason};
use loa::text::html;
use loa::text::slug::is_slug;

/// Feeds whose phrases the labels are about.
const TOPICS: [&str; 2] = ["cong-tac-to-chuc", "tien-toi-dai-hoi-dang"];

struct Line {
    set: String,
    feeds: Vec<String>,
    article: Article,
}

fn feeds() -> BTreeMap<String, FeedSpec> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds");
    let files = std::fs::read_dir(&dir).expect("the folder of feeds");
    let toml =
        files.map(|file| file.expect("a file").path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    toml.map(|path| {
        let slug = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a feed file");
        let spec = toml::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        (slug, spec)
    })
    .collect()
}

fn lines() -> Vec<Line> {
    let text = include_str!("../fixtures/topics.tsv");
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(line).collect()
}

fn line(text: &str) -> Line {
    let columns: Vec<&str> = text.split('\t').collect();
    assert!(columns.len() == 5 || columns.len() == 6, "not 5 or 6 columns: {text}");
    let feeds: Vec<String> = columns[2].split(',').filter(|f| *f != "-").map(str::to_owned).collect();
    assert!(feeds.iter().all(|f| TOPICS.contains(&f.as_str())), "unknown feed: {text}");
    assert!(matches!(columns[0], "open" | "held"), "neither open nor held: {text}");
    // As ingest makes it: the body has the lede too.
    let body = format!("<p>{}</p>{}", columns[4], columns.get(5).unwrap_or(&""));
    let article = Article {
        source: "cong".to_owned(),
        external_id: columns[3].to_owned(),
        url: "https://tinhuy.example.vn/tin".to_owned(),
        title: html::title(columns[3]),
        summary: html::plain(columns[4]),
        content_html: body.into(),
        authors: Vec::new(),
        agency: html::agency(columns[4]),
        categories: vec![CategoryRef {
            slug: columns[1].to_owned(),
            title: "Chuyên mục".into(),
            ancestors: Vec::new(),
        }],
        tags: Vec::new(),
        language: "vi".to_owned(),
        image: None,
        published: Timestamp::from_millis(0),
    };
    Line { set: columns[0].to_owned(), feeds, article }
}

#[derive(Default)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
    faults: String,
}

impl Score {
    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    fn recall(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

#[test]
fn topic_feeds_find_what_they_are_about_and_nothing_else() {
    let feeds = feeds();
    let lines = lines();
    assert!(lines.len() >= 60);
    for set in ["open", "held"] {
        for topic in TOPICS {
            let matcher = feeds[topic].select.matcher();
            let mut score = Score::default();
            for line in lines.iter().filter(|line| line.set == set) {
                let wanted = line.feeds.iter().any(|feed| feed == topic);
                let found = matcher.matches(&line.article);
                match (wanted, &found) {
                    (true, Some(_)) => score.right += 1,
                    (false, Some(why)) => {
                        score.wrong += 1;
                        let _ = writeln!(score.faults, "  wrong: {} ({why:?})", line.article.title);
                    }
                    (true, None) => {
                        score.missed += 1;
                        let _ = writeln!(score.faults, "  missed: {}", line.article.title);
                    }
                    (false, None) => {}
                }
            }
            let (precision, recall) = (score.precision(), score.recall());
            println!("{topic} ({set}): precision {precision:.3}, recall {recall:.3}\n{}", score.faults);
            assert!(score.right >= 5, "{topic} ({set}): too few lines to tell");
            assert!(
                precision >= 0.95 && recall >= 0.95,
                "{topic} ({set}): {precision:.3}, {recall:.3}\n{}",
                score.faults
            );
        }
    }
}

#[test]
fn a_feed_of_everything_has_everything_and_a_feed_of_a_category_only_that() {
    let feeds = feeds();
    let (all, south) = (feeds["tat-ca"].select.matcher(), feeds["giai-phong-mien-nam"].select.matcher());
    assert!(feeds["tat-ca"].select.is_everything());
    let mut found = 0;
    for line in lines() {
        let reading = Reading::new(&line.article);
        assert_eq!(all.matches_reading(&reading), Some(Reason::Everything));
        let is_south = line.article.categories[0].slug == "giai-phong-mien-nam";
        assert_eq!(south.matches_reading(&reading).is_some(), is_south, "{}", line.article.title);
        found += u32::from(is_south);
    }
    assert!(found > 0);
}

#[test]
fn every_feed_file_is_without_fault_and_in_both_languages() {
    for (slug, spec) in feeds() {
        assert!(is_slug(&slug), "{slug}");
        assert_eq!(spec.select.faults(), Vec::<String>::new(), "{slug}");
        assert!(!spec.title.is_empty() && !spec.description.is_empty(), "{slug}");
        assert!(
            spec.title_en.is_some_and(|t| !t.is_empty()) && spec.description_en.is_some_and(|d| !d.is_empty()),
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
        for phrase in feeds()[topic].select.phrases.iter().filter(|p| !loa::text::fold::has_marks(p)) {
            assert!(
                phrase.chars().any(|c| c.is_ascii_digit()),
                "{topic}: {phrase:?} would match words with other marks"
            );
        }
    }
}

#[test]
fn the_same_answers_come_for_text_that_editors_typed_otherwise() {
    // Decomposed letters, hard blanks, capitals: what Word and old converters leave.
    let feeds = feeds();
    for line in lines() {
        let mut other = line.article.clone();
        other.title = other.title.to_uppercase().replace(' ', "\u{A0}").replace('Đ', "Ð").into();
        for topic in TOPICS {
            let matcher = feeds[topic].select.matcher();
            let (was, is) = (matcher.matches(&line.article), matcher.matches(&other));
            assert_eq!(is, was, "{topic}: {}", line.article.title);
        }
    }
}
