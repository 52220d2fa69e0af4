//! Laws of `loa source try`.

use super::{has, place};

#[test]
fn a_source_is_shown_as_it_would_be_published_and_nothing_is_written() {
    let place = place();
    place.write("articles/nhap.md", "---\ntitle: Bản thảo\npublished: 2026-01-01 08:00\ndraft: true\n---\nx\n");
    place.write("articles/hen.md", "---\ntitle: Hẹn giờ\npublished: 2099-01-01 08:00\n---\nx\n");
    let head =
        "---\ntitle: Bài có chuyên mục\npublished: 2026-01-02 08:00\ncategory: Xây dựng Đảng/Công tác đảng viên\n";
    place.write("articles/muc.md", format!("{head}author: Lạc Vũ\ntags: [chi bộ]\n---\n(TUAG)- Sáng nay…\n"));
    let before = names(&place);
    let told = place.run(&["source", "try", "portal"]).well();
    has(
        &told,
        &[
            "Source `portal` (folder)",
            "Public now: 2 articles.",
            "The clock will show or hide 1 article; the next is hen on Thursday, 1 January 2099 08:00.",
            "  Xây dựng Đảng",
            "    Công tác đảng viên",
            "Bài có chuyên mục\n    Friday, 2 January 2026 08:00",
            "categories: cong-tac-dang-vien",
            "authors: Lạc Vũ; agency: TUAG; tags: chi bộ; picture: no",
            "in the feed tat-ca, because the feed takes every article",
            "Not shown (2)",
            "1  drafts\n         - nhap: Bản thảo",
            "1  dated in the future: they wait for their time\n         - hen: Hẹn giờ",
            "Nothing was written.",
        ],
    );
    assert_eq!(names(&place), before, "not even a database");
    let one = place.run(&["source", "try", "portal", "--count", "1"]).well();
    has(&one, &["The newest 1, as"]);
}

#[test]
fn what_cannot_be_read_is_named_and_the_exit_code_says_so() {
    let place = place();
    place.write("articles/hong.md", "---\ntitle Không có dấu hai chấm\n---\nx\n");
    let ended = place.run(&["source", "try", "portal"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    has(&ended.out, &["Cannot be read or published (1)", "hong.md", "line 2", "Bai 000"]);
    has(&place.run(&["source", "try", "cong"]).refused(), &["no source named \"cong\"", "has: portal"]);
    std::fs::rename(place.path("articles"), place.path("moved")).expect("a folder");
    has(&place.run(&["source", "try", "portal"]).refused(), &["source `portal`: there is no folder"]);
}

/// Every file of the place.
fn names(place: &crate::support::binary::Place) -> Vec<std::path::PathBuf> {
    let mut names: Vec<_> =
        walkdir::WalkDir::new(place.path("")).into_iter().map(|entry| entry.expect("an entry").into_path()).collect();
    names.sort();
    names
}
