//! How well topics find what they are about: headlines that a person labelled, tried on selections, counted. The one
//! place for it; the command and the tests print what this says. Reads no file.
//!
//! Labels are lines of columns separated by tabs: `set category feeds title lede [body]`. `set` is `open` (phrases may be
//! chosen on it) or `held` (only measures); `feeds` are the slugs of the topics that the article belongs to, with commas,
//! or `-` for none; the body is HTML. Lines that begin with `#` are comments.

use std::collections::BTreeSet;
use std::fmt;

use crate::clock::Timestamp;
use crate::domain::article::{Article, CategoryRef};
use crate::domain::selection::groups::Account;
use crate::domain::selection::{Reading, Reason, Selection};
use crate::text::html;
use crate::text::slug::is_slug;

/// The labels that loa ships, for the topics that it ships.
pub const SHIPPED: &str = include_str!("../../../feeds/labels.tsv");

/// What precision and recall of a topic must reach on headlines that nobody looked at.
pub const ENOUGH: f64 = 0.95;

/// A half of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Phrases may be chosen on it.
    Open,
    /// Only measures.
    Held,
}

impl Set {
    /// Both, in the order of use.
    pub const ALL: [Self; 2] = [Self::Open, Self::Held];
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Held => "held",
        })
    }
}

/// Headlines with known answers.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    rows: Vec<Row>,
}

/// One headline.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Which half it is of.
    pub set: Set,
    /// Slugs of the topics that it belongs to.
    pub feeds: BTreeSet<String>,
    /// The article, as ingest makes it.
    pub article: Article,
}

impl Labels {
    /// Reads labels.
    ///
    /// # Errors
    /// One sentence for each line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut labels = Self::default();
        let mut faults = Vec::new();
        for (nth, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            match row(nth + 1, line) {
                Ok(row) => labels.rows.push(row),
                Err(what) => faults.push(format!("line {}: {what}", nth + 1)),
            }
        }
        if faults.is_empty() { Ok(labels) } else { Err(faults) }
    }

    /// The headlines, in the order of the file.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Slugs of the topics that the labels are about.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| row.feeds.iter().map(String::as_str)).collect()
    }

    /// Tries a topic on one half of the headlines.
    #[must_use]
    pub fn score(&self, topic: &str, select: &Selection, set: Set) -> Score {
        let matcher = select.topic_matcher();
        let mut score = Score::default();
        for row in self.rows.iter().filter(|row| row.set == set) {
            let reading = Reading::new(&row.article);
            score.rows += 1;
            match (row.feeds.contains(topic), matcher.matches_reading(&reading)) {
                (true, Some(_)) => score.right += 1,
                (false, Some(why)) => score.faults.push(Fault::new(row, Kind::Wrong(why))),
                (true, None) => score.faults.push(Fault::new(row, missed(select, &reading))),
                (false, None) => {}
            }
        }
        score
    }
}

/// What became of one topic on one half of the headlines.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Headlines that were tried.
    pub rows: usize,
    /// Headlines that the topic found and that belong to it.
    pub right: usize,
    /// The others that it found, and those that it did not, in the order of the file.
    pub faults: Vec<Fault>,
}

impl Score {
    /// How many headlines it found that do not belong to it.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.faults.iter().filter(|fault| matches!(fault.kind, Kind::Wrong(_))).count()
    }

    /// How many headlines it did not find that belong to it.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.faults.len() - self.wrong()
    }

    /// Of what it found, the part that belongs to it; 1 if it found nothing.
    #[must_use]
    pub fn precision(&self) -> f64 {
        part(self.right, self.right + self.wrong())
    }

    /// Of what belongs to it, the part that it found; 1 if nothing does.
    #[must_use]
    pub fn recall(&self) -> f64 {
        part(self.right, self.right + self.missed())
    }

    /// Whether both reach [`ENOUGH`].
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.precision() >= ENOUGH && self.recall() >= ENOUGH
    }

    /// Whether any headline of it was tried: without one, nothing is known.
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.right + self.missed() > 0
    }
}

/// A headline that a topic judged otherwise than its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its title.
    pub title: String,
    /// In which way, and by which phrase.
    pub kind: Kind,
}

/// In which way a topic was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It found what does not belong to it.
    Wrong(Reason),
    /// No phrase stands in it.
    Missed,
    /// What stands in it makes too few points together.
    Short(Account),
    /// This phrase stands in it, and these of `not_phrases` and `unless` put it out, each alone.
    Masked(Reason, Vec<String>),
}

impl Fault {
    fn new(row: &Row, kind: Kind) -> Self {
        Self { line: row.line, title: row.article.title.to_string(), kind }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, why) = match &self.kind {
            Kind::Wrong(why) => ("wrong", why.to_string()),
            Kind::Missed => ("missed", "no phrase stands in it".to_owned()),
            Kind::Short(account) => ("missed", account.to_string()),
            Kind::Masked(why, masks) if masks.is_empty() => ("missed", format!("{why}, but several others put it out")),
            Kind::Masked(why, masks) => ("missed", format!("{why}, but \"{}\" puts it out", masks.join("\", \""))),
        };
        write!(f, "{kind:6}  line {}: {}: {why}", self.line, self.title)
    }
}

fn part(of: usize, all: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    if all == 0 { 1.0 } else { count(of) / count(all) }
}

/// Why a topic did not find a headline that belongs to it.
fn missed(select: &Selection, reading: &Reading<'_>) -> Kind {
    let only = |not_phrases: Vec<String>, unless: Vec<String>| {
        Selection { not_phrases, unless, ..select.clone() }.topic_matcher().matches_reading(reading)
    };
    let Some(why) = only(Vec::new(), Vec::new()) else {
        let account = select.topic_matcher().account(reading).filter(|account| !account.weights.is_empty());
        return account.map_or(Kind::Missed, Kind::Short);
    };
    let masks = select.not_phrases.iter().filter(|mask| only(vec![(*mask).clone()], Vec::new()).is_none());
    let doors = select.unless.iter().filter(|phrase| only(Vec::new(), vec![(*phrase).clone()]).is_none());
    Kind::Masked(why, masks.chain(doors).cloned().collect())
}

fn row(line: usize, text: &str) -> Result<Row, String> {
    let columns: Vec<&str> = text.split('\t').collect();
    let [set, category, feeds, title, lede, body @ ..] = columns.as_slice() else {
        return Err(format!(
            "has {} columns; write set, category, feeds, title and lede with a tab between them",
            columns.len()
        ));
    };
    let set = match *set {
        "open" => Set::Open,
        "held" => Set::Held,
        other => return Err(format!("begins with \"{other}\"; write open or held")),
    };
    let feeds: BTreeSet<String> = feeds.split(',').map(str::trim).filter(|f| *f != "-").map(str::to_owned).collect();
    if let Some(wrong) = feeds.iter().find(|feed| !is_slug(feed)) {
        return Err(format!("names the feed \"{wrong}\"; write the name of a feed file without .toml, or -"));
    }
    if title.trim().is_empty() {
        return Err("has no title".to_owned());
    }
    let category = CategoryRef { slug: (*category).to_owned(), title: "".into(), ancestors: Vec::new() };
    let article = Article {
        source: "labels".to_owned(),
        external_id: line.to_string(),
        url: "https://tinhuy.example.vn/tin".to_owned(),
        title: html::title(title),
        summary: html::plain(lede),
        // As ingest makes it: the body has the lede too.
        content_html: format!("<p>{lede}</p>{}", body.first().unwrap_or(&"")).into(),
        authors: Vec::new(),
        agency: None,
        categories: vec![category],
        tags: Vec::new(),
        language: "vi".to_owned(),
        image: None,
        published: Timestamp(0),
    };
    Ok(Row { line, set, feeds, article })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &str = "# ghi chú\n\
        open\ttin\tdai-hoi\tĐại hội chi bộ\tTin ngắn\n\
        open\ttin\tdai-hoi\tNgày hội lớn\tTin ngắn\n\
        open\ttin\tdai-hoi\tSau đại hội chi bộ\tTin ngắn\n\
        open\ttin\t-\tĐại hội chi bộ kiểu mẫu\tTin ngắn\t<p>thân bài</p>\n\
        \n\
        held\ttin\tdai-hoi,to-chuc\tĐại hội chi bộ\tTin ngắn\n";

    fn select() -> Selection {
        Selection {
            phrases: vec!["đại hội chi bộ".to_owned()],
            not_phrases: vec!["đại hội cổ đông".to_owned(), "sau đại hội".to_owned()],
            ..Selection::default()
        }
    }

    #[test]
    fn a_topic_is_counted_and_each_fault_says_why() {
        let labels = Labels::parse(LABELS).expect("right");
        assert_eq!(labels.topics().into_iter().collect::<Vec<_>>(), ["dai-hoi", "to-chuc"]);
        let score = labels.score("dai-hoi", &select(), Set::Open);
        assert_eq!((score.rows, score.right, score.wrong(), score.missed()), (4, 1, 1, 2));
        assert!((score.precision() - 0.5).abs() < 1e-9 && (score.recall() - 1.0 / 3.0).abs() < 1e-9);
        assert!(!score.is_enough() && score.says_something());
        let told: Vec<String> = score.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "missed  line 3: Ngày hội lớn: no phrase stands in it",
                "missed  line 4: Sau đại hội chi bộ: \"đại hội chi bộ\" stands in its title, but \"sau đại hội\" puts it out",
                "wrong   line 5: Đại hội chi bộ kiểu mẫu: \"đại hội chi bộ\" stands in its title",
            ]
        );
        let held = labels.score("dai-hoi", &select(), Set::Held);
        assert!(held.is_enough() && held.rows == 1);
        assert!(
            !labels.score("khac", &Selection { phrases: vec!["x".to_owned()], ..select() }, Set::Held).says_something()
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_its_number() {
        let faults =
            Labels::parse("open\ttin\t-\tA\n# x\nopne\ttin\t-\tA\tB\nopen\ttin\tĐại hội\tA\tB\nheld\ttin\t-\t \tB\n")
                .expect_err("faulty");
        assert_eq!(faults.len(), 4, "{faults:#?}");
        assert!(faults[0].starts_with("line 1: has 4 columns") && faults[3].starts_with("line 5: has no title"));
    }
}
