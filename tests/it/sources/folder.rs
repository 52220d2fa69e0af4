//! A folder of files: edits are seen, faults stay with their file, nothing outside the folder is shown.

use std::fs;
use std::path::{Path, PathBuf};

use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Reach, Scan, Source, SourceError};
use tempfile::TempDir;

use super::{at, fingerprints, ids, next_flip, one, open, set};

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn article(&self, name: &str, more: &str) {
        self.put(name, format!("---\ntitle: Bài {name}\npublished: 2021-11-23 14:05\n{more}\n---\nThân bài.\n"));
    }

    fn source(&self) -> AnySource {
        source_at(self.0.path())
    }
}

fn source_at(path: &Path) -> AnySource {
    let path = path.display();
    open(&format!("kind = \"folder\"\npath = \"{path}\"\nsite_url = \"https://portal.example.vn/tin\""))
        .expect("a source")
}

fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

async fn scan(source: &AnySource) -> Scan {
    source.scan(&Ask::first(now())).await.expect("a scan")
}

#[tokio::test]
async fn an_added_an_edited_and_a_deleted_file_are_seen() {
    let files = Files::new();
    files.article("a.md", "");
    files.article("sub/b.html", "");
    let source = files.source();
    let first = scan(&source).await;
    assert_eq!((ids(&first), first.reach.clone()), (set(["a", "sub/b"]), Reach::Whole));
    assert_eq!(fingerprints(&scan(&source).await), fingerprints(&first));

    files.article("c.md", "");
    assert_eq!(ids(&scan(&source).await), set(["a", "c", "sub/b"]));

    // The same length, so that only the content tells.
    let text = fs::read_to_string(files.path("a.md")).expect("a file");
    files.put("a.md", text.replace("Thân", "Phân"));
    let edited = fingerprints(&scan(&source).await);
    assert_ne!(edited["a"], fingerprints(&first)["a"]);
    assert_eq!(edited["sub/b"], fingerprints(&first)["sub/b"]);

    fs::remove_file(files.path("a.md")).expect("a file");
    let after = scan(&source).await;
    assert_eq!((ids(&after), after.reach), (set(["c", "sub/b"]), Reach::Whole));
}

#[tokio::test]
async fn an_edit_is_seen_also_after_many_scans_and_by_a_new_process_alike() {
    let files = Files::new();
    files.article("a.md", "");
    let source = files.source();
    for _ in 0..5 {
        assert_eq!(fingerprints(&scan(&source).await), fingerprints(&scan(&files.source()).await));
    }
    files.article("a.md", "summary: Mới.");
    assert_eq!(fingerprints(&scan(&source).await), fingerprints(&scan(&files.source()).await));
    assert_eq!(one(source.fetch(&set(["a"]), now()).await.expect("an article")).summary_html, "Mới.");
}

#[tokio::test]
async fn a_file_becomes_an_article_with_all_it_says() {
    let files = Files::new();
    files.put(
        "2021/hoi-nghi.md",
        "---\nid: tin-1\ntitle: 'Hội nghị <tổng kết>'\npublished: 23/11/2021 14:05\nupdated: 2021-11-24T00:00:00Z\n\
         category: Xây dựng Đảng/Công tác tổ chức; Tin tức\nauthor: Trúc Linh\ntags: chi bộ, đại hội\n\
         image: images/a.png\nimage_alt: Hội trường\nlanguage: vi\nsummary: Một & hai.\n---\n\
         # Mục\n\n| Cột | Số |\n|---|---|\n| a | 1 |\n",
    );
    let source = files.source();
    let article = one(source.fetch(&set(["tin-1"]), now()).await.expect("an article"));
    assert_eq!((article.external_id.as_str(), article.title.as_str()), ("tin-1", "Hội nghị <tổng kết>"));
    assert_eq!(article.url, "https://portal.example.vn/tin/tin-1");
    assert_eq!((article.published, article.updated), (at("2021-11-23T07:05:00Z"), Some(at("2021-11-24T00:00:00Z"))));
    assert_eq!(article.categories, ["xay-dung-dang/cong-tac-to-chuc", "tin-tuc", "xay-dung-dang"]);
    assert_eq!(
        (article.authors, article.tags),
        (vec!["Trúc Linh".to_owned()], vec!["chi bộ".to_owned(), "đại hội".into()])
    );
    assert_eq!((article.language.as_str(), article.summary_html.as_str()), ("vi", "Một &amp; hai."));
    assert!(article.content_html.contains("<h1>Mục</h1>") && article.content_html.contains("<td>1</td>"));
    let image = article.image.expect("a picture");
    assert_eq!(
        (image.url.as_str(), image.alt.as_str(), image.media_type.as_str()),
        ("images/a.png", "Hội trường", "image/png")
    );

    let found = scan(&source).await.categories.expect("told");
    let found: Vec<_> = found
        .iter()
        .map(|c| (c.external_id.as_str(), c.parent.as_deref(), c.title.as_str(), c.slug.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("tin-tuc", None, "Tin tức", "tin-tuc"),
            ("xay-dung-dang", None, "Xây dựng Đảng", "xay-dung-dang"),
            ("xay-dung-dang/cong-tac-to-chuc", Some("xay-dung-dang"), "Công tác tổ chức", "cong-tac-to-chuc"),
        ]
    );
}

#[tokio::test]
async fn of_a_whole_html_page_only_the_body_counts() {
    let files = Files::new();
    let head = "---\ntitle: A\npublished: 2021-11-23\n---\n";
    files.put(
        "bài một/a b.html",
        format!("{head}<html><head><title>x</title></head><BODY class=\"y\"><p>Ấ</p></BODY></html>"),
    );
    let article = one(files.source().fetch(&set(["bài một/a b"]), now()).await.expect("an article"));
    assert_eq!(article.content_html, "<p>Ấ</p>");
    assert_eq!(article.url, "https://portal.example.vn/tin/b%C3%A0i%20m%E1%BB%99t/a%20b");
}

#[tokio::test]
async fn drafts_and_scheduled_articles_are_hidden_until_their_time() {
    let files = Files::new();
    files.article("draft.md", "draft: true\ncategory: Bí mật");
    files.put("later.md", "---\ntitle: A\npublished: 2026-11-24 07:00\ncategory: Sắp tới\n---\n");
    files.put("latest.md", "---\ntitle: A\npublished: 2026-11-25 07:00\n---\n");
    let source = files.source();
    let before = scan(&source).await;
    assert!(
        before.articles.is_empty()
            && before.categories.as_ref().is_some_and(Vec::is_empty)
            && before.reach == Reach::Whole,
        "{before:?}"
    );
    assert_eq!(next_flip(&before), Some(at("2026-11-24T00:00:00Z")));
    let all = set(["draft", "later", "latest"]);
    assert!(source.fetch(&all, now()).await.expect("no error").articles.is_empty());
    let passed = source.scan(&Ask::first(at("2026-11-24T00:00:00Z"))).await.expect("a scan");
    assert_eq!((ids(&passed), next_flip(&passed)), (set(["later"]), Some(at("2026-11-25T00:00:00Z"))));
    assert_eq!(one(source.fetch(&all, at("2026-11-24T00:00:00Z")).await.expect("one")).external_id, "later");
}

#[tokio::test]
async fn a_damaged_file_is_a_fault_with_its_place_and_the_rest_goes_on() {
    let files = Files::new();
    files.article("good.md", "");
    files.article("typo.md", "id: known-1\ncolour: red");
    files.put("bytes.md", b"---\nid: known-2\ntitle: \xff\xfe\n---\n");
    files.put("large.md", format!("---\nid: known-3\n---\n{}", "a".repeat(5 * 1024 * 1024)));
    files.put("bare.md", "no head at all");
    let scan = scan(&files.source()).await;
    assert_eq!((ids(&scan), (scan.reach == Reach::Whole)), (set(["good"]), true));
    let found: Vec<_> = scan.faults.iter().map(|f| (f.external_id.as_str(), f.message.as_str())).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    for (id, words) in [
        ("known-1", ["typo.md: line 5", "colour"]),
        ("known-2", ["bytes.md: line 3", "UTF-8"]),
        ("known-3", ["large.md", "5 MB"]),
        ("bare", ["bare.md: line 1", "---"]),
    ] {
        let (_, message) = found.iter().find(|(found, _)| *found == id).unwrap_or_else(|| panic!("{id}: {found:?}"));
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[tokio::test]
async fn a_known_article_whose_file_is_damaged_is_unknown_and_not_gone() {
    let files = Files::new();
    files.article("a.md", "id: tin-1");
    let source = files.source();
    assert_eq!(ids(&scan(&source).await), set(["tin-1"]));
    // Not even the id is left: what the source saw before still tells which article this is.
    files.put("a.md", b"\xff\xff");
    let after = scan(&source).await;
    assert!(after.articles.is_empty());
    assert_eq!(after.faults[0].external_id, "tin-1");
    let fetched = source.fetch(&set(["tin-1"]), now()).await.expect("no error");
    assert_eq!((fetched.articles.len(), fetched.faults[0].external_id.as_str()), (0, "tin-1"));
}

#[tokio::test]
async fn a_large_file_that_hides_its_id_makes_the_scan_incomplete() {
    let files = Files::new();
    files.put("large.md", "a".repeat(5 * 1024 * 1024 + 1));
    let scan = scan(&files.source()).await;
    assert_eq!(((scan.reach == Reach::Whole), scan.faults.len()), (false, 1), "it could be any article that loa knows");
}

#[tokio::test]
async fn two_files_with_one_id_are_a_fault_and_neither_is_shown() {
    let files = Files::new();
    files.article("a.md", "");
    files.article("a.html", "");
    files.article("b.md", "id: c");
    files.article("c.md", "");
    files.article("d.md", "");
    let scan = scan(&files.source()).await;
    assert_eq!(ids(&scan), set(["d"]));
    let faults: Vec<_> = scan.faults.iter().map(|f| f.external_id.as_str()).collect();
    assert_eq!(faults, ["a", "c"]);
    assert!(scan.faults[1].message.contains("b.md and c.md"), "{}", scan.faults[1].message);
}

#[tokio::test]
async fn what_is_no_article_is_passed_over() {
    let files = Files::new();
    files.article("a.MD", "");
    for other in [".hidden.md", ".git/a.md", "_drafts/a.md", "images/a.md", "sub/images/b.md", "readme.txt", "a.md~"] {
        files.article(other, "");
    }
    let scan = scan(&files.source()).await;
    assert_eq!((ids(&scan), scan.faults.len()), (set(["a"]), 0));
}

#[tokio::test]
async fn a_link_never_leads_out_of_the_folder() {
    use std::os::unix::fs::symlink;
    let (files, outside) = (Files::new(), Files::new());
    outside.article("secret.md", "");
    files.article("a.md", "id: a");
    symlink(outside.path("secret.md"), files.path("file.md")).expect("a link");
    symlink(outside.0.path(), files.path("folder")).expect("a link");
    symlink(outside.0.path(), files.path("folder.md")).expect("a link");
    symlink(files.0.path(), files.path("circle")).expect("a link");
    symlink(files.path("nowhere"), files.path("dangling.md")).expect("a link");
    let found = scan(&files.source()).await;
    assert_eq!((ids(&found), found.faults.len()), (set(["a"]), 0));

    // The folder itself may be reached through a link, as releases are switched that way.
    let link = outside.path("current");
    symlink(files.0.path(), &link).expect("a link");
    assert_eq!(ids(&scan(&source_at(&link)).await), set(["a"]));
}

#[tokio::test]
async fn one_name_in_two_places_gives_two_categories_with_their_own_slugs() {
    let files = Files::new();
    files.article("a.md", "category: Huế/Tin");
    files.article("b.md", "category: Tin");
    files.article("c.md", "category: Cần Thơ/tin; …");
    let found = scan(&files.source()).await.categories.expect("told");
    let found: Vec<_> = found.iter().map(|c| (c.external_id.as_str(), c.slug.as_str())).collect();
    assert_eq!(found.iter().filter(|(_, slug)| *slug == "tin").collect::<Vec<_>>(), [&("tin", "tin")]);
    for expected in [("can-tho/tin", "can-tho-tin"), ("hue/tin", "hue-tin")] {
        assert!(found.contains(&expected), "{found:?}");
    }
    assert!(found.iter().all(|(id, slug)| !id.is_empty() && !slug.is_empty()), "{found:?}");
}

#[tokio::test]
async fn a_missing_folder_is_an_error_with_a_remedy_and_never_an_empty_scan() {
    let files = Files::new();
    files.put("file", "");
    for path in [files.path("nowhere"), files.path("file")] {
        let error = source_at(&path).scan(&Ask::first(now())).await.expect_err("no folder");
        assert!(matches!(error, SourceError::Schema(_)), "{error:?}");
        assert!(error.to_string().contains("correct `path`"), "{error}");
    }
}

#[tokio::test]
async fn a_description_says_what_is_there() {
    let files = Files::new();
    files.article("a.md", "");
    files.article("b.md", "colour: red");
    let description = files.source().describe().await.expect("a description");
    assert_eq!((description.name.as_str(), description.kind), ("portal", "folder"));
    assert!(description.found.contains("1 article file, 1 with faults"), "{}", description.found);
}
