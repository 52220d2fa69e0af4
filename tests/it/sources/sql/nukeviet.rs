//! The preset for `NukeViet` 4, on MariaDB with the tables of its news module.

use loa::source::{AnySource, Ask, Reach, Source};

use super::now;
use crate::sources::{at, fingerprints, ids, one, open, set};
use crate::support::databases::{self, Db};

const VISIBLE: [i64; 3] = [10, 11, 14];

async fn portal(test: &str) -> Option<Db> {
    let db = databases::mariadb(test).await?;
    db.run(include_str!("../../../fixtures/sql/nukeviet.mysql.sql")).await;
    Some(db)
}

fn source(url: &str, more: &str) -> AnySource {
    open(&format!(
        "kind = \"sql\"\nurl = \"{url}\"\nsite_url = \"https://portal.example.vn/\"\npreset = \"nukeviet\"\n{more}"
    ))
    .expect("a source")
}

#[tokio::test]
async fn the_news_of_nukeviet_are_read_as_a_guest_sees_them() {
    let Some(db) = portal("the_news_of_nukeviet_are_read_as_a_guest_sees_them").await else { return };
    let source = source(&db.url, "");
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!((ids(&scan), &scan.reach), (set(VISIBLE), &Reach::Whole), "{:?}", scan.faults);
    let flips: Vec<_> = scan.flips.iter().map(|flip| (flip.external_id.as_str(), flip.at)).collect();
    assert_eq!(flips, [("14", at("2026-11-23T12:00:00Z")), ("18", at("2026-11-24T00:00:00Z"))]);
    let categories: Vec<_> = scan
        .categories
        .iter()
        .flatten()
        .map(|c| (c.external_id.as_str(), c.parent.as_deref(), c.title.as_str(), c.slug.as_str()))
        .collect();
    assert_eq!(categories, [("1", None, "Tin tức", "tin-tuc"), ("2", Some("1"), "Xây dựng Đảng", "xay-dung-dang")]);

    let article = one(source.fetch(&set([10]), now()).await.expect("an article"));
    assert_eq!(article.title, "Hội nghị &quot;tổng kết&quot;", "its entities are taken away at ingest");
    assert_eq!(article.url, "https://portal.example.vn/vi/news/Xay-dung-Dang/hoi-nghi-tong-ket-10.html");
    assert_eq!(article.summary_html, "Sáng 23/11, hội nghị khai mạc.");
    assert_eq!(article.content_html, "<p>Sáng 23/11, hội nghị khai mạc.</p><p>Toàn văn.</p>");
    assert_eq!((article.authors, article.tags), (vec!["Trúc Linh".into()], vec!["đại hội".into(), "chi bộ".into()]));
    assert_eq!((article.categories, article.language.as_str()), (vec!["2".into(), "1".into()], "vi"));
    assert_eq!((article.published, article.updated), (at("2021-11-23T07:05:00Z"), Some(at("2021-11-24T07:00:00Z"))));
    assert_eq!(article.image.map(|image| image.url).as_deref(), Some("uploads/news/2021_11/hoi-nghi.jpg"));
    let other = one(source.fetch(&set([11]), now()).await.expect("an article"));
    assert_eq!(other.image.map(|image| image.url).as_deref(), Some("https://anh.example.vn/a.png"));
    assert_eq!(other.updated, None, "0 is no date");
}

#[tokio::test]
async fn what_nukeviet_does_to_its_rows_is_seen() {
    let Some(db) = portal("what_nukeviet_does_to_its_rows_is_seen").await else { return };
    let source = source(&db.url, "");
    let before = fingerprints(&source.scan(&Ask::first(now())).await.expect("a scan"));
    // A visit is no change; a published draft, a stopped and a deleted article are, and so is an edited body.
    db.run(
        "UPDATE nv4_vi_news_rows SET hitstotal = hitstotal + 1, weight = 9; UPDATE nv4_vi_news_rows SET status = 1 WHERE id = 12;
         UPDATE nv4_vi_news_rows SET status = 0 WHERE id = 11; DELETE FROM nv4_vi_news_rows WHERE id = 14;
         UPDATE nv4_vi_news_detail SET bodyhtml = '<p>Toàn văn, đã sửa.</p>' WHERE id = 10;",
    )
    .await;
    let after = fingerprints(&source.scan(&Ask::first(now())).await.expect("a scan"));
    assert_eq!(after.keys().cloned().collect::<std::collections::BTreeSet<_>>(), set([10, 12]));
    assert_ne!(before["10"], after["10"]);
    // Its category is closed to guests.
    db.run("UPDATE nv4_vi_news_cat SET groups_view = '4' WHERE catid = 2").await;
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set([12]));
}

#[tokio::test]
async fn before_4_3_categories_have_no_status() {
    let Some(db) = portal("before_4_3_categories_have_no_status").await else { return };
    db.run("ALTER TABLE nv4_vi_news_cat DROP COLUMN status").await;
    let scan = source(&db.url, "").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set([10, 11, 14, 17]), "17 lies in a category that only the status hid");
}

#[tokio::test]
async fn exactly_the_grants_of_the_docs_suffice_for_nukeviet() {
    let Some(mut db) = portal("exactly_the_grants_of_the_docs_suffice_for_nukeviet").await else { return };
    let grants = ["rows", "detail", "cat", "tags_id"]
        .map(|table| format!("GRANT SELECT ON {{database}}.nv4_vi_news_{table} TO {{account}}"));
    let url = db.account(&grants.each_ref().map(String::as_str)).await;
    let source = source(&url, "");
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set(VISIBLE));
    assert_eq!(source.fetch(&ids(&scan), now()).await.expect("articles").articles.len(), VISIBLE.len());
}

#[tokio::test]
async fn another_prefix_module_and_form_of_address_can_be_set() {
    let Some(db) = portal("another_prefix_module_and_form_of_address_can_be_set").await else { return };
    for table in ["rows", "detail", "cat", "tags_id"] {
        db.run(&format!("RENAME TABLE nv4_vi_news_{table} TO nv_en_thong_bao_{table}")).await;
    }
    let more = "prefix = \"nv\"\nlanguage = \"en\"\nmodule = \"thong-bao\"\nlink = \"{base}index.php?nv=thong-bao&op={category}/{alias}-{id}\"";
    let article = one(source(&db.url, more).fetch(&set([10]), now()).await.expect("an article"));
    assert_eq!(article.url, "https://portal.example.vn/index.php?nv=thong-bao&op=Xay-dung-Dang/hoi-nghi-tong-ket-10");
    assert_eq!(
        (article.language.as_str(), article.image.map(|image| image.url)),
        ("en", Some("uploads/thong-bao/2021_11/hoi-nghi.jpg".into()))
    );
}
