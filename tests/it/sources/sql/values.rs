//! Values of every kind and of no kind: dates, ids, and what nobody meant well.

use std::collections::BTreeSet;

use loa::source::{Ask, Reach, Source, SourceError};

use super::{Portal, now, on_each_server, source};
use crate::sources::{at, ids, one, set};
use crate::support::databases::Engine;

on_each_server!(
    dates_are_read_in_each_form,
    a_row_that_cannot_be_used_is_named_and_the_rest_goes_on,
    an_id_that_comes_twice_is_neither_shown_nor_gone,
    rows_without_an_id_take_nothing_for_withdrawn,
    too_many_unusable_rows_are_a_fault_of_the_select,
    ids_may_be_any_text,
    hostile_values_stay_values,
    categories_may_be_named_by_the_articles_alone,
    an_address_of_its_own_goes_before_the_template,
    a_text_without_end_is_refused,
);

const LINK: &str = "link = \"{base}{id}\"";

async fn dates_are_read_in_each_form(portal: Portal) {
    let (instant, zoned) = match portal.db.engine {
        // MariaDB keeps a TIMESTAMP in UTC and shows it in the session's zone.
        Engine::MariaDb => ("timestamp NULL", "'2021-11-23 07:05:00'"),
        Engine::Postgres => ("timestamptz", "'2021-11-23 07:05:00+00'"),
    };
    let plain = if portal.db.engine == Engine::MariaDb { "datetime" } else { "timestamp" };
    for (kind, value, more) in [
        ("bigint", "1637651100", ""),
        ("bigint", "1637651100000", ""),
        ("numeric(20,4)", "1637651100.5", ""),
        ("varchar(40)", "'1637651100'", ""),
        ("varchar(40)", "'23/11/2021 14:05'", ""),
        ("varchar(40)", "'2021-11-23T14:05:00+07:00'", ""),
        (plain, "'2021-11-23 14:05:00'", ""),
        (plain, "'2021-11-23 07:05:00'", "timezone = \"UTC\""),
        (instant, zoned, ""),
        ("bigint", "1637651100", "dates = \"unix\""),
        ("bigint", "1637651100000", "dates = \"unix-ms\""),
        (plain, "'2021-11-23 14:05:00'", "dates = \"datetime\""),
    ] {
        portal
            .db
            .run(&format!("DROP TABLE IF EXISTS tin; CREATE TABLE tin (id int, title varchar(9), published {kind})"))
            .await;
        portal.db.run(&format!("INSERT INTO tin VALUES (1, 'a', {value})")).await;
        let source = source(&portal.db.url, "SELECT * FROM tin", &format!("{LINK}\n{more}"));
        portal.sweep(&source).await;
        let article = one(source.fetch(&set([1]), now()).await.expect("an article"));
        assert_eq!(article.published, at("2021-11-23T07:05:00Z"), "{kind} {value} {more}");
    }
}

/// A table whose columns are all text.
async fn texts(portal: &Portal, rows: &str) {
    portal
        .db
        .run(&format!(
            "CREATE TABLE tin (id varchar(200), title varchar(200), published varchar(200), expires varchar(200));
             INSERT INTO tin VALUES {rows}"
        ))
        .await;
}

async fn a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(portal: Portal) {
    texts(
        &portal,
        "('1', 'Tốt', '1637651100', '0'), ('2', NULL, '1637651100', NULL), ('3', '  ', '1637651100', NULL),
         ('4', 'Không ngày', NULL, NULL), ('5', 'Ngày không', '0000-00-00 00:00:00', NULL),
         ('6', 'Ngày lạ', 'hôm qua, một câu rất dài mà không ai nên thấy toàn bộ', NULL), ('7', 'Hết hạn lạ', '1637651100', 'mai')",
    )
    .await;
    let source = source(&portal.db.url, "SELECT * FROM tin", LINK);
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!((ids(&scan), &scan.reach), (set([1]), &Reach::Whole));
    let of = |id: &str| {
        let found = scan.faults.iter().find(|fault| fault.external_id == id);
        found.unwrap_or_else(|| panic!("no fault of {id}")).message.clone()
    };
    assert_eq!(scan.faults.len(), 6, "{:?}", scan.faults);
    assert!(of("2").contains("article 2: has no title") && of("3").contains("WHERE"));
    assert!(of("4").contains("the column `published` holds \"NULL\""), "{}", of("4"));
    assert!(of("5").contains("`published` holds \"0000-00-00 00:00:00\""), "{}", of("5"));
    assert!(of("6").contains("`published` holds \"hôm qua") && !of("6").contains("toàn bộ"), "{}", of("6"));
    assert!(of("7").contains("`expires` holds \"mai\""), "{}", of("7"));
    let found = source.describe().await.expect("a description").found;
    assert!(found.contains("6 rows cannot be used"), "{found}");
}

async fn an_id_that_comes_twice_is_neither_shown_nor_gone(portal: Portal) {
    let articles = "SELECT b.ma AS id, b.tieu_de AS title, b.ngay_dang AS published, t.ten AS tags
                    FROM bai_viet b LEFT JOIN the t ON t.bai = b.ma WHERE b.ma IN (1, 2)";
    let source = source(&portal.db.url, articles, LINK);
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set([2]));
    assert_eq!((scan.faults.len(), scan.faults[0].external_id.as_str()), (1, "1"));
    assert!(scan.faults[0].message.contains("2 rows") && scan.faults[0].message.contains("JOIN"), "{:?}", scan.faults);
    let fetched = source.fetch(&set([1, 2]), now()).await.expect("articles");
    assert_eq!((fetched.articles.len(), fetched.faults.len()), (1, 1));
}

async fn rows_without_an_id_take_nothing_for_withdrawn(portal: Portal) {
    texts(&portal, "('1', 'a', '1637651100', NULL), (NULL, 'b', '1637651100', NULL), (' ', 'c', '1637651100', NULL)")
        .await;
    let scan = source(&portal.db.url, "SELECT * FROM tin", LINK).scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!((ids(&scan), scan.reach), (set([1]), Reach::Part));
    assert!(scan.faults[0].message.contains("2 rows of `articles` have no `id`"), "{:?}", scan.faults);
}

async fn too_many_unusable_rows_are_a_fault_of_the_select(portal: Portal) {
    let rows: Vec<String> = (0..150).map(|n| format!("('{n}', 'a', 'không ngày {n}', NULL)")).collect();
    texts(&portal, &rows.join(",")).await;
    let error = source(&portal.db.url, "SELECT * FROM tin", LINK).scan(&Ask::first(now())).await.expect_err("unusable");
    let SourceError::Schema(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("150 of the 150 rows") && message.contains("`published`"), "{message}");
    assert!(message.len() < 1500, "{message}");
}

async fn ids_may_be_any_text(portal: Portal) {
    let odd = ["A1", "a1 b", "tin/2021/bài-1", "5' OR '1'='1", "5\\", "{id}", "%s ; --", "🙂"];
    let rows: Vec<String> = odd
        .iter()
        .map(|id| {
            let id = id.replace('\'', "''");
            let id = if portal.db.engine == Engine::MariaDb { id.replace('\\', "\\\\") } else { id };
            format!("('{id}', 'Bài', '1637651100', NULL)")
        })
        .collect();
    texts(&portal, &rows.join(",")).await;
    let source = source(&portal.db.url, "SELECT * FROM tin", LINK);
    let wanted: BTreeSet<String> = odd.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(ids(&portal.sweep(&source).await), wanted);
    let fetched = source.fetch(&wanted, now()).await.expect("articles");
    assert_eq!(fetched.articles.iter().map(|a| a.external_id.clone()).collect::<BTreeSet<_>>(), wanted);
    let quote = fetched.articles.iter().find(|a| a.external_id.contains("OR")).expect("there");
    assert_eq!(quote.url, "https://portal.example.vn/5%27%20OR%20%271%27%3D%271");
    // A collation that takes a for A brings no article that was not asked for.
    assert!(source.fetch(&set(["a1"]), now()).await.expect("none").articles.is_empty());
    assert!(source.fetch(&set(["A1\0"]), now()).await.expect("none").articles.is_empty());
}

async fn hostile_values_stay_values(portal: Portal) {
    portal
        .db
        .run(
            "UPDATE bai_viet SET tieu_de = '<script>alert(1)</script>''); DROP TABLE the; --', bi_danh = '../../admin?x=1#y',
               noi_dung = '<p onclick=\"x()\">{id} $1 ? %s</p>', tac_gia = ';;, ,', hinh = 'javascript:alert(1)' WHERE ma = 1",
        )
        .await;
    let source = portal.source();
    portal.sweep(&source).await;
    let article = one(source.fetch(&set([1]), now()).await.expect("an article"));
    assert_eq!(article.title, "<script>alert(1)</script>'); DROP TABLE the; --");
    assert_eq!(article.content_html, "<p onclick=\"x()\">{id} $1 ? %s</p>", "cleaned at ingest, not here");
    assert!(article.url.contains("admin%3Fx%3D1%23y-1.html"), "{}", article.url);
    assert!(article.authors.is_empty());
    assert_eq!(portal.db.rows("SELECT ten FROM the").await.len(), 2);
}

async fn categories_may_be_named_by_the_articles_alone(portal: Portal) {
    let articles = "SELECT b.ma AS id, b.tieu_de AS title, b.ngay_dang AS published, c.ten AS category
                    FROM bai_viet b LEFT JOIN chuyen_muc c ON c.ma = b.chuyen_muc WHERE b.ma IN (1, 2, 8)";
    let source = source(&portal.db.url, articles, "link = \"{base}{category}/{id}\"");
    let scan = portal.sweep(&source).await;
    let categories = scan.categories.expect("categories");
    let found: Vec<_> =
        categories.iter().map(|c| (c.external_id.as_str(), c.title.as_str(), c.slug.as_str())).collect();
    assert_eq!(
        found,
        [("cong-tac-to-chuc", "Công tác tổ chức", "cong-tac-to-chuc"), ("tin-tuc", "Tin tức", "tin-tuc")]
    );
    assert!(!scan.categories_hide);
    let article = one(source.fetch(&set([1]), now()).await.expect("an article"));
    assert_eq!(
        (article.categories, article.url.as_str()),
        (vec!["cong-tac-to-chuc".into()], "https://portal.example.vn/cong-tac-to-chuc/1")
    );
}

async fn an_address_of_its_own_goes_before_the_template(portal: Portal) {
    let articles = "SELECT ma AS id, tieu_de AS title, ngay_dang AS published,
                    CASE ma WHEN 1 THEN 'bai/mot.html' ELSE '' END AS url FROM bai_viet WHERE ma IN (1, 2)";
    let both = source(&portal.db.url, articles, LINK);
    let url =
        async |source: &loa::source::AnySource, id| one(source.fetch(&set([id]), now()).await.expect("an article")).url;
    assert_eq!(
        (url(&both, 1).await, url(&both, 2).await),
        ("bai/mot.html".into(), "https://portal.example.vn/2".into())
    );
    let alone = source(&portal.db.url, articles, "");
    let fetched = alone.fetch(&set([1, 2]), now()).await.expect("articles");
    assert_eq!((fetched.articles.len(), fetched.faults.len()), (1, 1));
    assert!(fetched.faults[0].message.contains("article 2: the column `url` is empty"), "{:?}", fetched.faults);
}

async fn a_text_without_end_is_refused(portal: Portal) {
    portal.db.run("UPDATE bai_viet SET noi_dung = REPEAT('a', 4000001) WHERE ma = 1").await;
    let source = portal.source();
    portal.sweep(&source).await;
    let fetched = source.fetch(&set([1, 2]), now()).await.expect("articles");
    assert_eq!(fetched.articles.len(), 1);
    assert!(fetched.faults[0].message.contains("`content` holds more than 4000000 characters"), "{:?}", fetched.faults);
}
