//! Feed files: `feeds/<slug>.toml`, one feed each. One broken file never hides the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Place};
use super::reader::Reader;
use super::tree::{self, Table, Value};
use super::value;
use crate::domain::feed::FeedSpec;
use crate::domain::selection::Selection;
use crate::domain::selection::day::Day;
use crate::domain::selection::groups::{Group, MAX_POINTS};
use crate::text::xml::XmlText;

const FEED_KEYS: &[&str] = &["title", "description", "title_en", "description_en", "select"];
const GROUP_KEYS: &[&str] = &["title", "lede", "body", "with", "phrases"];
const SELECT_KEYS: &[&str] = &[
    "sources",
    "categories",
    "categories_alone",
    "not_categories",
    "phrases",
    "title_phrases",
    "not_phrases",
    "unless",
    "groups",
    "keywords",
    "not_keywords",
    "tags",
    "authors",
    "agencies",
    "language",
    "from",
    "until",
];

/// Names that addresses below `/feeds/` use for something else.
const RESERVED: [&str; 1] = ["search"];

/// How the names begin that selections have which somebody follows.
const RESERVED_START: &str = "s-";

/// Reads every `*.toml` of the folder, by name. Gives the feeds that are whole, and all faults of the others.
#[must_use]
pub fn feed_files(dir: &Path) -> (Vec<FeedSpec>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut specs = Vec::new();
    for path in files(dir, &mut faults) {
        let before = faults.len();
        let spec = read(&path, &mut faults);
        if faults.len() == before {
            specs.extend(spec);
        }
    }
    (specs, faults)
}

fn files(dir: &Path, faults: &mut Vec<Fault>) -> Vec<PathBuf> {
    let name = dir.display().to_string();
    let mut complain = |e: std::io::Error| {
        let what = format!("cannot read the folder of feed files: {e}; make it, or set [feeds] dir");
        faults.push(Fault::new(Place::file(&name), what));
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) => {
            complain(e);
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => files.push(entry.path()),
            Err(e) => complain(e),
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    files
}

fn read(path: &Path, faults: &mut Vec<Fault>) -> Option<FeedSpec> {
    let name = path.display().to_string();
    let slug = path.file_stem().unwrap_or_default().to_string_lossy();
    let whole = Place::file(&name);
    match value::name(&slug) {
        Err(why) => faults.push(Fault::new(whole.clone(), format!("the file's name {why}"))),
        Ok(slug) if RESERVED.contains(&slug.as_str()) || slug.starts_with(RESERVED_START) => {
            let what = format!("/feeds/{slug} is taken for something else; give the file another name");
            faults.push(Fault::new(whole.clone(), what));
        }
        Ok(_) => {}
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            faults.push(Fault::new(whole, format!("cannot read the feed: {e}; it must be a UTF-8 text file")));
            return None;
        }
    };
    let (table, wrong) = tree::parse(&name, &text);
    if !wrong.is_empty() {
        faults.extend(wrong);
        return None;
    }
    feed(slug.into_owned(), table, whole, faults)
}

fn feed(slug: String, table: Table, whole: Place, faults: &mut Vec<Fault>) -> Option<FeedSpec> {
    let mut r = Reader::new(String::new(), FEED_KEYS, table, whole, faults);
    let title = r.text("title", value::filled);
    let description = r.optional("description", value::filled);
    let title_en = r.optional("title_en", value::filled);
    let description_en = r.optional("description_en", value::filled);
    let select = r.table("select");
    r.finish();
    let (select, place) = select?;
    let mut r = Reader::new("[select]".into(), SELECT_KEYS, select, place, faults);
    let sources = r.list("sources", value::name);
    let categories = r.list("categories", value::filled);
    let categories_alone = r.list("categories_alone", value::filled);
    let not_categories = r.list("not_categories", value::filled);
    let phrases = r.list("phrases", value::filled);
    let title_phrases = r.list("title_phrases", value::filled);
    let not_phrases = r.list("not_phrases", value::filled);
    let unless = r.list("unless", value::filled);
    let group_tables = r.has("groups").then(|| r.table("groups"));
    let keywords = r.list("keywords", value::filled);
    let not_keywords = r.list("not_keywords", value::filled);
    let tags = r.list("tags", value::filled);
    let authors = r.list("authors", value::filled);
    let agencies = r.list("agencies", value::filled);
    let language = r.optional("language", value::filled);
    let from = r.optional("from", str::parse::<Day>);
    let until = r.optional("until", str::parse::<Day>);
    r.finish();
    let groups = group_tables.map_or_else(|| Some(BTreeMap::new()), |tables| groups(tables?.0, faults));
    let text = |text: String| XmlText::new(&text);
    Some(FeedSpec {
        slug,
        title: title.map(text)?,
        description: description.map(text).unwrap_or_default(),
        title_en: title_en.map(text),
        description_en: description_en.map(text),
        select: Selection {
            sources: sources?,
            categories: categories?,
            categories_alone: categories_alone?,
            not_categories: not_categories?,
            phrases: phrases?,
            title_phrases: title_phrases?,
            not_phrases: not_phrases?,
            unless: unless?,
            groups: groups?,
            keywords: keywords?,
            not_keywords: not_keywords?,
            tags: tags?,
            authors: authors?,
            agencies: agencies?,
            language,
            from,
            until,
        },
    })
}

/// The tables `[select.groups.NAME]`.
fn groups(tables: Table, faults: &mut Vec<Fault>) -> Option<BTreeMap<String, Group>> {
    let count = tables.len();
    let mut groups = BTreeMap::new();
    for (name, entry) in tables {
        let label = format!("[select.groups.{name}]");
        let Value::Table(table) = entry.node.value else {
            let what = format!("{label} must be a table, not {}", entry.node.value.kind());
            faults.push(Fault::new(entry.node.place, what));
            continue;
        };
        let mut r = Reader::new(label, GROUP_KEYS, table, entry.key, faults);
        let mut points = |key| r.optional_integer(key, -i64::from(MAX_POINTS)..=i64::from(MAX_POINTS)).unwrap_or(0);
        let (title, lede, body) = (points("title"), points("lede"), points("body"));
        let with = r.list("with", value::filled);
        let phrases = r.list("phrases", value::filled);
        r.finish();
        groups.extend(with.zip(phrases).map(|(with, phrases)| (name, Group { title, lede, body, with, phrases })));
    }
    (groups.len() == count).then_some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        dir
    }

    const GOOD: &str =
        "title = \"Công tác tổ chức\"\ntitle_en = \"Organisation\"\n[select]\ncategories = [\"cong-tac-to-chuc\"]\n";

    #[test]
    fn a_feed_file_becomes_a_feed_named_after_it() {
        let dir = folder(&[("cong-tac-to-chuc.toml", GOOD), ("README.md", "no feed")]);
        let (feeds, faults) = feed_files(dir.path());
        assert_eq!(faults, []);
        assert_eq!(feeds.len(), 1);
        assert_eq!(feeds[0].slug, "cong-tac-to-chuc");
        assert_eq!(feeds[0].title.as_str(), "Công tác tổ chức");
        assert_eq!(feeds[0].title_en.as_ref().map(XmlText::as_str), Some("Organisation"));
        assert_eq!(feeds[0].select.categories, ["cong-tac-to-chuc"]);
    }

    #[test]
    fn one_broken_file_does_not_hide_the_others_and_all_its_faults_are_told() {
        let dir = folder(&[
            ("a.toml", GOOD),
            ("b.toml", "title = 3\ntitel = \"x\"\n[select]\nphrases = [\"x\", 5]\ncategory = [\"y\"]\n"),
            ("c.toml", "title = \"không có chọn lọc\"\n"),
            ("d.toml", "title = \"x\n"),
            ("E f.toml", GOOD),
            ("search.toml", GOOD),
            ("z.toml", GOOD),
        ]);
        let (feeds, faults) = feed_files(dir.path());
        assert_eq!(feeds.iter().map(|f| f.slug.as_str()).collect::<Vec<_>>(), ["a", "z"]);
        let told: Vec<String> =
            faults.iter().map(|f| f.to_string().replace(&format!("{}/", dir.path().display()), "")).collect();
        let has = |part: &str| assert!(told.iter().any(|t| t.starts_with(part)), "{part} not in {told:#?}");
        has("b.toml:1:9: title: must be a text in quotes, not a whole number");
        has("b.toml:2:1: titel: unknown key; did you mean \"title\"?");
        has("b.toml:4:17: [select] phrases: must be a text in quotes");
        has("b.toml:5:1: [select] category: unknown key; did you mean \"categories\"?");
        has("c.toml: select: missing; add it");
        has("d.toml:1:11: not TOML");
        has("E f.toml: the file's name is no name for addresses");
        has("search.toml: /feeds/search is taken");
        assert_eq!(told.len(), 8, "{told:#?}");
    }

    #[test]
    fn groups_of_phrases_are_read_and_their_faults_told() {
        let text = |group: &str| format!("{GOOD}[select.groups.ket-nap]\n{group}");
        let good = "title = 12\nlede = 8\nbody = 5\nwith = [\"ket-nap\"]\nphrases = [\"kết nạp\"]\n";
        let dir = folder(&[
            ("a.toml", &text(good)),
            ("b.toml", &text("title = 101\nwords = [\"kết nạp\"]\n")),
            ("c.toml", &format!("{GOOD}groups = {{ ket-nap = 3 }}\n")),
        ]);
        let (feeds, faults) = feed_files(dir.path());
        let group = &feeds[0].select.groups["ket-nap"];
        assert_eq!((group.title, group.lede, group.body), (12, 8, 5));
        assert_eq!(
            (feeds.len(), &group.phrases[..], &group.with[..]),
            (1, &["kết nạp".to_owned()][..], &["ket-nap".to_owned()][..])
        );
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(
            told[0].contains("[select.groups.ket-nap] title") && told[1].contains("words: unknown key"),
            "{told:#?}"
        );
        assert!(told[2].contains("must be a table, not a whole number"), "{told:#?}");
    }

    #[test]
    fn a_missing_folder_is_told_with_its_name() {
        let (feeds, faults) = feed_files(Path::new("/nowhere/feeds"));
        assert!(feeds.is_empty());
        assert!(faults[0].to_string().starts_with("/nowhere/feeds: cannot read the folder"), "{}", faults[0]);
    }
}
